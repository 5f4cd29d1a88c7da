//! What a DNS check asks and expects.
//!
//! Owns the checked types of a check's definition and their defaults and limits. A [`DnsCheck`] can be run as it is.
//! It never says where to send the query or how often: the server's address is the caller's, the interval the schedule's.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::ask::Ask;
use super::dnssec::TrustAnchor;
use super::expect::Expectation;
use super::kind::{Class, RecordType};
use super::name::Name;
use super::secure::Secure;
use super::template::{Circumstances, Template, TemplateError};

/// Why a value can't be part of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckError {
    /// A type that is no question of its own.
    NotAsked(RecordType),
    /// A timeout that is out of bounds.
    Timeout(Duration),
    /// A number of tries that is out of bounds.
    Tries(u64),
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAsked(rtype) => {
                write!(f, "{rtype} can't be asked in a check: use the type of a record such as A or SOA")
            }
            Self::Timeout(timeout) => {
                write!(
                    f,
                    "a timeout of {timeout:?} is out of bounds: use {:?} to {:?}",
                    Timeout::MIN,
                    Timeout::MAX
                )
            }
            Self::Tries(tries) => write!(f, "{tries} tries are out of bounds: use 1 to {}", Tries::MAX),
        }
    }
}

impl std::error::Error for CheckError {}

/// Why a text and a type make no question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuestionError {
    /// The name.
    Template(TemplateError),
    /// The type.
    Check(CheckError),
}

impl fmt::Display for QuestionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Template(error) => error.fmt(f),
            Self::Check(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for QuestionError {}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Question {
    /// With placeholders, the longest name that they can make.
    name: Name,
    template: Option<Template>,
    rtype: RecordType,
    class: Class,
}

impl Question {
    /// A question for the records of type `rtype` of `name` in `class`.
    ///
    /// # Errors
    /// `rtype` is no question of its own: a zone transfer, or a type that only accompanies others.
    pub fn new(name: Name, rtype: RecordType, class: Class) -> Result<Self, CheckError> {
        match rtype {
            RecordType::OPT | RecordType::TKEY | RecordType::TSIG | RecordType::IXFR | RecordType::AXFR => {
                Err(CheckError::NotAsked(rtype))
            }
            _ => Ok(Self { name, template: None, rtype, class }),
        }
    }

    /// Reads a name, which may have the placeholders `{rand}`, `{epoch}` and `{server}`: they are filled in anew for every
    /// probe.
    ///
    /// # Errors
    /// The text is no such name, or `rtype` is no question of its own.
    pub fn parse(name: &str, rtype: RecordType, class: Class) -> Result<Self, QuestionError> {
        match Template::parse(name).map_err(QuestionError::Template)? {
            Some((template, longest)) => {
                let question = Self::new(longest, rtype, class).map_err(QuestionError::Check)?;
                Ok(Self { template: Some(template), ..question })
            }
            None => {
                let name =
                    name.parse().map_err(|error| QuestionError::Template(TemplateError::Name(error)))?;
                Self::new(name, rtype, class).map_err(QuestionError::Check)
            }
        }
    }

    /// The question of one probe, with the placeholders filled in; `None` when there are none.
    #[must_use]
    pub fn filled(&self, circumstances: Circumstances) -> Option<Self> {
        let name = self.template.as_ref()?.name(circumstances)?;
        Some(Self { name, template: None, rtype: self.rtype, class: self.class })
    }

    /// The name asked for; with placeholders, the longest that they can make.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The type asked for.
    #[must_use]
    pub fn record_type(&self) -> RecordType {
        self.rtype
    }

    /// The class asked in.
    #[must_use]
    pub fn class(&self) -> Class {
        self.class
    }
}

impl fmt::Display for Question {
    /// `resolve.test A`; the class is written only when it is not IN.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.template {
            Some(template) => write!(f, "{template}")?,
            None => write!(f, "{}", self.name)?,
        }
        if self.class != Class::IN {
            write!(f, " {}", self.class)?;
        }
        write!(f, " {}", self.rtype)
    }
}

/// How the query travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Transport {
    /// Over UDP; when the reply is truncated, again over TCP within the same timeout.
    #[default]
    Udp,
    /// Over TCP.
    Tcp,
    /// Over TLS (RFC 7858).
    Tls,
    /// Over HTTPS (RFC 8484).
    Https,
    /// Over QUIC (RFC 9250).
    Quic,
}

impl Transport {
    /// Every transport.
    pub const ALL: [Self; 5] = [Self::Udp, Self::Tcp, Self::Tls, Self::Https, Self::Quic];

    /// `udp`, `tcp`, `dot`, `doh` or `doq`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "dot",
            Self::Https => "doh",
            Self::Quic => "doq",
        }
    }

    /// The same for people: `UDP`, `TCP`, `TLS`, `HTTPS` or `QUIC`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Https => "HTTPS",
            Self::Quic => "QUIC",
        }
    }

    /// Whether there is a handshake of TLS.
    #[must_use]
    pub const fn is_secured(self) -> bool {
        matches!(self, Self::Tls | Self::Https | Self::Quic)
    }

    /// The port unless another one is said.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 53,
            Self::Tls | Self::Quic => 853,
            Self::Https => 443,
        }
    }
}

/// How long one probe may take, with all its tries and transports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timeout(Duration);

impl Timeout {
    /// The shortest.
    pub const MIN: Duration = Duration::from_millis(1);
    /// The longest.
    pub const MAX: Duration = Duration::from_secs(60);

    /// A timeout within the bounds.
    ///
    /// # Errors
    /// It is not within [`Timeout::MIN`] and [`Timeout::MAX`].
    pub fn new(timeout: Duration) -> Result<Self, CheckError> {
        if (Self::MIN..=Self::MAX).contains(&timeout) {
            Ok(Self(timeout))
        } else {
            Err(CheckError::Timeout(timeout))
        }
    }

    /// The span.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl Default for Timeout {
    /// One second.
    fn default() -> Self {
        Self(Duration::from_secs(1))
    }
}

/// How many queries one probe sends within its timeout, evenly spaced, while none is answered. Over a secured connection it is
/// one: what is lost there is repeated by the connection itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tries(u8);

impl Tries {
    /// The most.
    pub const MAX: u8 = 10;

    /// A number of tries within the bounds.
    ///
    /// # Errors
    /// It is 0 or more than [`Tries::MAX`].
    pub fn new(tries: u64) -> Result<Self, CheckError> {
        match u8::try_from(tries) {
            Ok(tries @ 1..=Self::MAX) => Ok(Self(tries)),
            _ => Err(CheckError::Tries(tries)),
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl Default for Tries {
    /// Two.
    fn default() -> Self {
        Self(2)
    }
}

/// A DNS check: one question, how it is asked, what must come back, how it travels, and within what time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsCheck {
    /// What is asked.
    pub question: Question,
    /// How it is asked. Default: recursion desired, no EDNS.
    pub ask: Ask,
    /// What must come back.
    pub expect: Expectation,
    /// How the query travels. Default: UDP.
    pub transport: Transport,
    /// Whether a check over UDP must pass over TCP, too, within the same timeout. Default: no.
    pub tcp_too: bool,
    /// How a secured connection is made, where [`Transport::is_secured`]. Default: as the defaults of [`Secure`] say.
    pub secure: Option<Box<Secure>>,
    /// The server's port. Default: 53.
    pub port: u16,
    /// The limit of the whole probe. Default: one second.
    pub timeout: Timeout,
    /// Queries within the timeout. Default: two.
    pub tries: Tries,
    /// The time between two tries. Default: the timeout in equal parts.
    pub try_timeout: Option<Timeout>,
}

impl DnsCheck {
    /// The default port.
    pub const PORT: u16 = 53;

    /// A check of `question` with every default.
    #[must_use]
    pub fn new(question: Question) -> Self {
        Self {
            question,
            ask: Ask::default(),
            expect: Expectation::default(),
            transport: Transport::default(),
            tcp_too: false,
            secure: None,
            port: Self::PORT,
            timeout: Timeout::default(),
            tries: Tries::default(),
            try_timeout: None,
        }
    }

    /// Lets `anchors` vouch for the answer, and asks for the signatures that this takes.
    pub fn validate(&mut self, anchors: Arc<[TrustAnchor]>) {
        if !anchors.is_empty() {
            self.ask.edns.get_or_insert_default().dnssec_ok = true;
        }
        self.expect.anchors = anchors;
    }

    /// The time between two tries.
    #[must_use]
    pub fn spacing(&self) -> Duration {
        self.try_timeout.map_or(self.timeout.get() / u32::from(self.tries.get()), Timeout::get)
    }
}
