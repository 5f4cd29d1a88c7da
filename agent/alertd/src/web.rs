//! One request to a web server.
//!
//! Owns the course of it: connect, encrypt, ask, read the answer up to a limit, all within one time limit. No redirect is
//! followed, no proxy used, no connection kept.

use std::sync::Arc;
use std::time::Duration;

use agent_api::config::Url;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::clean;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[error("{url}: {why}")]
pub struct WebError {
    url: String,
    why: String,
}

/// What is asked.
pub struct Ask<'a> {
    pub url: &'a Url,
    pub method: Method,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// How much of the answer is read, in octets.
    pub answer_max: usize,
    pub limit: Duration,
}

/// Asks, and returns status and body.
pub async fn ask(ask: Ask<'_>, tls: Option<Arc<ClientConfig>>) -> Result<(StatusCode, Bytes), WebError> {
    // Not the path: with many services that is the secret.
    let url = Url { path: String::new(), ..ask.url.clone() }.to_string();
    let limit = ask.limit;
    let fail = |why: String| WebError { url: url.clone(), why: clean::cut(&why, 300) };
    match tokio::time::timeout(limit, exchange(ask, tls)).await {
        Ok(result) => result.map_err(fail),
        Err(_) => Err(fail(format!("no answer within {} s", limit.as_secs()))),
    }
}

async fn exchange(ask: Ask<'_>, tls: Option<Arc<ClientConfig>>) -> Result<(StatusCode, Bytes), String> {
    let Url { host, port, .. } = ask.url;
    let socket = TcpStream::connect((host.as_str(), *port))
        .await
        .map_err(|error| format!("can't connect: {error}"))?;
    match tls {
        Some(config) if ask.url.tls => {
            let name = ServerName::try_from(host.clone()).map_err(|error| error.to_string())?;
            let socket = TlsConnector::from(config).connect(name, socket).await;
            request(ask, socket.map_err(|error| format!("can't encrypt: {error}"))?).await
        }
        _ => request(ask, socket).await,
    }
}

async fn request(
    ask: Ask<'_>,
    socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<(StatusCode, Bytes), String> {
    let Url { host, port, path, .. } = ask.url;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.map_err(|e| e.to_string())?;
    let driver = tokio::spawn(connection);
    let host = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let mut request = Request::builder()
        .method(ask.method)
        .uri(path.as_str())
        .header("host", host)
        .header("user-agent", concat!("holdfast-alertd/", env!("CARGO_PKG_VERSION")))
        .header("connection", "close");
    for (name, value) in ask.headers {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(Bytes::from(ask.body))).map_err(|e| e.to_string())?;
    let result = async {
        let answer = sender.send_request(request).await.map_err(|e| e.to_string())?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ask.answer_max).collect().await;
        Ok((status, body.map_err(|e| e.to_string())?.to_bytes()))
    }
    .await;
    driver.abort();
    result
}
