//! Out of descriptors: local trouble, which blames no server and passes. Alone in its file, as it limits the process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod fake;

use std::sync::Arc;
use std::time::Duration;

use checker_core::dns::{Class, DnsCheck, Question, RecordType, Timeout};
use checker_core::{Cause, Verdict};
use checker_probe::{DescriptorLimit, Prober, Settings, Target, clock};
use fake::{Fake, right, send};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

#[test]
fn out_of_descriptors() {
    let server = Fake::udp(|socket, peer, query| send(socket, peer, &right(query)));
    let target = Target::new(server.addr, None).unwrap();
    let question = Question::new("resolve.test".parse().unwrap(), RecordType::A, Class::IN).unwrap();
    let mut check = DnsCheck::new(question);
    check.timeout = Timeout::new(Duration::from_millis(200)).unwrap();
    let check = Arc::new(check);
    let mut prober = Prober::new(Settings::default()).unwrap();
    let mut run = || {
        prober.start(0, &check, target);
        loop {
            if let Some(finished) = prober.next_finished() {
                break finished.outcome;
            }
            prober.poll(clock::now() + Duration::from_secs(1)).unwrap();
        }
    };
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 3, hard).unwrap();
    let starved = run();
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
    assert_eq!((starved.verdict, starved.cause), (Verdict::Unknown, Some(Cause::NoSocket)), "{starved:?}");
    assert_eq!(run().verdict, Verdict::Up);

    let limit = DescriptorLimit::raise().unwrap();
    assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap().0, limit.0);
    assert!(limit.for_sockets() < usize::try_from(limit.0).unwrap());
}
