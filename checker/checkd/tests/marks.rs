//! What probes carry and leave by, seen on the wire: `probe_interface`, `probe_mark` and `probe_dscp`, over UDP, TCP and TLS.
//!
//! Two namespaces with two links between them. The routes prefer the first; a probe that says so takes the second. The packet filters of both
//! ends count: the sender's sees marks, the receiver's the interface and the code point. Takes root.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod agent;
#[path = "../../probe/tests/authority/mod.rs"]
mod authority;
#[path = "../../probe/tests/fake/mod.rs"]
mod fake;
#[path = "../../probe/tests/secure/mod.rs"]
mod secure;

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::IpAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent::Agent;
use agent_api::{State, Verdict};
use authority::{Authority, PRESENT};
use fake::{Fake, read_query, right, send, write_message};
use jiff::Timestamp;
use nix::sched::{CloneFlags, setns};

/// Longer than anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where the servers are; reachable over both links.
const SERVER: &str = "10.77.9.1";

/// A network namespace, gone when dropped.
struct Namespace(String);

impl Namespace {
    fn new(role: &str) -> Self {
        let name = format!("hfm{}{role}", std::process::id());
        run("ip", &format!("netns add {name}"), "");
        let namespace = Self(name);
        // Answers may come over another link than the routes say.
        let strict = ["all", "default"].map(|which| format!("net.ipv4.conf.{which}.rp_filter=0")).join(" ");
        run("ip", &format!("netns exec {} sysctl -qw {strict}", namespace.0), "");
        namespace
    }

    fn ip(&self, words: &str) {
        run("ip", &format!("-n {} {words}", self.0), "");
    }

    /// Packets that a counter of its filter has seen.
    fn counted(&self, counter: &str) -> u64 {
        let told = run("ip", &format!("netns exec {} nft list counter inet t {counter}", self.0), "");
        let packets = told.split("packets ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
        packets.unwrap_or_else(|| panic!("{told}"))
    }

    fn filter(&self, rules: &str) {
        run("ip", &format!("netns exec {} nft -f -", self.0), rules);
    }

    /// Does `work` on a thread in it. Sockets stay where they were made.
    fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let file = File::open(format!("/run/netns/{}", self.0)).unwrap();
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&file, CloneFlags::CLONE_NEWNET).unwrap();
                work()
            });
            inside.join().unwrap()
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

/// Runs a program to its end; panics with its words when it fails.
fn run(program: &str, words: &str, input: &str) -> String {
    let mut child = Command::new(program)
        .args(words.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program} {words}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A running checkd, killed when dropped.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn probes_leave_as_they_are_told() {
    let (client, server) = (Namespace::new("c"), Namespace::new("s"));
    for n in 0..2 {
        client.ip(&format!("link add c{n} type veth peer name s{n} netns {}", server.0));
        client.ip(&format!("addr add 10.77.{n}.1/24 dev c{n}"));
        server.ip(&format!("addr add 10.77.{n}.2/24 dev s{n}"));
        client.ip(&format!("link set c{n} up"));
        server.ip(&format!("link set s{n} up"));
        client.ip(&format!("route add {SERVER} via 10.77.{n}.2 dev c{n} metric {}", n + 1));
    }
    server.ip("link set lo up");
    server.ip(&format!("addr add {SERVER}/32 dev lo"));

    let authority = Authority::new("marks");
    let issued = authority.issue("server", &format!("IP:{SERVER}"), PRESENT);
    let tls = secure::server(&issued, b"dot", None);
    let address: IpAddr = SERVER.parse().unwrap();
    let over_udp =
        || Fake::on(address, Box::new(|socket, peer, query| send(socket, peer, &right(query))), None);
    let (marked, plain, tcp, dot) = server.inside(|| {
        let tcp = Fake::on(
            address,
            Box::new(|_, _, _| panic!("asked over UDP")),
            Some(Arc::new(|mut stream, _| {
                while let Some(query) = read_query(&mut stream) {
                    write_message(&mut stream, &right(&query));
                }
            })),
        );
        let dot = Fake::on(
            address,
            Box::new(|_, _, _| panic!("asked over UDP")),
            Some(Arc::new(move |stream, _| {
                let Some(mut stream) = secure::accept(&tls, stream) else { return };
                let mut length = [0; 2];
                if stream.read_exact(&mut length).is_ok() {
                    let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
                    stream.read_exact(&mut query).unwrap();
                    let answer = right(&query);
                    let length = u16::try_from(answer.len()).unwrap().to_be_bytes();
                    let _ = stream.write_all(&[&length[..], &answer].concat());
                }
            })),
        );
        (over_udp(), over_udp(), tcp, dot)
    });
    let servers = [("udp", &marked), ("plain", &plain), ("tcp", &tcp), ("dot", &dot)];

    for (namespace, hook, right) in [
        (&client, "output", "meta mark 7"),
        (&server, "input", "iifname \"s1\" ip saddr 10.77.1.1 ip dscp 46"),
    ] {
        let (mut counters, mut rules) = (String::new(), String::new());
        for (name, fake) in servers {
            // Of TCP the first packet of each connection, and what carries data.
            let kind =
                if matches!(name, "udp" | "plain") { "udp" } else { "tcp flags & (syn | psh) != 0 tcp" };
            let of = format!("{kind} dport {}", fake.addr.port());
            counters.push_str(&format!("counter all_{name} {{ }}\ncounter right_{name} {{ }}\n"));
            rules
                .push_str(&format!("{of} counter name all_{name}\n{of} {right} counter name right_{name}\n"));
        }
        namespace.filter(&format!(
            "table inet t {{\n{counters}chain c {{\ntype filter hook {hook} priority 0\n{rules}}}\n}}\n"
        ));
    }

    let folder = tempfile::tempdir().unwrap();
    let mut text =
        "[[virtual_server]]\nname = \"p\"\naddress = \"10.77.8.1\"\nservices = [\"udp/53\", \"tcp/53\"]\n\
                    scheduler = \"wrr\"\nforwarding = \"nat\"\n"
            .to_owned();
    for (name, fake) in servers {
        let marks = "probe_interface = \"c1\"\nprobe_mark = 7\nprobe_dscp = 46\n";
        let (marks, transport) = match name {
            "plain" => ("", "udp"),
            other => (marks, other),
        };
        let port = fake.addr.port();
        text.push_str(&format!(
            "[[virtual_server.real_server]]\nname = \"{name}\"\naddress = \"{SERVER}\"\nport = {port}\n{marks}\
             [virtual_server.real_server.check.dns]\nqname = \"resolve.test\"\nexpect_answer = \"192.0.2.80\"\n\
             transport = \"{transport}\"\nport = {port}\ninterval = \"2s\"\ntimeout = \"2s\"\n"
        ));
        if transport == "dot" {
            text.push_str(&format!("ca = {:?}\n", authority.certificate()));
        }
    }
    let path = |name: &str| folder.path().join(name);
    fs::write(path("holdfast.toml"), text).unwrap();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let agent = Agent::start(&path("agent.sock"), State::new(boot.trim().to_owned(), Timestamp::now()));
    let daemon = Command::new("ip")
        .args(["netns", "exec", &client.0, env!("CARGO_BIN_EXE_checkd"), "--config"])
        .arg(path("holdfast.toml"))
        .arg("--socket")
        .arg(path("agent.sock"))
        .arg("--state")
        .arg(path("state.json"))
        .spawn()
        .map(Daemon)
        .unwrap();
    let end = Instant::now() + PATIENCE;
    for (name, _) in servers {
        let health = || {
            let state = agent.state.lock().unwrap();
            state.checkd.items.get(&format!("p/{name}").parse().unwrap()).cloned()
        };
        while health().is_none_or(|health| health.verdict != Verdict::Up) {
            assert!(Instant::now() < end, "{name}: {:?}", health());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    drop(daemon);
    for (namespace, end) in [(&client, "sender"), (&server, "receiver")] {
        for (name, _) in servers {
            let (all, right) =
                (namespace.counted(&format!("all_{name}")), namespace.counted(&format!("right_{name}")));
            let expected = if name == "plain" { 0 } else { all };
            assert!(all > 0 && right == expected, "{end}: {right} of {all} packets of {name} are marked");
        }
    }
}
