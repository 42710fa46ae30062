//! What a path and a query say, refused in our own words where they say it wrong.

use axum::{
    extract::{FromRequestParts, Path, Query},
    http::request::Parts,
};
use model::Explain;
use serde::de::DeserializeOwned;

use crate::operations::{Refusal, Why};

/// The names in the path.
pub(crate) struct Named<T>(pub T);

/// What stands behind the `?`.
pub(crate) struct Asked<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let read = Path::from_request_parts(parts, state).await;
        read.map(|Path(names)| Self(names)).map_err(|error| refused(error.body_text()))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let read = Query::from_request_parts(parts, state).await;
        read.map(|Query(asked)| Self(asked)).map_err(|error| refused(error.body_text()))
    }
}

fn refused(cause: String) -> Refusal {
    Refusal::new(
        Why::Malformed,
        Explain::new("bad-request", "the request's address is not what this endpoint takes")
            .caused_by(cause)
            .help("use a `mainstay` of this version or of one beside it"),
    )
}

#[cfg(test)]
mod tests {
    use axum::{http::Request, response::IntoResponse as _};
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Place {
        offset: u64,
    }

    async fn place(query: &str) -> Result<u64, Refusal> {
        let request = Request::get(format!("/v1/artifacts/x?{query}")).body(()).expect("a request");
        let asked = Asked::<Place>::from_request_parts(&mut request.into_parts().0, &()).await;
        asked.map(|Asked(place)| place.offset)
    }

    #[tokio::test]
    async fn a_query_that_says_it_wrong_is_refused_as_json() {
        assert_eq!(place("offset=7").await.ok(), Some(7));
        for wrong in ["offset=-1", "offset=99999999999999999999", "offset=x", ""] {
            let refusal = place(wrong).await.expect_err(wrong);
            assert_eq!(refusal.explain.code, "bad-request");
            let answer = refusal.into_response();
            assert_eq!(answer.status(), 400);
            assert_eq!(answer.headers()["content-type"], "application/json", "{wrong}");
        }
    }
}
