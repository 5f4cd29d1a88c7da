//! Names: of virtual and real servers, of services, of causes.
//!
//! Owns their syntax, once. A value of one of these types is well formed; nothing else needs to look again.
//! It never resolves a name to an address.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest [`Name`], in bytes.
pub const NAME_MAX: usize = 63;

/// Why a text is no name, service or cause.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Empty.
    #[error("a name is empty")]
    Empty,
    /// Longer than [`NAME_MAX`].
    #[error("name {0:?} is longer than {NAME_MAX} characters")]
    TooLong(String),
    /// A character that is not allowed where it stands.
    #[error("name {0:?} may hold only letters, digits, '.', '_' and '-', and starts with a letter or digit")]
    Character(String),
    /// Not `VIRTUAL_SERVER/REAL_SERVER`.
    #[error("{0:?} is not of the form VIRTUAL_SERVER/REAL_SERVER")]
    NotAPair(String),
    /// Not `udp`, `tcp` or `sctp`.
    #[error("{0:?} is not a protocol: udp, tcp or sctp")]
    Protocol(String),
    /// Not `PROTOCOL/ADDRESS:PORT` nor `fwmark/MARK`.
    #[error("{0:?} is not of the form udp/ADDRESS:PORT, tcp/ADDRESS:PORT or fwmark/MARK")]
    Service(String),
}

/// The name of a virtual server, a real server or a virtual router: 1 to 63 letters, digits, `.`, `_`, `-`. A copy shares the
/// text: thousands of real servers name the same virtual server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<str>);

impl Name {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name with a text of its own: for whoever keeps it when everything around it goes, for one small text holds a whole page of
    /// memory.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self(Arc::from(&*self.0))
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let first = text.chars().next().ok_or(NameError::Empty)?;
        if text.len() > NAME_MAX {
            return Err(NameError::TooLong(text.chars().take(NAME_MAX).collect()));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if !first.is_ascii_alphanumeric() || !text.chars().all(plain) {
            return Err(NameError::Character(text.to_owned()));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// One real server of one virtual server, `resolver/dns1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RealServerId {
    /// The virtual server it belongs to.
    pub virtual_server: Name,
    /// Its own name.
    pub real_server: Name,
}

impl FromStr for RealServerId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (virtual_server, real_server) = text
            .split_once('/')
            .ok_or_else(|| NameError::NotAPair(text.chars().take(2 * NAME_MAX).collect()))?;
        Ok(Self { virtual_server: virtual_server.parse()?, real_server: real_server.parse()? })
    }
}

impl fmt::Display for RealServerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.virtual_server, self.real_server)
    }
}

/// A transport protocol that a virtual server serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP, IP protocol 6.
    Tcp,
    /// UDP, IP protocol 17.
    Udp,
    /// SCTP, IP protocol 132.
    Sctp,
}

impl Protocol {
    /// `tcp`, `udp` or `sctp`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

impl FromStr for Protocol {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            "sctp" => Ok(Self::Sctp),
            other => Err(NameError::Protocol(other.chars().take(NAME_MAX).collect())),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The family of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressFamily {
    /// IP version 4.
    Ipv4,
    /// IP version 6.
    Ipv6,
}

impl AddressFamily {
    /// The family of `address`.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }
}

/// A service of the kernel as clients see it, `udp/194.97.173.124:53` or `tcp/[2001:db8::1]:53`, or as the firewall marks it,
/// `fwmark/53` or, for IPv6, `fwmark6/53`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceAddress {
    /// What goes to one address and port.
    Address {
        /// UDP, TCP or SCTP.
        protocol: Protocol,
        /// The virtual IP and the port; port 0 is every port.
        address: SocketAddr,
    },
    /// What the firewall has given a mark.
    FirewallMark {
        /// The family of the packets.
        family: AddressFamily,
        /// The mark.
        mark: NonZeroU32,
    },
}

impl ServiceAddress {
    /// The protocol, where the service has one.
    #[must_use]
    pub const fn protocol(&self) -> Option<Protocol> {
        match self {
            Self::Address { protocol, .. } => Some(*protocol),
            Self::FirewallMark { .. } => None,
        }
    }

    /// The family of its packets.
    #[must_use]
    pub const fn family(&self) -> AddressFamily {
        match self {
            Self::Address { address, .. } => AddressFamily::of(address.ip()),
            Self::FirewallMark { family, .. } => *family,
        }
    }
}

/// What stands before a mark, by family.
const MARKS: [(&str, AddressFamily); 2] = [("fwmark", AddressFamily::Ipv4), ("fwmark6", AddressFamily::Ipv6)];

impl FromStr for ServiceAddress {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let bad = || NameError::Service(text.chars().take(80).collect());
        let (word, rest) = text.split_once('/').ok_or_else(bad)?;
        if let Some((_, family)) = MARKS.iter().find(|(mark, _)| *mark == word) {
            let digits = rest.bytes().all(|b| b.is_ascii_digit());
            let mark = rest.parse().ok().filter(|_| digits).ok_or_else(bad)?;
            return Ok(Self::FirewallMark { family: *family, mark });
        }
        Ok(Self::Address { protocol: word.parse()?, address: rest.parse().map_err(|_| bad())? })
    }
}

impl fmt::Display for ServiceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { protocol, address } => write!(f, "{protocol}/{address}"),
            Self::FirewallMark { family: AddressFamily::Ipv4, mark } => write!(f, "fwmark/{mark}"),
            Self::FirewallMark { family: AddressFamily::Ipv6, mark } => write!(f, "fwmark6/{mark}"),
        }
    }
}

/// A stable cause code, `dns_timeout`: lower-case letters, digits and `_`, at most 40 characters.
///
/// The codes of checks come from [`checker_core::Cause`]; other daemons add their own. A reader must accept codes
/// that it does not know, so this is a checked text and not an enum.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CauseCode(Cow<'static, str>);

impl CauseCode {
    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<checker_core::Cause> for CauseCode {
    fn from(cause: checker_core::Cause) -> Self {
        Self(Cow::Borrowed(cause.code()))
    }
}

impl FromStr for CauseCode {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > 40 || !text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        {
            return Err(NameError::Character(text.chars().take(40).collect()));
        }
        Ok(Self(Cow::Owned(text.to_owned())))
    }
}

impl fmt::Display for CauseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// JSON as the text form, both ways.
macro_rules! serde_as_text {
    ($($type:ty),+) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(D::Error::custom)
            }
        }
    )+};
}
serde_as_text!(Name, RealServerId, Protocol, ServiceAddress, CauseCode);

/// [`checker_core::Verdict`] as its word: for `#[serde(with = "verdict")]`.
pub mod verdict {
    use std::borrow::Cow;

    use checker_core::Verdict;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes `up`, `degraded`, `down` or `unknown`.
    ///
    /// # Errors
    /// Only what the serializer reports.
    pub fn serialize<S: Serializer>(verdict: &Verdict, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(verdict.as_str())
    }

    /// Reads the same words.
    ///
    /// # Errors
    /// A word that is no verdict.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Verdict, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(|_| {
            D::Error::custom(format_args!("{text:?} is no verdict: up, degraded, down, unknown"))
        })
    }
}
