//! What `lvsd`'s reconciler costs on a real kernel: filling tables, a pass with nothing to do, one change, one ejection.
//!
//! Run by `tests/bench-lvs.sh` as root in a network namespace of its own, since what is removed lies in the kernel's bin for minutes and slows
//! down every addition. Prints rows of a table; `ipvsadm` does the same work beside it.

mod whole;

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use agent_api::config::{Source, parse};
use agent_api::{CheckSection, RealServerHealth, Verdict};
use agent_core::blueprint::Blueprint;
use agent_ipvs::{Edit, Ipvs, Table, text};
use anyhow::{Context as _, anyhow, ensure};
use jiff::Timestamp;
use lvsd::kernel::{Kernel as _, LinuxKernel};
use lvsd::reconcile::{Heard, Reconciler};

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
/// Each figure is the best of so many, since others disturb and nothing speeds up.
const TIMES: usize = 5;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [services, servers, way] = arguments.as_slice() else {
        anyhow::bail!("usage: bench SERVICES SERVERS batch|ipvsadm|keepalived|lvsd|whole|told");
    };
    let (services, servers): (usize, usize) = (services.parse()?, servers.parse()?);
    let mut out = std::io::stdout().lock();
    let mut row = |what: &str, took: Duration, requests: usize| {
        let milliseconds = took.as_secs_f64() * 1e3;
        writeln!(out, "| {services} × {servers} | {what} | {milliseconds:.2} | {requests} |")
    };
    bench(services, servers, way, &mut row)
}

type Row<'r> = &'r mut dyn FnMut(&str, Duration, usize) -> std::io::Result<()>;

fn bench(services: usize, servers: usize, way: &str, row: Row<'_>) -> anyhow::Result<()> {
    let (text, blueprint, mut checks) = pools(services, servers, 0)?;
    let programs = std::env::var_os("PROGRAMS").context("PROGRAMS is to name the folder of agentd and lvsd");
    if way == "told" {
        let (took, work) = whole::verdicts_told(programs?.as_ref(), &text, &checks)?;
        row("from a verdict reported to a watcher that has it, over agentd: median", median(&took), 0)?;
        row("the longest of them", took.last().copied().unwrap_or_default(), 0)?;
        return Ok(row("agentd at work for each, its state file included", work, 0)?);
    }
    ensure!(
        Ipvs::connect()?.table()?.is_empty(),
        "the table of this namespace is not empty; use another one"
    );
    let mut ipvs = Ipvs::connect()?;
    let mut reconciler = Reconciler::new(blueprint.clone(), Default::default(), Default::default());
    let mut kernel = LinuxKernel::default();

    let wanted = reconciler.plan(heard(&checks), &Table::new(), NOW).0.wanted;
    let edits: Vec<Edit> = reconciler.plan(heard(&checks), &Table::new(), NOW).1.into_vec();
    if way == "batch" {
        warm(&mut reconciler, &mut kernel, &mut ipvs)?;
        let (took, applied) = timed(|| Ok(ipvs.apply(&edits)?))?;
        ensure!(applied.failures.is_empty(), "{:?}", applied.failures.first());
        return Ok(row("fill: the bare batch", took, edits.len())?);
    }
    if way == "ipvsadm" {
        let lines = text::export(&wanted, text::Style::Saved);
        let (took, ()) = timed(|| restore(&lines))?;
        return Ok(row("fill: `ipvsadm -R`", took, edits.len())?);
    }
    if way == "keepalived" {
        let (took, ()) = timed(|| keepalived(&wanted, &mut ipvs))?;
        return Ok(row("fill: keepalived, from its start, without checks", took, edits.len())?);
    }
    if way == "whole" {
        let took = whole::ejections(programs?.as_ref(), &text, &wanted, &checks)?;
        row("from a verdict reported to the kernel, over agentd and lvsd: median", median(&took), 1)?;
        return Ok(row("the longest of them", took.last().copied().unwrap_or_default(), 1)?);
    }
    warm(&mut reconciler, &mut kernel, &mut ipvs)?;
    let (took, requests) = timed(|| pass(&mut reconciler, &mut kernel, &checks))?;
    row("fill: a pass of lvsd, readings included", took, requests)?;

    let (took, requests) = best(|| pass(&mut reconciler, &mut kernel, &checks))?;
    ensure!(requests == 0, "a pass with nothing to do wrote {requests} requests");
    row("a pass with nothing to do", took, requests)?;
    let (took, _) = best(|| Ok(ipvs.table()?))?;
    row("reading the table: the library", took, 0)?;
    let (took, ()) = best(|| quiet(&["-Ln"]))?;
    row("reading the table: `ipvsadm -Ln`", took, 0)?;

    // A verdict: out at once, by memory; the pass that follows sees it.
    let first = checks.items.keys().next().cloned().context("a real server")?;
    let mut ejected = Vec::new();
    let changed = std::collections::BTreeSet::from([first.clone()]);
    for _ in 0..TIMES {
        set(&mut checks, &first, Verdict::Down)?;
        let (took, requests) = timed(|| {
            let ejections = reconciler.ejections(heard(&checks), Some(&changed), NOW);
            Ok(reconciler.hasten(&mut kernel, ejections)?.len())
        })?;
        ensure!(requests == 1, "an ejection took {requests} requests");
        ejected.push(took);
        ensure!(pass(&mut reconciler, &mut kernel, &checks)? == 0, "the ejection was not complete");
        set(&mut checks, &first, Verdict::Up)?;
        let requests = pass(&mut reconciler, &mut kernel, &checks)?;
        ensure!(requests == 1, "one change took {requests} requests");
    }
    row(
        "from a verdict to the kernel: one server ejected",
        ejected.into_iter().min().unwrap_or_default(),
        1,
    )?;
    Ok(())
}

fn median(took: &[Duration]) -> Duration {
    took.get(took.len() / 2).copied().unwrap_or_default()
}

fn heard(checks: &CheckSection) -> Heard<'_> {
    Heard { checks: Some(checks), orders: None, flows_move: true }
}

/// A small table of other addresses is made and removed, in both ways: what is measured then is not that a program's first step of each kind has
/// to be read from the disk, which takes longer than a small table.
fn warm(reconciler: &mut Reconciler, kernel: &mut LinuxKernel, ipvs: &mut Ipvs) -> anyhow::Result<()> {
    let (_, small, checks) = pools(1, 1, 100)?;
    let wanted =
        std::mem::replace(reconciler, Reconciler::new(small, Default::default(), Default::default()));
    ensure!(pass(reconciler, kernel, &checks)? == 2, "a table of one was not made");
    let table = kernel.read()?.table();
    let remove: Vec<Edit> = table.keys().map(|key| Edit::RemoveService(*key)).collect();
    ensure!(ipvs.apply(&remove)?.failures.is_empty() && ipvs.table()?.is_empty(), "it was not removed");
    *reconciler = wanted;
    Ok(())
}

/// One pass as the daemon makes it; gives the number of edits.
fn pass(
    reconciler: &mut Reconciler,
    kernel: &mut LinuxKernel,
    checks: &CheckSection,
) -> anyhow::Result<usize> {
    let before = kernel.read()?;
    let actual = before.table();
    let planned = reconciler.plan(heard(checks), &actual, NOW);
    Ok(reconciler.carry_out(kernel, (before, actual), planned, NOW, |_| None)?.edits.len())
}

fn timed<T>(mut work: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<(Duration, T)> {
    let start = Instant::now();
    let done = work()?;
    Ok((start.elapsed(), done))
}

fn best<T>(mut work: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<(Duration, T)> {
    let mut best = timed(&mut work)?;
    for _ in 1..TIMES {
        let again = timed(&mut work)?;
        if again.0 < best.0 {
            best = again;
        }
    }
    Ok(best)
}

fn restore(lines: &str) -> anyhow::Result<()> {
    let mut child = Command::new("ipvsadm").arg("-R").stdin(Stdio::piped()).spawn().context("ipvsadm")?;
    child.stdin.take().context("a pipe")?.write_all(lines.as_bytes())?;
    ensure!(child.wait()?.success(), "ipvsadm -R failed");
    Ok(())
}

/// Starts keepalived with the same table, and ends it when the table is complete.
fn keepalived(wanted: &Table, ipvs: &mut Ipvs) -> anyhow::Result<()> {
    let mut config = String::new();
    for entry in wanted.values() {
        let agent_ipvs::ServiceKey::Address { address, port, .. } = entry.service.key() else { continue };
        config.push_str(&format!(
            "virtual_server {address} {port} {{\n lb_algo wrr\n lb_kind DR\n protocol UDP\n"
        ));
        for to in entry.destinations.values() {
            config.push_str(&format!(
                " real_server {} {} {{\n weight {}\n }}\n",
                to.key.address, to.key.port, to.weight
            ));
        }
        config.push_str("}\n");
    }
    let folder = std::env::temp_dir();
    let path = folder.join(format!("bench-keepalived-{}.conf", std::process::id()));
    std::fs::write(&path, config)?;
    let pid = |name: &str| folder.join(format!("bench-{name}-{}.pid", std::process::id()));
    let mut child = Command::new("keepalived")
        .args(["--dont-fork", "--check", "--use-file"])
        .arg(&path)
        .arg("--pid")
        .arg(pid("keepalived"))
        .arg("--checkers_pid")
        .arg(pid("checkers"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("keepalived (apt-get install keepalived)")?;
    let all: usize = wanted.values().map(|entry| entry.destinations.len()).sum();
    let deadline = Instant::now() + Duration::from_secs(60);
    let full = loop {
        // A reading that the writer keeps disturbing is one that came too early.
        let has: usize =
            ipvs.table().map_or(0, |table| table.values().map(|entry| entry.destinations.len()).sum());
        if has == all {
            break Ok(());
        }
        if Instant::now() > deadline || child.try_wait()?.is_some() {
            break Err(anyhow!("keepalived has made {has} of {all} destinations"));
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    // A plain end would remove the table, which nobody waits for.
    child.kill()?;
    child.wait()?;
    full
}

fn quiet(arguments: &[&str]) -> anyhow::Result<()> {
    let status = Command::new("ipvsadm").args(arguments).stdout(Stdio::null()).status().context("ipvsadm")?;
    ensure!(status.success(), "ipvsadm failed");
    Ok(())
}

fn set(checks: &mut CheckSection, id: &agent_api::RealServerId, verdict: Verdict) -> anyhow::Result<()> {
    checks.items.get_mut(id).context("a real server")?.verdict = verdict;
    Ok(())
}

/// So many UDP services with so many real servers each, all up, from address `first` on.
fn pools(services: usize, servers: usize, first: usize) -> anyhow::Result<(String, Blueprint, CheckSection)> {
    let mut text = String::new();
    for service in 0..services {
        text.push_str(&format!(
            "[[virtual_server]]\nname = \"v{service}\"\naddress = \"10.100.0.{}\"\nservices = [\"udp/53\"]\nscheduler = \"wrr\"\n\
             [virtual_server.check.dns]\nqname = \"a.test\"\n",
            first + service + 1
        ));
        for server in 0..servers {
            let (high, low) = (first + server / 250 + service, server % 250 + 1);
            text.push_str(&format!(
                "[[virtual_server.real_server]]\nname = \"s{server}\"\naddress = \"10.101.{high}.{low}\"\nweight = 10\n"
            ));
        }
    }
    let config = parse(&[Source { path: "bench.toml".into(), text: text.clone() }])
        .map_err(|mistakes| anyhow!("{mistakes}"))?;
    let items = config.real_servers().map(|(pool, server)| {
        let health = RealServerHealth::new(Verdict::Up, NOW, server.checks[0].target);
        (pool.id_of(server), health)
    });
    let checks = CheckSection {
        heard_at: Some(NOW),
        connected: true,
        items: items.collect(),
        ..CheckSection::default()
    };
    Ok((text, Blueprint::of(&config)?, checks))
}
