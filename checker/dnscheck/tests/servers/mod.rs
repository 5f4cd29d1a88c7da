//! Real name servers on loopback, each on a random port.
//!
//! Owns a server's process and directory until the value is dropped. A server that is not installed fails the test that needs it.

#![allow(dead_code, reason = "every test file uses its own part")]

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// A name server that runs until it is dropped.
pub struct Server {
    pub child: Child,
    pub directory: PathBuf,
    pub port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A port that is free for UDP and TCP, no one else's here, and below those that the kernel hands out.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let own = u16::try_from(std::process::id() % 15_000).unwrap();
        let port = 12_000 + (own + NEXT.fetch_add(1, Ordering::Relaxed)) % 15_000;
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl Server {
    /// Starts a program with these files and a configuration, in which `DIR` and `PORT` are filled in, and waits until it answers
    /// for a zone.
    pub fn start(
        program: &str,
        args: &[&str],
        config: &str,
        files: &[(&str, &str)],
        asked: (&str, u16),
    ) -> Self {
        let (name_asked, port) = asked;
        let address = "127.0.0.1";
        let name = format!("dnscheck-{program}-{address}-{port}-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(&directory).unwrap();
        let fill =
            |text: &str| text.replace("DIR", directory.to_str().unwrap()).replace("PORT", &port.to_string());
        fs::write(directory.join("server.conf"), fill(config)).unwrap();
        for (file, text) in files {
            fs::write(directory.join(file), text).unwrap();
        }
        let child = Command::new(program)
            .args(args.iter().map(|arg| fill(arg)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(directory.join("log")).unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        let server = Self { child, directory, port };
        let end = Instant::now() + Duration::from_secs(30);
        while !server.ask_at(address, &["--qname", name_asked, "--qtype", "SOA"]).1 {
            if Instant::now() > end {
                let log = fs::read_to_string(server.directory.join("log")).unwrap_or_default();
                panic!("{program} does not answer:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// What dnscheck says, and whether it passed.
    pub fn ask_at(&self, address: &str, more: &[&str]) -> (String, bool) {
        dnscheck(address, self.port, more)
    }

    pub fn expect(&self, passes: bool, said: &str, more: &str) {
        let words: Vec<&str> = more.split_whitespace().collect();
        let (line, passed) = self.ask_at("127.0.0.1", &words);
        assert!(passed == passes && line.contains(said), "{more}: {line}");
    }
}

/// What dnscheck says of a server, and whether it passed.
pub fn dnscheck(address: &str, port: u16, more: &[&str]) -> (String, bool) {
    let port = port.to_string();
    let timeout: &[&str] = if more.contains(&"--timeout") { &[] } else { &["--timeout", "5s"] };
    let output = Command::new(env!("CARGO_BIN_EXE_dnscheck"))
        .args(["--server", address, "--port", &port])
        .args(timeout)
        .args(more)
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    (String::from_utf8(output.stdout).unwrap(), output.status.success())
}
