//! A connection that gives up on a peer that does not read.
//!
//! Owns one limit: what has been given to the socket's writer must be gone within [`STALL`]. Reading has its limit in the HTTP
//! library.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long a peer may take to read what is buffered for it.
pub const STALL: Duration = Duration::from_secs(20);

/// A stream whose writes fail when they make no headway.
#[derive(Debug)]
pub struct Patience<S> {
    stream: S,
    patience: Duration,
    /// Runs from the first write that had to wait to the next time that everything was written.
    stall: Option<Pin<Box<Sleep>>>,
}

impl<S> Patience<S> {
    pub fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, stall: None }
    }
}

impl<S: AsyncWrite + Unpin> Patience<S> {
    /// Lets a write wait, unless it has waited for too long.
    fn wait<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        let patience = self.patience;
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(stall.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patience<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patience<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(cx, buf) {
            Poll::Pending => self.wait(cx),
            done => done,
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write_vectored(cx, bufs) {
            Poll::Pending => self.wait(cx),
            done => done,
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(cx));
        // The library flushes when its own buffer is empty.
        self.stall = None;
        Poll::Ready(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    fn block_on(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test);
    }

    #[test]
    fn a_peer_that_does_not_read_is_given_up() {
        block_on(async {
            let (near, _far) = duplex(8);
            let mut near = Patience::new(near, Duration::from_millis(50));
            let error = near.write_all(&[0; 64]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        });
    }

    #[test]
    fn a_peer_that_reads_has_all_its_time_again() {
        block_on(async {
            let (near, mut far) = duplex(8);
            let mut near = Patience::new(near, STALL);
            let write = async {
                near.write_all(&[0; 64]).await.unwrap();
                assert!(near.stall.is_some(), "it had to wait");
                near.flush().await.unwrap();
                assert!(near.stall.is_none());
            };
            let mut buffer = [0; 64];
            let (_, read) = tokio::join!(write, far.read_exact(&mut buffer));
            assert_eq!(read.unwrap(), 64);
        });
    }
}
