//! From connections to requests.
//!
//! Owns accepting, the limits on what a client may send and how slowly, and the headers that every answer has. It does not
//! know what is asked for.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, Request, Response, header};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::app::App;
use crate::connection::{Floor, Seat, Taken};
use crate::patience::{Patience, STALL};
use crate::protection::Denied;
use crate::routes;
use crate::stream::IsStream;

/// How many connections there may be.
const CONNECTIONS: usize = 2_048;
/// Descriptors for everything else: the agent, the log, files.
const RESERVED: u64 = 64;
/// How long a client may take to send the head of a request, and how long it may stay without asking.
const HEAD: Duration = Duration::from_secs(10);
/// The longest head of a request and the most that is buffered for a client, in bytes.
const BUFFER: usize = 32 << 10;
/// How long to wait when the system has no descriptor for a new connection.
const NO_DESCRIPTOR: Duration = Duration::from_millis(100);

/// Accepts connections for ever.
pub async fn accept(listener: TcpListener, app: Arc<App>) {
    let floor = Floor::new(room());
    let router = routes::router(Arc::clone(&app));
    let mut told = false;
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                told = false;
                let Some((taken, full)) = floor.take() else {
                    app.figures.refused.fetch_add(1, Ordering::Relaxed);
                    continue;
                };
                app.figures.evicted.fetch_add(u64::from(full), Ordering::Relaxed);
                tokio::spawn(receive(stream, from.ip(), taken, router.clone(), Arc::clone(&app)));
            }
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::error!("can't accept a connection, trying on: {error}");
                }
                sleep(NO_DESCRIPTOR).await;
            }
        }
    }
}

/// How many connections the system lets us have.
fn room() -> usize {
    let wanted = CONNECTIONS as u64 + RESERVED;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return CONNECTIONS / 4 };
    let limit = wanted.min(hard).max(soft);
    let limit = match setrlimit(Resource::RLIMIT_NOFILE, limit, hard) {
        Ok(()) => limit,
        Err(error) => {
            tracing::warn!("only {soft} descriptors may be open: {error}");
            soft
        }
    };
    usize::try_from(limit.saturating_sub(RESERVED)).unwrap_or(CONNECTIONS).clamp(1, CONNECTIONS)
}

/// One connection: TLS first, where it is spoken.
async fn receive(stream: TcpStream, from: IpAddr, taken: Taken, router: Router, app: Arc<App>) {
    app.figures.connections.fetch_add(1, Ordering::Relaxed);
    // Small answers must not wait for more; without it they only come later.
    let _slower = stream.set_nodelay(true);
    let stream = Patience::new(stream, STALL);
    let seat = Arc::clone(&taken.seat);
    let serving = async {
        match app.settings().protection.tls.clone() {
            None => serve(stream, from, seat, router, Arc::clone(&app)).await,
            Some(tls) => match timeout(HEAD, TlsAcceptor::from(tls).accept(stream)).await {
                Ok(Ok(stream)) => serve(stream, from, seat, router, Arc::clone(&app)).await,
                Ok(Err(error)) => tracing::debug!("TLS fails: {error}"),
                Err(_) => tracing::debug!("TLS took too long"),
            },
        }
    };
    tokio::select! {
        () = serving => {}
        () = taken.seat.leave.notified() => {}
    }
    app.figures.connections.fetch_sub(1, Ordering::Relaxed);
}

async fn serve<S>(stream: S, from: IpAddr, seat: Arc<Seat>, router: Router, app: Arc<App>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let router = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let (seat, router, app) = (Arc::clone(&seat), router.clone(), Arc::clone(&app));
        async move {
            seat.is_busy();
            app.figures.requests.fetch_add(1, Ordering::Relaxed);
            let has_body = !request.body().is_end_stream();
            let answer = match admit(&app, &request, from).await {
                Ok(()) => hyper::service::Service::call(&router, request).await?,
                Err(denied) => {
                    app.figures.denied.fetch_add(1, Ordering::Relaxed);
                    denied.answer()
                }
            };
            Ok::<_, Infallible>(dressed(answer, seat, has_body))
        }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = serving.await {
        tracing::debug!("a connection ended: {error}");
    }
}

/// What tells nothing but that somebody is there.
const FREE_PATHS: [&str; 2] = ["/healthz", "/readyz"];

/// Whether the request is answered at all.
async fn admit(app: &App, request: &Request<Incoming>, from: IpAddr) -> Result<(), Denied> {
    match &app.settings().protection.gate {
        Some(gate) if !FREE_PATHS.contains(&request.uri().path()) => {
            gate.admit(request.headers(), from).await
        }
        _ => Ok(()),
    }
}

/// Puts the headers on that every answer has, and notes when it is read.
fn dressed(mut answer: Response<Body>, seat: Arc<Seat>, has_body: bool) -> Response<Held> {
    if answer.extensions().get::<IsStream>().is_some() {
        seat.is_streaming();
    }
    headers(answer.headers_mut());
    if has_body {
        // Nothing here takes a body; nobody waits for the rest of it.
        answer.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    }
    answer.map(|body| Held { body, seat })
}

/// What the page may do in a browser: show itself, and nothing from or to anywhere else.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

fn headers(headers: &mut HeaderMap) {
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ];
    for (name, value) in fixed {
        headers.insert(name, header::HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(header::HeaderValue::from_static("no-store"));
}

/// A body that tells the seat when it is gone.
struct Held {
    body: Body,
    seat: Arc<Seat>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.seat.is_idle();
    }
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
