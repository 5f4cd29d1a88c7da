//! Any octets as a reply: sorted, judged under a check that looks at everything, and written out.
#![no_main]

#[path = "../../tests/target/mod.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| target::reply(octets));
