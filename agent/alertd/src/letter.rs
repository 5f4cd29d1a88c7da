//! A notice as a mail.
//!
//! Owns its headers, its subject and the arrangement of what is in it, once for text and HTML. The same notice makes the same
//! bytes whenever it is sent, so that one that was accepted twice is recognised by its Message-ID. It sends nothing.

mod html;
mod parts;
#[cfg(test)]
mod tests;
mod text;

use std::time::SystemTime;

use agent_core::digest::{Kind, Notice};
use jiff::tz::TimeZone;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart, SinglePart};

use crate::clean;

pub use parts::duration;

/// What all mails have in common.
#[derive(Debug, Clone)]
pub struct Style {
    /// The sender's address.
    pub from: String,
    /// The zone in which times are shown.
    pub zone: TimeZone,
}

/// Why a notice is no mail.
#[derive(Debug, thiserror::Error)]
pub enum LetterError {
    /// An address is not taken.
    #[error("{0:?} is not taken as a mail address")]
    Address(String),
    /// The library refuses it.
    #[error("the mail can't be made: {0}")]
    Mail(#[from] lettre::error::Error),
}

/// A header of one plain word or line.
macro_rules! plain_header {
    ($type:ident, $name:literal) => {
        #[derive(Clone)]
        struct $type(String);
        impl Header for $type {
            fn name() -> HeaderName {
                HeaderName::new_from_ascii_str($name)
            }
            fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
                Ok(Self(text.to_owned()))
            }
            fn display(&self) -> HeaderValue {
                HeaderValue::new(Self::name(), self.0.clone())
            }
        }
    };
}
// RFC 3834: no auto-responder answers. The others are for people's filters.
plain_header!(AutoSubmitted, "Auto-Submitted");
plain_header!(XHoldfast, "X-Holdfast");
plain_header!(XHoldfastIncident, "X-Holdfast-Incident");
plain_header!(Importance, "Importance");

/// The mail for `notice`, to be shown as sent to `to`.
pub fn mail(notice: &Notice, style: &Style, to: &[String]) -> Result<Vec<u8>, LetterError> {
    let mailbox = |address: &String| {
        let address = address.parse().map_err(|_| LetterError::Address(clean::line(address)))?;
        Ok::<_, LetterError>(Mailbox::new(None, address))
    };
    let from: Mailbox = mailbox(&style.from)?;
    let from = Mailbox::new(Some("Holdfast".to_owned()), from.email);
    let domain = from.email.domain().to_owned();
    let identity = |id: &str| format!("<holdfast.{}@{domain}>", word(id));
    let mut builder = Message::builder()
        .from(from)
        .subject(subject(notice))
        .message_id(Some(identity(&notice.id)))
        .date(SystemTime::from(notice.at))
        .header(AutoSubmitted("auto-generated".to_owned()))
        .header(XHoldfast(format!("{} {}", notice.kind.as_str(), notice.severity)))
        .header(XHoldfastIncident(notice.incident.to_string()));
    if notice.severity == agent_api::Severity::Critical && notice.kind != Kind::Closed {
        builder = builder.header(Importance("high".to_owned()));
    }
    for address in to {
        builder = builder.to(mailbox(address)?);
    }
    if let Some(root) = &notice.root {
        let previous = notice.previous.as_ref().unwrap_or(root);
        builder = builder.in_reply_to(identity(previous));
        // One header with all of them, the oldest first (RFC 5322, section 3.6.4).
        let mut all = identity(root);
        if previous != root {
            all = format!("{all} {}", identity(previous));
        }
        builder = builder.references(all);
    }
    let arranged = parts::arrange(notice, &style.zone);
    let body = MultiPart::alternative()
        .boundary(format!("=_holdfast_{}", word(&notice.id).replace('.', "_")))
        .singlepart(SinglePart::plain(text::render(&arranged)))
        .singlepart(SinglePart::builder().header(ContentType::TEXT_HTML).body(html::render(&arranged)));
    Ok(builder.multipart(body)?.formatted())
}

/// An identity is made of a few plain characters; whatever else it may hold is left out.
fn word(id: &str) -> String {
    id.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')).take(100).collect()
}

/// What stands in the list of mails.
pub fn subject(notice: &Notice) -> String {
    let title = &notice.title;
    let severity = parts::severity(notice.severity);
    let what = match notice.kind {
        Kind::Opened => format!("{severity}: {title}"),
        Kind::Updated if notice.flapping => format!("{severity}, flapping: {title}"),
        Kind::Updated => format!("{severity}, update: {title}"),
        Kind::Reminder => {
            format!("still {severity} after {}: {title}", duration(notice.at.duration_since(notice.began)))
        }
        Kind::Closed => {
            let ended = notice.ended.unwrap_or(notice.at);
            format!("over after {}: {title}", duration(ended.duration_since(notice.began)))
        }
        Kind::Digest | Kind::Test => title.clone(),
    };
    clean::cut(&format!("[Holdfast {}] {what}", notice.host), clean::SUBJECT_MAX)
}
