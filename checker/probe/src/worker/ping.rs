//! One check by echo requests.
//!
//! Owns the messages of ICMP (RFC 792) and ICMPv6 (RFC 4443) on a datagram socket, which takes no privilege where
//! `net.ipv4.ping_group_range` allows it: the kernel puts in the identifier and hands over only replies to it. When a request is due
//! and what replies mean is [`checker_core::ping`]'s.

use std::net::UdpSocket;
use std::time::Duration;

use checker_core::Finding;
use checker_core::ping::{Input, Ping, PingCheck};
use tokio::net::UdpSocket as AsyncSocket;
use tokio::time::{Instant, sleep_until};

use crate::socket::{PingError, Target};
use crate::{cause, clock};
use checker_core::Cause;
use checker_core::dns::Transport;
use nix::errno::Errno;

/// Type, code, checksum, identifier, sequence number.
const HEADER: usize = 8;
/// What the data begins with: the token of this probe.
const TOKEN: usize = 8;

/// Runs a probe to its end. `token` tells its requests from those of others.
pub(super) async fn run(check: &PingCheck, target: &Target, token: u64) -> Finding {
    let mut ping = Ping::new(check, clock::now());
    let socket = match open(target) {
        Ok(socket) => socket,
        Err((cause, detail)) => return Finding::failed(cause, detail),
    };
    let v6 = target.server().is_ipv6();
    let mut buffer = [0; 2_048];
    while !ping.is_over() {
        if let Some(number) = ping.poll_action(clock::now()) {
            let request = request(v6, token, number, check.size.into());
            if let Err(error) = socket.send(&request).await {
                failed(check, &mut ping, &error, false);
                continue;
            }
        }
        let until = Instant::now() + ping.deadline(check).since(clock::now()).max(Duration::from_micros(1));
        tokio::select! {
            // What has arrived counts, however late it is looked at.
            biased;
            received = socket.recv(&mut buffer) => match received {
                Ok(length) => {
                    if let Some(number) = reply(v6, token, buffer.get(..length).unwrap_or_default()) {
                        ping.handle(check, Input::Replied(number), clock::now());
                    }
                }
                Err(error) => failed(check, &mut ping, &error, true),
            },
            () = sleep_until(until) => ping.handle(check, Input::TimePassed, clock::now()),
        }
    }
    // It is over when the loop ends.
    ping.into_finding()
        .unwrap_or_else(|| Finding::failed(Cause::LateTimer, Cause::LateTimer.meaning().to_owned()))
}

fn open(target: &Target) -> Result<AsyncSocket, (Cause, String)> {
    let fd = target.open_ping().map_err(|error| match error {
        PingError::Forbidden => (
            Cause::PingForbidden,
            "this process may not send echo requests: net.ipv4.ping_group_range must include its group (see /usr/lib/sysctl.d/60-holdfast.conf)"
                .to_owned(),
        ),
        PingError::Other(cause) => (cause, cause.meaning().to_owned()),
    })?;
    AsyncSocket::from_std(UdpSocket::from(fd)).map_err(|error| (Cause::NoSocket, error.to_string()))
}

/// An error while sending is local; one while receiving came from the network.
fn failed(check: &PingCheck, ping: &mut Ping, error: &std::io::Error, receiving: bool) {
    let errno = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
    let cause = if receiving { cause::waiting(errno, Transport::Udp) } else { cause::opening(errno) };
    // What an earlier request met may be told while the next one is sent.
    let cause = match (errno, receiving) {
        (Errno::EHOSTUNREACH | Errno::ECONNREFUSED, _) => Cause::HostUnreachable,
        _ => cause,
    };
    let detail = format!("{} ({errno})", cause.meaning().trim_end_matches('.'));
    ping.handle(check, Input::Failed(cause, &detail), clock::now());
}

/// An echo request. The kernel fills in the identifier and, for IPv6, the checksum.
fn request(v6: bool, token: u64, number: u8, size: usize) -> Vec<u8> {
    let mut octets = vec![if v6 { 128 } else { 8 }, 0, 0, 0, 0, 0, 0, number];
    octets.extend(token.to_be_bytes());
    octets.resize(HEADER + size.max(TOKEN), b'h');
    octets
}

/// The number of the request that this is the reply to; `None` when it is none of ours.
fn reply(v6: bool, token: u64, octets: &[u8]) -> Option<u8> {
    let (header, data) = octets.split_first_chunk::<HEADER>()?;
    let [kind, code, _, _, _, _, 0, number] = *header else { return None };
    let wanted = if v6 { 129 } else { 0 };
    (kind == wanted && code == 0 && data.starts_with(&token.to_be_bytes())).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_replies_to_our_requests_count() {
        for v6 in [false, true] {
            let mut octets = request(v6, 7, 3, 56);
            assert_eq!(octets.len(), 64);
            assert_eq!(reply(v6, 7, &octets), None, "a request is no reply");
            octets[0] = if v6 { 129 } else { 0 };
            assert_eq!(reply(v6, 7, &octets), Some(3));
            assert_eq!(reply(v6, 8, &octets), None, "another probe's");
            assert_eq!(reply(!v6, 7, &octets), None, "another family's");
            for length in 0..HEADER + TOKEN {
                assert_eq!(reply(v6, 7, &octets[..length]), None);
            }
            octets[6] = 1;
            assert_eq!(reply(v6, 7, &octets), None, "a number that was never sent");
        }
        assert_eq!(request(false, 7, 0, 0).len(), HEADER + TOKEN);
    }
}
