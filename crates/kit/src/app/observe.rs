//! What is noted of every request: an id, its place in the metrics, one line in the log. Of its address only the pattern
//! of the route: paths hold ids of people's things.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode},
    middleware::{Next, from_fn_with_state},
    response::Response,
};

use crate::metrics::Metrics;

/// The header that a request's id comes and goes by.
pub const REQUEST_ID: &str = "x-request-id";

/// One request, from its head to its answer's head.
#[derive(Clone, Debug)]
pub struct Observed {
    /// What its `x-request-id` said, where that is 1 to 64 letters, digits, `-` and `_`; else a new one.
    pub request_id: String,
    /// `OTHER` for a method that no route can have.
    pub method: String,
    /// The pattern (`/tasks/{id}`), or `unmatched`.
    pub route: String,
    began: Instant,
}

impl Observed {
    /// To be called in a layer of the router, where the route is known.
    pub fn begin(request: &Request) -> Self {
        let known = [
            Method::GET,
            Method::POST,
            Method::DELETE,
            Method::HEAD,
            Method::OPTIONS,
            Method::PUT,
            Method::PATCH,
        ];
        let method =
            if known.contains(request.method()) { request.method().to_string() } else { "OTHER".to_owned() };
        let route =
            request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
        Self { request_id: request_id(request.headers()), method, route, began: Instant::now() }
    }

    /// Counts and logs it.
    pub fn end(&self, metrics: &Metrics, status: StatusCode) {
        let took = self.began.elapsed();
        metrics.observe_request(&self.method, &self.route, status.as_u16(), took);
        self.log(status, took);
    }

    /// One line a request. Probes come each second and say nothing: they are told at `debug`.
    fn log(&self, status: StatusCode, took: Duration) {
        let (request_id, method, route, status) =
            (&self.request_id, &self.method, &self.route, status.as_u16());
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        if status == 200 && (route.starts_with("/health/") || route == "/metrics") {
            tracing::debug!(request_id, method, route, status, took_ms, "answered");
        } else {
            tracing::info!(request_id, method, route, status, took_ms, "answered");
        }
    }
}

/// A layer around every route that `router` has by now.
pub fn observe(router: Router, metrics: &Metrics) -> Router {
    router.layer(from_fn_with_state(metrics.clone(), around))
}

async fn around(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let observed = Observed::begin(&request);
    let mut response = next.run(request).await;
    if let Ok(id) = HeaderValue::from_str(&observed.request_id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    observed.end(&metrics, response.status());
    response
}

fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let fits = |id: &&str| {
        (1..=64).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    given.filter(fits).map_or_else(new_id, str::to_owned)
}

/// Sixteen hex digits that are likely to be unique; nothing that must not be guessed.
pub fn new_id() -> String {
    // Each state is seeded anew by the standard library, from the kernel's random numbers.
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_i64(crate::clock::now_ms());
    format!("{:016x}", hasher.finish())
}
