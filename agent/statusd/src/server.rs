//! From connections to requests.
//!
//! Owns accepting, the limits on what a client may send and how slowly, and the headers that every answer has. It does not
//! know what is asked for.

use std::convert::Infallible;
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
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::app::App;
use crate::connection::{Floor, Seat, Taken};
use crate::patience::{Patience, STALL};
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
            Ok((stream, _)) => {
                told = false;
                let Some((taken, full)) = floor.take() else {
                    app.figures.refused.fetch_add(1, Ordering::Relaxed);
                    continue;
                };
                app.figures.evicted.fetch_add(u64::from(full), Ordering::Relaxed);
                tokio::spawn(serve(stream, taken, router.clone(), Arc::clone(&app)));
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

async fn serve(stream: TcpStream, taken: Taken, router: Router, app: Arc<App>) {
    app.figures.connections.fetch_add(1, Ordering::Relaxed);
    let figures = Arc::clone(&app);
    // Small answers must not wait for more; without it they only come later.
    let _slower = stream.set_nodelay(true);
    let seat = Arc::clone(&taken.seat);
    let router = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let (seat, router, app) = (Arc::clone(&seat), router.clone(), Arc::clone(&app));
        async move {
            seat.is_busy();
            app.figures.requests.fetch_add(1, Ordering::Relaxed);
            let has_body = !request.body().is_end_stream();
            let answer = hyper::service::Service::call(&router, request).await?;
            Ok::<_, Infallible>(dressed(answer, seat, has_body))
        }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(Patience::new(stream, STALL)), service);
    tokio::select! {
        result = serving => if let Err(error) = result {
            tracing::debug!("a connection ended: {error}");
        },
        () = taken.seat.leave.notified() => {}
    }
    figures.figures.connections.fetch_sub(1, Ordering::Relaxed);
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
