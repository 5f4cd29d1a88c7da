//! A real web server, nginx, in one process on loopback.
//!
//! Owns its folder, its free ports and its end. What it serves is the test's.

#![allow(dead_code, reason = "every test file uses its own part")]

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// It runs until it is dropped.
pub struct Nginx {
    child: Child,
    folder: TempDir,
    ports: BTreeMap<String, u16>,
}

impl Nginx {
    /// Serves with these `server` blocks, in which each of `ports` is replaced by a free one, and `FOLDER` by a folder.
    pub fn new(servers: &str, ports: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let held: Vec<TcpListener> =
            ports.iter().map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let numbers: BTreeMap<String, u16> = ports
            .iter()
            .zip(&held)
            .map(|(word, listener)| ((*word).to_owned(), listener.local_addr().unwrap().port()))
            .collect();
        drop(held);
        let path = folder.path().display().to_string();
        let mut text = servers.replace("FOLDER", &path);
        for (word, port) in &numbers {
            text = text.replace(&format!(":{word}"), &format!(":{port}"));
        }
        let user = if nix::unistd::geteuid().is_root() { "user root;" } else { "" };
        let config = format!(
            "daemon off; master_process off; pid {path}/pid; error_log {path}/error.log; {user}\nevents {{}}\n\
             http {{ access_log off; client_body_temp_path {path}/body; proxy_temp_path {path}/proxy; \
             fastcgi_temp_path {path}/fastcgi; uwsgi_temp_path {path}/uwsgi; scgi_temp_path {path}/scgi; {text} }}\n"
        );
        std::fs::write(folder.path().join("nginx.conf"), config).unwrap();
        let child = Command::new("/usr/sbin/nginx")
            .args(["-p", &path, "-c", &format!("{path}/nginx.conf"), "-e", &format!("{path}/error.log")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx is installed");
        let mut nginx = Self { child, folder, ports: numbers };
        if nginx.is_up() {
            return nginx;
        }
        // A port that was free a moment ago was taken by another test: then others are tried.
        let log = std::fs::read_to_string(nginx.folder.path().join("error.log")).unwrap_or_default();
        assert!(log.contains("Address already in use"), "{log}");
        Self::new(servers, ports)
    }

    fn is_up(&mut self) -> bool {
        let patience = Instant::now() + Duration::from_secs(30);
        while Instant::now() < patience {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            if self.ports.values().all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok()) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("nginx does not listen");
    }

    /// Where it listens.
    pub fn addr(&self, word: &str) -> SocketAddr {
        ([127, 0, 0, 1], self.ports[word]).into()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
