//! Web hooks: a notice as a signed JSON document by POST.
//!
//! Owns the headers, the signature and what an answer means. The signature is over the time and the body, so that an old request
//! can't be sent again by somebody who saw it.

use agent_api::config::Webhook;
use agent_core::digest::Notice;
use agent_core::digest::outbox::Outcome;
use hyper::Method;
use jiff::Timestamp;
use ring::hmac;

use crate::web::{Ask, ask};
use crate::{secret, trust};

/// How much of an answer is read.
const ANSWER_MAX: usize = 64 * 1024;

/// Sends `notice`, and says what came of it and what was answered.
pub async fn send(hook: &Webhook, notice: &Notice, now: Timestamp) -> (Outcome, String) {
    let told = post(hook, notice, now).await;
    match told {
        Ok(status) => (Outcome::Delivered, format!("it answered {status}")),
        Err(outcome) => (outcome, String::new()),
    }
}

async fn post(hook: &Webhook, notice: &Notice, now: Timestamp) -> Result<hyper::StatusCode, Outcome> {
    let later = |why: String| Outcome::Failed { why, all: false };
    let body = match serde_json::to_vec(notice) {
        Ok(body) => body,
        Err(error) => return Err(Outcome::Refused { why: error.to_string() }),
    };
    let time = now.as_second().to_string();
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("x-holdfast-delivery", notice.id.clone()),
        ("x-holdfast-timestamp", time.clone()),
    ];
    if let Some(secret) = &hook.secret {
        match secret::key(secret) {
            Ok(key) => headers.push(("x-holdfast-signature", signature(key.reveal(), &time, &body))),
            Err(error) => return Err(later(error.to_string())),
        }
    }
    let tls = match trust::web(hook.ca.as_deref()) {
        Ok(tls) => Some(tls),
        Err(_) if !hook.url.tls => None,
        Err(error) => return Err(later(error.to_string())),
    };
    let request = Ask {
        url: &hook.url,
        method: Method::POST,
        headers,
        body,
        answer_max: ANSWER_MAX,
        limit: hook.timeout,
    };
    match ask(request, tls).await {
        Ok((status, _)) if status.is_success() => Ok(status),
        // These say that this document will never be taken; anything else may be mended over there.
        Ok((status, _)) if matches!(status.as_u16(), 400 | 410 | 413 | 422) => {
            Err(Outcome::Refused { why: format!("it answered {status}") })
        }
        Ok((status, _)) => Err(later(format!("it answered {status}"))),
        Err(error) => Err(later(error.to_string())),
    }
}

/// `v1=` and HMAC-SHA256 over time, a dot and the body, in hexadecimal digits.
fn signature(key: &str, time: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(time.as_bytes());
    context.update(b".");
    context.update(body);
    let hex: String = context.sign().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("v1={hex}")
}

#[cfg(test)]
mod tests {
    use super::signature;

    #[test]
    fn the_signature_is_what_others_compute() {
        // python3: hmac.new(b"0123456789abcdef", b"1795683600.{}", "sha256").hexdigest()
        assert_eq!(
            signature("0123456789abcdef", "1795683600", b"{}"),
            "v1=1d6a67625da6d8c505c5c5460ec513610c577244b24a40530bfbc1d52a0510f8"
        );
    }
}
