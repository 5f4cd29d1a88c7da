//! Many clients at a time: streams, clients that say nothing, clients that do not read. Others are served, memory is bounded.

#![cfg(test)]

mod world;

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use world::http::{connect, next_event, stream};
use world::{LONG, World, states, until};

/// Lets this process have as many descriptors as it may.
fn many_descriptors() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(16_384), hard).unwrap();
    assert!(hard >= 5_000, "these tests need 5,000 descriptors; raise the hard limit (ulimit -Hn)");
}

fn metric(text: &str, name: &str) -> u64 {
    let line = text.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_thousand_streams_hear_of_a_change() {
    many_descriptors();
    let world = World::of(states::good());
    let before = world.memory();
    let mut streams: Vec<BufReader<TcpStream>> = (0..1_000).map(|_| stream(world.address).unwrap()).collect();
    for stream in &mut streams {
        assert_eq!(next_event(stream).unwrap()["status"], "ok");
    }
    assert_eq!(metric(&world.text("/metrics"), "holdfast_statusd_streams"), 1_000);
    world.agent().change(|state| states::kill(state, "web/web1", "tcp_refused", "connection refused"));
    for stream in &mut streams {
        while next_event(stream).unwrap()["status"] != "warning" {}
    }
    // Those that do not read what comes cost no more either, and everybody else is served.
    for n in 0..50 {
        world.agent().change(|state| {
            state.checkd.items.values_mut().next().unwrap().latency_us = Some(1_000 + n);
        });
        assert!(world.text("/").contains("web1"));
    }
    let after = world.memory();
    eprintln!("1,000 streams: {} KiB each", (after.saturating_sub(before)) / 1024 / 1_000);
    assert!(after - before < 100 << 20, "{before} → {after}");
    drop(streams);
    until("the streams are gone", || metric(&world.text("/metrics"), "holdfast_statusd_streams") == 0);
}

#[test]
fn streams_have_a_limit_of_their_own() {
    many_descriptors();
    let world = World::of(states::good());
    let mut streams = Vec::new();
    let refused = loop {
        match stream(world.address) {
            Ok(stream) => streams.push(stream),
            Err(error) => break error,
        }
        assert!(streams.len() <= 1_200);
    };
    assert_eq!((streams.len(), refused.to_string().as_str()), (1_200, "status 503"));
    assert_eq!(world.get("/").status, 200);
    streams.pop();
    until("room for another one", || stream(world.address).is_ok());
}

#[test]
fn those_who_say_nothing_keep_nobody_out() {
    many_descriptors();
    // 64 descriptors are kept for other things, so there are 200 seats.
    let world = World::with_descriptors(states::good(), 264);
    let mut stream = stream(world.address).unwrap();
    next_event(&mut stream).unwrap();
    let before = world.memory();
    // More than there are seats for; half of them begin a request that they never end.
    let slow: Vec<TcpStream> = (0..1_000)
        .map(|n| {
            let mut connection = connect(world.address).unwrap().into_inner();
            if n % 2 == 0 {
                let _closed = connection.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nx-slow: ");
            }
            connection
        })
        .collect();
    for _ in 0..20 {
        let began = Instant::now();
        assert_eq!(world.get("/").status, 200);
        assert!(began.elapsed() < LONG / 2);
    }
    until("some had to leave", || metric(&world.text("/metrics"), "holdfast_statusd_evicted_total") > 0);
    assert!(metric(&world.text("/metrics"), "holdfast_statusd_connections") <= 200);
    assert!(world.memory() - before < 100 << 20);
    // A byte now and then does not help: the whole head has its time.
    let began = Instant::now();
    let mut last = slow.last().unwrap().try_clone().unwrap();
    last.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    until("closed", || {
        let _gone = last.write_all(b"x");
        matches!(last.read(&mut [0; 64]), Ok(0))
            || matches!(last.read(&mut [0; 64]), Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset)
    });
    assert!(began.elapsed() < LONG);
    // The stream was never touched.
    world.agent().change(|state| states::kill(state, "web/web1", "tcp_refused", "connection refused"));
    while next_event(&mut stream).unwrap()["status"] != "warning" {}
}

#[test]
fn those_who_do_not_read_cost_no_memory() {
    many_descriptors();
    let world = World::of(states::large(2, 0));
    let size = world.get("/metrics").body.len();
    assert!(size > 3_000_000, "{size}");
    let before = world.memory();
    let ask = |path: &str| {
        let mut connection = connect(world.address).unwrap();
        write!(connection.get_mut(), "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        connection
    };
    let mut readers: Vec<_> = (0..200).map(|_| ask("/metrics")).collect();
    // Most of them are told to come back.
    let refused = readers
        .iter_mut()
        .map(|reader| world::http::head(reader).unwrap().status)
        .filter(|s| *s == 503)
        .count();
    assert!((100..=184).contains(&refused), "{refused}");
    assert_eq!(world.get("/").status, 200);
    assert!(world.memory() - before < 150 << 20, "{before} → {}", world.memory());
    // Pages are small: hundreds of them waiting to be read cost little.
    let pages: Vec<_> = (0..500).map(|_| ask("/")).collect();
    assert_eq!(world.get("/healthz").status, 200);
    assert!(world.memory() - before < 200 << 20);
    drop((readers, pages));
    until("metrics again", || world.get("/metrics").status == 200);
}
