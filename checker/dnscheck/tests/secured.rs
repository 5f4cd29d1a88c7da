//! dnscheck over TLS and HTTPS against real name servers: BIND, Unbound and Knot Resolver on loopback.
//!
//! A server that is not installed fails the tests that need it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../probe/tests/authority/mod.rs"]
mod authority;

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use authority::{Authority, Issued, PRESENT};

/// A name server that runs until it is dropped.
struct Server {
    child: Child,
    authority: Authority,
    issued: Issued,
    /// For TLS, for HTTPS.
    ports: [u16; 2],
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that is free for UDP and TCP, no one else's here, and below those that the kernel hands out.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let own = u16::try_from(std::process::id() % 4_000).unwrap();
        let port = 28_000 + (own + NEXT.fetch_add(1, Ordering::Relaxed)) % 4_000;
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

const ZONE: &str = "$TTL 300\n@ IN SOA ns hostmaster 5 3600 600 86400 60\n@ IN NS ns\n@ IN A 192.0.2.80\nns IN A 127.0.0.1\n";

/// Signs the zone once more as `signed.test`: `signed`, `anchor`, and `other`, which is no key of it.
fn sign(directory: &Path) {
    let run = |program: &str, words: &str| {
        let output = Command::new(program).args(words.split(' ')).current_dir(directory).output().unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    };
    run("dnssec-keygen", "-q -a ED25519 -f KSK signed.test");
    run("dnssec-keygen", "-q -a ED25519 signed.test");
    run("dnssec-signzone", "-q -S -P -o signed.test -f signed zone");
    fs::rename(directory.join("dsset-signed.test."), directory.join("anchor")).unwrap();
    let other = format!("signed.test DS 4711 15 2 {}", "ab".repeat(32));
    fs::write(directory.join("other"), other).unwrap();
}

impl Server {
    /// Starts a program with a configuration in which names in capitals are filled in, and waits until it answers over TLS.
    fn start(program: &str, args: &[&str], config: &str) -> Self {
        let authority = Authority::new(program);
        let issued = authority.issue("server", "DNS:dns.test,IP:127.0.0.1", PRESENT);
        let ports = [free_port(), free_port()];
        let directory = authority.directory();
        let fill = |text: &str| {
            text.replace("DIR", directory.to_str().unwrap())
                .replace("DOT", &ports[0].to_string())
                .replace("DOH", &ports[1].to_string())
                .replace("PLAIN", &free_port().to_string())
                .replace("CERT", issued.certificate.to_str().unwrap())
                .replace("KEY", issued.key.to_str().unwrap())
        };
        fs::write(directory.join("server.conf"), fill(config)).unwrap();
        fs::write(directory.join("zone"), ZONE).unwrap();
        sign(directory);
        let child = Command::new(program)
            .args(args.iter().map(|arg| fill(arg)))
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(fs::File::create(directory.join("output")).unwrap())
            .stderr(fs::File::create(directory.join("log")).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let server = Self { child, authority, issued, ports };
        let end = Instant::now() + Duration::from_secs(60);
        while !server.ask("dot", "--insecure").1 {
            if Instant::now() > end {
                let log =
                    |name| fs::read_to_string(server.authority.directory().join(name)).unwrap_or_default();
                panic!(
                    "{program} does not answer:\n{}{}{}",
                    log("output"),
                    log("log"),
                    server.ask("dot", "--insecure").0
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// What dnscheck says, and whether it passed.
    fn ask(&self, transport: &str, more: &str) -> (String, bool) {
        let port = self.ports[usize::from(transport == "doh")].to_string();
        let more = more
            .replace("@DIR", self.authority.directory().to_str().unwrap())
            .replace("@CA", self.authority.certificate().to_str().unwrap());
        let name: &[&str] = if more.contains("--qname") { &[] } else { &["--qname", "resolve.test"] };
        let output = Command::new(env!("CARGO_BIN_EXE_dnscheck"))
            .args(["--server", "127.0.0.1", "--port", &port, "--timeout", "10s", "--transport", transport])
            .args(name)
            .args(more.split_whitespace())
            .output()
            .unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        (String::from_utf8(output.stdout).unwrap(), output.status.success())
    }

    fn expect(&self, transport: &str, more: &str, passes: bool, said: &str) {
        let (line, passed) = self.ask(transport, more);
        assert!(passed == passes && line.contains(said), "{transport} {more}: {line}");
    }

    /// What every server does over this transport.
    fn speaks(&self, transport: &str) {
        let over = if transport == "doh" { "over HTTPS" } else { "over TLS" };
        self.expect(transport, "--ca @CA --expect-answer 192.0.2.80", true, over);
        self.expect(transport, "--ca @CA --tls-name dns.test", true, over);
        self.expect(transport, "--ca @CA --tls-name other.test", false, "tls_name_mismatch");
        self.expect(transport, "", false, "tls_unknown_ca");
        let pin = self.authority.pin(&self.issued);
        self.expect(transport, &format!("--pin {pin}"), true, over);
        self.expect(transport, &format!("--pin {pin} --ca @CA --tls-name dns.test"), true, over);
        let other = self.authority.pin(&self.authority.self_signed(&format!("other-{transport}")));
        self.expect(transport, &format!("--pin {other}"), false, "tls_pin_mismatch");
        self.expect(transport, &format!("--pin {other}"), false, &pin);
        self.expect(transport, "--insecure --tls-name other.test", true, over);
        self.expect(transport, "--ca @CA --cert-warn 1d", true, "up: ");
        self.expect(transport, "--ca /nowhere/ca.pem", false, "unknown: ");
        self.expect(transport, "--ca @CA --expect-answer 192.0.2.99", false, "dns_answer_mismatch");
        self.expect(transport, "--ca @CA --mixed-case --cookie --padding --bufsize 4096", true, over);
        let (verbose, _) = self.ask(transport, "--ca @CA -v");
        for phase in ["connected in", "secured in", "answered in", "resolve.test"] {
            assert!(verbose.contains(phase), "{verbose}");
        }
        let (json, _) = self.ask(transport, "--ca @CA --format json");
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let question = &json["servers"][0]["questions"][0];
        assert_eq!(question["transport"], transport);
        assert!(question["tls_us"].as_u64() > Some(0) && question["connect_us"].as_u64() > Some(0), "{json}");
    }

    /// What a server does that has `signed.test`. Every question has a connection of its own.
    fn proves(&self, transport: &str) {
        let given = "--ca @CA --qname signed.test --trust-anchor-file @DIR";
        self.expect(transport, &format!("{given}/anchor --expect-answer 192.0.2.80"), true, "up: ");
        self.expect(transport, &format!("{given}/anchor --qtype MX --expect-empty"), true, "up: ");
        self.expect(transport, &format!("{given}/other"), false, "dns_bogus: ");
        let unsigned = "--ca @CA --qname resolve.test --trust-anchor-file @DIR/anchor";
        self.expect(transport, unsigned, false, "dns_unsigned: ");
    }

    /// What a server does that speaks HTTPS.
    fn speaks_https(&self) {
        self.speaks("doh");
        for more in ["--doh-method GET", "--http-version 2", "--doh-path /dns-query{?dns} --doh-method POST"]
        {
            self.expect("doh", &format!("--ca @CA {more}"), true, "over HTTPS");
        }
        self.expect("doh", "--ca @CA --doh-path /nowhere", false, "http_status");
    }
}

#[test]
fn bind() {
    let config = r#"
tls local { cert-file "CERT"; key-file "KEY"; };
http local { endpoints { "/dns-query"; }; };
options { directory "DIR"; listen-on port PLAIN { 127.0.0.1; }; listen-on port DOT tls local { 127.0.0.1; };
  listen-on port DOH tls local http local { 127.0.0.1; }; listen-on-v6 { none; }; pid-file none; session-keyfile none;
  recursion no; dnssec-validation no; notify no; max-cache-size 8m; };
controls { };
zone "resolve.test" { type primary; file "zone"; };
zone "signed.test" { type primary; file "signed"; };
"#;
    let server = Server::start("named", &["-g", "-n", "1", "-U", "1", "-c", "DIR/server.conf"], config);
    server.speaks("dot");
    server.speaks_https();
    server.proves("dot");
    server.proves("doh");
}

#[test]
fn unbound() {
    let config = "server:\n  interface: 127.0.0.1@DOT\n  interface: 127.0.0.1@DOH\n  tls-port: DOT\n  https-port: DOH\n  \
                  tls-service-key: \"KEY\"\n  tls-service-pem: \"CERT\"\n  do-daemonize: no\n  username: \"\"\n  chroot: \"\"\n  \
                  directory: \"DIR\"\n  pidfile: \"\"\n  use-syslog: no\n  access-control: 127.0.0.0/8 allow\n  num-threads: 1\n  \
                  local-zone: \"test.\" nodefault\n  module-config: \"iterator\"\nremote-control:\n  control-enable: no\n\
                  auth-zone:\n  name: resolve.test\n  zonefile: DIR/zone\n  for-upstream: yes\n  for-downstream: yes\n\
                  auth-zone:\n  name: signed.test\n  zonefile: DIR/signed\n  for-upstream: yes\n  for-downstream: yes\n";
    let server = Server::start("unbound", &["-d", "-c", "DIR/server.conf"], config);
    server.speaks("dot");
    server.speaks_https();
    server.proves("dot");
    server.proves("doh");
}

#[test]
fn knot_resolver() {
    let config = "net.listen('127.0.0.1', DOT, { kind = 'tls' })\nnet.listen('127.0.0.1', DOH, { kind = 'doh2' })\n\
                  net.tls('CERT', 'KEY')\npolicy.add(policy.domains(policy.ANSWER({ [kres.type.A] = { \
                  rdata = kres.str2ip('192.0.2.80'), ttl = 300 } }), { todname('resolve.test') }))\n\
                  cache.size = 10 * MB\ntrust_anchors.remove('.')\n";
    let server = Server::start("kresd", &["-n", "-c", "DIR/server.conf", "DIR"], config);
    server.speaks("dot");
    server.speaks_https();
}
