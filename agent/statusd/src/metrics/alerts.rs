//! Metrics of alerts and silences.
//!
//! Owns their names. Nothing is written of them before `alertd` was heard.

use agent_core::view::View;

use super::seconds;
use super::text::{Exposition, Kind};

/// Writes them.
pub fn alerts(out: &mut Exposition, view: &View) {
    out.family("holdfast_silences", Kind::Gauge, "Silences in force.");
    out.sample(&[], view.silences.len());
    let Some(alerts) = &view.alerts else { return };
    let gauges = [
        (
            "holdfast_alerts_delivering",
            u64::from(alerts.delivers),
            "Whether alertd is heard and what it has to tell arrives.",
        ),
        ("holdfast_alerts_waiting", alerts.spool, "Notices that wait to be delivered."),
        ("holdfast_alerts_incidents", alerts.incidents, "Incidents that are open."),
        (
            "holdfast_alerts_incidents_held",
            alerts.held,
            "Open incidents that wait for hours to begin or end, or for the Active director.",
        ),
        (
            "holdfast_alerts_silenced_troubles",
            alerts.silenced,
            "Troubles that a silence or a drain keeps from being told.",
        ),
        (
            "holdfast_alerts_spool_writable",
            u64::from(alerts.spool_error.is_none()),
            "Whether alertd can keep its spool on disk.",
        ),
    ];
    for (name, value, help) in gauges {
        out.family(name, Kind::Gauge, help);
        out.sample(&[], value);
    }
    out.family(
        "holdfast_alerts_oldest_timestamp_seconds",
        Kind::Gauge,
        "Since when the oldest waiting notice waits; absent when none does.",
    );
    if let Some(at) = alerts.oldest {
        out.sample(&[], seconds(at));
    }
    let counters = [
        ("holdfast_alerts_delivered", alerts.delivered, "Notices delivered since the spool was made."),
        ("holdfast_alerts_given_up", alerts.given_up, "Notices given up since the spool was made."),
        ("holdfast_alerts_missed_events", alerts.missed_events, "Events that alertd never saw."),
    ];
    for (name, value, help) in counters {
        out.family(name, Kind::Counter, help);
        out.sample(&[], value);
    }
    out.family(
        "holdfast_alert_channel_working",
        Kind::Gauge,
        "Whether the latest delivery of the channel went well.",
    );
    for channel in &alerts.channels {
        out.sample(&[("channel", &channel.channel.to_string())], u8::from(channel.works));
    }
    out.family("holdfast_alert_channel_waiting", Kind::Gauge, "Notices that wait for the channel.");
    for channel in &alerts.channels {
        out.sample(&[("channel", &channel.channel.to_string())], channel.waits);
    }
    out.family(
        "holdfast_alert_channel_last_delivery_timestamp_seconds",
        Kind::Gauge,
        "When something was last delivered through the channel; absent when nothing was.",
    );
    for channel in &alerts.channels {
        if let Some(at) = channel.last_delivered {
            out.sample(&[("channel", &channel.channel.to_string())], seconds(at));
        }
    }
}
