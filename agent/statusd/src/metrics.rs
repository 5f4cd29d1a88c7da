//! The metrics, in the OpenMetrics text form (version 1.0.0) or the older one of Prometheus.
//!
//! Owns every name, unit and label; docs/status-page.md lists them, and a test holds the two together. Everything is written anew from
//! the snapshot, so a server that is gone leaves nothing behind. Writing and escaping are in `text`.

mod alerts;
mod process;
mod text;

use std::sync::atomic::Ordering;

use agent_api::Verdict;
use agent_core::view::{DaemonStatus, InTable, KernelStatus, Level, RealServerView, VirtualServerView};
use axum::body::Bytes;
use jiff::Timestamp;

use crate::app::{App, Snapshot};
pub use text::Form;
use text::{Exposition, Kind};

const LEVELS: [Level; 4] = [Level::Ok, Level::Warning, Level::Unknown, Level::Critical];
const VERDICTS: [Verdict; 4] = [Verdict::Up, Verdict::Degraded, Verdict::Down, Verdict::Unknown];

/// Seconds since 1970, with milliseconds.
fn seconds(at: Timestamp) -> String {
    let millis = at.as_millisecond();
    format!("{}.{:03}", millis.div_euclid(1_000), millis.rem_euclid(1_000))
}

/// All metrics as of `snapshot`.
pub fn render(app: &App, snapshot: &Snapshot, form: Form) -> Bytes {
    let mut out = Exposition::new(form);
    overall(&mut out, snapshot);
    virtual_servers(&mut out, &snapshot.view.virtual_servers);
    real_servers(&mut out, snapshot);
    destinations(&mut out, snapshot);
    kernel(&mut out, snapshot);
    daemons(&mut out, snapshot);
    alerts::alerts(&mut out, &snapshot.view);
    peer(&mut out, app);
    own(&mut out, app);
    process::process(&mut out, app.started_at);
    out.finish()
}

fn overall(out: &mut Exposition, snapshot: &Snapshot) {
    let view = &snapshot.view;
    out.family("holdfast_status", Kind::Gauge, "1 for the judgement over everything, 0 for the others.");
    for level in LEVELS {
        out.sample(&[("level", level.as_str())], u8::from(view.status == level));
    }
    out.family("holdfast_reasons", Kind::Gauge, "Things that are wrong, by level and code.");
    let mut counts: Vec<((Level, &str), u64)> = Vec::new();
    for reason in &view.reasons {
        let key = (reason.level, reason.code);
        match counts.iter_mut().find(|(known, _)| *known == key) {
            Some((_, count)) => *count += 1,
            None => counts.push((key, 1)),
        }
    }
    for ((level, code), count) in counts {
        out.sample(&[("level", level.as_str()), ("code", code)], count);
    }
    out.family("holdfast_agent_connected", Kind::Gauge, "Whether the agent is being heard.");
    out.sample(&[], u8::from(snapshot.connected));
    out.family("holdfast_state_saved", Kind::Gauge, "Whether the agent can keep its state on disk.");
    out.sample(&[], u8::from(view.storage.failing_since.is_none()));
    out.family("holdfast_events", Kind::Counter, "Events, ever: the number of the latest one.");
    out.sample(&[], snapshot.events.back().map_or(0, |event| event.number));
    out.family("holdfast_drains", Kind::Gauge, "Drains in force.");
    out.sample(&[], view.drains.len());
}

fn virtual_servers(out: &mut Exposition, pools: &[VirtualServerView]) {
    out.family(
        "holdfast_virtual_server_status",
        Kind::Gauge,
        "1 for the virtual server's judgement, 0 for the others.",
    );
    for pool in pools {
        for level in LEVELS {
            let labels = [("virtual_server", pool.name.as_str()), ("level", level.as_str())];
            out.sample(&labels, u8::from(pool.status == level));
        }
    }
    out.family("holdfast_virtual_server_real_servers", Kind::Gauge, "Real servers by verdict.");
    for pool in pools {
        let counts = [pool.up, pool.degraded, pool.down, pool.unknown];
        for (verdict, count) in VERDICTS.iter().zip(counts) {
            out.sample(&[("virtual_server", pool.name.as_str()), ("verdict", verdict.as_str())], count);
        }
    }
    type Value = fn(&VirtualServerView) -> u64;
    let plain: [(&'static str, Value, &'static str); 6] = [
        (
            "holdfast_virtual_server_serving",
            |p| p.serving as u64,
            "Real servers that are up or degraded, and not drained.",
        ),
        (
            "holdfast_virtual_server_quorum",
            |p| p.quorum.into(),
            "Real servers that must serve; 0 when lvsd has not reported.",
        ),
        ("holdfast_virtual_server_drained", |p| p.drained as u64, "Real servers that are drained."),
        (
            "holdfast_virtual_server_fail_open",
            |p| p.fail_open.into(),
            "Whether min_serving, max_ejected or ejection_rate keeps servers in the table that are down.",
        ),
        (
            "holdfast_virtual_server_quorum_lost",
            |p| p.quorum_lost.into(),
            "Whether it has lost its quorum and not regained it, hysteresis included.",
        ),
        (
            "holdfast_virtual_server_sorry",
            |p| p.sorry.into(),
            "Whether the sorry server answers, because no real server does.",
        ),
    ];
    for (name, value, help) in plain {
        out.family(name, Kind::Gauge, help);
        for pool in pools {
            out.sample(&[("virtual_server", pool.name.as_str())], value(pool));
        }
    }
}

/// Every real server with its labels.
fn each(snapshot: &Snapshot) -> impl Iterator<Item = ([(&'static str, &str); 2], &RealServerView)> {
    snapshot.view.virtual_servers.iter().flat_map(|pool| {
        pool.real_servers.iter().map(move |server| {
            ([("virtual_server", pool.name.as_str()), ("real_server", server.name.as_str())], server)
        })
    })
}

fn real_servers(out: &mut Exposition, snapshot: &Snapshot) {
    out.family(
        "holdfast_real_server_verdict",
        Kind::Gauge,
        "1 for the real server's verdict, 0 for the others.",
    );
    for ([pool, name], server) in each(snapshot) {
        for verdict in VERDICTS {
            out.sample(&[pool, name, ("verdict", verdict.as_str())], u8::from(server.verdict == verdict));
        }
    }
    out.family("holdfast_real_server_cause", Kind::Info, "Why the real server is not up; absent when it is.");
    for ([pool, name], server) in each(snapshot) {
        if let Some(cause) = &server.cause {
            out.sample(&[pool, name, ("cause", cause)], 1);
        }
    }
    out.family(
        "holdfast_real_server_verdict_change_timestamp_seconds",
        Kind::Gauge,
        "When it came to this verdict.",
    );
    for (labels, server) in each(snapshot) {
        if let Some(since) = server.since {
            out.sample(&labels, seconds(since));
        }
    }
    out.family(
        "holdfast_real_server_latency_seconds",
        Kind::Gauge,
        "How long the latest answer took; absent when there was none.",
    );
    for (labels, server) in each(snapshot) {
        if let Some(latency) = server.latency_us {
            out.sample(&labels, format_args!("{}.{:06}", latency / 1_000_000, latency % 1_000_000));
        }
    }
    out.family("holdfast_real_server_drained", Kind::Gauge, "Whether an operator took it out.");
    for (labels, server) in each(snapshot) {
        out.sample(&labels, u8::from(server.drain.is_some()));
    }
    out.family("holdfast_real_server_in_table", Kind::Gauge, "1 in every service of the kernel's table, 0.5 in some, 0 in none; absent when the table is not known.");
    for (labels, server) in each(snapshot) {
        match server.in_table {
            InTable::Yes => out.sample(&labels, 1),
            InTable::Partly => out.sample(&labels, "0.5"),
            InTable::No => out.sample(&labels, 0),
            InTable::Unknown => {}
        }
    }
}

fn destinations(out: &mut Exposition, snapshot: &Snapshot) {
    // What is not reported any more is no figure.
    if snapshot.view.kernel.status != KernelStatus::Present {
        return;
    }
    type Value = fn(&agent_core::view::DestinationView) -> u32;
    let plain: [(&'static str, Value, &'static str); 3] = [
        ("holdfast_destination_weight", |d| d.weight, "Weight in the kernel."),
        (
            "holdfast_destination_active_connections",
            |d| d.active_connections,
            "Connections that the kernel calls active.",
        ),
        (
            "holdfast_destination_inactive_connections",
            |d| d.inactive_connections,
            "Connections that the kernel calls inactive; all of UDP.",
        ),
    ];
    for (name, value, help) in plain {
        out.family(name, Kind::Gauge, help);
        for ([pool, server], view) in each(snapshot) {
            for to in &view.destinations {
                let (service, address) = (to.service.to_string(), to.address.to_string());
                out.sample(&[pool, server, ("service", &service), ("destination", &address)], value(to));
            }
        }
    }
    type Count = fn(&agent_api::Traffic) -> u64;
    let counted: [(&'static str, Count, &'static str); 5] = [
        (
            "holdfast_destination_connections",
            |t| t.connections,
            "Connections that the kernel has sent there.",
        ),
        ("holdfast_destination_received_packets", |t| t.packets_in, "Packets from clients."),
        ("holdfast_destination_received_bytes", |t| t.bytes_in, "Bytes from clients."),
        (
            "holdfast_destination_sent_packets",
            |t| t.packets_out,
            "Packets to clients; seen with address translation only.",
        ),
        (
            "holdfast_destination_sent_bytes",
            |t| t.bytes_out,
            "Bytes to clients; seen with address translation only.",
        ),
    ];
    for (name, value, help) in counted {
        out.family(name, Kind::Counter, help);
        for ([pool, server], view) in each(snapshot) {
            for to in &view.destinations {
                let (service, address) = (to.service.to_string(), to.address.to_string());
                out.sample(
                    &[pool, server, ("service", &service), ("destination", &address)],
                    value(&to.traffic),
                );
            }
        }
    }
}

fn kernel(out: &mut Exposition, snapshot: &Snapshot) {
    let kernel = &snapshot.view.kernel;
    out.family(
        "holdfast_kernel_table_known",
        Kind::Gauge,
        "Whether the kernel's IPVS table is read and compared.",
    );
    out.sample(&[], u8::from(kernel.status == KernelStatus::Present));
    out.family(
        "holdfast_kernel_wrong_settings",
        Kind::Gauge,
        "Kernel settings that are not as they should be.",
    );
    out.sample(&[], kernel.wrong_settings.len());
    out.family("holdfast_kernel_foreign_services", Kind::Gauge, "Services in the kernel that are not ours.");
    out.sample(&[], kernel.foreign_services);
    out.family("holdfast_lvsd_edits", Kind::Counter, "Edits of the kernel's table since lvsd started.");
    out.sample(&[], kernel.edits);
    out.family(
        "holdfast_lvsd_drift_mended",
        Kind::Counter,
        "Edits that undid somebody else's change, since lvsd started.",
    );
    out.sample(&[], kernel.drift_mended);
    let checks = &snapshot.checks;
    out.family("holdfast_checkd_probes", Kind::Counter, "Probes finished since checkd started.");
    out.sample(&[], checks.probes);
    out.family(
        "holdfast_checkd_local_failures",
        Kind::Gauge,
        "Probes of the latest summary that could not be run.",
    );
    out.sample(&[], checks.local_failures);
    out.family(
        "holdfast_checkd_waiting",
        Kind::Gauge,
        "Probes that waited for their turn at the latest summary: as many of their kind as may be were under way.",
    );
    out.sample(&[], checks.waiting);
    out.family(
        "holdfast_checkd_lateness_seconds",
        Kind::Gauge,
        "The latest that a probe of the latest summary began.",
    );
    out.sample(&[], format_args!("{}.{:03}", checks.lateness_ms / 1_000, checks.lateness_ms % 1_000));
}

fn daemons(out: &mut Exposition, snapshot: &Snapshot) {
    let daemons = &snapshot.view.daemons;
    out.family(
        "holdfast_daemon",
        Kind::Info,
        "Version of each daemon and digest of the configuration it runs with.",
    );
    for daemon in daemons {
        if let (Some(version), Some(config)) = (&daemon.version, &daemon.config) {
            out.sample(&[("daemon", daemon.name), ("version", version), ("config", config)], 1);
        }
    }
    out.family(
        "holdfast_daemon_connected",
        Kind::Gauge,
        "Whether the daemon's connection to the agent stands and it talks.",
    );
    for daemon in daemons {
        out.sample(&[("daemon", daemon.name)], u8::from(daemon.status == DaemonStatus::Connected));
    }
    out.family(
        "holdfast_daemon_last_heard_timestamp_seconds",
        Kind::Gauge,
        "When the daemon was last heard.",
    );
    for daemon in daemons {
        if let Some(at) = daemon.heard_at {
            out.sample(&[("daemon", daemon.name)], seconds(at));
        }
    }
    out.family("holdfast_daemon_start_time_seconds", Kind::Gauge, "When the daemon started.");
    for daemon in daemons {
        if let Some(at) = daemon.started_at {
            out.sample(&[("daemon", daemon.name)], seconds(at));
        }
    }
    out.family(
        "holdfast_config_agrees",
        Kind::Gauge,
        "Whether all daemons run with the same configuration; absent while that is not known.",
    );
    if let Some(agrees) = daemons.iter().find_map(|daemon| daemon.config_agrees) {
        out.sample(&[], u8::from(agrees));
    }
}

fn peer(out: &mut Exposition, app: &App) {
    let Some(peer) = app.peer() else { return };
    let labels = [("peer", peer.name.as_str())];
    out.family("holdfast_peer_up", Kind::Gauge, "Whether the other director's statusd answers.");
    out.sample(&labels, u8::from(peer.error.is_none() && peer.heard.is_some()));
    let Some((summary, at)) = &peer.heard else { return };
    out.family(
        "holdfast_peer_last_heard_timestamp_seconds",
        Kind::Gauge,
        "When the other director last answered.",
    );
    out.sample(&labels, seconds(*at));
    out.family(
        "holdfast_peer_status",
        Kind::Gauge,
        "1 for the judgement that the other director last told, 0 for the others.",
    );
    for level in LEVELS {
        out.sample(&[labels[0], ("level", level.as_str())], u8::from(summary.status == level));
    }
}

fn own(out: &mut Exposition, app: &App) {
    let figures = &app.figures;
    out.family("holdfast_statusd", Kind::Info, "Version of statusd.");
    out.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    out.family("holdfast_statusd_connections", Kind::Gauge, "Connections that stand.");
    out.sample(&[], figures.connections.load(Ordering::Relaxed));
    out.family("holdfast_statusd_streams", Kind::Gauge, "Streams of changes that stand.");
    out.sample(&[], figures.streams.load(Ordering::Relaxed));
    out.family("holdfast_statusd_requests", Kind::Counter, "Requests.");
    out.sample(&[], figures.requests.load(Ordering::Relaxed));
    out.family(
        "holdfast_statusd_refused",
        Kind::Counter,
        "Requests and connections refused because of a limit.",
    );
    out.sample(&[], figures.refused.load(Ordering::Relaxed));
    out.family("holdfast_statusd_denied", Kind::Counter, "Requests without a right name and password.");
    out.sample(&[], figures.denied.load(Ordering::Relaxed));
    out.family("holdfast_statusd_evicted", Kind::Counter, "Idle connections closed to make room.");
    out.sample(&[], figures.evicted.load(Ordering::Relaxed));
}
