//! What the cases stand on: namespaces, `ipvsadm`, short forms.

use std::io::Write;
use std::net::IpAddr;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use agent_ipvs::{
    Destination, DestinationKey, Edit, Forwarding, Ipvs, Protocol, Scheduler, Service, ServiceKey, Table,
    Weight,
};
use nix::sched::{CloneFlags, unshare};

/// Set for the child that runs without the capability.
pub const DENIED: &str = "IPVS_TEST_DENIED";

/// Moves this thread to a network namespace of its own, with nothing but the loopback in it.
pub fn fresh_namespace() {
    unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace of our own (root is needed)");
    // Where there is no address at all, the kernel takes every IPv4 destination for a broadcast address.
    run("ip link set lo up");
}

/// Runs a command that must succeed; gives what it printed.
pub fn run(command: &str) -> String {
    let output = try_run(command);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "`{command}`: {}: {errors}", output.status);
    String::from_utf8(output.stdout).expect("plain text")
}

pub fn try_run(command: &str) -> Output {
    let mut words = command.split(' ');
    let program = words.next().unwrap_or_default();
    Command::new(program).args(words).output().unwrap_or_else(|error| panic!("`{command}`: {error}"))
}

/// `ipvsadm -Sn`.
pub fn saved() -> String {
    run("ipvsadm -Sn")
}

/// `ipvsadm -R` with these lines, none of which it may complain about.
pub fn restore(lines: &str) {
    let mut child = Command::new("ipvsadm")
        .arg("-R")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ipvsadm");
    child.stdin.take().expect("a pipe").write_all(lines.as_bytes()).expect("ipvsadm reads");
    let output = child.wait_with_output().expect("ipvsadm ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "ipvsadm -R: {}: {errors}\n{lines}", output.status);
}

pub fn connect() -> Ipvs {
    Ipvs::connect().expect("a connection to IPVS")
}

/// Applies edits of which none may be refused.
pub fn apply(ipvs: &mut Ipvs, edits: &[Edit]) {
    let applied = ipvs.apply(edits).expect("answers");
    let failures: Vec<String> = applied.failures.iter().map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{failures:#?}");
    assert_eq!(applied.done, edits.len());
}

pub fn table(ipvs: &mut Ipvs) -> Table {
    ipvs.table().expect("the table")
}

pub fn key(protocol: Protocol, address: &str, port: u16) -> ServiceKey {
    ServiceKey::new(protocol, ip(address), port).expect("a good key")
}

pub fn udp(address: &str) -> ServiceKey {
    key(Protocol::Udp, address, 53)
}

pub fn service(key: ServiceKey) -> Service {
    Service::new(key, Scheduler::WRR)
}

pub fn direct(address: &str, port: u16, weight: u16) -> Destination {
    Destination::new(DestinationKey::new(ip(address), port), Forwarding::Direct, Weight::from(weight))
}

pub fn ip(address: &str) -> IpAddr {
    address.parse().expect("an address")
}

/// Waits until something is so. Nothing here takes seconds but the kernel's statistics, which are summed every two.
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !so() {
        assert!(Instant::now() < deadline, "not within 30 s: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
