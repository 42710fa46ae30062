//! A connection that becomes a conversation: `101 Switching Protocols` (RFC 9110, 7.8).

use axum::{
    Extension,
    body::Body,
    extract::FromRequestParts,
    http::{
        HeaderValue, StatusCode,
        header::{CONNECTION, UPGRADE},
        request::Parts,
    },
    response::{IntoResponse, Response},
};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use model::Explain;

use crate::{
    operations::{Conversation, Refusal, Why},
    server::Place,
};

/// The client's wish for one; without it the request is refused before anything is begun.
pub(crate) struct Upgrade {
    connection: OnUpgrade,
    place: Place,
}

impl<S: Send + Sync> FromRequestParts<S> for Upgrade {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let asked = parts.headers.get(UPGRADE).is_some_and(|word| word == api::console::PROTOCOL);
        let connection = parts.extensions.remove::<OnUpgrade>().filter(|_| asked);
        let connection = connection.ok_or_else(|| refusal().into_response())?;
        let place = Extension::<Place>::from_request_parts(parts, state).await;
        let Extension(place) = place.map_err(IntoResponse::into_response)?;
        Ok(Self { connection, place })
    }
}

fn refusal() -> Refusal {
    let explain = Explain::new("no-upgrade", "a command's streams need a connection that becomes theirs")
        .help(format!("send `Connection: upgrade` and `Upgrade: {}`", api::console::PROTOCOL));
    Refusal::new(Why::Malformed, explain)
}

impl Upgrade {
    /// Answers, and gives the connection to `conversation`. Where the client went away meanwhile that is dropped.
    pub(crate) fn accept(self, conversation: Conversation) -> Response {
        let Self { connection, place } = self;
        tokio::spawn(async move {
            if let Ok(stream) = connection.await {
                conversation(TokioIo::new(stream)).await;
            }
            drop(place);
        });
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        answer.headers_mut().insert(UPGRADE, HeaderValue::from_static(api::console::PROTOCOL));
        answer
    }
}
