//! One stream socket to the agent, in which no wait is without end.
//!
//! Owns connecting, sending and receiving with a deadline and, for threads, bells that end the wait. It knows
//! messages only as bytes.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fmt, io};

use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};

use crate::frame::{CHUNK, FrameError, Frames, REPLY_MAX};
use crate::wake::{Wake, wait_any};

/// How long to wait when the agent's queue of new connections is full.
const QUEUE_PAUSE: Duration = Duration::from_millis(20);

/// Why an exchange ended.
#[derive(Debug)]
pub enum SocketError {
    /// The deadline passed.
    Late,
    /// The other side closed.
    Closed,
    /// Our own side wants to end.
    Stopped,
    /// Our own side has something new to say.
    Woken,
    /// The system refused.
    Io(io::Error),
    /// What came is no message.
    Frame(FrameError),
}

impl From<io::Error> for SocketError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

impl From<Errno> for SocketError {
    fn from(error: Errno) -> Self {
        Self::from(io::Error::from(error))
    }
}

impl fmt::Display for SocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late => f.write_str("no answer in time"),
            Self::Closed => f.write_str("the agent closed the connection"),
            Self::Stopped => f.write_str("stopped"),
            Self::Woken => f.write_str("interrupted"),
            Self::Io(error) => error.fmt(f),
            Self::Frame(error) => error.fmt(f),
        }
    }
}

/// Which bells end a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heed {
    /// Only that it is time to end.
    Stop,
    /// That, and news.
    News,
}

/// A connected socket.
#[derive(Debug)]
pub struct Socket {
    stream: UnixStream,
    frames: Frames,
    wake: Option<Arc<Wake>>,
}

impl Socket {
    /// Connects to the socket at `path`.
    pub fn connect(path: &Path, wake: Option<Arc<Wake>>, deadline: Instant) -> Result<Self, SocketError> {
        let address = UnixAddr::new(path)?;
        loop {
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            let fd: OwnedFd = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
            match connect(std::os::fd::AsRawFd::as_raw_fd(&fd), &address) {
                Ok(()) => {
                    return Ok(Self { stream: UnixStream::from(fd), frames: Frames::new(REPLY_MAX), wake });
                }
                // The queue of new connections is full; there is nothing to poll for.
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(error) => return Err(SocketError::Io(error.into())),
            }
            let now = Instant::now();
            if now >= deadline {
                return Err(SocketError::Late);
            }
            let pause = deadline.min(now + QUEUE_PAUSE);
            match &wake {
                Some(wake) => wake.sleep(pause),
                None => std::thread::sleep(pause.saturating_duration_since(now)),
            }
            if wake.as_ref().is_some_and(|wake| wake.is_stopping()) {
                return Err(SocketError::Stopped);
            }
        }
    }

    /// Sends all of `bytes`.
    pub fn send(&mut self, mut bytes: &[u8], deadline: Instant) -> Result<(), SocketError> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(0) => return Err(SocketError::Closed),
                Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.wait(PollFlags::POLLOUT, Heed::Stop, deadline)?;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Receives one message.
    pub fn receive(&mut self, heed: Heed, deadline: Instant) -> Result<Vec<u8>, SocketError> {
        let mut chunk = vec![0; CHUNK];
        loop {
            if let Some(message) = self.frames.take().map_err(SocketError::Frame)? {
                return Ok(message);
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(SocketError::Closed),
                Ok(read) => self.frames.push(chunk.get(..read).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.wait(PollFlags::POLLIN, heed, deadline)?;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits until the socket is ready; the error says what else happened.
    fn wait(&self, flags: PollFlags, heed: Heed, deadline: Instant) -> Result<(), SocketError> {
        loop {
            let mut sources = vec![(self.stream.as_fd(), flags)];
            if let Some(wake) = &self.wake {
                sources.push((wake.stop_bell(), PollFlags::POLLIN));
                if heed == Heed::News {
                    sources.push((wake.news_bell(), PollFlags::POLLIN));
                }
            }
            let ready = wait_any(&sources, deadline)?;
            if let Some(wake) =
                self.wake.as_ref().filter(|wake| wake.is_stopping() || ready.get(2) == Some(&true))
            {
                wake.hush();
                return Err(if wake.is_stopping() { SocketError::Stopped } else { SocketError::Woken });
            }
            if ready.first() == Some(&true) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(SocketError::Late);
            }
        }
    }
}
