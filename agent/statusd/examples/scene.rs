//! Plays an agent on a socket, to look at the page without a cluster: `scene SOCKET STATE`, with STATE one of good, bad, hostile,
//! large. A line `kill VIRTUAL_SERVER/REAL_SERVER` on standard input takes a real server down; the end of input ends it.

#![allow(dead_code, clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "../tests/world/agent.rs"]
mod agent;
#[path = "../tests/world/states.rs"]
mod states;

use std::io::BufRead;
use std::path::Path;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [socket, state] = arguments.as_slice() else { panic!("scene SOCKET STATE") };
    let state = match state.as_str() {
        "good" => states::good(),
        "bad" => states::bad(),
        "hostile" => states::hostile(),
        "large" => states::large(5, 40),
        other => panic!("no state {other}"),
    };
    let played = agent::Agent::start(Path::new(socket), state);
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        match line.split_once(' ') {
            Some(("kill", id)) => played.change(|state| {
                states::kill(
                    state,
                    id,
                    "dns_timeout",
                    "no answer within 500 ms, asked 2 times for resolve.test A",
                );
            }),
            // Latencies that move, so that there is something to draw.
            Some(("latency", seed)) => played.change(|state| {
                let mut seed: u64 = seed.parse().unwrap();
                for (n, item) in state.checkd.items.values_mut().enumerate() {
                    seed =
                        seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    if item.passing {
                        item.latency_us = Some(300 + 150 * (n as u64 % 7) + (seed >> 33) % 700);
                    }
                }
            }),
            _ => panic!("kill ID or latency SEED"),
        }
    }
}
