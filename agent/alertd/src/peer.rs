//! What the other director has told.
//!
//! Owns the question to its status page, and what an answer is worth. Whatever it answers, no more comes of it than that this director
//! keeps quiet about what it names; an answer that makes no sense counts as none.

use std::time::Duration;

use agent_api::ToldOver;
use agent_api::config::{Peer, Secret, Transport, Url};
use agent_core::digest::{Over, PeerTold};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::{Method, StatusCode};
use serde::Deserialize;

use crate::smtp::Conversation;
use crate::ways::Ways;
use crate::web::{Ask, ask};
use crate::{secret, trust};

/// The limit of one question.
const LIMIT: Duration = Duration::from_secs(4);
/// How much of an answer is read.
const ANSWER_MAX: usize = 256 << 10;
/// Where the answer is.
const PATH: &str = "/api/v1/summary";

#[derive(Deserialize)]
struct Answer {
    /// Absent when its alertd was never heard.
    #[serde(default)]
    alerts: Option<Alerts>,
}

#[derive(Deserialize)]
struct Alerts {
    /// Whether that alertd is heard.
    #[serde(default)]
    heard: bool,
    /// Whether what it has to tell arrives.
    #[serde(default)]
    delivers: bool,
    #[serde(default)]
    told: Vec<String>,
    /// Absent from older directors.
    #[serde(default)]
    told_over: Vec<ToldOver>,
}

/// The troubles that the other director has told, as far as this one need not tell them too.
pub async fn told(ways: &Ways) -> PeerTold {
    let Some(peer) = &ways.peer else { return PeerTold::default() };
    let alerts = match one(peer).await {
        Ok(Some(alerts)) if alerts.heard => alerts,
        Ok(_) => return PeerTold::default(),
        Err(why) => {
            tracing::warn!("can't learn what {} has told: {why}", peer.url);
            return PeerTold::default();
        }
    };
    // It has taken it on and can't deliver it. Where this one could not either (the mail server that both use is away), it
    // would only come twice later.
    if !alerts.delivers && mail_would_go(ways).await {
        tracing::warn!("{} can't deliver what it has to tell", peer.url);
        return PeerTold::default();
    }
    PeerTold {
        open: alerts.told.iter().filter_map(|key| key.parse().ok()).collect(),
        over: alerts.told_over.into_iter().filter_map(over).collect(),
    }
}

fn over(told: ToldOver) -> Option<Over> {
    Some(Over { key: told.trouble.parse().ok()?, began: told.since, ended: told.until })
}

/// Whether a mail server takes our connection just now. What other ways would do can't be tried without telling somebody.
async fn mail_would_go(ways: &Ways) -> bool {
    match ways.mail().map(|mail| &mail.transport) {
        Some(Transport::Smtp(smtp)) => match tokio::time::timeout(LIMIT, Conversation::open(smtp)).await {
            Ok(Ok(conversation)) => {
                conversation.close().await;
                true
            }
            _ => false,
        },
        Some(Transport::Sendmail(_)) | None => false,
    }
}

async fn one(peer: &Peer) -> Result<Option<Alerts>, String> {
    let tls = match peer.url.tls {
        true => Some(trust::web(peer.ca.as_deref()).map_err(|error| error.to_string())?),
        false => None,
    };
    let mut headers = vec![("accept", "application/json".to_owned())];
    if let Some(path) = &peer.credentials {
        let line = secret::line(&Secret::File(path.clone())).map_err(|error| error.to_string())?;
        headers.push(("authorization", format!("Basic {}", STANDARD.encode(line.reveal()))));
    }
    let url =
        Url { tls: peer.url.tls, host: peer.url.host.clone(), port: peer.url.port, path: PATH.to_owned() };
    let request = Ask {
        url: &url,
        method: Method::GET,
        headers,
        body: Vec::new(),
        answer_max: ANSWER_MAX,
        limit: LIMIT,
    };
    let (status, body) = ask(request, tls).await.map_err(|error| error.to_string())?;
    match status {
        StatusCode::OK => {}
        StatusCode::UNAUTHORIZED => {
            return Err("it refuses the name or the password; see credentials in [status.peer]".to_owned());
        }
        status => return Err(format!("it answered {status}")),
    }
    let answer: Answer = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    Ok(answer.alerts)
}
