//! DNS over QUIC (RFC 9250).
//!
//! Owns one connection of QUIC with one stream on a socket of [`Target`]'s, and tells apart how it ends. The socket is connected,
//! so that a closed port fails at once, as over plain UDP. It judges nothing.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use checker_core::Cause;
use checker_core::dns::Transport;
use nix::errno::Errno;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use quinn::{
    AsyncUdpSocket, ClientConfig, Connection, ConnectionError, Endpoint, EndpointConfig, ReadError,
    TokioRuntime, UdpPoller, WriteError,
};
use rustls::pki_types::CertificateDer;
use tokio::io::Interest;
use tokio::sync::Notify;

use super::Broken;
use super::dns::Probe;
use super::tls::{Clients, server_name};
use super::verify::{self, Noting};
use crate::cause;

/// Octets that are read at a time.
const BUFFER: usize = 4_096;
/// DOQ_NO_ERROR (RFC 9250 section 4.3).
const NO_ERROR: u32 = 0;

/// Asks over QUIC.
pub(super) async fn ask(probe: &mut Probe<'_>, clients: &Clients) -> Result<(), Broken> {
    let client = clients.get(&probe.secure.tls, &[b"doq"])?;
    let refused = Arc::new(Mutex::new(None));
    let mut config = client.config.as_ref().clone();
    let noting = Noting { verifier: client.verifier, refused: Arc::clone(&refused) };
    config.dangerous().set_certificate_verifier(Arc::new(noting));
    let config = QuicClientConfig::try_from(config)
        .map_err(|error| Broken::new(Cause::TlsSettings, error.to_string()))?;
    let name = server_name(&probe.secure.tls, &probe.target)?;

    let fd = probe.target.open_udp().map_err(Broken::bare)?;
    let local = |_| Broken::bare(Cause::NoSocket);
    let socket = Arc::new(Socket::new(UdpSocket::from(fd)).map_err(local)?);
    let trouble = Arc::clone(&socket.trouble);
    let watched = Arc::clone(&socket);
    let watch = async move { watched.watch().await };
    let endpoint =
        Endpoint::new_with_abstract_socket(EndpointConfig::default(), None, socket, Arc::new(TokioRuntime))
            .map_err(local)?;
    let connecting = endpoint
        .connect_with(ClientConfig::new(Arc::new(config)), probe.target.server(), &name.to_str())
        .map_err(|error| Broken::new(Cause::TlsSettings, error.to_string()))?;

    let talk = async {
        let connection = connecting.await.map_err(|error| {
            match refused.lock().unwrap_or_else(PoisonError::into_inner).take() {
                Some(error) => verify::meaning(&error),
                None => broken(&error),
            }
        })?;
        probe.secured(&chain(&connection));
        let (mut send, mut receive) = connection.open_bi().await.map_err(|error| broken(&error))?;
        send.write_all(probe.query().segment()).await.map_err(|error| match error {
            WriteError::ConnectionLost(error) => broken(&error),
            other => Broken::new(Cause::QuicClosed, format!("the server does not take the query: {other}")),
        })?;
        // One query, and no more on this stream (section 4.2). That it is closed already is told when reading.
        let _ = send.finish();
        let mut buffer = [0; BUFFER];
        while !probe.is_over() {
            match receive.read(&mut buffer).await {
                Ok(Some(length)) => probe.arrived(buffer.get(..length).unwrap_or_default()),
                Ok(None) => probe.closed(),
                Err(ReadError::ConnectionLost(error)) => return Err(broken(&error)),
                Err(other) => {
                    let detail =
                        format!("the server ended the stream before the answer was complete: {other}");
                    return Err(Broken::new(Cause::QuicClosed, detail));
                }
            }
        }
        connection.close(NO_ERROR.into(), b"");
        Ok(())
    };
    tokio::select! {
        biased;
        ended = talk => ended,
        cause = trouble.met() => Err(Broken::bare(cause)),
        () = watch => Err(Broken::bare(Cause::NoSocket)),
    }
}

/// The certificates that the server showed.
fn chain(connection: &Connection) -> Vec<CertificateDer<'static>> {
    let identity = connection.peer_identity().and_then(|any| any.downcast().ok());
    identity.map_or_else(Vec::new, |chain| *chain)
}

/// What the end of a connection means.
fn broken(error: &ConnectionError) -> Broken {
    // RFC 9001 section 4.8: the alerts of TLS are codes of their own.
    let alert = |code: u64| u8::try_from(code.checked_sub(0x100)?).ok();
    let detail = |said: &str, what: &str| {
        let said: String = said.chars().filter(|c| !c.is_control()).take(120).collect();
        format!("the server ended the QUIC connection {what}: {said}")
    };
    match error {
        ConnectionError::ConnectionClosed(close) => match alert(close.error_code.into()) {
            Some(alert) => Broken::new(
                Cause::TlsHandshake,
                format!(
                    "the server ended the TLS handshake with the alert {:?}",
                    rustls::AlertDescription::from(alert)
                ),
            ),
            None => Broken::new(Cause::QuicClosed, detail(&close.to_string(), "with an error")),
        },
        ConnectionError::ApplicationClosed(close) => {
            Broken::new(Cause::QuicClosed, detail(&close.to_string(), "before the answer was complete"))
        }
        ConnectionError::Reset => {
            Broken::new(Cause::QuicClosed, "the server knows nothing of the QUIC connection (reset)")
        }
        ConnectionError::TimedOut => Broken::new(Cause::TlsTimeout, "the QUIC connection went silent"),
        ConnectionError::VersionMismatch => {
            Broken::new(Cause::TlsHandshake, "the server speaks no version of QUIC that is known here")
        }
        ConnectionError::TransportError(error) => {
            Broken::new(Cause::TlsHandshake, format!("the QUIC handshake failed: {error}"))
        }
        ConnectionError::LocallyClosed | ConnectionError::CidsExhausted => Broken::bare(Cause::NoSocket),
    }
}

/// What the network said of the socket.
#[derive(Debug, Default)]
struct Trouble {
    cause: Mutex<Option<Cause>>,
    told: Notify,
}

impl Trouble {
    fn note(&self, error: &io::Error) {
        let Some(errno) = error.raw_os_error().map(Errno::from_raw) else { return };
        let cause = cause::waiting(errno, Transport::Udp);
        *self.cause.lock().unwrap_or_else(PoisonError::into_inner) = Some(cause);
        self.told.notify_one();
    }

    async fn met(&self) -> Cause {
        loop {
            if let Some(cause) = *self.cause.lock().unwrap_or_else(PoisonError::into_inner) {
                return cause;
            }
            self.told.notified().await;
        }
    }
}

/// A connected socket. Unlike the library's own it keeps what comes as ICMP.
struct Socket {
    io: tokio::net::UdpSocket,
    state: UdpSocketState,
    trouble: Arc<Trouble>,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").finish_non_exhaustive()
    }
}

impl Socket {
    fn new(socket: UdpSocket) -> io::Result<Self> {
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        Ok(Self { io: tokio::net::UdpSocket::from_std(socket)?, state, trouble: Arc::default() })
    }

    /// Notes what comes as ICMP, which does not make the socket readable. Ends only when it can't be told.
    async fn watch(&self) {
        while self.io.ready(Interest::ERROR).await.is_ok() {
            if let Ok(Some(error)) = self.io.take_error() {
                self.trouble.note(&error);
            }
            // So that the next time is waited for.
            let _ = self.io.try_io(Interest::ERROR, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
        }
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Poller(self))
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.io.try_io(Interest::WRITABLE, || self.state.send(UdpSockRef::from(&self.io), transmit))
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        about: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.io.poll_recv_ready(context))?;
            let receive = || self.state.recv(UdpSockRef::from(&self.io), buffers, about);
            match self.io.try_io(Interest::READABLE, receive) {
                Ok(count) => return Poll::Ready(Ok(count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => self.trouble.note(&error),
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }
}

/// Tells when the socket takes datagrams again.
#[derive(Debug)]
struct Poller(Arc<Socket>);

impl UdpPoller for Poller {
    fn poll_writable(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.io.poll_send_ready(context)
    }
}
