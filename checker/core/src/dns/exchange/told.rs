//! What is said of the end of a probe.
//!
//! Owns the words for an answer that is too slow, for local trouble and for a secured connection whose time was over. It decides
//! nothing about the course of a probe.

use std::time::Duration;

use super::Stage;
use crate::dns::bounds::Bounds;
use crate::dns::check::{DnsCheck, Transport};
use crate::dns::expect::Latency;
use crate::dns::judge::Judgement;
use crate::verdict::Cause;

/// Judges how long the right answer took.
pub(super) fn slow(check: &DnsCheck, latency: Duration) -> Option<Judgement> {
    let Latency { should, must } = check.expect.latency;
    let outside = |bounds: Option<Bounds<Duration>>| bounds.filter(|bounds| !bounds.admit(&latency));
    let detail = |bounds: Bounds<Duration>| {
        format!("the right answer took {:.1} ms, expected {bounds} s", latency.as_secs_f64() * 1000.0)
    };
    match (outside(must), outside(should)) {
        (Some(bounds), _) => Some(Judgement::failed(Cause::DnsSlow, detail(bounds))),
        (None, Some(bounds)) => Some(Judgement::degraded(Cause::DnsSlow, detail(bounds))),
        (None, None) => None,
    }
}

/// Local trouble in plain words.
pub(super) fn local(trouble: Cause) -> &'static str {
    match trouble {
        Cause::SourceUnavailable => "the source address is not on this machine",
        Cause::NetUnreachable => "this machine has no route to the server, or forbids sending to it",
        Cause::NoSocket => "no socket could be opened: out of descriptors, ports or memory",
        Cause::NotPermitted => {
            "this process may not set the interface, mark or traffic class: it lacks CAP_NET_ADMIN or CAP_NET_RAW"
        }
        other => other.meaning(),
    }
}

/// Where a secured probe was when its time was over. `progress` says what came of the answer.
pub(super) fn late_secured(
    stage: Stage,
    transport: Transport,
    progress: &str,
    span: Duration,
) -> (Cause, String) {
    let name = transport.name();
    match (stage, transport) {
        (Stage::TcpAsked, _) => {
            (Cause::DnsTimeout, format!("connected over {name}, but {progress} within {span:?}"))
        }
        (Stage::Securing, _) => {
            (Cause::TlsTimeout, format!("connected, but no TLS handshake within {span:?}"))
        }
        (_, Transport::Quic) => (Cause::TlsTimeout, format!("no QUIC handshake within {span:?}")),
        _ => (Cause::TcpTimeout, format!("no TCP connection within {span:?}")),
    }
}
