//! What goes into an [`super::Exchange`] and what comes out.
//!
//! Owns the words between one probe and the shell that runs it. There is no logic here.

use std::fmt;
use std::time::Duration;

use crate::dns::check::Transport;
use crate::verdict::{Cause, Verdict};

/// What happened to a probe. `attempt` is the try that the socket was opened for, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input<'a> {
    /// Nothing but that time has passed.
    TimePassed,
    /// A datagram arrived on the attempt's connected UDP socket.
    DatagramArrived {
        /// The attempt.
        attempt: u8,
        /// What arrived.
        octets: &'a [u8],
    },
    /// The attempt's TCP connection stands.
    Connected {
        /// The attempt.
        attempt: u8,
    },
    /// The attempt's connection is secured: the handshake of TLS is over.
    Secured {
        /// The attempt.
        attempt: u8,
    },
    /// Octets arrived on the attempt's connection.
    OctetsArrived {
        /// The attempt.
        attempt: u8,
        /// What arrived.
        octets: &'a [u8],
    },
    /// The server closed the attempt's TCP connection in good order.
    Closed {
        /// The attempt.
        attempt: u8,
    },
    /// The attempt's socket failed or could not be opened.
    Failed {
        /// The attempt.
        attempt: u8,
        /// Why; whether it is local trouble follows from it.
        cause: Cause,
    },
    /// The same of a secured connection, with what was seen.
    Broken {
        /// The attempt.
        attempt: u8,
        /// Why; whether it is local trouble follows from it.
        cause: Cause,
        /// What was seen, in one line for people.
        detail: &'a str,
    },
}

/// What is to be done for a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Open a fresh UDP socket, connect it to the server and send [`super::Exchange::query`].
    OpenUdp {
        /// The attempt it is for.
        attempt: u8,
    },
    /// Close what the attempt has and open a TCP connection to the server.
    OpenTcp {
        /// The attempt it is for.
        attempt: u8,
    },
    /// Open a secured connection to the server.
    OpenSecured {
        /// The attempt it is for.
        attempt: u8,
    },
    /// Send [`super::Exchange::query`] over the attempt's TCP or secured connection.
    SendTcp {
        /// The attempt.
        attempt: u8,
    },
    /// Close the attempt's socket.
    Close {
        /// The attempt.
        attempt: u8,
    },
}

/// Why an [`super::Exchange`] wants to be called at its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// To try again.
    NextTry,
    /// To end without an answer.
    GiveUp,
}

/// How a probe ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The verdict on the server as far as this probe goes.
    pub verdict: Verdict,
    /// Why it is not Up; `None` when it is.
    pub cause: Option<Cause>,
    /// What was seen, in one line for people; empty when Up.
    pub detail: String,
    /// From the start of the probe to its end.
    pub elapsed: Duration,
    /// From the sending of the query that was answered to the answer; `None` when none was.
    pub latency: Option<Duration>,
    /// From the opening of the TCP connection to its standing; `None` when the end did not come over one.
    pub connect: Option<Duration>,
    /// From there to the end of the handshake of TLS; `None` when there was none. Over QUIC the two are one.
    pub tls: Option<Duration>,
    /// Queries sent.
    pub attempts: u8,
    /// Messages that were not our reply.
    pub strays: u32,
    /// The transport that the end came over.
    pub transport: Transport,
    /// The essentials of the reply that decided.
    pub essentials: Option<Essentials>,
    /// The reply that decided, if it was to be kept.
    pub reply: Option<Box<[u8]>>,
}

/// The essentials of a reply: its flags and counts (RFC 1035 section 4.1.1), its length, and what it came over. Shown as `NOERROR aa rd ra,
/// 1 answer, 62 octets over udp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Essentials {
    flags: [u8; 2],
    answers: u16,
    octets: u16,
    transport: Transport,
}

impl Essentials {
    /// Those of a message; `None` when it has no whole header.
    #[must_use]
    pub fn of(message: &[u8], transport: Transport) -> Option<Self> {
        let [_, _, high, low, _, _, answers @ .., _, _, _, _] = message.first_chunk::<12>()?;
        let octets = u16::try_from(message.len()).unwrap_or(u16::MAX);
        Some(Self { flags: [*high, *low], answers: u16::from_be_bytes(*answers), octets, transport })
    }
}

impl fmt::Display for Essentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { flags: [high, low], answers, octets, transport } = *self;
        match low & 0x0f {
            0 => f.write_str("NOERROR")?,
            1 => f.write_str("FORMERR")?,
            2 => f.write_str("SERVFAIL")?,
            3 => f.write_str("NXDOMAIN")?,
            4 => f.write_str("NOTIMP")?,
            5 => f.write_str("REFUSED")?,
            other => write!(f, "RCODE{other}")?,
        }
        for (set, flag) in [
            (high & 0x04, "aa"),
            (high & 0x02, "tc"),
            (high & 0x01, "rd"),
            (low & 0x80, "ra"),
            (low & 0x20, "ad"),
            (low & 0x10, "cd"),
        ] {
            if set != 0 {
                write!(f, " {flag}")?;
            }
        }
        let plural = if answers == 1 { "" } else { "s" };
        write!(f, ", {answers} answer{plural}, {octets} octets over {}", transport.as_str())
    }
}
