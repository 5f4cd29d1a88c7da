//! DNS checks: the question, the wire code, the judging of a reply.
//!
//! Owns all that is DNS about a probe. Decoding is total: any bytes give a value or [`Malformed`], in bounded work.
//! What a check asks and expects is a [`DnsCheck`]; one reply is judged by [`judge`].

mod answer;
mod check;
mod kind;
mod name;
mod rdata;
mod wire;

pub use answer::{AnswerError, ExpectedAnswer};
pub use check::{CheckError, DnsCheck, Expectation, Question, Timeout, Transport, Tries};
pub use kind::{Class, KindError, Rcode, RcodeSet, RecordType};
pub use name::{LABEL_MAX, NAME_MAX, Name, NameError};
pub use wire::Malformed;
