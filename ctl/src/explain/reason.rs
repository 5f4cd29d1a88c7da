//! From the state to the reasons.
//!
//! Owns every rule that can apply to one real server, said in plain words: the verdict and its counters, the age of the news,
//! drains, `min_serving`, damping, the kernel's table. It prints nothing and asks no clock.

use agent_api::{Basis, Name, ProbeRun, RealServerHealth, Verdict};
use agent_core::view::{DaemonStatus, InTable, RealServerView, View, VirtualServerView, length};
use checker_core::Cause;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

/// Why one real server is in or out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The virtual server.
    pub virtual_server: Name,
    /// The real server.
    pub real_server: Name,
    /// Whether it is in the kernel's table: `yes`, `partly`, `no`, `unknown`.
    pub in_table: InTable,
    /// Whether it serves as it should.
    pub well: bool,
    /// All of it in one line.
    pub summary: String,
    /// Every rule that applies.
    pub because: Vec<String>,
    /// What would change it.
    pub changes: Vec<String>,
    /// How it is checked.
    pub check: Vec<String>,
    /// Its destinations in the kernel.
    pub table: Vec<String>,
    /// The latest probes, oldest first; equal ones in a row are one entry.
    pub probes: Vec<ProbeRun>,
}

/// Explains one real server.
pub fn explain(
    view: &View,
    pool: &VirtualServerView,
    server: &RealServerView,
    health: Option<&RealServerHealth>,
) -> Explanation {
    let basis = health.and_then(|health| health.basis.as_deref());
    let now = view.generated_at;
    let mut because = verdict(view, server, health);
    because.extend(counters(server, basis));
    because.extend(health.into_iter().flat_map(|health| beside(health, now)));
    because.extend(rules(pool, server, now));
    Explanation {
        virtual_server: pool.name.clone(),
        real_server: server.name.clone(),
        in_table: server.in_table,
        well: server.verdict == Verdict::Up && server.in_table == InTable::Yes && server.drain.is_none(),
        summary: summary(pool, server, now),
        because,
        changes: changes(view, server, basis),
        check: health.filter(|health| !health.checks.is_empty()).map_or_else(|| check(server, basis), checks),
        table: table(server),
        probes: match (basis, health) {
            (Some(basis), _) => basis.runs.clone(),
            // Of several checks, the latest run of each.
            (None, Some(health)) => {
                let bases = health.checks.iter().filter_map(|check| check.health.basis.as_deref());
                bases.filter_map(|basis| basis.runs.last().cloned()).collect()
            }
            (None, None) => Vec::new(),
        },
    }
}

fn ago(at: Timestamp, now: Timestamp) -> String {
    length(now.duration_since(at).max(SignedDuration::ZERO))
}

fn summary(pool: &VirtualServerView, server: &RealServerView, now: Timestamp) -> String {
    let place = match server.in_table {
        InTable::Yes => "is in",
        InTable::Partly => "is partly in",
        InTable::No => "is out",
        InTable::Unknown => "may be in or out: the kernel's table is not reported",
    };
    let word = server.verdict;
    let why = match (&server.drain, server.verdict, server.in_table) {
        (Some(drain), _, _) => format!("drained by {}", drain.who),
        (None, Verdict::Down, InTable::Yes | InTable::Partly) if pool.fail_open => {
            "down, but min_serving keeps it".to_owned()
        }
        (None, _, _) => match server.since {
            Some(since) => format!("{word} for {}", ago(since, now)),
            None => word.to_string(),
        },
    };
    format!("{place}: {why}")
}

/// The verdict, why it is so, and whether it is still believed.
fn verdict(view: &View, server: &RealServerView, health: Option<&RealServerHealth>) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(daemon) = view.daemon("checkd") {
        let heard = daemon.heard_at.map(|at| ago(at, view.generated_at));
        match (daemon.status, heard) {
            (DaemonStatus::Silent, Some(heard)) => lines.push(format!(
                "checkd was last heard {heard} ago, so its verdict counts as unknown, and the kernel's table is held as it is"
            )),
            (DaemonStatus::NeverHeard, _) => {
                lines.push("checkd has not reported yet, so nothing is known of it, and the kernel's table is held as it is".to_owned());
            }
            _ => {}
        }
    }
    let Some(health) = health else {
        lines.push("checkd reports nothing of it: its configuration does not have it".to_owned());
        return lines;
    };
    let known = if server.last_known.is_some() { "it was" } else { "it is" };
    lines.push(format!(
        "{known} {} since {} ({} ago)",
        health.verdict,
        health.since.strftime("%Y-%m-%d %H:%M:%S UTC"),
        ago(health.since, view.generated_at)
    ));
    if let Some(cause) = &health.cause {
        let detail = if health.detail.is_empty() { String::new() } else { format!(": {}", health.detail) };
        lines.push(format!("cause {cause}{detail}"));
        if let Ok(cause) = cause.as_str().parse::<Cause>() {
            lines.push(cause.meaning().to_owned());
        }
    }
    lines
}

fn times(count: u32, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// What the counters say.
fn counters(server: &RealServerView, basis: Option<&Basis>) -> Vec<String> {
    let Some(basis) = basis else {
        let what = if server.passing { "passes" } else { "failures" };
        let count = server.in_a_row;
        return if count > 0 { vec![format!("{what} in a row: {count} or more")] } else { Vec::new() };
    };
    let mut lines = Vec::new();
    let settled = basis.settled;
    if server.verdict == Verdict::Unknown && settled != Verdict::Unknown && server.last_known.is_none() {
        lines.push(format!(
            "its latest {} could not be run, which says nothing about it: {settled} is what was settled before, and what counts again when one can be run",
            times(basis.silent, "probe")
        ));
    } else if basis.silent > 0 {
        lines.push(format!(
            "its latest {} could not be run, which counts neither for nor against it",
            times(basis.silent, "probe")
        ));
    }
    if basis.away > 0 {
        let toward = basis.toward;
        let better = if settled == Verdict::Unknown { toward.passes() } else { toward < settled };
        let needed = if better { basis.rise } else { basis.fall };
        let limit = if better { "rise" } else { "fall" };
        let said = match (basis.away, toward.passes()) {
            (1, true) => "1 pass speaks".to_owned(),
            (1, false) => "1 failure speaks".to_owned(),
            (count, true) => format!("{count} passes in a row speak"),
            (count, false) => format!("{count} failures in a row speak"),
        };
        lines.push(format!("{said} for {toward}; {limit} = {needed} of them make it so"));
    }
    if basis.undecided {
        lines.push("it was judged before, but how is not known any more: it takes as many results to settle as after a change".to_owned());
    }
    if basis.falls > 0 {
        lines.push(format!(
            "it fell again soon after its return {}: damping asks for {} passes in a row instead of fewer",
            times(basis.falls, "time"),
            basis.rise
        ));
    }
    lines
}

/// What several checks come to, and what is known beside the verdict.
fn beside(health: &RealServerHealth, now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    for check in &health.checks {
        let one = &check.health;
        let kind = if check.advisory { ", which only warns," } else { "" };
        let cause = one.cause.as_ref().map_or_else(String::new, |cause| format!(": {cause}"));
        let detail = if one.detail.is_empty() { String::new() } else { format!(": {}", one.detail) };
        lines.push(format!(
            "check {}{kind} is {} for {}{cause}{detail}",
            check.name,
            one.verdict,
            ago(one.since, now)
        ));
    }
    if let Some(weight) = health.weight {
        lines.push(format!("its checks ask for weight {weight} in place of the configured one"));
    }
    if let Some(returned) = health.returned.filter(|_| health.verdict.passes()) {
        lines.push(format!(
            "it came back from being down {} ago: where slow_start is longer than that, its weight still grows",
            ago(returned, now)
        ));
    }
    if health.unconfirmed > 0 {
        lines.push(format!(
            "that is from before checkd was restarted; it takes {} to bear it out, and until then the kernel's table is held as it is for it",
            times(health.unconfirmed, "more result")
        ));
    }
    lines
}

/// How each of several checks is made.
fn checks(health: &RealServerHealth) -> Vec<String> {
    let counted = health.checks.iter().filter(|check| !check.advisory).count();
    let advisory = health.checks.len() - counted;
    let mut lines = vec![format!("checks that count: {counted}, that only warn: {advisory}")];
    for check in &health.checks {
        let Some(basis) = check.health.basis.as_deref() else { continue };
        lines.push(format!(
            "{}: {}{}; rise = {}, fall = {}",
            check.name,
            basis.check,
            at(check.health.address),
            basis.rise,
            basis.fall
        ));
    }
    lines
}

/// The rules beside the verdict.
fn rules(pool: &VirtualServerView, server: &RealServerView, now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(drain) = &server.drain {
        let why = if drain.why.is_empty() { String::new() } else { format!(" ({})", drain.why) };
        let until = drain.until.map_or_else(
            || "until it is ended".to_owned(),
            |until| format!("for {} more", length(until.duration_since(now).max(SignedDuration::ZERO))),
        );
        lines.push(format!(
            "{} drained {} {} ago{why}, {until}: it keeps its connections and gets no new ones",
            drain.who,
            drain.target,
            ago(drain.since, now)
        ));
    }
    if pool.fail_open {
        let kept = server.verdict == Verdict::Down && server.in_table != InTable::No;
        let this = if kept { ", this one among them" } else { "" };
        lines.push(format!(
            "{} fails open: more real servers are down than min_serving, max_ejected or ejection_rate lets go, so some stay in the table{this}",
            pool.name
        ));
    }
    let zero = server.drain.is_none()
        && server.in_table == InTable::Yes
        && server.destinations.iter().all(|to| to.weight == 0);
    if zero {
        lines
            .push("its weight is 0 in the configuration or in the kernel: it gets no new clients".to_owned());
    }
    if server.verdict == Verdict::Unknown {
        lines.push(
            "unknown is not down: the kernel's table is held as it is, nobody is put in or out for it"
                .to_owned(),
        );
    }
    if pool.sorry {
        lines.push(format!("no real server of {} serves: its sorry server answers", pool.name));
    }
    if pool.quorum_lost {
        lines.push(format!(
            "{} has lost its quorum, and has it again when enough more serve than it asks for",
            pool.name
        ));
    }
    if pool.quorum > 0 && pool.serving < usize::try_from(pool.quorum).unwrap_or(usize::MAX) {
        lines.push(format!(
            "{} is below its quorum: {} serve, {} should",
            pool.name, pool.serving, pool.quorum
        ));
    }
    lines
}

fn passes(count: u32) -> String {
    if count == 1 { "1 passed probe".to_owned() } else { format!("{count} passed probes in a row") }
}

/// What would change it.
fn changes(view: &View, server: &RealServerView, basis: Option<&Basis>) -> Vec<String> {
    let mut lines = Vec::new();
    if view.daemon("checkd").is_some_and(|daemon| !daemon.status.is_believed()) {
        lines.push("checkd reports again: see that it runs, and read its log".to_owned());
    }
    if let Some(drain) = &server.drain {
        let by_itself = if drain.until.is_some() { "; otherwise it ends by itself" } else { "" };
        lines.push(format!("holdfast undrain {} ends the drain{by_itself}", drain.target));
    }
    let Some(basis) = basis else { return lines };
    let left = |needed: u32, counts: bool| {
        let seen = if counts { basis.away } else { 0 };
        needed.saturating_sub(seen).max(1)
    };
    let settled = basis.settled;
    let rising =
        basis.away > 0 && basis.toward.passes() && (settled == Verdict::Unknown || basis.toward < settled);
    let falling = basis.away > 0 && !rising;
    let blind = server.verdict == Verdict::Unknown && settled != Verdict::Unknown;
    if blind {
        lines.push(format!("one probe that can be run shows it as {settled} again, or counts against that"));
    }
    match settled {
        Verdict::Up => {
            lines.push(format!("{} more in a row take it down", times(left(basis.fall, falling), "failure")))
        }
        Verdict::Degraded => lines.push(format!(
            "{} without fault bring it up, {} in a row take it down",
            passes(left(basis.rise, rising)),
            times(left(basis.fall, falling), "failure")
        )),
        Verdict::Down => {
            let needed = left(basis.rise, rising);
            let brings = if needed == 1 { "brings" } else { "bring" };
            lines.push(format!("{} {brings} it up", passes(needed)));
        }
        Verdict::Unknown => {
            let needed = if basis.undecided { left(basis.rise, rising) } else { 1 };
            lines.push(format!(
                "{} brings it up, {} in a row take it down",
                passes(needed),
                times(left(basis.fall, falling), "failure")
            ));
        }
    }
    lines
}

/// Where a check goes. One that has no port, such as by ping, says none.
fn at(address: std::net::SocketAddr) -> String {
    match address.port() {
        0 => format!(" at {}", address.ip()),
        _ => format!(" at {address}"),
    }
}

/// How it is checked.
fn check(server: &RealServerView, basis: Option<&Basis>) -> Vec<String> {
    let Some(basis) = basis else { return Vec::new() };
    let at = server.address.map_or_else(String::new, at);
    let interval = SignedDuration::from_millis(i64::try_from(basis.interval_ms).unwrap_or(i64::MAX));
    let every =
        if basis.interval_ms < 10_000 { format!("{} ms", basis.interval_ms) } else { length(interval) };
    vec![
        format!("{}{at}", basis.check),
        format!(
            "at present every {every}, each probe for at most {} ms; rise = {}, fall = {}",
            basis.timeout_ms, basis.rise, basis.fall
        ),
    ]
}

fn table(server: &RealServerView) -> Vec<String> {
    server
        .destinations
        .iter()
        .map(|to| {
            format!(
                "{} goes to {} with weight {}; connections: {} active, {} inactive",
                to.service, to.address, to.weight, to.active_connections, to.inactive_connections
            )
        })
        .collect()
}
