//! Running one check that is no DNS to its end, as the daemon does.
//!
//! Owns the loop and the comparison with what must come of it. It knows no kind of check.

#![allow(dead_code, reason = "every test file uses its own part")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use checker_core::{Cause, Finding, Verdict};
use checker_probe::{Errand, Prober, Settings, Target, clock};

/// The limit of a probe that is to end earlier.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// The limit of one that is not.
pub const SHORT: Duration = Duration::from_millis(400);

/// Runs a probe. That the machine was too busy to judge is the machine's fault: it tries again.
pub fn probe(errand: &Errand, server: SocketAddr) -> Finding {
    for _ in 0..10 {
        let mut prober = Prober::new(Settings::default()).unwrap();
        prober.start_errand(7, errand.clone(), Target::new(server, None).unwrap());
        let begun = Instant::now();
        let finding = loop {
            assert!(prober.next_finished().is_none());
            if let Some(ended) = prober.next_ended() {
                assert_eq!(ended.token, 7);
                break ended.finding;
            }
            prober.poll(clock::now() + Duration::from_secs(1)).unwrap();
            assert!(begun.elapsed() < 3 * PATIENCE, "{errand} does not end");
        };
        if finding.cause != Some(Cause::LateTimer) {
            return finding;
        }
    }
    panic!("this machine is too busy to probe");
}

/// Asserts how a probe ends, and that it waits for its limit only when it has to.
pub fn expect(what: &str, errand: &Errand, server: SocketAddr, code: &str) -> Finding {
    let begun = Instant::now();
    let finding = probe(errand, server);
    assert_eq!(finding.cause.map_or("up", Cause::code), code, "{what}: {finding:?}");
    assert_eq!(finding.detail.is_empty(), finding.verdict == Verdict::Up, "{what}: {finding:?}");
    assert!(!finding.detail.contains('\n') && !finding.reply.contains('\n'), "{what}: {finding:?}");
    if errand.timeout().get() == PATIENCE {
        assert!(begun.elapsed() < PATIENCE, "{what} waits: {finding:?}");
    }
    finding
}
