//! Telling a client of every change: `text/event-stream`.
//!
//! Owns the number of streams and what an event holds: the version and the judgement, never the state itself. A client that
//! falls behind misses nothing, for each event replaces the one before it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Frame;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::app::{App, Snapshot};
use crate::reply::refusal;

/// How many streams there may be.
pub const STREAMS: usize = 1_200;
/// A stream is never silent for longer.
const SILENCE: Duration = Duration::from_secs(15);
/// How long a client waits before it comes back, in milliseconds.
const RETRY_MS: u32 = 3_000;

/// Marks an answer that goes on until the client leaves.
#[derive(Debug, Clone, Copy)]
pub struct IsStream;

/// One stream, counted while it lives.
struct Counted(Arc<App>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.figures.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Starts a stream.
pub fn open(app: &Arc<App>) -> Response {
    let streams = &app.figures.streams;
    if streams.fetch_add(1, Ordering::Relaxed) >= STREAMS {
        streams.fetch_sub(1, Ordering::Relaxed);
        app.figures.refused.fetch_add(1, Ordering::Relaxed);
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "too many streams are open; ask again later");
    }
    let counted = Counted(Arc::clone(app));
    // One event waits at most.
    let (events, body) = mpsc::channel(1);
    tokio::spawn(tell(counted, events));
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    let mut answer = (headers, Body::new(Events(body))).into_response();
    answer.extensions_mut().insert(IsStream);
    answer
}

async fn tell(counted: Counted, events: mpsc::Sender<Bytes>) {
    let mut snapshots = counted.0.subscribe();
    let mut text = format!("retry: {RETRY_MS}\n{}", event(&snapshots.borrow_and_update()));
    loop {
        if events.send(Bytes::from(text)).await.is_err() {
            return;
        }
        text = tokio::select! {
            () = events.closed() => return,
            news = timeout(SILENCE, snapshots.changed()) => match news {
                Ok(Ok(())) => event(&snapshots.borrow_and_update()),
                Ok(Err(_)) => return,
                Err(_) => ": still here\n\n".to_owned(),
            },
        };
    }
}

fn event(snapshot: &Snapshot) -> String {
    let data = json!({
        "version": snapshot.version,
        "generation": snapshot.view.generation,
        "status": snapshot.view.status,
        "source": snapshot.view.source,
    });
    format!("event: change\nid: {}\ndata: {data}\n\n", snapshot.version)
}

/// The events as a body.
struct Events(mpsc::Receiver<Bytes>);

impl HttpBody for Events {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}
