//! From the state to the reasons.
//!
//! Owns every rule that can apply to one real server, said in plain words: the verdict and its counters, the age of the news,
//! drains, `min_serving`, damping, the kernel's table. It prints nothing and asks no clock.

use agent_api::{Basis, KeptBy, Name, ProbeRun, RealServerHealth, Verdict};
use agent_core::view::{DaemonStatus, InTable, RealServerView, View, VirtualServerView, length};
use checker_core::Cause;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::changes::changes;

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
    because.extend(rules(view, pool, server, health));
    Explanation {
        virtual_server: pool.name.clone(),
        real_server: server.name.clone(),
        in_table: server.in_table,
        well: server.verdict == Verdict::Up && server.in_table == InTable::Yes && server.drain.is_none(),
        summary: summary(pool, server, now),
        because,
        changes: changes(view, server, health),
        check: health.filter(|health| !health.checks.is_empty()).map_or_else(|| check(server, basis), checks),
        table: table(server),
        probes: match (basis, health) {
            (Some(basis), _) => basis.runs.clone(),
            // Of several checks, the latest run of each.
            (None, Some(health)) => {
                let latest = health.checks.iter().filter_map(|check| {
                    let run = check.health.basis.as_deref()?.runs.last()?.clone();
                    let parted = if run.detail.is_empty() { "" } else { ": " };
                    Some(ProbeRun { detail: format!("check {}{parted}{}", check.name, run.detail), ..run })
                });
                latest.collect()
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
        (None, Verdict::Down, InTable::Yes | InTable::Partly) if kept(pool, server) == Some(KeptBy::Rate) => {
            "down, but ejection_rate lets it go later".to_owned()
        }
        (None, Verdict::Down, InTable::Yes | InTable::Partly) if kept(pool, server).is_some() => {
            "down, but min_serving or max_ejected keeps it".to_owned()
        }
        (None, _, _) => match server.since {
            Some(since) => format!("{word} for {}", ago(since, now)),
            None => word.to_string(),
        },
    };
    format!("{place}: {why}")
}

/// What keeps it in though it is down. An `lvsd` that does not say it of each is taken to mean the share.
fn kept(pool: &VirtualServerView, server: &RealServerView) -> Option<KeptBy> {
    let told = server.destinations.iter().find_map(|to| to.kept);
    told.or_else(|| (pool.fail_open && server.verdict == Verdict::Down).then_some(KeptBy::Share))
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
        if !server.checks.is_empty() {
            return Vec::new();
        }
        let what = if server.passing { "passes" } else { "failures" };
        let count = server.in_a_row;
        return if count > 0 { vec![format!("{what} in a row: {count} or more")] } else { Vec::new() };
    };
    said_by_counters(server.verdict, basis, server.last_known.is_none())
}

/// The same of one check that is `shown` to be this, if that is `fresh`.
fn said_by_counters(shown: Verdict, basis: &Basis, fresh: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let settled = basis.settled;
    let silent = match basis.silent {
        1 if basis.fall > 1 => "probe".to_owned(),
        silent if silent < basis.fall => format!("{silent} probes"),
        // Nobody counts on from there.
        _ => "probes".to_owned(),
    };
    if shown == Verdict::Unknown && settled != Verdict::Unknown && fresh {
        lines.push(format!(
            "its latest {silent} could not be run, which says nothing about it: {settled} is what was settled before, and what counts again when one can be run"
        ));
    } else if basis.silent > 0 {
        lines.push(format!("its latest {silent} could not be run, which counts neither for nor against it"));
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
            "it fell again soon after its return {}: by damping it takes {} passes in a row to come back, more than the configured rise",
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
        let said = one.basis.as_deref().map(|basis| said_by_counters(one.verdict, basis, true));
        lines.extend(said.into_iter().flatten().map(|line| format!("check {}: {line}", check.name)));
    }
    if let Some(weight) = health.weight {
        lines.push(format!("its checks ask for weight {weight} in place of the configured one"));
    }
    if let Some(returned) = health.returned.filter(|_| health.verdict.passes()) {
        lines.push(format!("it came back from being down {} ago", ago(returned, now)));
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
    let require = match health.require {
        0 => String::new(),
        require => format!(", of which {require} must pass"),
    };
    let mut lines = vec![format!("checks that count: {counted}{require}; that only warn: {advisory}")];
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
fn rules(
    view: &View,
    pool: &VirtualServerView,
    server: &RealServerView,
    health: Option<&RealServerHealth>,
) -> Vec<String> {
    let now = view.generated_at;
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
        if server.verdict.passes() && matches!(server.in_table, InTable::No | InTable::Partly) {
            lines.push(
                "others take over what it had over UDP, so it is out of such services; connections over TCP end by themselves"
                    .to_owned(),
            );
        }
    }
    if pool.fail_open {
        let this = match kept(pool, server).filter(|_| server.in_table != InTable::No) {
            Some(KeptBy::Share) => {
                ". This one is kept by min_serving or max_ejected: it is among those that fell last"
            }
            Some(KeptBy::Rate) => ". This one goes when its turn comes by ejection_rate",
            None => "",
        };
        lines.push(format!(
            "{} fails open: more real servers are down than min_serving, max_ejected or ejection_rate lets go, so some stay in the table{this}",
            pool.name
        ));
    }
    lines.extend(place(view, pool, server, health));
    lines.extend(weights(server, health, now));
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

/// Where it is not where its verdict puts it.
fn place(
    view: &View,
    pool: &VirtualServerView,
    server: &RealServerView,
    health: Option<&RealServerHealth>,
) -> Option<String> {
    let proven = health.is_some_and(|health| health.unconfirmed == 0);
    if server.drain.is_some() || !proven || !view.daemon("lvsd").is_some_and(|lvsd| lvsd.status.is_believed())
    {
        return None;
    }
    match (server.verdict, server.in_table) {
        (Verdict::Up | Verdict::Degraded, InTable::No | InTable::Partly) => {
            Some("it should be in the table and is not: if that lasts more than some seconds, lvsd's log says why".to_owned())
        }
        (Verdict::Down, InTable::Yes | InTable::Partly) if kept(pool, server).is_none() => Some(
            "it should be out of the table and is still there: if that lasts more than some seconds, lvsd's log says why"
                .to_owned(),
        ),
        _ => None,
    }
}

/// Why it has another weight than the configured one.
fn weights(server: &RealServerView, health: Option<&RealServerHealth>, now: Timestamp) -> Vec<String> {
    if server.drain.is_some() {
        return Vec::new();
    }
    let mut lines: Vec<String> = Vec::new();
    for to in &server.destinations {
        let line = match (to.weight, to.configured) {
            (0, None) => "its weight is 0 in the configuration: it gets no new clients".to_owned(),
            (weight, Some(configured)) => {
                let asked = health.and_then(|health| health.weight);
                let mut why = Vec::new();
                if let Some(asked) = asked {
                    why.push(format!("its checks ask for {asked}"));
                }
                if server.verdict == Verdict::Degraded {
                    why.push("degraded_weight, while it is degraded".to_owned());
                }
                if let Some(returned) = health.and_then(|health| health.returned)
                    && weight < asked.unwrap_or(configured)
                    && server.verdict.passes()
                {
                    why.push(format!("slow_start, since it came back {} ago", ago(returned, now)));
                }
                if server.verdict == Verdict::Unknown {
                    why.push("what it was before it became unknown".to_owned());
                }
                let why = if why.is_empty() { String::new() } else { format!(": {}", why.join("; ")) };
                format!("its weight is {weight}, {configured} is configured{why}")
            }
            _ => continue,
        };
        if lines.last() != Some(&line) {
            lines.push(line);
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
