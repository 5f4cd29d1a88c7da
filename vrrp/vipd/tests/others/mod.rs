//! Other implementations of the protocol, each started in the namespace of a host.
//!
//! Owns their processes, which are gone when it is dropped. What they do is their own business.

use std::fs::{self, File};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::bed::{self, Host};

static RUNS: AtomicU32 = AtomicU32::new(0);

/// Another implementation that runs.
pub trait Other {
    /// Ends it in good order.
    fn end(&mut self);
    /// Its machine dies: it says nothing, and what it had is gone.
    fn kill(&mut self);
    /// What it wrote.
    fn log(&self) -> String;
}

fn spawn(namespace: &str, mut command: Command, log: &Path) -> Child {
    let log = File::options().create(true).append(true).open(log).expect("a log");
    command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
    let program = format!("{command:?}");
    bed::inside(namespace, || command.spawn()).unwrap_or_else(|error| panic!("{program}: {error}"))
}

fn finish(child: &mut Child, signal: Signal) {
    let _ = kill(Pid::from_raw(child.id() as i32), signal);
    let deadline = Instant::now() + bed::SOON;
    while Instant::now() < deadline {
        if matches!(child.try_wait(), Ok(Some(_))) {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// keepalived.
pub struct Keepalived {
    parent: Option<Child>,
    namespace: String,
    directory: PathBuf,
}

impl Keepalived {
    /// Starts it with these instances.
    pub fn start(host: &Host, instances: &str) -> Self {
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let directory = host.directory.join(format!("keepalived-{run}"));
        fs::create_dir(&directory).expect("a directory");
        // In real time as we are: a busy machine must not make it silent. By default it is killed when it computes for 10 ms.
        let global = "global_defs {\n  router_id test\n  script_user root\n  vrrp_version 3\n  vrrp_rt_priority 20\n  \
                      vrrp_rlimit_rttime 2000000\n}\n";
        let config = directory.join("keepalived.conf");
        fs::write(&config, format!("{global}{instances}")).expect("the configuration is written");
        let mut command = Command::new("keepalived");
        command.arg("--use-file").arg(&config).args([
            "--vrrp",
            "--dont-fork",
            "--log-console",
            "--log-detail",
        ]);
        command.arg("--pid").arg(directory.join("pid")).arg("--vrrp_pid").arg(directory.join("vrrp.pid"));
        let parent = spawn(&host.namespace, command, &directory.join("log"));
        Self { parent: Some(parent), namespace: host.namespace.clone(), directory }
    }

    /// The process that speaks the protocol.
    fn child(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.directory.join("vrrp.pid")).ok()?;
        text.trim().parse().ok().map(Pid::from_raw)
    }
}

impl Other for Keepalived {
    fn end(&mut self) {
        if let Some(mut parent) = self.parent.take() {
            finish(&mut parent, Signal::SIGTERM);
        }
    }

    fn kill(&mut self) {
        let child = self.child();
        if let Some(mut parent) = self.parent.take() {
            finish(&mut parent, Signal::SIGKILL);
        }
        if let Some(child) = child {
            let _ = kill(child, Signal::SIGKILL);
        }
        // A machine that died answers nothing; keepalived alone leaves its addresses behind.
        bed::ip(Some(&self.namespace), "link set dev eth0 down");
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }
}

impl Drop for Keepalived {
    fn drop(&mut self) {
        self.end();
    }
}

/// FRR: zebra and vrrpd, and the macvlan that an administrator makes for them.
pub struct Frr {
    daemons: Vec<Child>,
    namespace: String,
    directory: PathBuf,
    device: String,
}

impl Frr {
    /// Starts them with one router, VRID 51, on `eth0`.
    pub fn start(host: &Host, version: u8, priority: u8, interval: Duration, addresses: &[&str]) -> Self {
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        // Both run as user frr, which must reach their sockets: not below a directory of root's.
        let directory = PathBuf::from(format!("/tmp/vipd-frr-{}-{run}", std::process::id()));
        fs::create_dir(&directory).expect("a directory");
        let made = Command::new("chown").arg("frr:frr").arg(&directory).status().expect("chown starts");
        assert!(made.success(), "user frr is there");
        let ipv6 = addresses.iter().any(|address| address.parse().is_ok_and(|ip: IpAddr| ip.is_ipv6()));
        let (device, mac) =
            if ipv6 { ("vrrp6", "00:00:5e:00:02:33") } else { ("vrrp4", "00:00:5e:00:01:33") };
        // As FRR's manual asks: the parent must not answer for what is on the macvlan.
        bed::inside(&host.namespace, || {
            for (setting, value) in [("arp_ignore", "1"), ("arp_announce", "2"), ("rp_filter", "0")] {
                fs::write(format!("/proc/sys/net/ipv4/conf/all/{setting}"), value).expect("sysctl");
            }
        });
        let ip = |arguments: &str| bed::ip(Some(&host.namespace), arguments);
        ip(&format!("link add {device} link eth0 type macvlan mode bridge"));
        // From its MAC every router would make the same link-local address.
        ip(&format!("link set dev {device} addrgenmode random"));
        ip(&format!("link set dev {device} address {mac}"));
        for address in addresses {
            let length = if ipv6 { "64 nodad" } else { "24" };
            let (length, flag) = length.split_once(' ').unwrap_or((length, ""));
            ip(&format!("address add {address}/{length} dev {device} {flag}"));
        }
        ip(&format!("link set dev {device} up"));
        let word = if ipv6 { "ipv6" } else { "ip" };
        let rows: String = addresses.iter().map(|address| format!(" vrrp 51 {word} {address}\n")).collect();
        let config = format!(
            "interface eth0\n vrrp 51 version {version}\n vrrp 51 priority {priority}\n vrrp 51 advertisement-interval {}\n{rows}!\n",
            interval.as_millis()
        );
        fs::write(directory.join("vrrpd.conf"), config).expect("the configuration is written");
        fs::write(directory.join("zebra.conf"), "!\n").expect("the configuration is written");
        let mut frr = Self {
            daemons: Vec::new(),
            namespace: host.namespace.clone(),
            directory,
            device: device.to_owned(),
        };
        for name in ["zebra", "vrrpd"] {
            let directory = &frr.directory;
            let mut command = Command::new(format!("/usr/lib/frr/{name}"));
            command.args(["--log", "stdout", "--log-level", "debug"]);
            command.arg("-f").arg(directory.join(format!("{name}.conf")));
            command.arg("-i").arg(directory.join(format!("{name}.pid")));
            command.arg("-z").arg(directory.join("zserv.api"));
            command.arg("--vty_socket").arg(directory).args(["-P", "0"]);
            let child = spawn(&host.namespace, command, &directory.join("log"));
            frr.daemons.push(child);
            let ready = directory.join(format!("{name}.vty"));
            bed::wait_for(
                &format!("{name} is ready"),
                bed::SOON,
                || ready.exists().then_some(()),
                || frr.log(),
            );
        }
        frr
    }

    fn remove_device(&self) {
        let _ =
            Command::new("ip").args(["-n", &self.namespace, "link", "delete", "dev", &self.device]).output();
    }
}

impl Other for Frr {
    fn end(&mut self) {
        if self.daemons.is_empty() {
            return; // The device may be another one's by now.
        }
        for mut daemon in self.daemons.drain(..).rev() {
            finish(&mut daemon, Signal::SIGTERM);
        }
        self.remove_device();
    }

    fn kill(&mut self) {
        for mut daemon in self.daemons.drain(..).rev() {
            finish(&mut daemon, Signal::SIGKILL);
        }
        bed::ip(Some(&self.namespace), "link set dev eth0 down");
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }
}

impl Drop for Frr {
    fn drop(&mut self) {
        self.end();
        let _ = fs::remove_dir_all(&self.directory);
    }
}
