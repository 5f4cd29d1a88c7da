//! The daemon under the system call filter of its unit, as a user with no privilege, with every kind of check: all of them work.
//!
//! There need be no systemd: `sandbox/launch.py` reads the unit and loads the filter. Nothing leaves the network namespace of this test.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod agent;
#[path = "../../probe/tests/authority/mod.rs"]
mod authority;
#[path = "../../probe/tests/fake/mod.rs"]
mod fake;
#[path = "../../probe/tests/nginx/mod.rs"]
mod nginx;

use std::fs::{Permissions, set_permissions};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use agent::Agent;
use agent_api::{State, Verdict};
use authority::{Authority, PRESENT};
use fake::{Fake, reply, send};
use jiff::Timestamp;
use nginx::Nginx;
use nix::sched::{CloneFlags, unshare};

const UNIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../etc/systemd/holdfast-checkd.service");
const LAUNCH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sandbox/launch.py");
const PATIENCE: Duration = Duration::from_secs(60);

/// A program as the unit would run it.
fn sandboxed(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"])
        .args(["--no-new-privs", "/usr/bin/python3", LAUNCH, UNIT])
        .arg(program);
    command
}

#[test]
fn the_filter_is_one() {
    for (forbidden, why) in [
        ("unshare -U true", "Operation not permitted"),
        ("nice -n -1 true && chroot / true", "Operation not permitted"),
        (
            "/usr/bin/python3 -c 'import socket; socket.socket(socket.AF_PACKET)'",
            "Address family not supported",
        ),
        ("/usr/bin/python3 -c 'import mmap; mmap.mmap(-1, 9, prot=7)'", "Operation not permitted"),
    ] {
        let output = sandboxed(Path::new("/bin/sh")).args(["-c", forbidden]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(why), "{forbidden}: {said}");
    }
    let output = sandboxed(Path::new("/bin/sh")).args(["-c", "echo fine"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_program_as_another_user_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::copy(env!("CARGO_BIN_EXE_checkd"), path("checkd")).unwrap();
    let text = "[[virtual_server]]\nname = \"p\"\naddress = \"127.0.0.9\"\nservices = [\"tcp/53\"]\n\
                check.exec = { command = [\"/bin/true\"], user = \"daemon\" }\n\
                [[virtual_server.real_server]]\nname = \"a\"\naddress = \"127.0.0.1\"\n";
    std::fs::write(path("holdfast.toml"), text).unwrap();
    for (name, mode) in [("", 0o755), ("checkd", 0o755), ("holdfast.toml", 0o644)] {
        set_permissions(path(name), Permissions::from_mode(mode)).unwrap();
    }
    let output = sandboxed(&path("checkd"))
        .arg("--config")
        .arg(path("holdfast.toml"))
        .arg("--socket")
        .arg(path("agent.sock"))
        .arg("--state")
        .arg(path("state.json"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("p/a: check.exec is to be run as daemon") && said.contains("CAP_SETUID"), "{said}");
}

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const WEB: &str = r#"
server { listen 127.0.0.1:PLAIN; location / { return 200 "well"; } }
server { listen 127.0.0.1:TLS ssl http2; ssl_certificate CERT; ssl_certificate_key KEY; location / { return 200 "well"; } }
"#;

/// A mail server that is always well.
fn mail() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            for reply in ["220 mail.test\r\n", "250 hello\r\n", "221 bye\r\n"] {
                let _ = stream.write_all(reply.as_bytes());
                let _ = stream.read(&mut [0; 100]);
            }
        }
    });
    port
}

fn every_kind() {
    unshare(CloneFlags::CLONE_NEWNET).expect("this test is run by root");
    assert!(Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success());
    std::fs::write("/proc/sys/net/ipv4/ping_group_range", "65534 65534").unwrap();
    let authority = Authority::new("checkd-sandbox");
    let issued = authority.issue("web", "IP:127.0.0.1", PRESENT);
    let web = WEB
        .replace("CERT", issued.certificate.to_str().unwrap())
        .replace("KEY", issued.key.to_str().unwrap());
    let web = Nginx::new(&web, &["PLAIN", "TLS"]);
    let dns = Fake::both(
        |socket, peer, query| send(socket, peer, &reply(query, 0, &[fake::RIGHT])),
        |mut stream, _| {
            if let Some(query) = fake::read_query(&mut stream) {
                fake::write_message(&mut stream, &reply(&query, 0, &[fake::RIGHT]));
            }
        },
    );
    let udp_only = Fake::udp(|socket, peer, _| send(socket, peer, b"pong"));

    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::copy(authority.certificate(), path("ca.pem")).unwrap();
    std::fs::write(path("word"), "weight 7\n").unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_checkd"), path("checkd")).unwrap();
    let ca = path("ca.pem").display().to_string();
    let word = path("word").display().to_string();
    let (plain, tls) = (web.addr("PLAIN").port(), web.addr("TLS").port());
    let (udp, mail) = (dns.addr.port(), mail());
    // Name, verdict, cause where it is not up, check.
    let checks = [
        ("dns", "", format!("dns = {{ qname = \"a.test\", transport = \"udp+tcp\", port = {udp} }}")),
        // Nobody is there; without sockets it would be no_socket.
        ("doq", "udp_refused", "dns = { qname = \"a.test\", transport = \"doq\", verify = false, port = 9 }".to_owned()),
        ("dot", "tcp_refused", "dns = { qname = \"a.test\", transport = \"dot\", verify = false, port = 9 }".to_owned()),
        ("tcp", "", format!("tcp = {{ port = {plain} }}")),
        ("tls", "", format!("tcp = {{ port = {tls}, tls = true, ca = \"{ca}\" }}")),
        ("udp", "", format!("udp = {{ port = {}, send = \"ping\", expect = \"pong\" }}", udp_only.addr.port())),
        ("http", "", format!("http = {{ port = {plain}, expect_body = \"well\" }}")),
        ("https", "", format!("https = {{ port = {tls}, ca = \"{ca}\", http_version = \"2\", expect_body = \"well\" }}")),
        ("system", "tls_unknown_ca", format!("https = {{ port = {tls} }}")),
        ("smtp", "", format!("smtp = {{ port = {mail} }}")),
        ("ping", "", "ping = { count = 2 }".to_owned()),
        ("file", "", format!("file = {{ path = \"{word}\" }}")),
        (
            "exec",
            "",
            "exec = { command = [\"/bin/sh\", \"-c\", \"test $(ulimit -n) = 32 && (id; ls /) | cat\"], max_files = 32, \
             max_memory = 1024, max_cpu = \"5s\" }"
                .to_owned(),
        ),
        (
            "hung",
            "exec_timeout",
            "exec = { command = [\"/bin/sh\", \"-c\", \"trap : TERM; while :; do sleep 1; done\"], timeout = \"500ms\" }".to_owned(),
        ),
    ];
    let mut text = "[[virtual_server]]\nname = \"p\"\naddress = \"127.0.0.9\"\nservices = [\"tcp/53\"]\nscheduler = \"wrr\"\n\
                    forwarding = \"nat\"\n"
        .to_owned();
    for (index, (name, _, check)) in checks.iter().enumerate() {
        let table = format!("check.{} }}", check.trim_end_matches(" }"));
        // Slow machines are not what is tested.
        let rhythm = if table.contains("timeout") { "" } else { ", timeout = \"5s\"" };
        let table = format!(
            "{}, interval = \"5s\", fast_interval = \"5s\", fall = 1, rise = 1{rhythm} }}",
            table.trim_end_matches(" }")
        );
        text.push_str(&format!(
            "[[virtual_server.real_server]]\nname = \"{name}\"\naddress = \"127.0.0.1\"\nport = {}\n{table}\n",
            10_000 + index
        ));
    }
    std::fs::write(path("holdfast.toml"), text).unwrap();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let agent = Agent::start(&path("agent.sock"), State::new(boot.trim().to_owned(), Timestamp::now()));
    for (name, mode) in [
        ("", 0o755),
        ("checkd", 0o755),
        ("agent.sock", 0o666),
        ("holdfast.toml", 0o644),
        ("ca.pem", 0o644),
        ("word", 0o644),
    ] {
        set_permissions(path(name), Permissions::from_mode(mode)).unwrap();
    }
    let daemon = sandboxed(&path("checkd"))
        .arg("--config")
        .arg(path("holdfast.toml"))
        .arg("--socket")
        .arg(path("agent.sock"))
        .arg("--state")
        .arg(path("state.json"))
        .spawn()
        .unwrap();
    let daemon = Daemon(daemon);

    let patience = Instant::now() + PATIENCE;
    for (name, cause, _) in &checks {
        let wanted = if cause.is_empty() { Verdict::Up } else { Verdict::Down };
        loop {
            let state = agent.state.lock().unwrap().clone();
            let health = state.checkd.items.get(&format!("p/{name}").parse().unwrap()).cloned();
            match health {
                Some(health) if health.verdict == wanted => {
                    assert_eq!(
                        health.cause.as_ref().map_or("", |cause| cause.as_str()),
                        *cause,
                        "{name}: {health:?}"
                    );
                    break;
                }
                other => assert!(Instant::now() < patience, "{name} is not {wanted} but {other:?}"),
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.0.id())).unwrap();
    for line in [
        "Seccomp:\t2",
        "NoNewPrivs:\t1",
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "Uid:\t65534\t65534\t65534\t65534",
    ] {
        assert!(status.lines().any(|found| found == line), "{line} is not in {status}");
    }
}

#[test]
fn every_kind_of_check_works_in_the_sandbox() {
    // A thread of its own has a network namespace of its own, and so has all that it starts.
    if let Err(panic) = std::thread::spawn(every_kind).join() {
        std::panic::resume_unwind(panic);
    }
}
