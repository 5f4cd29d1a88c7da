//! One probe under way, with its sockets.
//!
//! Owns what an [`Exchange`] wants done: opening, sending, closing. It never waits and never judges.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use checker_core::dns::{Action, DnsCheck, Exchange, Transport, Validation};
use checker_core::{Cause, Time};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};

use super::ports::Ports;
use crate::socket::{self, Target};

/// One probe under way.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) token: u64,
    pub(super) started: Time,
    pub(super) check: Arc<DnsCheck>,
    pub(super) target: Target,
    pub(super) exchange: Exchange,
    /// What goes on once the exchange is over, if the answer is to be validated.
    pub(super) validation: Option<Box<Validation>>,
    /// The socket of each attempt.
    pub(super) sockets: Vec<Option<Conn>>,
}

#[derive(Debug)]
pub(super) struct Conn {
    pub(super) fd: OwnedFd,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Whether the reply has come.
    Udp {
        answered: bool,
    },
    TcpConnecting,
    TcpConnected,
}

impl Probe {
    /// Does what the exchange wants done. An error says which attempt failed, and why.
    pub(super) fn act(
        &mut self,
        action: Action,
        (epoll, ports): (&Epoll, &mut Ports),
        place: u32,
        turn: u32,
    ) -> Result<(), (u8, Cause)> {
        match action {
            Action::OpenUdp { attempt } => {
                let failed = |cause| (attempt, cause);
                let fd = ports.open(epoll, &self.target, (place, turn, attempt)).map_err(failed)?;
                let query = self.exchange.query(&self.check, attempt);
                // An error from the network that `send` reports is one that came for this socket, so it is the server's.
                socket::send_all(&fd, query.datagram()).map_err(|errno| match errno {
                    Errno::ECONNREFUSED => failed(Cause::UdpRefused),
                    errno => failed(crate::cause::opening(errno)),
                })?;
                self.keep(attempt, Conn { fd, kind: Kind::Udp { answered: false } });
            }
            Action::OpenTcp { attempt } => {
                let failed = |cause| (attempt, cause);
                self.close(attempt);
                let fd = self.target.open_tcp().map_err(failed)?;
                let event = EpollEvent::new(EpollFlags::EPOLLOUT, event_data(place, turn, attempt));
                epoll.add(&fd, event).map_err(|errno| failed(crate::cause::opening(errno)))?;
                self.keep(attempt, Conn { fd, kind: Kind::TcpConnecting });
            }
            Action::SendTcp { attempt } => {
                let query = self.exchange.query(&self.check, attempt);
                if let Some(Some(conn)) = self.sockets.get(usize::from(attempt)) {
                    socket::send_all(&conn.fd, query.segment())
                        .map_err(|errno| (attempt, crate::cause::waiting(errno, Transport::Tcp)))?;
                }
            }
            Action::Close { attempt } => self.close(attempt),
            // Secured probes run elsewhere.
            Action::OpenSecured { attempt } => return Err((attempt, Cause::NoSocket)),
        }
        Ok(())
    }

    fn keep(&mut self, attempt: u8, conn: Conn) {
        let attempt = usize::from(attempt);
        if self.sockets.len() <= attempt {
            self.sockets.resize_with(attempt + 1, || None);
        }
        if let Some(slot) = self.sockets.get_mut(attempt) {
            *slot = Some(conn);
        }
    }

    fn close(&mut self, attempt: u8) {
        if let Some(slot) = self.sockets.get_mut(usize::from(attempt)) {
            *slot = None;
        }
    }
}

/// Bits of a slot's turn that an event carries: enough to tell an event from one of the slot's last users.
pub(super) const TURN_MASK: u32 = 0x00ff_ffff;

/// What an event carries: place, turn and attempt.
fn event_data(place: u32, turn: u32, attempt: u8) -> u64 {
    u64::from(place) << 32 | u64::from(turn & TURN_MASK) << 8 | u64::from(attempt)
}

/// The same, taken apart.
pub(super) fn event_parts(data: u64) -> (u32, u32, u8) {
    ((data >> 32) as u32, (data >> 8) as u32 & TURN_MASK, data as u8)
}
