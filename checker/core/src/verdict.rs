//! The four verdicts and the stable causes.
//!
//! Owns the words that logs, JSON, metrics, mails and exit texts share. A code, once released, keeps its meaning.
//! It never decides which one applies: that is judging.

use std::fmt;
use std::str::FromStr;

/// What is known of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Verdict {
    /// It answers as it should.
    Up,
    /// It answers, but not as well as it should.
    Degraded,
    /// A probe that ran has failed.
    Down,
    /// Not known: no probe could be run, or none was yet. Unknown is not Down.
    #[default]
    Unknown,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 4] = [Self::Up, Self::Degraded, Self::Down, Self::Unknown];

    /// `up`, `degraded`, `down` or `unknown`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Unknown => "unknown",
        }
    }

    /// Whether the server answers: Up or Degraded.
    #[must_use]
    pub const fn passes(self) -> bool {
        matches!(self, Self::Up | Self::Degraded)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Verdict {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|v| v.as_str() == text).ok_or_else(|| UnknownWord::new("verdict", text))
    }
}

/// A word that is no verdict or no cause code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownWord {
    what: &'static str,
    text: String,
}

impl UnknownWord {
    fn new(what: &'static str, text: &str) -> Self {
        Self { what, text: text.chars().take(60).collect() }
    }
}

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no {}", self.text, self.what)
    }
}

impl std::error::Error for UnknownWord {}

/// Whose trouble a cause is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The server's, or the path's beyond our own end: the verdict is Down.
    Server,
    /// Our own: the probe could not be run as it should. The verdict is Unknown.
    Local,
}

impl Blame {
    /// The verdict that a failure with this blame gives.
    #[must_use]
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Server => Verdict::Down,
            Self::Local => Verdict::Unknown,
        }
    }
}

macro_rules! causes {
    ($($variant:ident $code:literal $blame:ident $meaning:literal;)+) => {
        /// Why a verdict is not Up. Each has one stable code and says whose trouble it is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Cause {
            $(#[doc = concat!("`", $code, "`: ", $meaning)] $variant,)+
        }

        impl Cause {
            /// Every cause.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable code, such as `dns_timeout`.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// Whose trouble it is.
            #[must_use]
            pub const fn blame(self) -> Blame {
                match self { $(Self::$variant => Blame::$blame,)+ }
            }

            /// What it means, in one plain sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)+ }
            }
        }
    };
}

causes! {
    DnsTimeout "dns_timeout" Server "No DNS answer that fits the query came before the deadline.";
    DnsServfail "dns_servfail" Server "The server answered SERVFAIL: it could not process the query.";
    DnsRefused "dns_refused" Server "The server answered REFUSED: it does not serve this client or this name.";
    DnsNxdomain "dns_nxdomain" Server "The server answered NXDOMAIN: it says the name does not exist.";
    DnsFormerr "dns_formerr" Server "The server answered FORMERR: it did not understand the query.";
    DnsNotimp "dns_notimp" Server "The server answered NOTIMP: it does not support this kind of query.";
    DnsRcode "dns_rcode" Server "The server answered with a response code that is not among the expected ones.";
    DnsAnswerMismatch "dns_answer_mismatch" Server "The server answered, but none of the expected answers is in its reply.";
    DnsNoAnswer "dns_no_answer" Server "The server answered NOERROR without a record of the type that was asked for.";
    DnsReferral "dns_referral" Server "The server referred to other name servers instead of answering.";
    DnsCnameLoop "dns_cname_loop" Server "The aliases in the reply lead in a circle or through too many names.";
    DnsBadvers "dns_badvers" Server "The server answered BADVERS: it does not support this version of EDNS.";
    DnsUnexpectedAnswer "dns_unexpected_answer" Server "The server answered with records where none were expected.";
    DnsCount "dns_count" Server "A section of the reply has more or fewer records than expected.";
    DnsTtl "dns_ttl" Server "A record of the reply has a time to live that is out of bounds.";
    DnsAuthorityMismatch "dns_authority_mismatch" Server "The expected records are not in the authority section.";
    DnsAdditionalMismatch "dns_additional_mismatch" Server "The expected records are not in the additional section.";
    DnsFlags "dns_flags" Server "A flag of the reply is missing, or set where it must not be.";
    DnsLame "dns_lame" Server "The server referred to the root: it serves no zone of this name and does not resolve it.";
    DnsStaleSerial "dns_stale_serial" Server "The server's copy of the zone is older than it may be.";
    DnsUnsigned "dns_unsigned" Server "The reply has no signature where one is expected.";
    DnsSignatureExpired "dns_signature_expired" Server "A signature in the reply has expired.";
    DnsSignatureExpiring "dns_signature_expiring" Server "A signature in the reply expires soon.";
    DnsSignatureFuture "dns_signature_future" Server "A signature in the reply is not valid yet.";
    DnsBogus "dns_bogus" Server "The reply, or a key or delegation that it rests on, is not what the trust anchor vouches for.";
    DnsInsecure "dns_insecure" Server "The trust anchor does not reach the zone: the zone above it says that it is not signed.";
    DnsIdentity "dns_identity" Server "The server is not the one that was expected to answer.";
    DnsZoneExpiring "dns_zone_expiring" Server "The server's copy of the zone expires soon, or it does not say when.";
    DnsSlow "dns_slow" Server "The right answer took longer than it may, or less.";
    DnsMalformed "dns_malformed" Server "The reply is not a well-formed DNS message.";
    DnsTruncated "dns_truncated" Server "The reply is truncated where it can't be repeated over TCP.";
    UdpRefused "udp_refused" Server "The server's host says that nothing listens on the UDP port.";
    TcpRefused "tcp_refused" Server "The server's host refused the TCP connection.";
    TcpReset "tcp_reset" Server "The TCP connection was reset before the answer was complete.";
    TcpClosed "tcp_closed" Server "The server closed the TCP connection before the answer was complete.";
    TcpTimeout "tcp_timeout" Server "The TCP connection or the answer over it was not complete before the deadline.";
    TcpMismatch "tcp_mismatch" Server "The server did not send the expected text over the TCP connection.";
    TlsTimeout "tls_timeout" Server "The TLS handshake was not complete before the deadline.";
    TlsHandshake "tls_handshake" Server "The TLS handshake failed: the two have nothing in common, or the server does not speak TLS.";
    TlsClosed "tls_closed" Server "The server ended the connection during the TLS handshake.";
    TlsCertificate "tls_certificate" Server "The server's certificate is not a good one, for another reason than those that have a code.";
    TlsCertificateExpired "tls_certificate_expired" Server "The server's certificate, or one that it rests on, has expired.";
    TlsCertificateExpiring "tls_certificate_expiring" Server "The server's certificate, or one that it rests on, expires soon.";
    TlsCertificateFuture "tls_certificate_future" Server "The server's certificate, or one that it rests on, is not valid yet.";
    TlsUnknownCa "tls_unknown_ca" Server "Nobody who is trusted has signed the server's certificate.";
    TlsNameMismatch "tls_name_mismatch" Server "The server's certificate is for another name.";
    TlsPinMismatch "tls_pin_mismatch" Server "None of the pinned keys is in the server's certificates.";
    QuicClosed "quic_closed" Server "The server ended the QUIC connection or its stream before the answer was complete.";
    HttpStatus "http_status" Server "The server answered with an HTTP status that is not among the expected ones.";
    HttpHeader "http_header" Server "A header of the HTTP response is missing or not as expected.";
    HttpBody "http_body" Server "The body of the HTTP response is not as expected.";
    HttpTooLarge "http_too_large" Server "The HTTP response is larger than it may be.";
    HttpProtocol "http_protocol" Server "What the server sent is not HTTP as it should be, or it ended before the response was complete.";
    HttpTimeout "http_timeout" Server "The HTTP response was not complete before the deadline.";
    SmtpReply "smtp_reply" Server "The mail server answered with another code than it should.";
    SmtpProtocol "smtp_protocol" Server "What the server sent is not SMTP as it should be.";
    SmtpTimeout "smtp_timeout" Server "The dialogue with the mail server was not complete before the deadline.";
    PingTimeout "ping_timeout" Server "No echo reply came before the deadline.";
    PingLoss "ping_loss" Server "Fewer echo replies came than should.";
    PingSlow "ping_slow" Server "The echo replies took longer than they may.";
    FileDown "file_down" Server "The file says that the server is down.";
    FileDegraded "file_degraded" Server "The file says that the server does not do well.";
    UdpTimeout "udp_timeout" Server "No datagram came back before the deadline.";
    UdpMismatch "udp_mismatch" Server "No datagram with the expected text came back before the deadline.";
    ExecExit "exec_exit" Server "The program ended with an exit code that means failure.";
    ExecWarning "exec_warning" Server "The monitoring plugin warns.";
    ExecSignal "exec_signal" Server "The program was ended by a signal.";
    ExecTimeout "exec_timeout" Server "The program did not end within its time limit and was killed with its children.";
    TooSlow "too_slow" Server "The check passed, but took longer than it may.";
    HostUnreachable "host_unreachable" Server "A host on the way, or the lack of an ARP answer, says that the server can't be reached.";
    NetUnreachable "net_unreachable" Local "This machine has no route to the server, or forbids sending to it.";
    NoSocket "no_socket" Local "This machine could not open a socket: out of descriptors, ports or memory.";
    NotPermitted "not_permitted" Local "This process may not set the interface, mark or traffic class of its packets.";
    SourceUnavailable "source_unavailable" Local "The source address to probe from is not on this machine.";
    PrimarySilent "primary_silent" Local "No primary told the serial to compare with.";
    TlsSettings "tls_settings" Local "A file with certificates or a key can't be read here, or does not hold what it should.";
    LateTimer "late_timer" Local "This process or machine was stalled during the probe, so that silence proves nothing.";
    ExecMissing "exec_missing" Local "The program could not be started: it is not there, not executable, or nothing is left to start it with.";
    ExecUnknown "exec_unknown" Local "The monitoring plugin says that it could not check.";
    PingForbidden "ping_forbidden" Local "This process may not send echo requests: net.ipv4.ping_group_range does not include its group.";
    FileUnknown "file_unknown" Local "The file says that nothing is known of the server.";
    FileMissing "file_missing" Local "The file that tells of the server is not there.";
    FileStale "file_stale" Local "The file that tells of the server was not written for too long.";
    FileInvalid "file_invalid" Local "The file that tells of the server can't be read or understood.";
    ParentDown "parent_down" Local "What it depends on is down, so nothing can be said about it.";
    DirectorBlind "director_blind" Local "Most servers fail and no sentinel answers: the trouble is at this director's own end.";
    NotProbed "not_probed" Local "No probe of this server has finished yet.";
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl FromStr for Cause {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL
            .iter()
            .copied()
            .find(|c| c.code() == text)
            .ok_or_else(|| UnknownWord::new("cause code", text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back() {
        for verdict in Verdict::ALL {
            assert_eq!(verdict.as_str().parse(), Ok(verdict));
        }
        for &cause in Cause::ALL {
            assert_eq!(cause.code().parse(), Ok(cause));
            assert!(
                cause.code().len() <= 40 && cause.code().bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
            );
            assert!(cause.meaning().ends_with('.'));
        }
        assert_eq!("UP".parse::<Verdict>().unwrap_err().to_string(), "\"UP\" is no verdict");
        assert!("dns_".parse::<Cause>().is_err());
    }

    #[test]
    fn local_trouble_is_never_down() {
        for cause in [Cause::NetUnreachable, Cause::NoSocket, Cause::SourceUnavailable, Cause::LateTimer] {
            assert_eq!(cause.blame().verdict(), Verdict::Unknown);
        }
        for cause in [Cause::DnsTimeout, Cause::UdpRefused, Cause::HostUnreachable] {
            assert_eq!(cause.blame().verdict(), Verdict::Down);
        }
    }
}
