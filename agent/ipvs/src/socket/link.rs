//! One open socket: requests out, replies in, matched by sequence number.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use super::{ConnectOptions, Error, MAX_BATCH, sys};
use crate::codec::{self, Message, Reply, Request};
use crate::types::Family;

/// The kernel fills dump datagrams up to 32 KiB; a smaller buffer would cut them.
const BUFFER: usize = 64 << 10;
/// No request of ours is longer.
pub(super) const MAX_REQUEST: usize = 256;
/// Receive buffer that one refusal costs (36 bytes of data; the rest is the kernel's bookkeeping), and then some.
const REFUSAL_COST: usize = 1024;
/// Datagrams of one dump: some five million destinations.
const MAX_PARTS: usize = 65_536;

/// How a request ended.
pub(super) enum Outcome {
    /// Done; `parts` datagrams carried something to read.
    Done { parts: usize },
    /// Refused with this error number.
    Refused(i32),
}

#[derive(Debug)]
pub(super) struct Link {
    fd: OwnedFd,
    family: u16,
    sequence: u32,
    timeout: Duration,
    /// The most edits in one send.
    pub(super) batch: usize,
    buffer: Vec<u8>,
}

impl Link {
    /// Opens a socket, finds the family's number, and asks for the version to learn whether we may ask at all.
    pub(super) fn open(options: &ConnectOptions) -> Result<Link, Error> {
        let fd = sys::open().map_err(|e| Error::io("opening a netlink socket", e))?;
        let mut link =
            Link { fd, family: 0, sequence: 0, timeout: options.timeout, batch: 1, buffer: vec![0; BUFFER] };
        link.set_buffers(options)?;
        let doing = "asking for the IPVS family";
        let mut family = None;
        let outcome = link.exchange(
            doing,
            0,
            &Request::GetFamily,
            Family::Ipv4,
            |reply| {
                if let Reply::Family(number) = reply {
                    family = Some(number);
                }
            },
            || {},
        )?;
        if let Outcome::Refused(errno) = outcome {
            return Err(Error::refused(doing, errno));
        }
        link.family = family.ok_or(Error::Silent { doing })?;
        let doing = "reading the version";
        match link.exchange(doing, 0, &Request::GetInfo, Family::Ipv4, |_| {}, || {})? {
            Outcome::Done { .. } => Ok(link),
            Outcome::Refused(errno) => Err(Error::refused(doing, errno)),
        }
    }

    /// Buffers for whole batches and their refusals, and the batch size that goes with what the kernel granted.
    fn set_buffers(&mut self, options: &ConnectOptions) -> Result<(), Error> {
        let fd = self.fd.as_fd();
        let wish = |forced, plain, bytes: usize| {
            let bytes = i32::try_from(bytes).unwrap_or(i32::MAX / 2);
            sys::set_option(fd, libc::SOL_SOCKET, forced, bytes)
                .or_else(|_| sys::set_option(fd, libc::SOL_SOCKET, plain, bytes))
                .map_err(|e| Error::io("sizing the socket's buffers", e))
        };
        wish(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF, options.receive_buffer)?;
        wish(libc::SO_SNDBUFFORCE, libc::SO_SNDBUF, 2 * MAX_BATCH * MAX_REQUEST)?;
        // Since Linux 4.2. Without it a refusal carries the whole request, which still fits at the cost assumed.
        let _ = sys::set_option(fd, libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, 1);
        let granted = |name| {
            sys::option(fd, libc::SOL_SOCKET, name)
                .map(|bytes| usize::try_from(bytes).unwrap_or(0))
                .map_err(|e| Error::io("reading the size of the socket's buffers", e))
        };
        self.batch = options
            .batch
            .min(MAX_BATCH)
            .min(granted(libc::SO_SNDBUF)? / MAX_REQUEST)
            .min(granted(libc::SO_RCVBUF)? / REFUSAL_COST)
            .max(1);
        Ok(())
    }

    /// Appends a request to a batch; gives its sequence number.
    pub(super) fn append(&mut self, batch: &mut Vec<u8>, flags: u16, request: &Request<'_>) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        codec::encode(batch, self.family, flags | codec::REQUEST, self.sequence, request);
        self.sequence
    }

    pub(super) fn send(&self, doing: &'static str, bytes: &[u8]) -> Result<(), Error> {
        sys::send(self.fd.as_fd(), bytes).map_err(|e| Error::io(doing, e))
    }

    /// Receives one datagram and hands over its messages.
    pub(super) fn receive(
        &mut self,
        doing: &'static str,
        mut take: impl FnMut(&Message<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let deadline = Instant::now() + self.timeout;
        let len = sys::receive(self.fd.as_fd(), &mut self.buffer, deadline).map_err(|e| match e.kind() {
            io::ErrorKind::TimedOut => Error::Timeout { doing, waited: self.timeout },
            _ => Error::io(doing, e),
        })?;
        codec::messages(self.buffer.get(..len).unwrap_or_default()).try_for_each(|message| take(&message?))
    }

    /// Sends one request and takes its replies until it is done or refused; `between` is called after each datagram. `flags` is 0 or
    /// [`codec::DUMP`].
    pub(super) fn exchange(
        &mut self,
        doing: &'static str,
        flags: u16,
        request: &Request<'_>,
        family: Family,
        mut take: impl FnMut(Reply),
        mut between: impl FnMut(),
    ) -> Result<Outcome, Error> {
        let mut bytes = Vec::with_capacity(MAX_REQUEST);
        // A dump ends by itself; anything else must be told to say that it is done.
        let flags = if flags == codec::DUMP { flags } else { flags | codec::ACK };
        let sequence = self.append(&mut bytes, flags, request);
        self.send(doing, &bytes)?;
        let mut parts = 0;
        for _ in 0..MAX_PARTS {
            let mut end = None;
            let mut carried = false;
            self.receive(doing, |message| {
                // Answers to a request that was given up on.
                if message.sequence != sequence {
                    return Ok(());
                }
                match codec::decode(message, family)? {
                    Reply::Status(None) | Reply::Done(None) => end = Some(None),
                    Reply::Status(Some(errno)) | Reply::Done(Some(errno)) => end = Some(Some(errno)),
                    reply => {
                        carried = true;
                        take(reply);
                    }
                }
                Ok(())
            })?;
            parts += usize::from(carried);
            between();
            match end {
                Some(None) => return Ok(Outcome::Done { parts }),
                Some(Some(errno)) => return Ok(Outcome::Refused(errno)),
                None => {}
            }
        }
        Err(Error::Silent { doing })
    }
}
