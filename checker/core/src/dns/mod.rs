//! DNS checks: the question, the wire code, the judging of a reply.
//!
//! Owns all that is DNS about a probe. Decoding is total: any bytes give a value or [`Malformed`], in bounded work.
//! What a check asks and expects is a [`DnsCheck`]; one reply is judged by [`judge`].

mod answer;
mod ask;
mod bounds;
mod check;
mod dnssec;
mod exchange;
mod expect;
mod judge;
mod kind;
mod name;
mod need;
mod options;
mod pattern;
mod prefix;
mod query;
mod rdata;
mod reply;
#[cfg(test)]
mod sample;
mod secure;
mod serial;
mod template;
mod wire;

pub use answer::{AnswerError, ExpectedAnswer};
pub use ask::{Ask, Edns, FlagError, Flags, PaddingBlock};
pub use bounds::{Bounds, BoundsError, seconds};
pub use check::{CheckError, DnsCheck, Question, QuestionError, Timeout, Transport, Tries};
pub use dnssec::{After, Algorithm, AnchorError, Crypto, Digest, TrustAnchor, Validation};
pub use exchange::{Action, Essentials, Exchange, Input, Outcome, Wake};
pub use expect::{Empty, Expectation, Fit, Latency, Records, Signatures, Wanted};
pub use judge::{Judgement, Sent, Stray, details, judge, judge_serial, serial_of, sort, summary, wants_tcp};
pub use kind::{Class, KindError, Rcode, RcodeSet, RecordType};
pub use name::{LABEL_MAX, NAME_MAX, Name, NameError};
pub use need::{Need, NeedError};
pub use pattern::{Pattern, PatternError};
pub use prefix::{Prefix, PrefixError};
pub use query::{QUERY_MAX, Query};
pub use reply::Header;
pub use secure::{Doh, DohMethod, DohPath, DohPathError, HttpVersion, Secure, base64url};
pub use serial::serial_lag;
pub use template::{Circumstances, Template, TemplateError};
pub use wire::Malformed;
