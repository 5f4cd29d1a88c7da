//! DNS checks: the question, the wire code, the judging of a reply.
//!
//! Owns all that is DNS about a probe. Decoding is total: any bytes give a value or [`Malformed`], in bounded work.
//! What a check asks and expects is a [`DnsCheck`]; one reply is judged by [`judge`].

mod answer;
mod check;
mod exchange;
mod judge;
mod kind;
mod name;
mod query;
mod rdata;
mod reply;
#[cfg(test)]
mod sample;
mod wire;

pub use answer::{AnswerError, ExpectedAnswer};
pub use check::{CheckError, DnsCheck, Expectation, Question, Timeout, Transport, Tries};
pub use exchange::{Action, Exchange, Input, LATE_MAX, Outcome, Wake};
pub use judge::{Judgement, Stray, judge, sort, summary, wants_tcp};
pub use kind::{Class, KindError, Rcode, RcodeSet, RecordType};
pub use name::{LABEL_MAX, NAME_MAX, Name, NameError};
pub use query::{QUERY_MAX, Query};
pub use reply::Header;
pub use wire::Malformed;
