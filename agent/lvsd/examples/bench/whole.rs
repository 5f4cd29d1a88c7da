//! The whole way of an ejection: from a verdict that a checker reports on the agent's socket, over `agentd` and `lvsd`, to the kernel;
//! and its first half alone, which needs no kernel.
//!
//! Owns a played checker and the daemons, which it ends. When the kernel has acknowledged it learns from the time in `lvsd`'s log, so that nobody
//! but the daemons is at work meanwhile, and then asks the kernel whether it is so.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use agent_api::wire::Part;
use agent_api::{CheckHead, CheckSection, RealServerHealth, RealServerId, Verdict};
use agent_ipvs::{Destination, Edit, Ipvs, ServiceKey, Table};
use agent_link::{Changed, Checkd, Reporter, Watcher};
use anyhow::{Context as _, ensure};
use jiff::Timestamp;

/// So many servers are ejected, one after another.
const EJECTIONS: usize = 20;
/// Between two changes everything comes to rest.
const REST: Duration = Duration::from_millis(500);
/// Nothing takes this long unless it hangs.
const LONG: Duration = Duration::from_secs(60);
/// Ends the daemon, however the measuring goes.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _status = self.0.wait();
    }
}

/// The daemons and a played checker, all of whose servers are up.
struct Bed {
    // Ended in this order.
    reporter: Reporter<Checkd>,
    agentd: Daemon,
    socket: PathBuf,
    config: PathBuf,
    folder: tempfile::TempDir,
}

impl Bed {
    fn start(programs: &Path, text: &str, checks: &CheckSection) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("holdfast.toml");
        std::fs::write(&config, text)?;
        let socket = folder.path().join("agent.sock");
        let command = daemon(programs, "agentd", &config, &socket, folder.path());
        let agentd = spawn(command)?;
        let identity = agent_api::Reporter {
            version: "bench".to_owned(),
            pid: std::process::id(),
            started_at: Timestamp::now(),
            config: "bench".to_owned(),
        };
        let reporter =
            Reporter::<Checkd>::start(&socket, identity, CheckHead::default(), checks.items.clone())?;
        ensure!(reporter.flush(LONG), "the agent takes no report");
        Ok(Self { reporter, agentd, socket, config, folder })
    }
}

fn daemon(programs: &Path, name: &str, config: &Path, socket: &Path, folder: &Path) -> Command {
    let mut command = Command::new(programs.join(name));
    command.arg("--config").arg(config).arg("--socket").arg(socket);
    command.arg("--state").arg(folder.join("state.json"));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn spawn(mut command: Command) -> anyhow::Result<Daemon> {
    let child = command.spawn().map(Daemon);
    child.with_context(|| format!("can't start {}", command.get_program().display()))
}

/// What the first half of the way takes: how long each verdict took from the checker to a watcher like `lvsd`, the shortest first, and how
/// long `agentd` was at work for each in the mean, all that follows from it included.
pub fn verdicts_told(
    programs: &Path,
    text: &str,
    checks: &CheckSection,
) -> anyhow::Result<(Vec<Duration>, Duration)> {
    let bed = Bed::start(programs, text, checks)?;
    let (told, heard) = channel();
    let parts = Some(vec![Part::Orders, Part::Checkd]);
    let watcher = Watcher::start(&bed.socket, parts, move || {
        let _nobody_listens = told.send(Instant::now());
    })?;
    heard.recv_timeout(LONG).context("nothing is heard")?;
    watcher.read_changed(|_, _| ());
    std::thread::sleep(REST * 4);
    let before = at_work(&bed.agentd)?;
    let mut took = Vec::new();
    for id in chosen(checks)? {
        let up = checks.items.get(&id).context("a real server")?.clone();
        for health in [fallen(&up)?, up] {
            while heard.try_recv().is_ok() {}
            let since = Instant::now();
            bed.reporter.set_items([(id.clone(), health)]);
            took.push(hears(&heard, &watcher, &id)?.duration_since(since));
            std::thread::sleep(REST);
        }
    }
    let work = (at_work(&bed.agentd)? - before) / u32::try_from(took.len())?;
    took.sort();
    Ok((took, work))
}

fn hears(heard: &Receiver<Instant>, watcher: &Watcher, id: &RealServerId) -> anyhow::Result<Instant> {
    loop {
        let at = heard.recv_timeout(LONG).context("a verdict is not heard")?;
        let is_it = |changed: &Changed| match changed {
            Changed::RealServers(changed) => changed.contains(id),
            Changed::Everything => false,
        };
        if watcher.read_changed(|_, changed| is_it(changed)) {
            return Ok(at);
        }
    }
}

/// How long the processor has worked for `daemon`: of all its threads.
fn at_work(daemon: &Daemon) -> anyhow::Result<Duration> {
    let mut sum = 0;
    for thread in std::fs::read_dir(format!("/proc/{}/task", daemon.0.id()))? {
        let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        sum += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
    }
    Ok(Duration::from_nanos(sum))
}

/// The servers that fall, far from each other.
fn chosen(checks: &CheckSection) -> anyhow::Result<Vec<RealServerId>> {
    let ids: Vec<RealServerId> = checks.items.keys().cloned().collect();
    let spread = (ids.len() / EJECTIONS).max(1);
    let chosen: Vec<RealServerId> = ids.iter().cycle().step_by(spread).take(EJECTIONS).cloned().collect();
    ensure!(chosen.iter().collect::<BTreeSet<_>>().len() >= EJECTIONS.min(ids.len()) / 2, "badly spread");
    Ok(chosen)
}

fn fallen(up: &RealServerHealth) -> anyhow::Result<RealServerHealth> {
    let cause = Some("dns_timeout".parse().map_err(|error| anyhow::anyhow!("a cause: {error}"))?);
    Ok(RealServerHealth { verdict: Verdict::Down, passing: false, in_a_row: 3, cause, ..up.clone() })
}

/// How long each ejection took, the shortest first. `programs` is the folder of `agentd` and `lvsd`.
pub fn ejections(
    programs: &Path,
    text: &str,
    wanted: &Table,
    checks: &CheckSection,
) -> anyhow::Result<Vec<Duration>> {
    let bed = Bed::start(programs, text, checks)?;
    let mut command = daemon(programs, "lvsd", &bed.config, &bed.socket, bed.folder.path());
    command.args(["--log-level", "debug"]).stderr(Stdio::piped());
    let mut lvsd = spawn(command)?;
    let mut log = BufReader::new(lvsd.0.stderr.take().context("a pipe")?).lines();
    let (say, said) = channel();
    std::thread::spawn(move || {
        while let Some(Ok(line)) = log.next() {
            let _nobody_listens = say.send(line);
        }
    });
    let mut ipvs = Ipvs::connect()?;
    let destinations: Vec<(ServiceKey, Destination)> = wanted
        .iter()
        .flat_map(|(key, entry)| entry.destinations.values().map(|destination| (*key, *destination)))
        .collect();
    let (_, last) = until("the table", || {
        let table = ipvs.table().ok()?;
        let has: usize = table.values().map(|entry| entry.destinations.len()).sum();
        (has == destinations.len()).then_some((has, table.len()))
    })?;
    ensure!(last == wanted.len(), "{last} services are there");
    std::thread::sleep(REST * 4);

    let of_address: BTreeMap<_, _> =
        destinations.iter().map(|(key, to)| (to.key.address, (*key, *to))).collect();
    let mut took = Vec::new();
    for id in chosen(checks)? {
        let up = checks.items.get(&id).context("a real server")?.clone();
        let (service, destination) = *of_address.get(&up.address.ip()).context("its destination")?;
        let down = fallen(&up)?;
        let state = Edit::SetDestination { service, destination };
        ensure!(ipvs.apply(&[state])?.failures.is_empty(), "{id} is not in the table");
        while said.try_recv().is_ok() {}
        let since = Timestamp::now();
        bed.reporter.set_items([(id.clone(), down)]);
        let at = ejected(&said, &destination.key.address.to_string())?;
        ensure!(!ipvs.apply(&[state])?.failures.is_empty(), "{id} is in the table still");
        took.push(Duration::try_from(at.duration_since(since))?);
        std::thread::sleep(REST);
        bed.reporter.set_items([(id.clone(), up)]);
        until("its return", || {
            ipvs.apply(&[state]).is_ok_and(|done| done.failures.is_empty()).then_some(())
        })?;
        std::thread::sleep(REST);
    }
    took.sort();
    Ok(took)
}

/// When `lvsd` had the kernel's word for it that the server at `address` is out.
fn ejected(said: &Receiver<String>, address: &str) -> anyhow::Result<Timestamp> {
    loop {
        let line = said.recv_timeout(LONG).context("lvsd does not say that it has ejected")?;
        if line.contains("`-d ") && line.contains(&format!(" {address}:")) {
            return Ok(line.split(' ').next().unwrap_or_default().parse()?);
        }
    }
}

fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> anyhow::Result<T> {
    let deadline = Instant::now() + LONG;
    loop {
        if let Some(found) = found() {
            return Ok(found);
        }
        ensure!(Instant::now() < deadline, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
