//! The decoder under mutated replies, the same ones every time: a fuzzer for where there is none.
//!
//! `FUZZ_SECONDS=600 cargo test --release -p checker-core --test fuzz` goes on for that long, with other mutations every time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod target;

use std::time::{Duration, Instant};

/// Mutations of an ordinary run.
const ROUNDS: u64 = 20_000;

/// Steele, Lea and Flood's SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ mixed >> 31) % u64::try_from(sides.max(1)).unwrap()).unwrap()
    }

    fn mutated(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut octets = corpus[self.roll(corpus.len())].clone();
        for _ in 0..=self.roll(6) {
            let at = self.roll(octets.len() + 1);
            let octet = [0, 1, 0x3f, 0x40, 0xc0, 0xff, self.roll(256) as u8][self.roll(7)];
            match self.roll(6) {
                0 | 1 if at < octets.len() => octets[at] = octet,
                2 => octets.insert(at, octet),
                3 => octets.truncate(at),
                4 if at < octets.len() => octets[at] ^= 1 << self.roll(8),
                // A piece of another one, sections and all.
                _ => {
                    let other = &corpus[self.roll(corpus.len())];
                    let from = self.roll(other.len());
                    octets.splice(at..at, other[from..].iter().copied().take(80));
                }
            }
        }
        octets.truncate(65_535);
        octets
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "how long to go on is the caller's to say")]
fn mutated_replies() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/reply");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let corpus: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    assert!(corpus.len() >= 16);
    corpus.iter().for_each(|octets| target::reply(octets));
    let span =
        std::env::var("FUZZ_SECONDS").ok().map(|seconds| Duration::from_secs(seconds.parse().unwrap()));
    let seed = span.map_or(1, |_| std::time::UNIX_EPOCH.elapsed().unwrap().as_secs());
    let (mut dice, started, mut rounds) = (Dice(seed), Instant::now(), 0);
    while span.map_or(rounds < ROUNDS, |span| started.elapsed() < span) {
        target::reply(&dice.mutated(&corpus));
        rounds += 1;
    }
    if span.is_some() {
        println!("{rounds} mutations from seed {seed}");
    }
}

#[test]
fn mutated_words_of_other_servers() {
    let corpus: Vec<Vec<u8>> = [
        "220-mail.test\r\n220 ESMTP\r\n250-hello\r\n250-SIZE 1\r\n250 STARTTLS\r\n220 go\r\n250 x\r\n",
        "220 x\r\n",
        "250-PIPELINING\r\n250 STARTTLS\r\n",
        "down the disk is failing\n",
        "weight 30 while it is warm\n",
        "-2147483648\n",
        "65535",
        "\0\u{c8}ok, all is well",
        "",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    let mut dice = Dice(2);
    for _ in 0..ROUNDS {
        target::others(&dice.mutated(&corpus));
    }
}

#[test]
fn the_corpus_gets_as_far_as_being_validated() {
    for (name, octets, wanted) in [
        ("nsec", &include_bytes!("../fuzz/corpus/reply/dnssec-nsec")[..], "Some(DnsSignatureExpiring)"),
        ("nsec-none", include_bytes!("../fuzz/corpus/reply/dnssec-nsec-none"), "Some(DnsSignatureExpiring)"),
        ("deleg", include_bytes!("../fuzz/corpus/reply/dnssec-deleg"), "Some(DnsReferral)"),
        ("signed", include_bytes!("../fuzz/corpus/reply/signed"), "Some(DnsBogus)"),
    ] {
        let outcome = target::validate(octets).remove(0);
        assert_eq!(format!("{:?}", outcome.cause), wanted, "{name}: {outcome:?}");
    }
}
