//! Any octets as a packet: decoded, written again, and heard by routers in every state.
#![no_main]

#[path = "../../tests/target/mod.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| target::packet(octets));
