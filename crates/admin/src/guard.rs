//! What stands before every endpoint: of which version a request is, and whether its connection may.

use std::sync::Arc;

use api::{access::Needs, version};
use axum::{
    Extension,
    extract::{RawPathParams, Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use model::Explain;

use crate::{
    connection::Connection,
    operations::{Refusal, Reply, Why},
};

/// Refuses a client of a version too far away, before anything else of its request is looked at.
pub(crate) async fn version(request: Request, next: Next) -> Response {
    let said = request.headers().get(version::HEADER);
    let theirs = said.map_or(Some(version::UNSAID), |said| said.to_str().ok()?.parse().ok());
    let refused = match theirs {
        Some(theirs) => version::refusal(api::VERSION, theirs),
        None => Some(
            Explain::new("bad-version", format!("the header {} has no version", version::HEADER))
                .now("nothing was done")
                .help("it has the number of the API's version that the client speaks"),
        ),
    };
    match refused {
        Some(explain) => Refusal::new(Why::Malformed, explain).into_response(),
        None => next.run(request).await,
    }
}

/// Lets a request through that its connection may ask, with the name of who asks; records what it refuses.
pub(crate) async fn access(
    State(needs): State<Needs>,
    Extension(connection): Extension<Arc<Connection>>,
    names: RawPathParams,
    mut request: Request,
    next: Next,
) -> Reply<Response> {
    let named = |wanted: &str| names.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value);
    let site = named("app").zip(named("env"));
    if let Err(refusal) = connection.check(needs, site) {
        let operator = connection.operator().name;
        tracing::warn!(operator, method = %request.method(), path = request.uri().path(), code = refusal.explain.code, "Refused: the connection may not ask this.");
        return Err(refusal);
    }
    request.extensions_mut().insert(connection.operator());
    Ok(next.run(request).await)
}
