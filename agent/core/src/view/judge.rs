//! What is wrong, how bad it is, and in which words.
//!
//! Owns every [`Reason`] and its code. A drained server is somebody's will and no trouble; a daemon that is
//! silent is one reason, not one for each of its servers. It looks only at the view, and at the events for who changes
//! the kernel table against us.

use std::collections::VecDeque;

use agent_api::{CheckHead, Event, EventKind, Verdict};
use jiff::{SignedDuration, Timestamp};

use super::build::{age, length};
use super::{
    DaemonStatus, DaemonView, InTable, KernelStatus, Level, RealServerView, Reason, SETTLES_WITHIN, View,
    VirtualServerView,
};

/// Every code that a [`Reason`] can have.
pub const REASON_CODES: [&str; 31] = [
    "agent_silent",
    "alert_channel_failing",
    "alerts_not_delivered",
    "alerts_not_saved",
    "below_quorum",
    "config_differs",
    "daemon_disconnected",
    "daemon_never_heard",
    "daemon_silent",
    "dependency_down",
    "director_blind",
    "drain_not_applied",
    "fail_open",
    "kernel_missing",
    "kernel_setting",
    "kernel_unknown",
    "kernel_unusable",
    "no_server_serving",
    "no_virtual_server",
    "not_in_table",
    "probes_wait",
    "real_server_degraded",
    "real_server_down",
    "real_server_unknown",
    "router_discrepancy",
    "router_fault",
    "router_lacks_addresses",
    "serving_unknown",
    "state_not_saved",
    "still_in_table",
    "table_contested",
];

/// So many mended changes within [`CONTEST_SPAN`] are no accident.
const CONTEST_AT: usize = 3;
const CONTEST_SPAN: SignedDuration = SignedDuration::from_secs(60);

impl View {
    /// Takes `reasons` as all that is wrong, and judges everything and every virtual server by them.
    pub(super) fn judge(&mut self, mut reasons: Vec<Reason>) {
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.level));
        self.status = reasons.first().map_or(Level::Ok, |reason| reason.level);
        // Without a kernel table no virtual server works, however well its real servers do.
        let no_table = reasons.iter().any(|r| r.virtual_server.is_none() && r.level == Level::Critical);
        for pool in &mut self.virtual_servers {
            pool.status = if no_table { Level::Critical } else { Level::Ok };
        }
        for reason in &reasons {
            let Some(name) = &reason.virtual_server else { continue };
            let found = self.virtual_servers.binary_search_by(|pool| pool.name.cmp(name));
            if let Some(pool) = found.ok().and_then(|index| self.virtual_servers.get_mut(index)) {
                pool.status = pool.status.max(reason.level);
            }
        }
        self.reasons = reasons;
    }
}

/// Everything that is wrong in `view`, which is not judged yet.
pub(super) fn reasons(view: &View, events: &VecDeque<Event>) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for pool in &view.virtual_servers {
        pool_reasons(view, pool, &mut reasons);
    }
    for router in &view.virtual_routers {
        reasons.extend(super::routers::reasons(router, view.generated_at));
    }
    if view.virtual_servers.is_empty()
        && view.virtual_routers.is_empty()
        && view.daemons.iter().all(|daemon| daemon.status.is_believed())
    {
        reasons.push(general(
            Level::Warning,
            "no_virtual_server",
            "no virtual server is known: the configuration has none, or the daemons have only just started"
                .to_owned(),
        ));
    }
    kernel_reasons(view, events, &mut reasons);
    for daemon in &view.daemons {
        reasons.extend(daemon_reason(daemon, view.generated_at));
    }
    if let Some(alerts) = &view.alerts {
        let believed = view.daemon("alertd").is_some_and(|alertd| alertd.status.is_believed());
        reasons.extend(super::alerts::reasons(alerts, believed, view.generated_at));
    }
    reasons.extend(config_reason(&view.daemons));
    if view.storage.failing_since.is_some() {
        let text =
            format!("the agent can't write its state file, so it takes no orders: {}", view.storage.detail);
        reasons.push(general(Level::Warning, "state_not_saved", text));
    }
    reasons
}

/// What `checkd` says of its own sight and of what real servers depend on, as far as it is believed.
pub(super) fn sight_reasons(checkd: &CheckHead, now: Timestamp) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if let Some(since) = checkd.blind_since {
        let text = format!(
            "this director is blind for {}: most real servers fail and no sentinel answers, so failures do not count and the \
             table is held; look at its own network",
            length(age(since, now))
        );
        reasons.push(general(Level::Unknown, "director_blind", text));
    }
    if checkd.waiting > 0 {
        let text = format!(
            "{} probes wait for their turn, so checks run late: as many of their kind as may be are under way at once",
            checkd.waiting
        );
        reasons.push(general(Level::Warning, "probes_wait", text));
    }
    for (name, health) in checkd.dependencies.iter().filter(|(_, health)| health.verdict == Verdict::Down) {
        let why = health.cause.as_ref().map_or_else(String::new, |cause| match health.detail.as_str() {
            "" => format!(": {cause}"),
            detail => format!(": {detail} ({cause})"),
        });
        let text = format!(
            "{name} is down for {}{why}; the real servers that depend on it can't be judged and are held as they are",
            length(age(health.since, now))
        );
        reasons.push(general(Level::Warning, "dependency_down", text));
    }
    reasons
}

fn general(level: Level, code: &'static str, text: String) -> Reason {
    Reason { level, code, virtual_server: None, real_server: None, text }
}

fn pool_reasons(view: &View, pool: &VirtualServerView, reasons: &mut Vec<Reason>) {
    let mut say = |level, code, real_server: Option<&RealServerView>, text: String| {
        reasons.push(Reason {
            level,
            code,
            virtual_server: Some(pool.name.clone()),
            real_server: real_server.map(|server| server.name.clone()),
            text,
        });
    };
    let name = &pool.name;
    if pool.serving == 0 {
        if pool.real_servers.iter().any(is_maybe) {
            let text = format!("{name}: it is not known whether any real server serves: {}", counts(pool));
            say(Level::Unknown, "serving_unknown", None, text);
        } else {
            let sorry = if pool.sorry { "; the sorry server answers" } else { "" };
            let text = format!("{name}: no real server serves: {}{sorry}", counts(pool));
            say(Level::Critical, "no_server_serving", None, text);
        }
    }
    let maybe_serving = pool.serving + pool.real_servers.iter().filter(|s| is_maybe(s)).count();
    if pool.serving > 0 && maybe_serving < usize::try_from(pool.quorum).unwrap_or(usize::MAX) {
        let text = format!("{name} is below its quorum of {}: {}", pool.quorum, counts(pool));
        say(Level::Critical, "below_quorum", None, text);
    }
    if pool.fail_open {
        let text = format!(
            "{name} fails open: more real servers are down than min_serving, max_ejected or ejection_rate lets go, \
             so clients are sent to servers that are down ({})",
            counts(pool)
        );
        say(Level::Critical, "fail_open", None, text);
    }
    for server in &pool.real_servers {
        if let Some((level, code, text)) = server_reason(pool, server) {
            say(level, code, Some(server), text);
        }
        if let Some((code, text)) = table_reason(pool, server, view.generated_at) {
            say(Level::Warning, code, Some(server), text);
        }
    }
}

/// Whether it may be serving, for all that is known.
fn is_maybe(server: &RealServerView) -> bool {
    server.drain.is_none() && server.verdict == Verdict::Unknown
}

/// `2 down, 1 drained`: what the real servers are, without those that serve.
pub(super) fn counts(pool: &VirtualServerView) -> String {
    let parts = [
        (pool.up, "up"),
        (pool.degraded, "degraded"),
        (pool.down, "down"),
        (pool.unknown, "unknown"),
        (pool.drained, "drained"),
    ];
    let said: Vec<String> =
        parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    if said.is_empty() { "it has none".to_owned() } else { format!("{} of {}", said.join(", "), pool.total) }
}

fn because(server: &RealServerView) -> String {
    match (&server.cause, server.detail.as_str()) {
        (None, "") => String::new(),
        (None, detail) => format!(": {detail}"),
        (Some(cause), "") => format!(": {cause}"),
        (Some(cause), detail) => format!(": {cause}: {detail}"),
    }
}

fn server_reason(pool: &VirtualServerView, server: &RealServerView) -> Option<(Level, &'static str, String)> {
    if server.drain.is_some() || server.last_known.is_some() {
        return None; // Drained: out of service on purpose. Old news: one reason, the daemon's.
    }
    let code = match server.verdict {
        Verdict::Up => return None,
        Verdict::Degraded => "real_server_degraded",
        Verdict::Down => "real_server_down",
        Verdict::Unknown if server.cause.as_deref() == Some("checkd_silent") => return None,
        Verdict::Unknown => "real_server_unknown",
    };
    let text = format!("{}/{} is {}{}", pool.name, server.name, server.verdict, because(server));
    Some((Level::Warning, code, text))
}

/// Whether the kernel's table lags behind the verdict or an order for longer than that takes.
fn table_reason(
    pool: &VirtualServerView,
    server: &RealServerView,
    now: Timestamp,
) -> Option<(&'static str, String)> {
    let settled = |at: Timestamp| age(at, now) > SETTLES_WITHIN;
    let id = format!("{}/{}", pool.name, server.name);
    if let Some(drain) = &server.drain {
        let works = server.in_table != InTable::Unknown && server.destinations.iter().any(|to| to.weight > 0);
        return (works && settled(drain.since)).then(|| {
            (
                "drain_not_applied",
                format!("{id} is drained, but still has weight in the kernel: read lvsd's log"),
            )
        });
    }
    if !server.since.is_some_and(settled) {
        return None;
    }
    match (server.verdict, server.in_table) {
        (Verdict::Up, InTable::No | InTable::Partly) => {
            Some(("not_in_table", format!("{id} is up, but not in all of the kernel table: read lvsd's log")))
        }
        (Verdict::Down, InTable::Yes | InTable::Partly) if !pool.fail_open => {
            Some(("still_in_table", format!("{id} is down, but still in the kernel table: read lvsd's log")))
        }
        _ => None,
    }
}

fn kernel_reasons(view: &View, events: &VecDeque<Event>, reasons: &mut Vec<Reason>) {
    let kernel = &view.kernel;
    let said = |otherwise: &str| {
        let what = if kernel.detail.is_empty() { otherwise } else { &kernel.detail };
        if kernel.remedy.is_empty() { what.to_owned() } else { format!("{what}; {}", kernel.remedy) }
    };
    match kernel.status {
        KernelStatus::Present => {}
        KernelStatus::Missing => {
            reasons.push(general(Level::Critical, "kernel_missing", said("the kernel has no IPVS")));
        }
        KernelStatus::Unusable => {
            reasons.push(general(
                Level::Critical,
                "kernel_unusable",
                said("the kernel's IPVS can't be used"),
            ));
        }
        // Of a silent lvsd its own reason says that.
        KernelStatus::Unknown if !view.daemon("lvsd").is_some_and(|lvsd| lvsd.status.is_believed()) => {}
        KernelStatus::Unknown => {
            reasons.push(general(Level::Unknown, "kernel_unknown", said("the kernel's table is not known")));
        }
    }
    for setting in &kernel.wrong_settings {
        let value = setting.value.as_deref().unwrap_or("not readable");
        let text = format!(
            "kernel setting {} is {value} and should be {}: {}; set it with: sysctl -w {}={}",
            setting.name, setting.wanted, setting.why, setting.name, setting.wanted
        );
        reasons.push(general(Level::Warning, "kernel_setting", text));
    }
    let recent = |event: &&Event| {
        event.what.kind == EventKind::DriftMended && age(event.what.at, view.generated_at) <= CONTEST_SPAN
    };
    let mended = events.iter().rev().take(10 * CONTEST_AT).filter(recent).count();
    if mended >= CONTEST_AT {
        let text = "something else keeps changing the kernel table, and lvsd keeps putting it right: \
                    see that no other IPVS manager (keepalived, ldirectord, a script) runs for these services";
        reasons.push(general(Level::Warning, "table_contested", text.to_owned()));
    }
}

fn daemon_reason(daemon: &DaemonView, now: Timestamp) -> Option<Reason> {
    let name = daemon.name;
    let ago = daemon.heard_at.map_or_else(String::new, |at| format!("{} ago", length(age(at, now))));
    let means = match name {
        "checkd" => "all verdicts are unknown",
        "vipd" => "who has the addresses is not known",
        "alertd" => "staff are not told of anything",
        _ => "the kernel's table is not known",
    };
    let (level, code, text) = match daemon.status {
        DaemonStatus::Connected => return None,
        DaemonStatus::Disconnected => (
            Level::Warning,
            "daemon_disconnected",
            format!("{name} is not connected; it was heard {ago} and may be restarting"),
        ),
        DaemonStatus::Silent => (
            Level::Unknown,
            "daemon_silent",
            format!("{name} was last heard {ago}: {means}; see that it runs, and read its log"),
        ),
        DaemonStatus::NeverHeard => (
            Level::Unknown,
            "daemon_never_heard",
            format!("{name} has not reported yet: {means}; see that it runs, and read its log"),
        ),
    };
    // Clients are served without it.
    let level = if name == "alertd" { Level::Warning } else { level };
    Some(general(level, code, text))
}

fn config_reason(daemons: &[DaemonView]) -> Option<Reason> {
    let differs = daemons.iter().any(|daemon| daemon.config_agrees == Some(false));
    differs.then(|| {
        let runs: Vec<String> = daemons
            .iter()
            .filter_map(|daemon| Some(format!("{} with {}", daemon.name, daemon.config.as_deref()?)))
            .collect();
        general(
            Level::Warning,
            "config_differs",
            format!(
                "the daemons run with different configurations ({}): reload both, and read their logs if that does not help",
                runs.join(", ")
            ),
        )
    })
}
