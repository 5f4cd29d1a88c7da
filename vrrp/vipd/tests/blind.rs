//! A director that has gone blind, with real daemons: `checkd`, `agentd` and `vipd` on the first host of a segment, whose real servers and
//! sentinel, all on a third machine, vanish together.
//!
//! Owns those processes and the listening to adverts. The other daemons are those that the workspace has built.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod bed;

use std::io::Read as _;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bed::{Bed, Host, SOON, VIP, config, inside, ip, wait_for};
use serde_json::Value;
use socket2::{Domain, Protocol, Socket, Type};

const QUICK: &str = "advert_interval = \"100ms\"";
/// Everything may have to wait for other tests.
const PATIENCE: Duration = Duration::from_secs(60);
const SERVERS: u16 = 3;
const FIRST_PORT: u16 = 5310;

/// A daemon of another crate; it ends with the test.
struct Daemon(Child);

impl Daemon {
    fn start(host: &Host, name: &str) -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_vipd")).with_file_name(name);
        assert!(program.exists(), "{} is not built: cargo build --bin {name}", program.display());
        let log = std::fs::File::create(host.directory.join(format!("{name}.log"))).unwrap();
        let mut command = Command::new(program);
        command.arg("--config").arg(host.directory.join("holdfast.toml"));
        command.arg("--socket").arg(host.directory.join("agent.sock"));
        command.arg("--state").arg(host.directory.join("state.json"));
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Self(inside(&host.namespace, || command.spawn()).unwrap())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The priority of the next advert that the first host sends, as the second host hears it.
fn priority_on_the_wire(ears: &mut Socket) -> Option<u8> {
    let mut packet = [0; 512];
    let length = ears.read(&mut packet).ok()?;
    let from_first = packet.get(12..16) == Some(&Ipv4Addr::new(10, 9, 0, 1).octets()[..]);
    // An IPv4 header without options, then version and type, the router's number, its priority.
    (length > 22 && from_first).then(|| packet[22])
}

fn state(host: &Host) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(host.directory.join("state.json")).ok()?).ok()
}

/// What `checkd` says of every real server: verdict and cause.
fn verdicts(state: &Value) -> Vec<(String, String)> {
    let items = state["checkd"]["items"].as_object().cloned().unwrap_or_default();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    items.values().map(|health| (word(&health["verdict"]), word(&health["cause"]))).collect()
}

/// How often a kind of event has happened.
fn events(state: &Value, kind: &str) -> usize {
    let all = state["events"].as_array().cloned().unwrap_or_default();
    all.iter().filter(|event| event["kind"] == kind).count()
}

fn explained(bed: &Bed) -> String {
    let read = |name: &str| std::fs::read_to_string(bed.hosts[0].directory.join(name)).unwrap_or_default();
    format!("{}\n{}\n{}\n{}", bed.logs(), read("checkd.log"), read("agentd.log"), read("state.json"))
}

#[test]
fn a_blind_director_steps_back_and_returns() {
    let mut bed = Bed::build(2);
    let stopping = Arc::new(AtomicBool::new(false));
    let echoes: Vec<_> = (0..SERVERS)
        .map(|n| {
            let socket = inside(&bed.client, || UdpSocket::bind(("10.9.0.100", FIRST_PORT + n)).unwrap());
            socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            let stopping = Arc::clone(&stopping);
            std::thread::spawn(move || {
                let mut buffer = [0; 64];
                while !stopping.load(Ordering::Relaxed) {
                    if let Ok((length, peer)) = socket.recv_from(&mut buffer) {
                        let _ = socket.send_to(&buffer[..length], peer);
                    }
                }
            })
        })
        .collect();
    // The sentinel refuses: a machine that refuses is there.
    let mut text = format!(
        "[checks]\nsentinels = [\"10.9.0.100:9\"]\n\n{}\
         [[virtual_server]]\nname = \"pool\"\naddress = \"10.9.0.60\"\nservices = [\"udp/53\"]\nforwarding = \"nat\"\n\
         [virtual_server.check.udp]\nsend = \"ping\"\ninterval = \"300ms\"\ntimeout = \"250ms\"\nfall = 2\n",
        config(150, &format!("{QUICK}\ntrack = [{{ director = \"blind\", priority = -100 }}]"))
    );
    for n in 0..SERVERS {
        text.push_str(&format!(
            "[[virtual_server.real_server]]\nname = \"s{n}\"\naddress = \"10.9.0.100\"\nport = {}\n",
            FIRST_PORT + n
        ));
    }
    bed.hosts[0].configure(&text);
    let _agentd = Daemon::start(&bed.hosts[0], "agentd");
    let _checkd = Daemon::start(&bed.hosts[0], "checkd");
    bed.hosts[0].restart();
    bed.wait_holders(VIP, &[0]);
    bed.hosts[1].start(&config(100, QUICK));
    bed.hosts[1].wait_log("initialize -> backup");
    let mut ears = inside(&bed.hosts[1].namespace, || {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(112))).unwrap();
        let (group, here) = (Ipv4Addr::new(224, 0, 0, 18), Ipv4Addr::new(10, 9, 0, 2));
        socket.join_multicast_v4(&group, &here).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        socket
    });
    let mut hears = |bed: &Bed, priority: u8| {
        let what = format!("an advert of the first host with priority {priority}");
        let found = || (priority_on_the_wire(&mut ears) == Some(priority)).then_some(());
        wait_for(&what, PATIENCE, found, || explained(bed));
    };
    let all = |verdict: &'static str, cause: &'static str| {
        move |state: &Value| {
            let found = verdicts(state);
            found.len() == usize::from(SERVERS) && found.iter().all(|(v, c)| v == verdict && c == cause)
        }
    };
    let told = |bed: &Bed, what: &str, done: &dyn Fn(&Value) -> bool| -> Value {
        let found = || state(&bed.hosts[0]).filter(|state| done(state));
        wait_for(what, PATIENCE, found, || explained(bed))
    };
    told(&bed, "all are up", &all("up", ""));
    hears(&bed, 150);

    // The machine of the servers and of the sentinel is gone from the segment, all at once.
    ip(Some(&bed.client), "link set eth0 down");
    hears(&bed, 50);
    bed.wait_holders_for(VIP, &[1], SOON.max(PATIENCE));
    let blind = told(&bed, "all are unknown", &all("unknown", "director_blind"));
    assert!(blind["checkd"]["head"]["blind_since"].is_string(), "{blind}");
    assert_eq!(events(&blind, "director_went_blind"), 1, "{}", explained(&bed));
    // Nobody was called down meanwhile, so nothing was there to be ejected.
    assert_eq!(events(&blind, "real_server_went_down"), 0, "{}", explained(&bed));

    ip(Some(&bed.client), "link set eth0 up");
    hears(&bed, 150);
    bed.wait_holders_for(VIP, &[0], SOON.max(PATIENCE));
    let seeing = told(&bed, "all are up again", &all("up", ""));
    assert_eq!(events(&seeing, "director_went_blind"), 1, "{}", explained(&bed));
    assert_eq!(events(&seeing, "director_saw_again"), 1, "{}", explained(&bed));
    stopping.store(true, Ordering::Relaxed);
    echoes.into_iter().for_each(|thread| thread.join().unwrap());
}
