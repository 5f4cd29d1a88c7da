//! One local network of namespaces as in a production LVS-DR set-up: a client, a director, real servers, a switch.
//!
//! Owns the addresses and the kernel settings. The virtual address is on the director's interface and on each real server's
//! loopback, where ARP and neighbour discovery stay silent about it. Never touches the namespace it is started in.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::{Child, Command, Stdio};
use std::thread;

use anyhow::{Context as _, Result, anyhow, ensure};
use nix::sched::{CloneFlags, setns};

/// The virtual IP that clients ask.
pub const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);
/// The same for IPv6.
pub const VIP6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x53);
/// The client's own address.
pub const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 1, 53, 100);
/// The director's own address, from which it probes.
pub const DIRECTOR: Ipv4Addr = Ipv4Addr::new(10, 1, 53, 1);

/// The own addresses of the real server of that number, counted from 0.
#[must_use]
pub fn real_addresses(number: u8) -> (Ipv4Addr, Ipv6Addr) {
    (Ipv4Addr::new(10, 1, 53, 11 + number), in_network6(11 + number))
}

fn in_network6(last: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xfd53, 0, 0, 0, 0, 0, 0, u16::from(last))
}

/// A network namespace with a name, as `ip netns` knows it.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    file: File,
}

impl Namespace {
    fn open(name: &str) -> Result<Self> {
        let path = format!("/run/netns/{name}");
        let file = File::open(&path).with_context(|| format!("cannot open the namespace {path}"))?;
        Ok(Self { name: name.to_owned(), file })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Does `work` on a thread of its own in this namespace. Sockets and processes made there belong to it.
    ///
    /// # Errors
    /// The namespace cannot be entered, or `work` panicked.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        thread::scope(|scope| {
            let inside = scope.spawn(|| -> Result<T> {
                setns(&self.file, CloneFlags::CLONE_NEWNET)
                    .with_context(|| format!("cannot enter the namespace {}", self.name))?;
                Ok(work())
            });
            inside.join().map_err(|_| anyhow!("work in the namespace {} panicked", self.name))?
        })
    }

    /// Starts a process in this namespace.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn spawn(&self, command: &mut Command) -> Result<Child> {
        let program = command.get_program().to_string_lossy().into_owned();
        self.run(|| command.spawn())?.with_context(|| format!("cannot start {program}"))
    }

    /// Runs a short command in this namespace and returns what it printed.
    ///
    /// # Errors
    /// It cannot be started, or fails; the error has its stderr.
    pub fn output(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null());
        let output = self.run(|| command.output())?.with_context(|| format!("cannot start {program}"))?;
        ensure!(
            output.status.success(),
            "{program} {} in {}: {}: {}",
            arguments.join(" "),
            self.name,
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Sets kernel settings (`net/ipv4/conf/all/arp_ignore`) of this namespace.
    ///
    /// # Errors
    /// A setting is not there or refuses the value.
    pub fn set(&self, settings: &[(&str, &str)]) -> Result<()> {
        self.run(|| {
            settings.iter().try_for_each(|(name, value)| {
                fs::write(format!("/proc/sys/{name}"), value).with_context(|| format!("cannot set {name}"))
            })
        })?
    }
}

/// The whole network.
#[derive(Debug)]
pub struct Network {
    /// Who asks.
    pub client: Namespace,
    /// Where IPVS and Holdfast are.
    pub director: Namespace,
    /// Where the name servers are.
    pub servers: Vec<Namespace>,
}

impl Network {
    /// Builds it with that many real servers. There can be one at a time on a kernel.
    ///
    /// # Errors
    /// `ip` fails, or a setting cannot be made.
    pub fn build(servers: u8) -> Result<Self> {
        let names: Vec<String> = (1..=servers).map(|number| format!("dns{number}")).collect();
        let members: Vec<&str> =
            ["client", "director"].into_iter().chain(names.iter().map(String::as_str)).collect();

        let mut namespaces = String::from("netns add switch\n");
        let mut switch = String::from("link add switch type bridge\nlink set switch up\n");
        for member in &members {
            namespaces.push_str(&format!("netns add {member}\n"));
            switch.push_str(&format!(
                "link add {member} type veth peer name eth0 netns {member}\nlink set {member} master switch up\n"
            ));
        }
        ip(None, &namespaces)?;
        ip(Some("switch"), &switch)?;

        let network = Self {
            client: Namespace::open("client")?,
            director: Namespace::open("director")?,
            servers: names.iter().map(|name| Namespace::open(name)).collect::<Result<_>>()?,
        };
        member(
            &network.client,
            CLIENT.into(),
            in_network6(100).into(),
            &format!("route add {VIP}/32 dev eth0\nroute add {VIP6}/128 dev eth0\n"),
        )?;
        member(
            &network.director,
            DIRECTOR.into(),
            in_network6(1).into(),
            &format!("address add {VIP}/32 dev eth0\naddress add {VIP6}/128 dev eth0 nodad\n"),
        )?;
        network.director.set(&[
            ("net/ipv4/vs/expire_nodest_conn", "1"),
            ("net/ipv4/conf/all/send_redirects", "0"),
            ("net/ipv4/conf/eth0/send_redirects", "0"),
        ])?;
        for (number, server) in (0..servers).zip(&network.servers) {
            // Before the virtual address is there, or its first word would be a gratuitous one.
            server.set(&[("net/ipv4/conf/all/arp_ignore", "1"), ("net/ipv4/conf/all/arp_announce", "2")])?;
            let (own, own6) = real_addresses(number);
            member(
                server,
                own.into(),
                own6.into(),
                &format!("address add {VIP}/32 dev lo\naddress add {VIP6}/128 dev lo nodad\n"),
            )?;
        }
        Ok(network)
    }
}

fn member(namespace: &Namespace, own: IpAddr, own6: IpAddr, more: &str) -> Result<()> {
    let lines = format!(
        "link set lo up\nlink set eth0 up\naddress add {own}/24 dev eth0\naddress add {own6}/64 dev eth0 nodad\n{more}"
    );
    ip(Some(namespace.name()), &lines)
}

/// One `ip` for many lines: starting a process is the costliest thing in the test kernel.
fn ip(namespace: Option<&str>, lines: &str) -> Result<()> {
    let mut command = Command::new("ip");
    if let Some(namespace) = namespace {
        command.args(["-n", namespace]);
    }
    let mut child = command
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start ip (package iproute2)")?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(lines.as_bytes()).context("cannot write to ip")?;
    }
    let output = child.wait_with_output().context("cannot wait for ip")?;
    ensure!(
        output.status.success(),
        "ip in {}: {}: in\n{lines}",
        namespace.unwrap_or("the first namespace"),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
