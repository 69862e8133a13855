//! What answers under which path.

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::metrics::Metrics;
use super::readiness::Readiness;
use crate::logging::LogFilter;

/// The largest filter that is read, in bytes.
const LARGEST_BODY: usize = 64 * 1024;

/// What is said of any other path.
const PATHS: &str = "\
there are:
  GET /metrics      what has been measured, as Prometheus text
  GET /healthz      whether the process lives
  GET /readyz       whether clients may be sent here
  GET /log-filter   the log filter
  PUT /log-filter   change it, such as: curl -X PUT -d warn,sluice=debug
";

/// What the admin address shows and changes.
#[derive(Clone)]
pub struct Services {
    /// What has been measured.
    pub metrics: Metrics,
    /// Whether clients may be sent here.
    pub readiness: Readiness,
    /// Which log lines are kept.
    pub filter: LogFilter,
}

pub(super) fn router(services: Services) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/log-filter", get(show_filter).put(set_filter))
        .fallback(|| async { (StatusCode::NOT_FOUND, PATHS) })
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(services)
}

async fn metrics(State(services): State<Services>) -> impl IntoResponse {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], services.metrics.render())
}

async fn ready(State(services): State<Services>) -> (StatusCode, String) {
    match services.readiness.check() {
        Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

async fn show_filter(State(services): State<Services>) -> Response {
    match services.filter.show() {
        Ok(filter) => format!("{filter}\n").into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn set_filter(State(services): State<Services>, text: String) -> Response {
    match services.filter.set(&text) {
        Ok(()) => {
            tracing::info!(filter = text.trim(), "the log filter was changed");
            show_filter(State(services)).await
        }
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    }
}
