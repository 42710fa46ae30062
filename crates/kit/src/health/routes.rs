//! The routes of probes and of whoever monitors.

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::get,
};

use super::{
    Health,
    dialect::{About, Answer, Asked, Dialect, Question, Reporter},
};

impl Health {
    /// `/health/live` and `/health/ready`, in [`Dialect::Plain`].
    pub fn routes<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        Reporter::new(self.clone(), Dialect::Plain, About::default()).probes()
    }
}

impl Reporter {
    /// `/health/live` and `/health/ready`, for supervisors and balancers: a status code and a word.
    pub fn probes<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        let ask = |question| {
            get(move |State(reporter): State<Self>| async move {
                reporter.answer(question, Asked::default()).into_response()
            })
        };
        Router::new()
            .route("/health/live", ask(Question::Live))
            .route("/health/ready", ask(Question::Ready))
            .with_state(self.clone())
    }

    /// Those of [`Reporter::probes`] and [`Dialect::paths`]. `may_see_all` looks at a request's head and says whether it is
    /// the operator's. An app that must ask a database for that writes its own handlers around [`Reporter::answer`].
    pub fn routes<S: Clone + Send + Sync + 'static>(&self, may_see_all: fn(&HeaderMap) -> bool) -> Router<S> {
        self.dialect().paths().iter().fold(self.probes(), |router, (path, question)| {
            let (reporter, question) = (self.clone(), *question);
            router.route(
                path,
                get(move |uri: Uri, headers: HeaderMap| async move {
                    let asked = Asked::new(uri.query().unwrap_or_default(), may_see_all(&headers));
                    reporter.answer(question, asked).into_response()
                }),
            )
        })
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        (status, Json(self.body)).into_response()
    }
}
