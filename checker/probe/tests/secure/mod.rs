//! The server's side of TLS and QUIC, for servers that misbehave.
//!
//! Owns their configuration from certificates on disk, and a server of QUIC on a thread of its own until it is dropped.

#![allow(dead_code, reason = "every test file uses its own part")]

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::authority::Issued;

/// A secured connection, seen from the server.
pub type Stream = StreamOwned<ServerConnection, TcpStream>;

/// How a server with this certificate speaks this protocol; with `clients`, only to those whose certificate is signed by it.
pub fn server(issued: &Issued, protocol: &[u8], clients: Option<&Path>) -> Arc<ServerConfig> {
    let chain = CertificateDer::pem_file_iter(&issued.certificate).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(&issued.key).unwrap();
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![protocol.to_vec()];
    Arc::new(config)
}

/// The handshake; `None` when the client does not complete it.
pub fn accept(config: &Arc<ServerConfig>, stream: TcpStream) -> Option<Stream> {
    // No server waits for a client that is gone.
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(config)).unwrap(), stream);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).ok()?;
    }
    Some(stream)
}

/// Ends a connection with a reset.
pub fn reset(stream: TcpStream) {
    let linger = libc_linger();
    nix::sys::socket::setsockopt(&stream, nix::sys::socket::sockopt::Linger, &linger).unwrap();
    let _ = stream.shutdown(std::net::Shutdown::Read);
    drop(stream);
}

fn libc_linger() -> nix::libc::linger {
    nix::libc::linger { l_onoff: 1, l_linger: 0 }
}

/// A server of QUIC.
pub struct Quic {
    /// Where it listens.
    pub addr: SocketAddr,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Quic {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap();
    }
}

/// Serves queries, which come with their length before them: `None` says nothing, an empty answer ends the connection.
pub fn quic(
    issued: &Issued,
    protocol: &[u8],
    answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> Quic {
    let config = server(issued, protocol, None);
    let config = quinn::crypto::rustls::QuicServerConfig::try_from(config.as_ref().clone()).unwrap();
    let config = quinn::ServerConfig::with_crypto(Arc::new(config));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (tell, told) = std::sync::mpsc::channel();
    let answer = Arc::new(answer);
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let endpoint = quinn::Endpoint::server(config, ([127, 0, 0, 1], 0).into()).unwrap();
            tell.send(endpoint.local_addr().unwrap()).unwrap();
            let serve = async {
                while let Some(incoming) = endpoint.accept().await {
                    let answer = Arc::clone(&answer);
                    tokio::spawn(async move {
                        let connection = incoming.await.ok()?;
                        let (mut send, mut receive) = connection.accept_bi().await.ok()?;
                        let query = receive.read_to_end(4_096).await.ok()?;
                        assert_eq!(query[2..4], [0, 0], "the id is to be 0 (RFC 9250 section 4.2.1)");
                        match answer(&query[2..]) {
                            None => {}
                            Some(octets) if octets.is_empty() => connection.close(2u32.into(), b"no cheese"),
                            Some(octets) => {
                                send.write_all(&octets).await.ok()?;
                                send.finish().ok()?;
                            }
                        }
                        connection.closed().await;
                        Some(())
                    });
                }
            };
            tokio::select! {
                () = serve => {}
                _ = stopped => {}
            }
        });
    });
    Quic { addr: told.recv().unwrap(), stop: Some(stop), thread: Some(thread) }
}
