//! The JSON under `/api/v1/`.
//!
//! Owns its forms beside the view's own. `assets/openapi.json` describes them, and a test holds the two together.

use std::sync::Arc;

use agent_api::{Event, RealServerId};
use agent_core::view::{RealServerView, VirtualServerView};
use axum::body::Bytes;
use axum::response::Response;
use serde::Serialize;
use serde_json::json;

use crate::app::{App, Snapshot};
use crate::history::{STEP, Sample};
use crate::reply::{JSON, json_bytes, large};
use crate::summary::Summary;

/// How many events are sent at most.
const EVENTS: usize = 1_000;

/// `/api/v1/status`: what `holdfast status --json` prints.
pub fn status(snapshot: &Snapshot) -> Bytes {
    json_bytes(&snapshot.view)
}

/// `/api/v1/events`: those after number `after`, oldest first, at most `limit`.
pub fn events(snapshot: &Snapshot, after: Option<u64>, limit: Option<u64>) -> Bytes {
    let after = after.unwrap_or(0);
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(EVENTS).min(EVENTS);
    let kept = &snapshot.events;
    let found: Vec<&Event> = kept.iter().filter(|event| event.number > after).take(limit).collect();
    json_bytes(&json!({
        "first_kept": kept.front().map(|event| event.number),
        "last_kept": kept.back().map(|event| event.number),
        "events": found,
    }))
}

/// `/api/v1/summary`: this director in a few lines, never what it heard of another.
pub fn summary(app: &App) -> Bytes {
    json_bytes(&Summary::of(&app.snapshot(), &app.host, &app.settings().title))
}

/// `/api/v1/peer`: what is known of the other director.
pub fn peer(app: &App) -> Option<Bytes> {
    let peer = app.peer()?;
    let (summary, heard_at) = peer.heard.as_ref().map(|(summary, at)| (summary, at)).unzip();
    Some(json_bytes(&json!({
        "name": peer.name,
        "url": peer.url,
        "heard_at": heard_at,
        "error": peer.error,
        "summary": summary,
    })))
}

#[derive(Serialize)]
struct Listed<'a> {
    virtual_server: &'a str,
    #[serde(flatten)]
    server: &'a RealServerView,
}

/// `/api/v1/real-servers`: all of them.
pub fn real_servers(snapshot: &Snapshot) -> Bytes {
    let pools = &snapshot.view.virtual_servers;
    let all: Vec<Listed<'_>> = pools
        .iter()
        .flat_map(|pool| {
            let virtual_server = pool.name.as_str();
            pool.real_servers.iter().map(move |server| Listed { virtual_server, server })
        })
        .collect();
    json_bytes(&json!({ "generated_at": snapshot.view.generated_at, "real_servers": all }))
}

/// The pool and the server of that identity.
pub fn find<'a>(
    snapshot: &'a Snapshot,
    id: &RealServerId,
) -> Option<(&'a VirtualServerView, &'a RealServerView)> {
    let pool = snapshot.view.virtual_servers.iter().find(|pool| pool.name == id.virtual_server)?;
    let server = pool.real_servers.iter().find(|server| server.name == id.real_server)?;
    Some((pool, server))
}

/// `/api/v1/real-servers/VIRTUAL_SERVER/REAL_SERVER`, with its latencies and events.
pub fn real_server(app: &Arc<App>, id: &RealServerId) -> Option<Response> {
    let snapshot = app.snapshot();
    let (pool, server) = find(&snapshot, id)?;
    let samples: Vec<Option<u32>> = app
        .history()
        .of(id)
        .into_iter()
        .map(|sample| match sample {
            Sample::Answer(latency) => Some(latency),
            Sample::Failure | Sample::Unknown => None,
        })
        .collect();
    let events: Vec<&Event> = events_of(&snapshot, id).collect();
    let make = || {
        json_bytes(&json!({
            "generated_at": snapshot.view.generated_at,
            "virtual_server": pool.name,
            "real_server": server,
            "latencies": { "step_seconds": STEP.as_secs(), "microseconds": samples },
            "events": events,
        }))
    };
    Some(large(app, JSON, make))
}

/// The events that concern one real server, oldest first.
pub fn events_of<'a>(
    snapshot: &'a Snapshot,
    id: &RealServerId,
) -> impl DoubleEndedIterator<Item = &'a Event> {
    let id = id.clone();
    snapshot.events.iter().filter(move |event| {
        let (pool, server) = (&event.what.virtual_server, &event.what.real_server);
        server.as_ref() == Some(&id.real_server)
            && pool.as_ref().is_none_or(|pool| *pool == id.virtual_server)
    })
}
