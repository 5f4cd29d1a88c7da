//! What the other directors have told.
//!
//! Owns the question to their status pages. Whatever they answer, no more comes of it than that this director keeps quiet about
//! what they name; an answer that makes no sense counts as none.

use std::collections::BTreeSet;
use std::time::Duration;

use agent_api::config::Url;
use agent_core::digest::Key;
use hyper::Method;
use serde::Deserialize;

use crate::trust;
use crate::web::{Ask, ask};

/// The limit of one question.
const LIMIT: Duration = Duration::from_secs(4);
/// How much of an answer is read.
const ANSWER_MAX: usize = 16 << 20;

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    alerts: Option<Alerts>,
}

#[derive(Deserialize)]
struct Alerts {
    /// Whether that alertd is heard and delivers.
    #[serde(default)]
    delivers: bool,
    #[serde(default)]
    told: Vec<String>,
}

/// The troubles that one of `peers` has told.
pub async fn told(peers: &[Url]) -> BTreeSet<Key> {
    let mut told = BTreeSet::new();
    for peer in peers {
        match one(peer).await {
            Ok(keys) => told.extend(keys),
            Err(why) => tracing::warn!("can't learn what {peer} has told: {why}"),
        }
    }
    told
}

async fn one(peer: &Url) -> Result<Vec<Key>, String> {
    let tls = if peer.tls { Some(trust::web(None).map_err(|error| error.to_string())?) } else { None };
    let path = format!("{}/api/v1/status", peer.path.trim_end_matches('/'));
    let url = Url { path, ..peer.clone() };
    let request = Ask {
        url: &url,
        method: Method::GET,
        headers: vec![("accept", "application/json".to_owned())],
        body: Vec::new(),
        answer_max: ANSWER_MAX,
        limit: LIMIT,
    };
    let (status, body) = ask(request, tls).await.map_err(|error| error.to_string())?;
    if !status.is_success() {
        return Err(format!("it answered {status}"));
    }
    let answer: Answer = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    let alerts = answer.alerts.filter(|alerts| alerts.delivers);
    Ok(alerts
        .map(|alerts| alerts.told)
        .unwrap_or_default()
        .iter()
        .filter_map(|key| key.parse().ok())
        .collect())
}
