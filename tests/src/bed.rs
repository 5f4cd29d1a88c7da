//! The whole bed: the network, its name servers, and Holdfast on the director.
//!
//! Owns how they fit together: names, addresses, the configuration's text, and the way back to a clean start.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use tempfile::TempDir;

use crate::holdfast::{Daemon, Suite};
use crate::name_server::{Behaviour, Make, NameServer};
use crate::network::{DIRECTOR, Network, VIP, VIP6, real_addresses};
use crate::patience::{Stalls, wait_for};
use crate::question;
use crate::table::Table;

/// How long something may take that nothing is promised about: far more than it needs.
pub const SOON: Duration = Duration::from_secs(20);

/// Schedule and thresholds of the checks.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// From one probe to the next.
    pub interval: Duration,
    /// The limit of one probe.
    pub timeout: Duration,
    /// Queries in one probe.
    pub tries: u32,
    /// Passes that bring a server back.
    pub rise: u32,
    /// Failures that take a server out.
    pub fall: u32,
}

impl Timing {
    /// Quick enough to see much in a short time, slow enough for a guest with one processor.
    pub const QUICK: Self = Self {
        interval: Duration::from_millis(500),
        timeout: Duration::from_millis(250),
        tries: 2,
        rise: 2,
        fall: 3,
    };

    /// Promised: a dead server is out of the table after this time.
    #[must_use]
    pub fn out_within(&self) -> Duration {
        self.interval * self.fall + self.timeout + Duration::from_millis(500)
    }

    /// Promised: a server that answers again is in the table after this time.
    #[must_use]
    pub fn back_within(&self) -> Duration {
        self.interval * self.rise + Duration::from_millis(500)
    }
}

/// The bed.
#[derive(Debug)]
pub struct Bed {
    /// The namespaces.
    pub network: Network,
    /// The name servers: that of number 0 is the real server `dns1`.
    pub servers: Vec<NameServer>,
    /// Holdfast.
    pub holdfast: Suite,
    /// How late this machine is.
    pub stalls: Stalls,
    /// Last, so that it is removed when nothing uses it any more.
    directory: TempDir,
}

impl Bed {
    /// Builds the network and starts one name server of each make.
    ///
    /// # Errors
    /// Something cannot be made or started.
    pub fn build(makes: &[Make]) -> Result<Self> {
        let directory =
            TempDir::with_prefix("holdfast-bed-").context("cannot make a directory for the bed")?;
        let network = Network::build(u8::try_from(makes.len())?)?;
        let mut servers = Vec::new();
        for (number, make) in (0_u8..).zip(makes) {
            let (own, own6) = real_addresses(number);
            let addresses = vec![own.into(), own6.into(), VIP.into(), VIP6.into()];
            servers.push(NameServer::prepare(
                *make,
                directory.path().join(format!("dns{}", number + 1)),
                addresses,
            )?);
        }
        for (server, namespace) in servers.iter_mut().zip(&network.servers) {
            server.launch(namespace)?;
        }
        for (server, namespace) in servers.iter().zip(&network.servers) {
            server.wait_ready(namespace)?;
        }
        let holdfast = Suite::prepare(directory.path().join("holdfast"))?;
        Ok(Self { network, servers, holdfast, stalls: Stalls::watch(), directory })
    }

    /// Back to a clean start: no Holdfast, an empty table, every name server running and right.
    ///
    /// # Errors
    /// Something cannot be brought back.
    pub fn reset(&mut self) -> Result<()> {
        self.holdfast.forget()?;
        self.network.director.output("ipvsadm", &["-C"])?;
        for number in 0..self.servers.len() {
            self.mend(number)?;
        }
        let _ = self.stalls.take_worst();
        Ok(())
    }

    /// Makes a name server run and answer rightly, whatever was done to it.
    ///
    /// # Errors
    /// It does not in time.
    pub fn mend(&mut self, number: usize) -> Result<()> {
        let (server, namespace) = self.server(number)?;
        if !server.runs() && server.thaw().is_err() {
            server.start(namespace)?;
        }
        server.behave(namespace, Behaviour::Right).map(drop)
    }

    /// A name server and its namespace.
    ///
    /// # Errors
    /// There is none of that number.
    pub fn server(&mut self, number: usize) -> Result<(&mut NameServer, &crate::network::Namespace)> {
        self.servers
            .get_mut(number)
            .zip(self.network.servers.get(number))
            .ok_or_else(|| anyhow!("no server {number}"))
    }

    /// The address of a real server.
    ///
    /// # Errors
    /// There is none of that number.
    pub fn address(&self, number: usize) -> Result<IpAddr> {
        ensure!(number < self.servers.len(), "no server {number}");
        Ok(real_addresses(u8::try_from(number)?).0.into())
    }

    /// The configuration for all name servers, with `top` before and `inside` in the virtual server's table.
    #[must_use]
    pub fn config(&self, timing: &Timing, top: &str, inside: &str) -> String {
        let Timing { interval, timeout, tries, rise, fall } = timing;
        let mut text = format!(
            "{top}
[[virtual_server]]
name = \"resolver\"
address = \"{VIP}\"
services = [\"udp/53\", \"tcp/53\"]
forwarding = \"direct\"
scheduler = \"rr\"
{inside}
  [virtual_server.check.dns]
  qname = \"{}\"
  qtype = \"A\"
  expect_rcode = [\"NOERROR\"]
  expect_answer = [\"{}\"]
  interval = \"{}ms\"
  timeout = \"{}ms\"
  tries = {tries}
  rise = {rise}
  fall = {fall}
",
            question::NAME,
            question::RIGHT,
            interval.as_millis(),
            timeout.as_millis()
        );
        for number in 0..self.servers.len() {
            let (own, _) = real_addresses(u8::try_from(number).unwrap_or(u8::MAX));
            text.push_str(&format!(
                "
  [[virtual_server.real_server]]
  name = \"dns{}\"
  address = \"{own}\"
  weight = 100
  probe_source = \"{DIRECTOR}\"
",
                number + 1
            ));
        }
        text
    }

    /// Writes that configuration and starts all daemons; returns when every name server is up and in the table.
    ///
    /// # Errors
    /// A daemon cannot be started, or the table does not come about.
    pub fn start_holdfast(&mut self, timing: &Timing) -> Result<()> {
        let text = self.config(timing, "", "");
        self.holdfast.write_config(&text)?;
        self.holdfast.start_all(&self.network.director, &[Daemon::Agentd, Daemon::Checkd, Daemon::Lvsd])?;
        self.settled()
    }

    /// Waits until every name server is up and in the table and all daemons are connected.
    ///
    /// # Errors
    /// It is not so in time.
    pub fn settled(&mut self) -> Result<()> {
        let reals: Vec<IpAddr> =
            (0..self.servers.len()).map(|number| self.address(number)).collect::<Result<_>>()?;
        self.table_when("every name server is in the table", SOON, |table| {
            reals.iter().all(|real| table.serves(VIP.into(), *real))
        })
        .with_context(|| self.holdfast.log_ends())?;
        let names: Vec<String> = (1..=reals.len()).map(|number| format!("dns{number}")).collect();
        self.holdfast.status_when("every name server is up, every daemon connected", SOON, |status| {
            status.all_connected() && names.iter().all(|name| status.verdict(name) == "up")
        })?;
        self.holdfast.all_alive()
    }

    /// The kernel's table.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn table(&self) -> Result<Table> {
        self.network.director.run(Table::read)?
    }

    /// Looks at the kernel's table until it is as wanted; returns when that was seen.
    ///
    /// # Errors
    /// It is not within `limit`; the error has the last table.
    pub fn table_when(
        &self,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&Table) -> bool + Sync,
    ) -> Result<Instant> {
        let mut last = Table::default();
        self.network
            .director
            .run(|| {
                wait_for(what, limit, || {
                    last = Table::read()?;
                    Ok(wanted(&last).then(Instant::now))
                })
            })?
            .with_context(|| format!("the last table was\n{last}"))
    }

    /// The kernel's table as `ipvsadm -Sn` writes it.
    ///
    /// # Errors
    /// `ipvsadm` fails.
    pub fn saved_table(&self) -> Result<String> {
        self.network.director.output("ipvsadm", &["-Sn"])
    }

    /// Changes the kernel's table behind Holdfast's back.
    ///
    /// # Errors
    /// `ipvsadm` fails.
    pub fn ipvsadm(&self, arguments: &[&str]) -> Result<()> {
        self.network.director.output("ipvsadm", arguments).map(drop)
    }

    /// Where the bed's files are.
    #[must_use]
    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// What is known when a case has failed: the table, the status, the logs.
    #[must_use]
    pub fn evidence(&self) -> String {
        let table = self.table().map_or_else(|error| format!("{error:#}\n"), |table| table.to_string());
        let status =
            self.holdfast.status().map_or_else(|error| format!("{error:#}"), |status| status.short());
        format!("--- table\n{table}--- status\n{status}\n{}", self.holdfast.log_ends())
    }
}
