//! A blind director, as a process: what is told of it, and what is not said of the servers.
//!
//! Owns a sentinel that turns deaf. It never looks into the daemon.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use agent_api::{EventKind, Verdict};
use nix::sys::signal::Signal;

use super::{PATIENCE, SILENT, World, code, server};

/// Everything fails and the one sentinel can't be reached either: nothing is down, one event says why, and one when it is over.
#[test]
fn a_blind_director_says_so_once() {
    let world = World::new();
    let ((a, a_fails), (b, b_fails)) = (server(), server());
    world.configure(&[("a", &a), ("b", &b)], "");
    let text = std::fs::read_to_string(world.path("holdfast.toml")).unwrap();
    // It accepts until it is told not to. Then what nobody takes from its short queue soon fills it, and the kernel drops what comes.
    let sentinel = TcpListener::bind("127.0.0.1:0").unwrap();
    nix::sys::socket::listen(&sentinel, nix::sys::socket::Backlog::new(0).unwrap()).unwrap();
    sentinel.set_nonblocking(true).unwrap();
    let address = sentinel.local_addr().unwrap();
    let text = format!("[checks]\nsentinels = [\"{address}\"]\n\n{text}");
    std::fs::write(world.path("holdfast.toml"), text).unwrap();
    let deaf = Arc::new(AtomicU16::new(0));
    let heed = Arc::clone(&deaf);
    let answering = std::thread::spawn(move || {
        let mut answered = 0;
        while heed.load(Ordering::Relaxed) == 0 || answered == 0 {
            answered += u32::from(sentinel.accept().is_ok());
            std::thread::sleep(Duration::from_millis(1));
        }
        sentinel
    });
    let daemon = world.start();
    world.wait("a", Verdict::Up);
    world.wait("b", Verdict::Up);
    deaf.store(1, Ordering::Relaxed);
    let _sentinel = answering.join().unwrap();
    // Until its queue is full it still answers, and until that answer is old, failures count, as they should.
    let full = Instant::now() + PATIENCE;
    while TcpStream::connect_timeout(&address, Duration::from_millis(300)).is_ok() {
        assert!(Instant::now() < full, "it still answers");
    }
    std::thread::sleep(Duration::from_secs(1));
    for fails in [&a_fails, &b_fails] {
        fails.store(SILENT, Ordering::Relaxed);
    }
    let event = world.event(EventKind::DirectorWentBlind);
    assert_eq!(event.cause.as_ref().map(|cause| cause.as_str()), Some("director_blind"), "{event:?}");
    assert_eq!(code(&world.wait("a", Verdict::Unknown)), "director_blind");
    let since = world.state().checkd.head.blind_since;
    assert!(since.is_some());
    // A restart makes it neither see nor forget, however many failures it meets; and it says nothing twice.
    daemon.end(Signal::SIGKILL);
    let daemon = world.start();
    let reporter = |world: &World| world.state().checkd.reporter.map(|reporter| reporter.pid);
    let deadline = Instant::now() + PATIENCE;
    while reporter(&world) != Some(daemon.0.id()) || world.state().checkd.head.probes < 20 {
        assert!(Instant::now() < deadline, "{:?}", world.state().checkd.head);
        for name in ["a", "b"] {
            assert_ne!(world.health(name).unwrap().verdict, Verdict::Down);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(code(&world.wait("a", Verdict::Unknown)), "director_blind");
    assert_eq!(world.state().checkd.head.blind_since, since);
    for fails in [&a_fails, &b_fails] {
        fails.store(0, Ordering::Relaxed);
    }
    world.event(EventKind::DirectorSawAgain);
    world.wait("a", Verdict::Up);
    let state = world.state();
    let kinds: Vec<EventKind> = state.events.iter().map(|event| event.what.kind).collect();
    assert_eq!(kinds, [EventKind::DirectorWentBlind, EventKind::DirectorSawAgain], "one word each");
    assert!(state.checkd.head.blind_since.is_none());
    assert_eq!(daemon.end(Signal::SIGTERM), Some(0));
}
