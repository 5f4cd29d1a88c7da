//! What a DNS check asks and expects.
//!
//! Owns the checked types of a check's definition and their defaults and limits. A [`DnsCheck`] can be run as it is.
//! It never says where to send the query or how often: the server's address is the caller's, the interval the schedule's.

use std::fmt;
use std::time::Duration;

use super::answer::ExpectedAnswer;
use super::kind::{Class, Rcode, RcodeSet, RecordType};
use super::name::Name;

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

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Question {
    name: Name,
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
            _ => Ok(Self { name, rtype, class }),
        }
    }

    /// The name asked for.
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
        if self.class != Class::IN {
            return write!(f, "{} {} {}", self.name, self.class, self.rtype);
        }
        write!(f, "{} {}", self.name, self.rtype)
    }
}

/// What a reply must be to pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// The response codes that pass. Default: NOERROR.
    pub rcodes: RcodeSet,
    /// Answers of which at least one must be among the records for the name asked, aliases followed. Further records
    /// beside it do not matter. When empty, any record of the type asked will do. They are looked for only in
    /// a reply with NOERROR; another response code that is expected passes as it is.
    pub answers: Vec<ExpectedAnswer>,
    /// Whether a NOERROR reply without a record of the type asked passes, when it is no referral. Default: no. Of no
    /// effect with `answers`.
    pub allow_empty: bool,
}

impl Default for Expectation {
    fn default() -> Self {
        Self { rcodes: RcodeSet::from_iter([Rcode::NOERROR]), answers: Vec::new(), allow_empty: false }
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
}

impl Transport {
    /// `udp` or `tcp`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
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

/// How many queries one probe sends within its timeout, evenly spaced, while none is answered.
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

/// A DNS check: one question, what must come back, how, and within what time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsCheck {
    /// What is asked.
    pub question: Question,
    /// What must come back.
    pub expect: Expectation,
    /// How the query travels. Default: UDP.
    pub transport: Transport,
    /// The server's port. Default: 53.
    pub port: u16,
    /// The limit of the whole probe. Default: one second.
    pub timeout: Timeout,
    /// Queries within the timeout. Default: two.
    pub tries: Tries,
}

impl DnsCheck {
    /// The default port.
    pub const PORT: u16 = 53;

    /// A check of `question` with every default.
    #[must_use]
    pub fn new(question: Question) -> Self {
        Self {
            question,
            expect: Expectation::default(),
            transport: Transport::default(),
            port: Self::PORT,
            timeout: Timeout::default(),
            tries: Tries::default(),
        }
    }

    /// The time between two tries: the timeout in equal parts.
    #[must_use]
    pub fn spacing(&self) -> Duration {
        self.timeout.get() / u32::from(self.tries.get())
    }
}
