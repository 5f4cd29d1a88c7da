//! The forms of an answer: a page, JSON, a refusal, something large.
//!
//! Owns content types and how a large answer is handed out in pieces, a few at a time, so that slow readers cost neither
//! memory nor others their turn.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, SizeHint};
use serde::Serialize;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::app::App;
use crate::html::Html;

/// Content type of the metrics.
pub const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Content type of the metrics for those who do not ask for OpenMetrics.
pub const CLASSIC_METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Content type of a page.
pub const HTML: &str = "text/html; charset=utf-8";
/// Content type of JSON.
pub const JSON: &str = "application/json";

/// How much of a large answer is handed out at a time.
const PIECE: usize = 32 << 10;
/// How long a large answer may take to be read.
const LARGE_TIME: Duration = Duration::from_secs(60);

/// A page that is made for one client alone. `make` is called only when there is room for it.
pub fn page(app: &App, status: StatusCode, make: impl FnOnce() -> Html) -> Response {
    let mut answer = rationed(app, &app.pages, HTML, || make().into_bytes());
    if answer.status() == StatusCode::OK {
        *answer.status_mut() = status;
    }
    answer
}

/// Bytes of a content type.
pub fn bytes(content_type: &'static str, bytes: Bytes) -> Response {
    ([(header::CONTENT_TYPE, content_type)], bytes).into_response()
}

/// One value as JSON.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response {
    (status, [(header::CONTENT_TYPE, JSON)], json_bytes(value)).into_response()
}

/// The bytes of a value as JSON, with a line end.
pub fn json_bytes(value: &impl Serialize) -> Bytes {
    let mut bytes = serde_json::to_vec(value).unwrap_or_else(|error| {
        // Only maps with odd keys can fail, and there are none.
        json!({ "error": error.to_string() }).to_string().into_bytes()
    });
    bytes.push(b'\n');
    Bytes::from(bytes)
}

/// An error as JSON.
pub fn refusal(status: StatusCode, error: &str) -> Response {
    json(status, &json!({ "error": error }))
}

/// Something that grows with the cluster. `make` is called only when there is room for it.
pub fn large(app: &App, content_type: &'static str, make: impl FnOnce() -> Bytes) -> Response {
    rationed(app, &app.large, content_type, make)
}

/// An answer for which there must be a permit until it is read.
fn rationed(
    app: &App,
    permits: &Arc<Semaphore>,
    content_type: &'static str,
    make: impl FnOnce() -> Bytes,
) -> Response {
    let Ok(permit) = Arc::clone(permits).try_acquire_owned() else {
        app.figures.refused.fetch_add(1, Ordering::Relaxed);
        let mut answer = refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many answers like this are under way; ask again in a second",
        );
        answer.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        return answer;
    };
    let body = Pieces { left: make(), began: Instant::now(), _permit: permit };
    ([(header::CONTENT_TYPE, content_type)], Body::new(body)).into_response()
}

/// A large body, in pieces.
struct Pieces {
    left: Bytes,
    began: Instant,
    _permit: OwnedSemaphorePermit,
}

/// The client reads too slowly.
#[derive(Debug)]
struct TooSlow;

impl std::fmt::Display for TooSlow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the client took longer than {} s to read an answer", LARGE_TIME.as_secs())
    }
}

impl std::error::Error for TooSlow {}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = TooSlow;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TooSlow>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        if self.began.elapsed() > LARGE_TIME {
            return Poll::Ready(Some(Err(TooSlow)));
        }
        let piece = self.left.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.left.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}
