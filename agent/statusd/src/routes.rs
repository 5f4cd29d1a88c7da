//! Which address shows what.
//!
//! Owns the routes and the reading of paths and queries. What is shown is made elsewhere.

use std::sync::Arc;

use agent_api::{Name, RealServerId};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::app::App;
use crate::reply::{CLASSIC_METRICS, HTML, JSON, OPEN_METRICS, bytes, large, refusal};
use crate::{api, assets, metrics, page, stream};

type Shared = State<Arc<App>>;

/// All routes.
pub fn router(app: Arc<App>) -> Router {
    let mut router = Router::new()
        .route("/", get(overview))
        .route("/events", get(events))
        .route("/virtual-servers", get(virtual_servers))
        .route("/virtual-servers/{virtual_server}", get(virtual_server))
        .route("/real-servers/{virtual_server}/{real_server}", get(real_server))
        .route("/metrics", get(all_metrics))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/api/v1/status", get(status))
        .route("/api/v1/summary", get(async |State(app): Shared| bytes(JSON, api::summary(&app))))
        .route("/api/v1/peer", get(api_peer))
        .route("/api/v1/events", get(api_events))
        .route("/api/v1/virtual-servers/{virtual_server}", get(api_virtual_server))
        .route("/api/v1/real-servers", get(api_real_servers))
        .route("/api/v1/real-servers/{virtual_server}/{real_server}", get(api_real_server))
        .route("/api/v1/stream", get(async |State(app): Shared| stream::open(&app)))
        .route(
            "/api/v1/openapi.json",
            get(async || bytes(JSON, Bytes::from_static(assets::OPENAPI.as_bytes()))),
        );
    for asset in assets::all() {
        router = router.route(&asset.path, get(async move || serve_asset(asset)));
    }
    router
        .fallback(not_found)
        .method_not_allowed_fallback(async || {
            refusal(StatusCode::METHOD_NOT_ALLOWED, "this only shows: use GET or HEAD")
        })
        .with_state(app)
}

fn serve_asset(asset: &'static assets::Asset) -> Response {
    let mut answer = bytes(asset.content_type, Bytes::from_static(asset.content.as_bytes()));
    // Its address changes with its content.
    let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
    answer.headers_mut().insert(header::CACHE_CONTROL, forever);
    answer
}

async fn not_found(State(app): Shared, uri: Uri) -> Response {
    if uri.path().starts_with("/api/") {
        return refusal(StatusCode::NOT_FOUND, "there is nothing here; see /api/v1/openapi.json");
    }
    page::missing(&app, "There is nothing at this address.")
}

async fn overview(State(app): Shared) -> Response {
    let snapshot = app.snapshot();
    let html = snapshot.rendered.overview.get_or_init(|| page::overview(&app, &snapshot).into_bytes());
    bytes(HTML, html.clone())
}

async fn events(State(app): Shared, RawQuery(query): RawQuery) -> Response {
    page::events(&app, number(query.as_deref(), "before"))
}

async fn virtual_servers(State(app): Shared, RawQuery(query): RawQuery) -> Response {
    page::virtual_servers(&app, number(query.as_deref(), "page").unwrap_or(1))
}

async fn virtual_server(State(app): Shared, Path(name): Path<String>, RawQuery(query): RawQuery) -> Response {
    let query = query.as_deref();
    match name.parse::<Name>() {
        Ok(name) => {
            let number = number(query, "page").unwrap_or(1);
            page::virtual_server(&app, &name, number, word(query, "name").unwrap_or_default())
        }
        Err(_) => page::missing(&app, "There is no virtual server of that name."),
    }
}

async fn real_server(State(app): Shared, Path((pool, server)): Path<(String, String)>) -> Response {
    match id(&pool, &server) {
        Some(id) => page::real_server(&app, &id),
        None => page::missing(&app, "There is no real server of that name."),
    }
}

async fn all_metrics(State(app): Shared, headers: HeaderMap) -> Response {
    let snapshot = app.snapshot();
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (content_type, form, kept) = if accepts.contains("application/openmetrics-text") {
        (OPEN_METRICS, metrics::Form::OpenMetrics, &snapshot.rendered.metrics)
    } else {
        (CLASSIC_METRICS, metrics::Form::Classic, &snapshot.rendered.classic_metrics)
    };
    large(&app, content_type, || kept.get_or_init(|| metrics::render(&app, &snapshot, form)).clone())
}

async fn readyz(State(app): Shared) -> Response {
    if app.snapshot().connected {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the agent does not answer\n").into_response()
    }
}

async fn status(State(app): Shared) -> Response {
    let snapshot = app.snapshot();
    large(&app, JSON, || snapshot.rendered.status.get_or_init(|| api::status(&snapshot)).clone())
}

async fn api_peer(State(app): Shared) -> Response {
    match api::peer(&app) {
        Some(peer) => bytes(JSON, peer),
        None => refusal(StatusCode::NOT_FOUND, "no other director is configured; see [status.peer]"),
    }
}

async fn api_events(State(app): Shared, RawQuery(query): RawQuery) -> Response {
    let query = query.as_deref();
    let (after, limit) = (number(query, "after"), number(query, "limit"));
    large(&app, JSON, || api::events(&app.snapshot(), after, limit))
}

async fn api_virtual_server(State(app): Shared, Path(name): Path<String>) -> Response {
    let snapshot = app.snapshot();
    let pools = &snapshot.view.virtual_servers;
    match pools.iter().find(|pool| pool.name.as_str() == name) {
        Some(pool) => large(&app, JSON, || crate::reply::json_bytes(pool)),
        None => refusal(StatusCode::NOT_FOUND, "there is no virtual server of that name"),
    }
}

async fn api_real_servers(State(app): Shared) -> Response {
    let snapshot = app.snapshot();
    large(&app, JSON, || snapshot.rendered.real_servers.get_or_init(|| api::real_servers(&snapshot)).clone())
}

async fn api_real_server(State(app): Shared, Path((pool, server)): Path<(String, String)>) -> Response {
    id(&pool, &server)
        .and_then(|id| api::real_server(&app, &id))
        .unwrap_or_else(|| refusal(StatusCode::NOT_FOUND, "there is no real server of that name"))
}

fn id(pool: &str, server: &str) -> Option<RealServerId> {
    Some(RealServerId { virtual_server: pool.parse().ok()?, real_server: server.parse().ok()? })
}

/// The value of `key` in a query, as it stands there: nothing that is asked for needs an escape.
fn word<'q>(query: Option<&'q str>, key: &str) -> Option<&'q str> {
    query?.split('&').filter_map(|pair| pair.split_once('=')).find(|(k, _)| *k == key).map(|(_, value)| value)
}

fn number(query: Option<&str>, key: &str) -> Option<u64> {
    word(query, key)?.parse().ok()
}
