//! The whole way of an ejection: from a verdict that a checker reports on the agent's socket, over `agentd` and `lvsd`, to the kernel.
//!
//! Owns a played checker and the two daemons, which it ends. When the kernel has changed it learns by stating the server's destination
//! again and again, just as it is: the first refusal says that it is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use agent_api::{CheckHead, CheckSection, RealServerId, Verdict};
use agent_ipvs::{Destination, Edit, Ipvs, ServiceKey, Table};
use agent_link::{Checkd, Reporter};
use anyhow::{Context as _, ensure};
use jiff::Timestamp;

/// So many servers are ejected, one after another.
const EJECTIONS: usize = 20;
/// Between two changes everything comes to rest.
const REST: Duration = Duration::from_millis(500);
/// Nothing takes this long unless it hangs.
const LONG: Duration = Duration::from_secs(60);
/// Between two looks at the kernel, so that a single processor is free for the daemons.
const LOOK: Duration = Duration::from_micros(100);

/// Ends the daemon, however the measuring goes.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _status = self.0.wait();
    }
}

/// How long each ejection took, the shortest first. `programs` is the folder of `agentd` and `lvsd`.
pub fn ejections(
    programs: &Path,
    text: &str,
    wanted: &Table,
    checks: &CheckSection,
) -> anyhow::Result<Vec<Duration>> {
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("holdfast.toml");
    std::fs::write(&config, text)?;
    let socket = folder.path().join("agent.sock");
    let start = |name: &str| {
        let mut command = Command::new(programs.join(name));
        command.arg("--config").arg(&config).arg("--socket").arg(&socket);
        command.args(["--log-level", "warn"]).arg("--state").arg(folder.path().join("state.json"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        child.map(Daemon).with_context(|| format!("can't start {name} of {}", programs.display()))
    };
    let _agentd = start("agentd")?;
    let identity = agent_api::Reporter {
        version: "bench".to_owned(),
        pid: std::process::id(),
        started_at: Timestamp::now(),
        config: "bench".to_owned(),
    };
    // The agent keeps what it hears in its own way; the items here are what is reported again.
    let reporter = Reporter::<Checkd>::start(&socket, identity, CheckHead::default(), checks.items.clone())?;
    ensure!(reporter.flush(LONG), "the agent takes no report");
    let _lvsd = start("lvsd")?;
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
    let ids: Vec<RealServerId> = checks.items.keys().cloned().collect();
    let spread = (ids.len() / EJECTIONS).max(1);
    let chosen: Vec<RealServerId> = ids.iter().cycle().step_by(spread).take(EJECTIONS).cloned().collect();
    ensure!(chosen.iter().collect::<BTreeSet<_>>().len() >= EJECTIONS.min(ids.len()) / 2, "badly spread");
    let mut took = Vec::new();
    for id in chosen {
        let up = checks.items.get(&id).context("a real server")?.clone();
        let (service, destination) = *of_address.get(&up.address.ip()).context("its destination")?;
        let mut down = up.clone();
        (down.verdict, down.passing, down.in_a_row) = (Verdict::Down, false, 3);
        down.cause = Some("dns_timeout".parse().map_err(|error| anyhow::anyhow!("a cause: {error}"))?);
        let state = Edit::SetDestination { service, destination };
        ensure!(ipvs.apply(&[state])?.failures.is_empty(), "{id} is not in the table");
        let since = Instant::now();
        reporter.set_items([(id.clone(), down)]);
        while ipvs.apply(&[state])?.failures.is_empty() {
            ensure!(since.elapsed() < LONG, "{id} is not ejected");
            std::thread::sleep(LOOK);
        }
        took.push(since.elapsed());
        std::thread::sleep(REST);
        reporter.set_items([(id.clone(), up)]);
        until("its return", || {
            ipvs.apply(&[state]).is_ok_and(|done| done.failures.is_empty()).then_some(())
        })?;
        std::thread::sleep(REST);
    }
    took.sort();
    Ok(took)
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
