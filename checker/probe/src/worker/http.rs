//! One HTTP request and its response, over a connection that stands.
//!
//! Owns the use of the HTTP library, for HTTP/1.1 and HTTP/2, and the limit on what is read of a response. It follows no redirect,
//! keeps no connection and judges nothing.

use std::error::Error as _;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use checker_core::Cause;
use checker_core::dns::HttpVersion;
use checker_core::tls::ServerName;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::rt::Executor as _;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::client::TlsStream;

use super::Broken;
use crate::socket::Target;

/// Octets of all headers of a response.
const HEADERS_MAX: u32 = 32 << 10;

/// A response, read to its end.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// The body of a request.
pub(super) fn body(octets: Vec<u8>) -> Full<Bytes> {
    Full::new(Bytes::from(octets))
}

/// The version that the server chose (RFC 7301).
pub(super) fn negotiated(stream: &TlsStream<TcpStream>) -> HttpVersion {
    match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => HttpVersion::Http2,
        _ => HttpVersion::Http1,
    }
}

/// The server as a request names it; the port only where it is not the usual one.
pub(super) fn authority(name: Option<&ServerName>, target: &Target, usual: u16) -> String {
    let server = target.server();
    let host = match name.map(ServerName::as_str) {
        Some(name) if name.contains(':') => format!("[{name}]"),
        Some(name) => name.to_owned(),
        None if server.is_ipv6() => format!("[{}]", server.ip()),
        None => server.ip().to_string(),
    };
    if server.port() == usual { host } else { format!("{host}:{}", server.port()) }
}

/// Sends the request and reads the response, of whose body `most` octets may come.
pub(super) async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    version: HttpVersion,
    request: Request<Full<Bytes>>,
    most: usize,
) -> Result<Response, Broken> {
    let driver = Driver::default();
    let io = TokioIo::new(stream);
    let response = match version {
        HttpVersion::Http1 => {
            let (mut sender, connection) = http1::Builder::new()
                .max_buf_size(HEADERS_MAX as usize)
                .handshake(io)
                .await
                .map_err(|error| broken(&error))?;
            driver.execute(async move {
                let _told_by_the_request = connection.await;
            });
            sender.send_request(request).await
        }
        HttpVersion::Http2 => {
            let (mut sender, connection) = http2::Builder::new(Executor(Arc::clone(&driver.0)))
                .max_header_list_size(HEADERS_MAX)
                .handshake(io)
                .await
                .map_err(|error| broken(&error))?;
            driver.execute(async move {
                let _told_by_the_request = connection.await;
            });
            sender.send_request(request).await
        }
    };
    let (parts, incoming) = response.map_err(|error| broken(&error))?.into_parts();
    let body = read(incoming, most).await?;
    Ok(Response { status: parts.status, headers: parts.headers, body })
}

/// What drives a connection beside its request, and ends with it: nothing is left that waits for a server.
#[derive(Default)]
struct Driver(Arc<Mutex<JoinSet<()>>>);

impl Driver {
    fn execute(&self, future: impl Future<Output = ()> + Send + 'static) {
        Executor(Arc::clone(&self.0)).execute(future);
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

/// Hands what the library wants driven to a [`Driver`].
#[derive(Clone)]
struct Executor(Arc<Mutex<JoinSet<()>>>);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Executor {
    fn execute(&self, future: F) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).spawn(future);
    }
}

async fn read(mut incoming: Incoming, most: usize) -> Result<Vec<u8>, Broken> {
    let mut body = Vec::new();
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|error| broken(&error))?;
        if let Some(data) = frame.data_ref() {
            if body.len() + data.len() > most {
                let detail = format!("the body of the response has more than {most} octets");
                return Err(Broken::new(Cause::HttpTooLarge, detail));
            }
            body.extend_from_slice(data);
        }
    }
    Ok(body)
}

/// What an error of HTTP means.
fn broken(error: &hyper::Error) -> Broken {
    // Each error says what the next one says more exactly.
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<std::io::Error>()
            && io.raw_os_error().is_some()
        {
            return Broken::of_errno(io, "before the response was complete");
        }
        let more = inner.to_string();
        if !said.contains(&more) {
            said = format!("{said}: {more}");
        }
        source = inner.source();
    }
    let said: String = said.chars().filter(|c| !c.is_control()).take(200).collect();
    if error.is_parse_too_large() {
        return Broken::new(
            Cause::HttpTooLarge,
            format!("the headers of the response are too large: {said}"),
        );
    }
    let detail = if error.is_incomplete_message() {
        "the server closed the connection before the response was complete".to_owned()
    } else if error.is_parse() {
        format!("the server does not answer in HTTP: {said}")
    } else {
        format!("the HTTP exchange failed: {said}")
    };
    Broken::new(Cause::HttpProtocol, detail)
}
