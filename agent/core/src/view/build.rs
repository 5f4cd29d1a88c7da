//! From the state to the view: who is who, what is believed, what is counted.
//!
//! Owns the joining of both sections and the orders by real server, and the rule when a fact is too old. It leaves
//! judging to `judge`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use agent_api::{
    AddressFamily, CheckReport, DestinationReport, Drain, DrainTarget, KernelTable, Name, RealServerHealth,
    RealServerId, Section, ServiceAddress, ServiceReport, State, Verdict,
};
use jiff::{SignedDuration, Timestamp};

use super::{
    CheckView, DaemonStatus, DaemonView, DestinationView, DrainView, EVENTS_SHOWN, GONE_AFTER, InTable,
    KernelStatus, KernelView, LastKnown, Level, OrderView, RealServerView, SCHEMA, SILENT_AFTER, ServiceView,
    Source, StorageView, View, VirtualServerView, alerts, judge, routers,
};

/// What both sections say of one virtual server.
#[derive(Default)]
struct Pool<'a> {
    services: Vec<(ServiceAddress, &'a ServiceReport)>,
    destinations: BTreeMap<&'a Name, Vec<DestinationView>>,
    real_servers: BTreeMap<&'a Name, Option<&'a RealServerHealth>>,
}

impl View {
    /// The view of `state` at `now`, as if it had just come from the agent.
    #[must_use]
    pub fn of(state: &State, now: Timestamp) -> Self {
        let checkd = hearing("checkd", &state.checkd, now);
        let lvsd = hearing("lvsd", &state.lvsd, now);
        let vipd = Some(hearing("vipd", &state.vipd, now)).filter(|vipd| vipd.heard_at.is_some());
        let checkd_believed = checkd.status.is_believed();
        let alertd = hearing("alertd", &state.alertd, now);
        let kernel = kernel(state, &lvsd);
        let table_known = kernel.status == KernelStatus::Present;
        let virtual_servers: Vec<VirtualServerView> = pools(state)
            .into_iter()
            .map(|(name, pool)| virtual_server(name, &pool, state, &checkd, table_known, now))
            .collect();
        let shown = state.events.len().saturating_sub(EVENTS_SHOWN);
        let mut view = Self {
            schema: SCHEMA,
            generated_at: now,
            source: Source::Agent,
            written_at: state.written_at,
            generation: state.generation,
            status: Level::Ok,
            reasons: Vec::new(),
            virtual_servers,
            virtual_routers: routers::routers(
                state,
                vipd.as_ref().is_some_and(|vipd| vipd.status.is_believed()),
                now,
            ),
            drains: Vec::new(),
            silences: alerts::silences(state, now),
            alerts: alerts::alerts(state, &alertd, now),
            kernel,
            daemons: daemons(checkd, lvsd, vipd, Some(alertd).filter(|alertd| alertd.heard_at.is_some())),
            storage: StorageView {
                failing_since: state.storage.failing_since,
                detail: state.storage.detail.clone(),
            },
            events: state.events.iter().skip(shown).cloned().collect(),
        };
        view.drains = state
            .orders
            .drains
            .iter()
            .filter(|drain| drain.in_force(now))
            .map(|drain| OrderView { drain: drain_view(drain), real_servers: view.ids_of(&drain.target) })
            .collect();
        let mut reasons = judge::reasons(&view, &state.events);
        if checkd_believed {
            reasons.extend(judge::sight_reasons(&state.checkd.head, now));
        }
        view.judge(reasons);
        view
    }
}

impl View {
    fn ids_of(&self, target: &DrainTarget) -> Vec<RealServerId> {
        self.covered(target)
            .map(|(pool, server)| RealServerId {
                virtual_server: pool.name.clone(),
                real_server: server.name.clone(),
            })
            .collect()
    }
}

/// How long before `now` it was; zero when the clock was set back since.
pub(super) fn age(at: Timestamp, now: Timestamp) -> SignedDuration {
    now.duration_since(at).max(SignedDuration::ZERO)
}

/// A length of time in its two largest units: `3d 4h`, `2m 5s`, `12s`.
#[must_use]
pub fn length(span: SignedDuration) -> String {
    let seconds = span.as_secs().max(0);
    let (days, hours, minutes, rest) =
        (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    let two = |a: i64, a_unit: &str, b: i64, b_unit: &str| {
        if b == 0 { format!("{a}{a_unit}") } else { format!("{a}{a_unit} {b}{b_unit}") }
    };
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest}s"),
        (0, 0, _) => two(minutes, "m", rest, "s"),
        (0, _, _) => two(hours, "h", minutes, "m"),
        _ => two(days, "d", hours, "h"),
    }
}

fn hearing<K: Ord, H, I>(name: &'static str, section: &Section<K, H, I>, now: Timestamp) -> DaemonView {
    let status = match section.heard_at.map(|at| age(at, now)) {
        None => DaemonStatus::NeverHeard,
        Some(age) if age > SILENT_AFTER || (!section.connected && age > GONE_AFTER) => DaemonStatus::Silent,
        Some(_) if section.connected => DaemonStatus::Connected,
        Some(_) => DaemonStatus::Disconnected,
    };
    let reporter = section.reporter.as_ref();
    DaemonView {
        name,
        status,
        heard_at: section.heard_at,
        version: reporter.map(|r| r.version.clone()),
        pid: reporter.map(|r| r.pid),
        started_at: reporter.map(|r| r.started_at),
        config: reporter.map(|r| r.config.clone()),
        config_agrees: None,
    }
}

fn daemons(
    checkd: DaemonView,
    lvsd: DaemonView,
    vipd: Option<DaemonView>,
    alertd: Option<DaemonView>,
) -> Vec<DaemonView> {
    let others: Vec<DaemonView> = vipd.into_iter().chain(alertd).collect();
    let agrees = match (&checkd.config, &lvsd.config) {
        (Some(a), Some(b)) => {
            Some(a == b && others.iter().filter_map(|other| other.config.as_ref()).all(|own| own == a))
        }
        _ => None,
    };
    let mut daemons = vec![checkd, lvsd];
    daemons.extend(others);
    for daemon in &mut daemons {
        daemon.config_agrees = agrees;
    }
    daemons
}

fn kernel(state: &State, lvsd: &DaemonView) -> KernelView {
    let head = &state.lvsd.head;
    let mut view = KernelView {
        status: KernelStatus::Unknown,
        version: None,
        cause: None,
        detail: String::new(),
        remedy: String::new(),
        wrong_settings: head.settings.clone(),
        foreign_services: head.foreign_services,
        edits: head.edits,
        drift_mended: head.drift_mended,
    };
    let not_reported = |view: &mut KernelView, detail: &str, remedy: &str| {
        view.cause = Some("not_reported".to_owned());
        detail.clone_into(&mut view.detail);
        remedy.clone_into(&mut view.remedy);
    };
    match (&head.kernel, lvsd.status) {
        (_, DaemonStatus::NeverHeard) => {
            not_reported(&mut view, "lvsd has not reported yet", "see that lvsd runs, and read its log");
        }
        (_, DaemonStatus::Silent) => not_reported(
            &mut view,
            "lvsd is not heard any more; the table itself stays in the kernel",
            "see that lvsd runs, and read its log",
        ),
        (KernelTable::Unknown, _) => not_reported(&mut view, "lvsd has not read the table yet", ""),
        (KernelTable::Present { version }, _) => {
            view.status = KernelStatus::Present;
            view.version = Some(version.clone());
        }
        (KernelTable::Unusable { cause, detail, remedy }, _) => {
            view.status = match cause.as_str() {
                "ipvs_missing" => KernelStatus::Missing,
                _ => KernelStatus::Unusable,
            };
            view.cause = Some(cause.as_str().to_owned());
            view.detail.clone_from(detail);
            view.remedy.clone_from(remedy);
        }
    }
    view
}

fn pools(state: &State) -> BTreeMap<&Name, Pool<'_>> {
    let mut pools: BTreeMap<&Name, Pool<'_>> = BTreeMap::new();
    for (service, report) in &state.lvsd.items {
        let pool = pools.entry(&report.virtual_server).or_default();
        pool.services.push((*service, report));
        for (address, to) in &report.destinations {
            let Some(name) = &to.real_server else { continue };
            pool.real_servers.entry(name).or_default();
            pool.destinations.entry(name).or_default().push(destination(*service, *address, to));
        }
    }
    for (id, health) in &state.checkd.items {
        pools.entry(&id.virtual_server).or_default().real_servers.insert(&id.real_server, Some(health));
    }
    pools
}

fn virtual_server(
    name: &Name,
    pool: &Pool<'_>,
    state: &State,
    checkd: &DaemonView,
    table_known: bool,
    now: Timestamp,
) -> VirtualServerView {
    let real_servers: Vec<RealServerView> = pool
        .real_servers
        .iter()
        .map(|(real_server, health)| {
            let id = RealServerId { virtual_server: name.clone(), real_server: (*real_server).clone() };
            let destinations = pool.destinations.get(real_server).cloned().unwrap_or_default();
            let drain = state.orders.drain_of(&id, now).map(drain_view);
            let in_table = in_table(pool, &destinations, table_known);
            RealServerView { in_table, drain, ..real_server_view(real_server, *health, destinations, checkd) }
        })
        .collect();
    let count = |verdict: Verdict| real_servers.iter().filter(|server| server.verdict == verdict).count();
    VirtualServerView {
        name: name.clone(),
        status: Level::Ok,
        total: real_servers.len(),
        up: count(Verdict::Up),
        degraded: count(Verdict::Degraded),
        down: count(Verdict::Down),
        unknown: count(Verdict::Unknown),
        drained: real_servers.iter().filter(|server| server.drain.is_some()).count(),
        serving: real_servers.iter().filter(|s| s.verdict.passes() && s.drain.is_none()).count(),
        quorum: pool.services.iter().map(|(_, report)| report.quorum).max().unwrap_or_default(),
        fail_open: pool.services.iter().any(|(_, report)| report.fail_open),
        quorum_lost: pool.services.iter().any(|(_, report)| report.quorum_lost),
        sorry: pool.services.iter().any(|(_, report)| report.destinations.values().any(|to| to.sorry)),
        services: pool
            .services
            .iter()
            .map(|(service, report)| ServiceView {
                service: *service,
                scheduler: report.scheduler.clone(),
                fail_open: report.fail_open,
                traffic: report.traffic,
                unconfigured: report
                    .destinations
                    .iter()
                    .filter(|(_, to)| to.real_server.is_none() && !to.sorry)
                    .map(|(address, to)| destination(*service, *address, to))
                    .collect(),
            })
            .collect(),
        real_servers,
    }
}

fn destination(service: ServiceAddress, address: SocketAddr, to: &DestinationReport) -> DestinationView {
    DestinationView {
        service,
        address,
        weight: to.weight,
        configured: to.configured,
        kept: to.kept,
        active_connections: to.active_connections,
        inactive_connections: to.inactive_connections,
        traffic: to.traffic,
    }
}

/// Whether a real server with these `destinations`, which come service by service, is in the table.
fn in_table(pool: &Pool<'_>, destinations: &[DestinationView], table_known: bool) -> InTable {
    if !table_known || pool.services.is_empty() {
        return InTable::Unknown;
    }
    // A real server of one family is in the services of that family only.
    let families: BTreeSet<AddressFamily> = destinations.iter().map(|to| to.service.family()).collect();
    let services = pool.services.iter().filter(|(service, _)| families.contains(&service.family())).count();
    match destinations.chunk_by(|a, b| a.service == b.service).count() {
        0 => InTable::No,
        n if n == services => InTable::Yes,
        _ => InTable::Partly,
    }
}

fn real_server_view(
    name: &Name,
    health: Option<&RealServerHealth>,
    destinations: Vec<DestinationView>,
    checkd: &DaemonView,
) -> RealServerView {
    let mut view = RealServerView {
        name: name.clone(),
        address: health.map(|h| h.address).or_else(|| destinations.first().map(|d| d.address)),
        verdict: Verdict::Unknown,
        cause: None,
        detail: String::new(),
        since: None,
        last_known: None,
        in_a_row: 0,
        passing: false,
        latency_us: None,
        in_table: InTable::Unknown,
        destinations,
        drain: None,
        weight: health.and_then(|h| h.weight),
        returned: health.and_then(|h| h.returned),
        checks: health.map_or_else(Vec::new, |h| h.checks.iter().map(check_view).collect()),
    };
    let cause = |health: &RealServerHealth| health.cause.as_ref().map(|cause| cause.as_str().to_owned());
    match health {
        Some(health) if checkd.status.is_believed() => {
            view.verdict = health.verdict;
            view.since = Some(health.since);
            view.cause = cause(health);
            view.detail.clone_from(&health.detail);
            view.in_a_row = health.in_a_row;
            view.passing = health.passing;
            view.latency_us = health.latency_us;
        }
        Some(health) => {
            view.cause = Some("checkd_silent".to_owned());
            "checkd is not heard any more".clone_into(&mut view.detail);
            view.since = checkd.heard_at;
            view.last_known = Some(LastKnown {
                verdict: health.verdict,
                since: health.since,
                heard_at: checkd.heard_at,
                cause: cause(health),
                detail: health.detail.clone(),
            });
        }
        None if checkd.status.is_believed() => {
            view.cause = Some("not_probed".to_owned());
            "checkd does not probe it: has it read the same configuration as lvsd?"
                .clone_into(&mut view.detail);
        }
        None => {
            view.cause = Some("checkd_silent".to_owned());
            "checkd has not reported on it".clone_into(&mut view.detail);
        }
    }
    view
}

fn check_view(check: &CheckReport) -> CheckView {
    let CheckReport { name, advisory, health } = check;
    CheckView {
        name: name.clone(),
        advisory: *advisory,
        verdict: health.verdict,
        cause: health.cause.as_ref().map(|cause| cause.as_str().to_owned()),
        detail: health.detail.clone(),
        since: health.since,
        latency_us: health.latency_us,
    }
}

fn drain_view(drain: &Drain) -> DrainView {
    DrainView {
        target: drain.target.to_string(),
        who: drain.who.clone(),
        why: drain.why.clone(),
        since: drain.since,
        until: drain.until,
    }
}
