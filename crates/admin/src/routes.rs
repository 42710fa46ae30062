//! The endpoints of [`api::paths`], each a few lines: take the question apart, call the verb, answer.

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequestParts, Path, Query, State},
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use model::{DeployId, Explain, ReleaseNumber, Site};
use serde::Deserialize;

use crate::{
    answer::ndjson,
    operations::{Operations, Refusal, Reply, Why},
    operator::{Asker, Operator},
    upgrade::Upgrade,
};

/// Bound: the largest JSON body, a manifest and some names.
pub(crate) const JSON_BYTES_MAX: usize = 1 << 20;
/// How many records `events` gives when nobody says.
const RECORDS_DEFAULT: usize = 50;

pub(crate) fn router<O: Operations>(operations: Arc<O>) -> Router {
    let chunk_max = usize::try_from(api::artifact::CHUNK_BYTES_MAX).unwrap_or(usize::MAX);
    Router::new()
        .route("/v1/machine", get(machine::<O>))
        .route("/v1/machine/down", post(down::<O>))
        .route("/v1/machine/upgrades", get(upgrades::<O>).post(upgrade::<O>))
        .route("/v1/apps", get(apps::<O>))
        .route("/v1/webhooks", get(webhooks::<O>))
        .route("/v1/webhooks/test", post(webhook_test::<O>))
        .route("/v1/certificates", get(certificates::<O>))
        .route("/v1/certificates/renew", post(certificate_renew::<O>))
        .route("/v1/apps/{app}/{env}/plan", post(plan::<O>))
        .route("/v1/apps/{app}/{env}/deploys", post(deploy::<O>))
        .route("/v1/apps/{app}/{env}/rollback", post(rollback::<O>))
        .route("/v1/apps/{app}/{env}/deploys/{id}/events", get(deploy_events::<O>))
        .route("/v1/apps/{app}/{env}/cancel", post(cancel::<O>))
        .route("/v1/apps/{app}/{env}/resume", post(resume::<O>))
        .route("/v1/apps/{app}/{env}/status", get(status::<O>))
        .route("/v1/apps/{app}/{env}/releases", get(releases::<O>))
        .route("/v1/apps/{app}/{env}/events", get(records::<O>))
        .route("/v1/apps/{app}/{env}/config", get(config::<O>))
        .route("/v1/apps/{app}/{env}/logs", get(logs::<O>))
        .route("/v1/apps/{app}/{env}/checks", get(checks::<O>))
        .route("/v1/apps/{app}/{env}/restart", post(restart::<O>))
        .route("/v1/apps/{app}/{env}/scale", post(scale::<O>))
        .route("/v1/apps/{app}/{env}/run", post(run::<O>))
        .route("/v1/apps/{app}/{env}/exec", post(exec::<O>))
        .route("/v1/apps/{app}/{env}/migrate", get(migrate_status::<O>))
        .route("/v1/apps/{app}/{env}/migrate/retry", post(migrate_retry::<O>))
        .route("/v1/apps/{app}/{env}/migrate/contract", post(migrate_contract::<O>))
        .route("/v1/apps/{app}/{env}/migrate/down", post(migrate_down::<O>))
        .route("/v1/apps/{app}/{env}/secrets", get(secrets::<O>))
        .route("/v1/apps/{app}/{env}/secrets/{name}", post(change_secret::<O>))
        .route("/v1/apps/{app}/{env}/destroy", post(destroy::<O>))
        .layer(DefaultBodyLimit::max(JSON_BYTES_MAX))
        .route(
            "/v1/artifacts/{digest}",
            get(received::<O>).put(receive::<O>).layer(DefaultBodyLimit::max(chunk_max)),
        )
        .fallback(no_such_endpoint)
        .with_state(operations)
}

/// The site that the path names.
struct At(Site);

impl<S: Send + Sync> FromRequestParts<S> for At {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        #[derive(Deserialize)]
        struct Names {
            app: String,
            env: String,
        }
        let bad = |cause: String| {
            Refusal::new(
                Why::Malformed,
                Explain::new("no-such-site", "the path does not name an app and an environment")
                    .caused_by(cause),
            )
        };
        let Path(names) =
            Path::<Names>::from_request_parts(parts, state).await.map_err(|e| bad(e.to_string()))?;
        let app = names.app.parse().map_err(|e: model::NameError| bad(e.to_string()))?;
        let env = names.env.parse().map_err(|e: model::NameError| bad(e.to_string()))?;
        Ok(Self(Site { app, env }))
    }
}

/// A JSON body, refused in our own words.
fn body<T: for<'de> Deserialize<'de> + Default>(bytes: &Bytes) -> Reply<T> {
    if bytes.is_empty() {
        return Ok(T::default());
    }
    required(bytes)
}

pub(crate) fn required<T: for<'de> Deserialize<'de>>(bytes: &Bytes) -> Reply<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        Refusal::new(
            Why::Malformed,
            Explain::new("bad-request", "the request's JSON is not what this endpoint takes")
                .caused_by(error.to_string())
                .help("use a `mainstay` of this version or of one beside it"),
        )
    })
}

pub(crate) async fn no_such_endpoint() -> Refusal {
    Refusal::new(
        Why::Unknown,
        Explain::new("no-such-endpoint", "this keeper does not know that endpoint")
            .help("client and keeper may be of different versions: compare `mainstay version` with `mainstay status`"),
    )
}

type Ops<O> = State<Arc<O>>;
type Who = Extension<Operator>;

async fn machine<O: Operations>(State(ops): Ops<O>) -> Response {
    ops.machine().await.map(Json).into_response()
}

async fn down<O: Operations>(State(ops): Ops<O>, Extension(by): Who, bytes: Bytes) -> Reply<Response> {
    let request = body(&bytes)?;
    Ok(ndjson(ops.down(by, request).await?))
}

async fn upgrade<O: Operations>(State(ops): Ops<O>, Extension(by): Who, bytes: Bytes) -> Reply<Response> {
    let planned = ops.upgrade(by, required(&bytes)?).await?;
    Ok(Json(planned).into_response())
}

async fn upgrades<O: Operations>(State(ops): Ops<O>) -> Response {
    ops.upgrades().await.map(Json).into_response()
}

async fn apps<O: Operations>(State(ops): Ops<O>) -> Response {
    ops.apps().await.map(Json).into_response()
}

async fn webhooks<O: Operations>(State(ops): Ops<O>) -> Response {
    ops.webhooks().await.map(Json).into_response()
}

async fn certificates<O: Operations>(State(ops): Ops<O>) -> Response {
    ops.certificates().await.map(Json).into_response()
}

async fn certificate_renew<O: Operations>(
    State(ops): Ops<O>,
    Extension(by): Who,
    bytes: Bytes,
) -> Reply<StatusCode> {
    ops.certificate_renew(by, required(&bytes)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn webhook_test<O: Operations>(
    State(ops): Ops<O>,
    Extension(by): Who,
    bytes: Bytes,
) -> Reply<Response> {
    Ok(Json(ops.webhook_test(by, required(&bytes)?).await?).into_response())
}

async fn received<O: Operations>(State(ops): Ops<O>, Path(digest): Path<String>) -> Reply<Response> {
    Ok(match ops.received(digest).await? {
        Some(received) => Json(received).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    })
}

#[derive(Deserialize)]
struct Place {
    offset: u64,
    total: u64,
}

async fn receive<O: Operations>(
    State(ops): Ops<O>,
    Path(digest): Path<String>,
    Query(Place { offset, total }): Query<Place>,
    chunk: Bytes,
) -> Response {
    ops.receive(digest, total, offset, chunk).await.map(Json).into_response()
}

async fn plan<O: Operations>(
    State(ops): Ops<O>,
    Extension(by): Who,
    At(site): At,
    bytes: Bytes,
) -> Reply<Response> {
    let plan = ops.plan(by, site, required(&bytes)?).await?;
    Ok(Json(plan).into_response())
}

async fn deploy<O: Operations>(State(ops): Ops<O>, by: Asker, At(site): At, bytes: Bytes) -> Reply<Response> {
    let started = ops.deploy(by, site, required(&bytes)?).await?;
    Ok(Json(started).into_response())
}

async fn rollback<O: Operations>(
    State(ops): Ops<O>,
    by: Asker,
    At(site): At,
    bytes: Bytes,
) -> Reply<Response> {
    let started = ops.rollback(by, site, body(&bytes)?).await?;
    Ok(Json(started).into_response())
}

#[derive(Deserialize)]
struct DeployPath {
    id: DeployId,
}

#[derive(Deserialize)]
struct From {
    #[serde(default)]
    from: u64,
}

async fn deploy_events<O: Operations>(
    State(ops): Ops<O>,
    At(site): At,
    Path(DeployPath { id }): Path<DeployPath>,
    Query(From { from }): Query<From>,
) -> Reply<Response> {
    Ok(ndjson(ops.deploy_events(site, id, from).await?))
}

async fn cancel<O: Operations>(State(ops): Ops<O>, Extension(by): Who, At(site): At) -> Response {
    ops.cancel(by, site).await.map(Json).into_response()
}

async fn resume<O: Operations>(State(ops): Ops<O>, Extension(by): Who, At(site): At) -> Reply<StatusCode> {
    ops.resume(by, site).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn status<O: Operations>(State(ops): Ops<O>, At(site): At) -> Response {
    ops.status(site).await.map(Json).into_response()
}

async fn releases<O: Operations>(State(ops): Ops<O>, At(site): At) -> Response {
    ops.releases(site).await.map(Json).into_response()
}

#[derive(Deserialize)]
struct Limit {
    limit: Option<usize>,
}

async fn records<O: Operations>(
    State(ops): Ops<O>,
    At(site): At,
    Query(Limit { limit }): Query<Limit>,
) -> Response {
    ops.records(site, limit.unwrap_or(RECORDS_DEFAULT)).await.map(Json).into_response()
}

#[derive(Deserialize)]
struct Of {
    release: Option<ReleaseNumber>,
}

async fn config<O: Operations>(
    State(ops): Ops<O>,
    At(site): At,
    Query(Of { release }): Query<Of>,
) -> Response {
    ops.config(site, release).await.map(Json).into_response()
}

async fn logs<O: Operations>(
    State(ops): Ops<O>,
    At(site): At,
    Query(query): Query<api::logs::Query>,
) -> Reply<Response> {
    Ok(ndjson(ops.logs(site, query).await?))
}

async fn checks<O: Operations>(State(ops): Ops<O>, At(site): At) -> Response {
    ops.checks(site).await.map(Json).into_response()
}

async fn restart<O: Operations>(
    State(ops): Ops<O>,
    by: Asker,
    At(site): At,
    bytes: Bytes,
) -> Reply<Response> {
    let started = ops.restart(by, site, body(&bytes)?).await?;
    Ok(Json(started).into_response())
}

async fn scale<O: Operations>(State(ops): Ops<O>, by: Asker, At(site): At, bytes: Bytes) -> Reply<Response> {
    let started = ops.scale(by, site, required(&bytes)?).await?;
    Ok(Json(started).into_response())
}

async fn run<O: Operations>(
    State(ops): Ops<O>,
    Extension(by): Who,
    At(site): At,
    upgrade: Upgrade,
    bytes: Bytes,
) -> Reply<Response> {
    Ok(upgrade.accept(ops.run(by, site, required(&bytes)?).await?))
}

async fn exec<O: Operations>(
    State(ops): Ops<O>,
    Extension(by): Who,
    At(site): At,
    upgrade: Upgrade,
    bytes: Bytes,
) -> Reply<Response> {
    Ok(upgrade.accept(ops.exec(by, site, required(&bytes)?).await?))
}

async fn migrate_status<O: Operations>(State(ops): Ops<O>, At(site): At) -> Response {
    ops.migrate_status(site).await.map(Json).into_response()
}

async fn migrate_retry<O: Operations>(State(ops): Ops<O>, by: Asker, At(site): At) -> Response {
    ops.migrate_retry(by, site).await.map(Json).into_response()
}

async fn migrate_contract<O: Operations>(State(ops): Ops<O>, by: Asker, At(site): At) -> Response {
    ops.migrate_contract(by, site).await.map(Json).into_response()
}

async fn migrate_down<O: Operations>(State(ops): Ops<O>, by: Asker, At(site): At) -> Response {
    ops.migrate_down(by, site).await.map(Json).into_response()
}

async fn secrets<O: Operations>(State(ops): Ops<O>, At(site): At) -> Response {
    ops.secrets(site).await.map(Json).into_response()
}

#[derive(Deserialize)]
struct SecretPath {
    name: String,
}

async fn change_secret<O: Operations>(
    State(ops): Ops<O>,
    Extension(by): Who,
    At(site): At,
    Path(SecretPath { name }): Path<SecretPath>,
    bytes: Bytes,
) -> Reply<Response> {
    Ok(Json(ops.change_secret(by, site, name, required(&bytes)?).await?).into_response())
}

async fn destroy<O: Operations>(
    State(ops): Ops<O>,
    Extension(by): Who,
    At(site): At,
    bytes: Bytes,
) -> Reply<StatusCode> {
    ops.destroy(by, site, required(&bytes)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
