//! What is not used is not started: one test in a process of its own, for it counts the threads of the process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod fake;

use std::sync::Arc;
use std::time::Duration;

use checker_core::dns::{Class, DnsCheck, Question, RecordType, Timeout, Transport};
use checker_probe::{Prober, Settings, Target, clock};
use fake::{Fake, right, send};

/// How many threads of this process run secured probes.
fn workers() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim() == "worker").count()
}

#[test]
fn a_worker_is_there_only_when_it_is_needed() {
    let server = Fake::udp(|socket, peer, query| send(socket, peer, &right(query)));
    let target = Target::new(server.addr, None).unwrap();
    let question = Question::new("resolve.test".parse().unwrap(), RecordType::A, Class::IN).unwrap();
    let mut check = DnsCheck::new(question);
    check.timeout = Timeout::new(Duration::from_secs(10)).unwrap();
    let mut prober = Prober::new(Settings::default()).unwrap();
    let mut run = |check: &DnsCheck| {
        prober.start(1, &Arc::new(check.clone()), target);
        loop {
            if let Some(finished) = prober.next_finished() {
                return finished.outcome.cause.map(|cause| cause.code());
            }
            prober.poll(clock::now() + Duration::from_secs(1)).unwrap();
        }
    };
    assert_eq!((run(&check), workers()), (None, 0));
    check.transport = Transport::Tls;
    assert_eq!((run(&check), workers()), (Some("tcp_refused"), 1));
    assert_eq!((run(&check), workers()), (Some("tcp_refused"), 1));
    drop(prober);
    assert_eq!(workers(), 0);
}
