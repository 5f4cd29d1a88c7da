//! Hosts on one segment, in network namespaces of the running kernel, each with a `vipd` and a service that answers on the
//! virtual addresses.
//!
//! Owns the namespaces and the processes; both are gone when it is dropped, whatever became of the test.

#![allow(
    dead_code,
    unsafe_code,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr
)]

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use socket2::{Domain, Socket, Type};

pub mod agent;
mod asker;
mod priority;
pub mod threads;
pub mod wire;

#[allow(unused_imports, reason = "not every test asks")]
pub use asker::{Asker, longest_gap, unanswered};
use priority::first_in_line;

/// How long something may take that nothing is promised about.
pub const SOON: Duration = Duration::from_secs(20);
/// Where the service answers.
const PORT: u16 = 5300;

static BEDS: AtomicU32 = AtomicU32::new(0);

/// The virtual address of [`config`].
pub const VIP: &str = "10.9.0.50";

/// A configuration with one virtual router.
pub fn config(priority: u8, more: &str) -> String {
    format!(
        "[[virtual_router]]\nname = \"vip\"\ninterface = \"eth0\"\nvrid = 51\npriority = {priority}\n\
         addresses = [\"{VIP}\"]\n{more}\n"
    )
}

/// Two hosts with that router, the first one Active.
pub fn pair(more: &str) -> Bed {
    let mut bed = Bed::build(2);
    bed.serve(&[VIP.parse::<IpAddr>().expect("an address")]);
    bed.hosts[0].start(&config(150, more));
    bed.wait_holders(VIP, &[0]);
    bed.hosts[1].start(&config(100, more));
    bed.hosts[1].wait_log("initialize -> backup");
    bed
}

/// Runs `ip` in a namespace; panics with its words if it fails.
pub fn ip(namespace: Option<&str>, arguments: &str) -> String {
    let mut command = Command::new("ip");
    if let Some(namespace) = namespace {
        command.args(["-n", namespace]);
    }
    let output = command.args(arguments.split_whitespace()).output().expect("ip starts");
    assert!(
        output.status.success(),
        "ip {namespace:?} {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Runs several lines of `ip` in a namespace, by one process.
fn batch(namespace: &str, lines: &str) {
    let mut child = Command::new("ip")
        .args(["-n", namespace, "-batch", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ip starts");
    child.stdin.take().expect("a pipe").write_all(lines.as_bytes()).expect("ip reads");
    let output = child.wait_with_output().expect("ip ends");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip in {namespace}: {lines}{words}");
}

/// Does `work` on a thread of its own in a namespace.
pub fn inside<T: Send>(namespace: &str, work: impl FnOnce() -> T + Send) -> T {
    let file = File::open(format!("/run/netns/{namespace}")).expect("the namespace is there");
    thread::scope(|scope| {
        scope
            .spawn(|| {
                setns(&file, CloneFlags::CLONE_NEWNET).expect("may enter the namespace");
                work()
            })
            .join()
            .expect("work in a namespace")
    })
}

/// Waits until `found` gives something; panics with `explain` if it does not in time.
pub fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut found: impl FnMut() -> Option<T>,
    explain: impl FnOnce() -> String,
) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = found() {
            return found;
        }
        if Instant::now() > deadline {
            panic!("not within {limit:?}: {what}\n{}", explain());
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// A host.
pub struct Host {
    pub namespace: String,
    pub name: String,
    pub directory: PathBuf,
    child: Option<Child>,
}

/// All of it.
pub struct Bed {
    pub hosts: Vec<Host>,
    pub client: String,
    switch: String,
    stopping: Arc<AtomicBool>,
    services: Vec<JoinHandle<()>>,
    directory: tempfile::TempDir,
}

impl Bed {
    /// A bed of `hosts` hosts, 10.9.0.1 upwards and fd09::1 upwards, and a client, 10.9.0.100.
    pub fn build(hosts: u8) -> Self {
        let number = BEDS.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("vipd{}-{number}", std::process::id());
        let directory = tempfile::Builder::new().prefix("vipd-bed-").tempdir().expect("a directory");
        let switch = format!("{prefix}switch");
        ip(None, &format!("netns add {switch}"));
        let mut bed = Self {
            hosts: Vec::new(),
            client: format!("{prefix}client"),
            switch,
            stopping: Arc::new(AtomicBool::new(false)),
            services: Vec::new(),
            directory,
        };
        let bridge = "link add name sw0 type bridge mcast_snooping 0 forward_delay 0\nlink set sw0 up\n";
        batch(&bed.switch, bridge);
        bed.attach(&bed.client.clone(), "client", 100);
        for at in 1..=hosts {
            let name = char::from(b'a' + at - 1).to_string();
            let namespace = format!("{prefix}{name}");
            bed.attach(&namespace, &name, at);
            let directory = bed.directory.path().join(&name);
            fs::create_dir(&directory).expect("a directory");
            bed.hosts.push(Host { namespace, name, directory, child: None });
        }
        bed
    }

    fn attach(&self, namespace: &str, port: &str, last: u8) {
        ip(None, &format!("netns add {namespace}"));
        let switch = &self.switch;
        batch(
            switch,
            &format!(
                "link add name {port} type veth peer name eth0 netns {namespace}\nlink set dev {port} master sw0 up\n"
            ),
        );
        batch(
            namespace,
            &format!(
                "link set lo up\nlink set eth0 up\naddress add 10.9.0.{last}/24 dev eth0\n\
                 address add fd09::{last:x}/64 dev eth0 nodad\n"
            ),
        );
    }

    /// Pulls the cable of a host at the switch, or plugs it in.
    pub fn cable(&self, host: usize, plugged: bool) {
        let state = if plugged { "up" } else { "down" };
        ip(Some(&self.switch), &format!("link set dev {} {state}", self.hosts[host].name));
    }

    /// Starts a service on every host that answers on these addresses with the host's number.
    pub fn serve(&mut self, addresses: &[IpAddr]) {
        self.serve_slowly(addresses, Duration::ZERO);
    }

    /// The same, each answer so much later: it is nearly always about to write one.
    pub fn serve_slowly(&mut self, addresses: &[IpAddr], thinking: Duration) {
        for (at, host) in self.hosts.iter().enumerate() {
            for address in addresses {
                let socket = inside(&host.namespace, || {
                    let socket = Socket::new(Domain::for_address((*address, 0).into()), Type::DGRAM, None)
                        .expect("a socket");
                    match address {
                        IpAddr::V4(_) => socket.set_freebind_v4(true),
                        IpAddr::V6(_) => socket.set_freebind_v6(true),
                    }
                    .expect("freebind");
                    socket.bind(&SocketAddr::from((*address, PORT)).into()).expect("bind");
                    socket.set_read_timeout(Some(Duration::from_millis(100))).expect("timeout");
                    std::net::UdpSocket::from(socket)
                });
                let stopping = Arc::clone(&self.stopping);
                self.services.push(thread::spawn(move || {
                    first_in_line();
                    let mut buffer = [0; 16];
                    while !stopping.load(Ordering::Relaxed) {
                        if let Ok((length, from)) = socket.recv_from(&mut buffer[..15]) {
                            buffer[length] = at as u8;
                            thread::sleep(thinking);
                            let _ = socket.send_to(&buffer[..=length], from);
                        }
                    }
                }));
            }
        }
    }

    /// A client that asks `address` every so often.
    pub fn ask(&self, address: &str, every: Duration) -> Asker {
        Asker::start(&self.client, (address.parse::<IpAddr>().expect("an address"), PORT).into(), every)
    }

    /// Which hosts have `address` on an interface.
    pub fn holders(&self, address: &str) -> Vec<usize> {
        (0..self.hosts.len()).filter(|at| self.hosts[*at].has(address)).collect()
    }

    /// Waits until just these hosts have `address`.
    pub fn wait_holders(&self, address: &str, wanted: &[usize]) {
        self.wait_holders_for(address, wanted, SOON);
    }

    /// The same within a time.
    pub fn wait_holders_for(&self, address: &str, wanted: &[usize], limit: Duration) {
        wait_for(
            &format!("{address} is on {wanted:?}"),
            limit,
            || (self.holders(address) == wanted).then_some(()),
            || format!("it is on {:?}\n{}", self.holders(address), self.logs()),
        );
    }

    /// What every daemon wrote.
    pub fn logs(&self) -> String {
        self.hosts.iter().map(|host| format!("--- {}\n{}", host.name, host.log())).collect()
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.logs());
        }
        for host in &mut self.hosts {
            host.end();
        }
        self.stopping.store(true, Ordering::Relaxed);
        for service in self.services.drain(..) {
            let _ = service.join();
        }
        let all = self.hosts.iter().map(|host| &host.namespace).chain([&self.client, &self.switch]);
        for namespace in all {
            let _ = Command::new("ip").args(["netns", "delete", namespace]).output();
        }
    }
}

impl Host {
    /// Writes the configuration and starts `vipd`.
    pub fn start(&mut self, config: &str) {
        self.configure(config);
        self.restart();
    }

    /// Writes the configuration.
    pub fn configure(&self, config: &str) {
        fs::write(self.directory.join("holdfast.toml"), config).expect("the configuration is written");
    }

    /// Writes the configuration and has `wrapper`, a program with its arguments, start `vipd`.
    pub fn start_under(&mut self, wrapper: &str, config: &str) {
        self.configure(config);
        let mut words = wrapper.split_whitespace().chain([env!("CARGO_BIN_EXE_vipd")]);
        let mut command = Command::new(words.next().expect("a program"));
        command.args(words);
        self.spawn(command);
    }

    /// Starts `vipd` with the configuration there is.
    pub fn restart(&mut self) {
        self.spawn(Command::new(env!("CARGO_BIN_EXE_vipd")));
    }

    fn spawn(&mut self, mut command: Command) {
        assert!(self.child.is_none(), "vipd runs already");
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.directory.join("log"))
            .expect("the log can be written");
        command
            .arg("--config")
            .arg(self.directory.join("holdfast.toml"))
            .arg("--socket")
            .arg(self.directory.join("agent.sock"))
            .arg("--state")
            .arg(self.directory.join("state.json"))
            .arg("--log-level=debug")
            .env("RUNTIME_DIRECTORY", &self.directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("the log"))
            .stderr(log);
        self.child = Some(inside(&self.namespace, || command.spawn()).expect("vipd starts"));
    }

    pub fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("vipd runs");
        kill(Pid::from_raw(child.id() as i32), signal).expect("vipd is there");
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("vipd runs").id()
    }

    /// Kills it; it can do nothing about that.
    pub fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Ends it in good order; gives its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        self.signal(Signal::SIGTERM);
        self.wait().code()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> std::process::ExitStatus {
        let mut child = self.child.take().expect("vipd runs");
        let deadline = Instant::now() + SOON;
        loop {
            if let Some(status) = child.try_wait().expect("it can be waited for") {
                return status;
            }
            if Instant::now() > deadline {
                let _ = child.kill();
                let _ = child.wait();
                panic!("vipd does not end\n{}", self.log());
            }
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whether an interface has the address.
    pub fn has(&self, address: &str) -> bool {
        let output = Command::new("ip")
            .args(["-n", &self.namespace, "-o", "address", "show", "to", address])
            .output()
            .expect("ip starts");
        !output.stdout.is_empty()
    }

    pub fn ip(&self, arguments: &str) -> String {
        ip(Some(&self.namespace), arguments)
    }

    pub fn log(&self) -> String {
        let mut text = String::new();
        if let Ok(mut file) = File::open(self.directory.join("log")) {
            let _ = file.read_to_string(&mut text);
        }
        text
    }

    /// Waits until the log has a line with `words`.
    pub fn wait_log(&self, words: &str) {
        wait_for(
            &format!("{} logs {words:?}", self.name),
            SOON,
            || self.log().contains(words).then_some(()),
            || self.log(),
        );
    }
}
