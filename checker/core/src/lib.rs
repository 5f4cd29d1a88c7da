//! What a probe asks, how a reply is judged, when a verdict changes, and when the next probe is due.
//!
//! Owns the meaning of a check: the DNS wire code, the judging of a reply, the course of one probe over its tries
//! and transports, the rise and fall of a verdict, and the schedule. It depends on nothing, does no I/O and never
//! reads a clock: bytes and [`Time`] come in as arguments, commands and verdicts go out.
//!
//! Read [`Verdict`] and [`Cause`] first, then [`dns::DnsCheck`] and [`dns::judge`].

#![forbid(unsafe_code)]

pub mod blind;
pub mod combine;
pub mod dns;
pub mod exec;
pub mod file;
pub mod finding;
pub mod http;
pub mod late;
pub mod latency;
pub mod pace;
pub mod ping;
pub mod schedule;
pub mod smtp;
pub mod talk;
pub mod thresholds;
pub mod time;
pub mod tls;
pub mod verdict;

pub use combine::combined;
pub use exec::ExecCheck;
pub use file::FileCheck;
pub use finding::Finding;
pub use http::HttpCheck;
pub use late::LATE_MAX;
pub use latency::LatencyLimits;
pub use pace::Pace;
pub use ping::PingCheck;
pub use schedule::Schedule;
pub use smtp::SmtpCheck;
pub use talk::TalkCheck;
pub use thresholds::{Standing, Thresholds};
pub use time::Time;
pub use verdict::{Blame, Cause, Verdict};
