//! Connections to a server: TCP, and TLS over it.
//!
//! Owns the waiting for a connection and for a handshake. The socket itself is [`Target`]'s, so that source address, interface and
//! marks are the same for every kind of check. How long it may take is the caller's.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use checker_core::tls::Tls;
use nix::errno::Errno;
use rustls::pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Broken;
use super::tls::{Client, server_name};
use super::verify;
use crate::cause;
use crate::socket::Target;
use checker_core::Cause;
use checker_core::dns::Transport;

/// A TCP connection to the server.
pub(super) async fn tcp(target: &Target) -> Result<TcpStream, Broken> {
    let fd: OwnedFd = target.open_tcp().map_err(Broken::bare)?;
    let local = |_| Broken::bare(Cause::NoSocket);
    let stream = TcpStream::from_std(std::net::TcpStream::from(fd)).map_err(local)?;
    stream.writable().await.map_err(local)?;
    match stream.take_error().map_err(local)? {
        None => {
            // Requests are small and written whole.
            let _ = stream.set_nodelay(true);
            Ok(stream)
        }
        Some(error) => {
            let errno = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
            Err(Broken::bare(cause::waiting(errno, Transport::Tcp)))
        }
    }
}

/// TLS over a connection.
pub(super) async fn secure(
    client: &Client,
    tls: &Tls,
    target: &Target,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, Broken> {
    let name = server_name(tls, target)?;
    TlsConnector::from(Arc::clone(&client.config))
        .connect(name, stream)
        .await
        .map_err(|error| verify::of_io(&error, "during the TLS handshake"))
}

/// The certificates that the server showed.
pub(super) fn chain(stream: &TlsStream<TcpStream>) -> &[CertificateDer<'static>] {
    stream.get_ref().1.peer_certificates().unwrap_or_default()
}
