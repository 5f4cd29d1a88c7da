//! The other director: asked every few seconds for its summary.
//!
//! Owns one connection at a time, and the limits on what the other end may send and how long it may take. Nothing that it says
//! is believed to be true of this director; it is shown, with its age. No redirect is followed, and no request of a client
//! makes this ask.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agent_api::config::{Peer, PeerUrl};
use axum::body::Bytes;
use axum::http::{HeaderValue, Request, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::protection::{FileError, authorities, secret};
use crate::summary::Summary;

/// From one question to the next.
pub const INTERVAL: Duration = Duration::from_secs(5);
/// How long one may take, from the name to the last byte.
const PATIENCE: Duration = Duration::from_secs(4);
/// The longest answer, in bytes.
const ANSWER_MAX: usize = 256 << 10;
/// Where Debian keeps those who vouch for others.
const SYSTEM_CA: &str = "/etc/ssl/certs/ca-certificates.crt";
/// The path that is asked for.
const PATH: &str = "/api/v1/summary";

/// How the other director is asked.
#[derive(Debug, Clone)]
pub struct Asking {
    /// What the page calls it.
    pub name: String,
    /// Where its page is.
    pub url: PeerUrl,
    tls: Option<Arc<ClientConfig>>,
    authorization: Option<HeaderValue>,
}

/// What is known of the other director.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerFacts {
    /// What the page calls it.
    pub name: String,
    /// Where its page is.
    pub url: String,
    /// What it said last, and when that came.
    pub heard: Option<(Summary, Timestamp)>,
    /// Why the latest question got no answer; `None` when it got one.
    pub error: Option<String>,
}

/// Why a question got no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Late,
    #[error("can't connect: {0}")]
    Connect(std::io::Error),
    #[error("TLS fails: {0}")]
    Tls(std::io::Error),
    #[error("HTTP fails: {0}")]
    Http(hyper::Error),
    #[error("it refuses the name or the password; see credentials in [status.peer]")]
    Credentials,
    #[error("it answers with status {0}")]
    Status(StatusCode),
    #[error("its answer breaks off or is longer than {} KiB", ANSWER_MAX >> 10)]
    Body,
    #[error("its answer is not understood: {0}; does it run another version?")]
    Content(serde_json::Error),
}

impl Asking {
    /// Reads the files that `peer` names.
    pub fn load(peer: &Peer) -> Result<Self, FileError> {
        let tls = || {
            let authorities = authorities(peer.ca.as_deref().unwrap_or(Path::new(SYSTEM_CA)))?;
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let mut config = ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .map_err(|error| FileError::wrong(Path::new(SYSTEM_CA), error))?
                .with_root_certificates(authorities)
                .with_no_client_auth();
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Ok(Arc::new(config))
        };
        let authorization = |path: &std::path::PathBuf| {
            let text = secret(path)?;
            let line = text.trim_end_matches(['\r', '\n']);
            if line.contains(['\r', '\n']) || !line.contains(':') {
                return Err(FileError::wrong(path, "it takes one line, NAME:PASSWORD"));
            }
            let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(line)))
                .map_err(|error| FileError::wrong(path, error))?;
            value.set_sensitive(true);
            Ok(value)
        };
        Ok(Self {
            name: peer.name.clone(),
            url: peer.url.clone(),
            tls: peer.url.tls.then(tls).transpose()?,
            authorization: peer.credentials.as_ref().map(authorization).transpose()?,
        })
    }

    /// What is known before it was ever asked.
    pub fn unheard(&self) -> PeerFacts {
        PeerFacts { name: self.name.clone(), url: self.url.to_string(), heard: None, error: None }
    }

    /// Asks once.
    pub async fn ask(&self) -> Result<Summary, AskError> {
        timeout(PATIENCE, self.exchange()).await.map_err(|_| AskError::Late)?
    }

    async fn exchange(&self) -> Result<Summary, AskError> {
        let stream =
            TcpStream::connect((self.url.host.as_str(), self.url.port)).await.map_err(AskError::Connect)?;
        let Some(tls) = &self.tls else { return self.request(stream).await };
        let name = ServerName::try_from(self.url.host.clone())
            .map_err(|error| AskError::Tls(std::io::Error::other(error)))?;
        let stream =
            TlsConnector::from(Arc::clone(tls)).connect(name, stream).await.map_err(AskError::Tls)?;
        self.request(stream).await
    }

    async fn request(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Summary, AskError> {
        let (mut sender, connection) =
            http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await.map_err(AskError::Http)?;
        let mut request = Request::get(PATH).header(header::CONNECTION, "close");
        let url = self.url.to_string();
        if let Some((_, host)) = url.split_once("://") {
            request = request.header(header::HOST, host);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(Empty::new()).map_err(|_| AskError::Body)?;
        let answer = async {
            let answer = sender.send_request(request).await.map_err(AskError::Http)?;
            match answer.status() {
                StatusCode::OK => {}
                StatusCode::UNAUTHORIZED => return Err(AskError::Credentials),
                status => return Err(AskError::Status(status)),
            }
            let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await;
            let bytes = body.map_err(|_| AskError::Body)?.to_bytes();
            serde_json::from_slice(&bytes).map_err(AskError::Content)
        };
        // The connection lives no longer than the question.
        let mut answer = std::pin::pin!(answer);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            answer = &mut answer => answer,
            ended = &mut connection => {
                ended.map_err(AskError::Http)?;
                answer.await
            }
        }
    }
}

impl PeerFacts {
    /// Whether this is about the director that `asking` asks.
    pub fn is_of(&self, asking: &Asking) -> bool {
        self.name == asking.name && self.url == asking.url.to_string()
    }

    /// Takes what a question brought. Returns whether there is something new to show.
    pub fn take(&mut self, answer: Result<Summary, AskError>, now: Timestamp) -> bool {
        match answer {
            Ok(summary) => {
                let news = self.error.take().is_some()
                    || self.heard.as_ref().is_none_or(|(before, _)| summary.is_news(before));
                self.heard = Some((summary, now));
                news
            }
            Err(error) => {
                let error = error.to_string();
                let news = self.error.as_ref() != Some(&error);
                self.error = Some(error);
                news
            }
        }
    }
}
