//! The decoder under mutated packets, the same ones every time: a fuzzer for where there is none.
//!
//! `FUZZ_SECONDS=600 cargo test --release -p vrrp-core --test fuzz` goes on for that long, with other mutations every time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

#[path = "simulation/dice.rs"]
#[allow(dead_code, reason = "the simulation uses more of it")]
mod dice;
mod target;

use std::time::{Duration, Instant};

use dice::Dice;

/// Mutations of an ordinary run.
const ROUNDS: u64 = 50_000;

fn mutated(dice: &mut Dice, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut octets = corpus[dice.below(corpus.len() as u64) as usize].clone();
    for _ in 0..=dice.below(6) {
        let at = dice.below(octets.len() as u64 + 1) as usize;
        let any = dice.below(256) as u8;
        let octet = dice.choose(&[0, 1, 0x31, 0x21, 0x7f, 0x80, 0xff, any]);
        match dice.below(6) {
            0 | 1 if at < octets.len() => octets[at] = octet,
            2 => octets.insert(at, octet),
            3 => octets.truncate(at),
            4 if at < octets.len() => octets[at] ^= 1 << dice.below(8),
            // A piece of another one.
            _ => {
                let other = &corpus[dice.below(corpus.len() as u64) as usize];
                let from = dice.below(other.len() as u64) as usize;
                octets.splice(at..at, other[from..].iter().copied().take(80));
            }
        }
    }
    octets.truncate(65_535);
    octets
}

#[test]
#[allow(clippy::disallowed_methods, reason = "how long to go on is the caller's to say")]
fn mutated_packets() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/advert");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let corpus: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    assert!(corpus.len() >= 16);
    corpus.iter().for_each(|octets| target::packet(octets));
    let span =
        std::env::var("FUZZ_SECONDS").ok().map(|seconds| Duration::from_secs(seconds.parse().unwrap()));
    let seed = span.map_or(1, |_| std::time::UNIX_EPOCH.elapsed().unwrap().as_secs());
    let (mut dice, started, mut rounds) = (Dice::new(seed), Instant::now(), 0);
    while span.map_or(rounds < ROUNDS, |span| started.elapsed() < span) {
        target::packet(&mutated(&mut dice, &corpus));
        rounds += 1;
    }
    if span.is_some() {
        println!("{rounds} mutations from seed {seed}");
    }
}
