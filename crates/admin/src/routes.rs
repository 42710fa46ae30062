//! The endpoints of [`api::paths`], each a few lines: take the question apart, call the verb, answer.

use std::sync::Arc;

use api::{
    access::{Grant, Needs},
    paths,
};
use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequestParts, Path, State},
    http::{StatusCode, request::Parts},
    middleware,
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use model::{DeployId, Explain, Notice, ReleaseNumber, Site};
use serde::Deserialize;

use crate::{
    answer::ndjson,
    asked::{Asked, Named},
    connection::Connection,
    guard,
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
    let Endpoints(router) = endpoints::<O>().at(
        Needs::Deploy,
        "/v1/artifacts/{digest}",
        get(received::<O>).put(receive::<O>).layer(DefaultBodyLimit::max(chunk_max)),
    );
    router
        .layer(DefaultBodyLimit::max(JSON_BYTES_MAX))
        .fallback(no_such_endpoint)
        .layer(middleware::from_fn(guard::version))
        .with_state(operations)
}

fn endpoints<O: Operations>() -> Endpoints<O> {
    Endpoints(Router::new())
        .at(Needs::Connection, paths::CONNECTION, post(narrow))
        .at(Needs::Read, "/v1/machine", get(machine::<O>))
        .at(Needs::Administration, "/v1/machine/down", post(down::<O>))
        .at(Needs::Administration, paths::MACHINE_CHECKS, get(machine_checks::<O>))
        .at(Needs::Administration, "/v1/machine/upgrades", get(upgrades::<O>).post(upgrade::<O>))
        .at(Needs::Read, "/v1/apps", get(apps::<O>))
        .at(Needs::Administration, "/v1/webhooks", get(webhooks::<O>))
        .at(Needs::Administration, "/v1/webhooks/test", post(webhook_test::<O>))
        .at(Needs::Administration, "/v1/certificates", get(certificates::<O>))
        .at(Needs::Administration, "/v1/certificates/renew", post(certificate_renew::<O>))
        .at(Needs::Deploy, "/v1/apps/{app}/{env}/plan", post(plan::<O>))
        .at(Needs::Deploy, "/v1/apps/{app}/{env}/deploys", post(deploy::<O>))
        .at(Needs::Deploy, "/v1/apps/{app}/{env}/rollback", post(rollback::<O>))
        .at(Needs::Read, "/v1/apps/{app}/{env}/deploys/{id}/events", get(deploy_events::<O>))
        .at(Needs::Deploy, "/v1/apps/{app}/{env}/cancel", post(cancel::<O>))
        .at(Needs::Deploy, "/v1/apps/{app}/{env}/approve", post(approve::<O>))
        .at(Needs::Administration, "/v1/apps/{app}/{env}/resume", post(resume::<O>))
        .at(Needs::Administration, "/v1/apps/{app}/{env}/freeze", post(freeze::<O>))
        .at(Needs::Deploy, "/v1/apps/{app}/{env}/maintenance", post(maintenance::<O>))
        .at(Needs::Read, "/v1/apps/{app}/{env}/status", get(status::<O>))
        .at(Needs::Read, "/v1/apps/{app}/{env}/releases", get(releases::<O>))
        .at(Needs::Read, "/v1/apps/{app}/{env}/events", get(records::<O>))
        .at(Needs::Read, "/v1/apps/{app}/{env}/config", get(config::<O>))
        .at(Needs::Read, "/v1/apps/{app}/{env}/logs", get(logs::<O>))
        .at(Needs::Read, "/v1/apps/{app}/{env}/checks", get(checks::<O>))
        .at(Needs::Deploy, "/v1/apps/{app}/{env}/restart", post(restart::<O>))
        .at(Needs::Deploy, "/v1/apps/{app}/{env}/scale", post(scale::<O>))
        .at(Needs::Administration, "/v1/apps/{app}/{env}/run", post(run::<O>))
        .at(Needs::Administration, "/v1/apps/{app}/{env}/exec", post(exec::<O>))
        .at(Needs::Read, "/v1/apps/{app}/{env}/migrate", get(migrate_status::<O>))
        .at(Needs::Administration, "/v1/apps/{app}/{env}/migrate/retry", post(migrate_retry::<O>))
        .at(Needs::Administration, "/v1/apps/{app}/{env}/migrate/contract", post(migrate_contract::<O>))
        .at(Needs::Administration, "/v1/apps/{app}/{env}/migrate/down", post(migrate_down::<O>))
        .at(Needs::Read, "/v1/apps/{app}/{env}/secrets", get(secrets::<O>))
        .at(Needs::Administration, "/v1/apps/{app}/{env}/secrets/{name}", post(change_secret::<O>))
        .at(Needs::Administration, "/v1/apps/{app}/{env}/destroy", post(destroy::<O>))
}

/// None gets in without what it asks of a connection.
struct Endpoints<O>(Router<Arc<O>>);

impl<O: Operations> Endpoints<O> {
    fn at(self, needs: Needs, path: &str, methods: MethodRouter<Arc<O>>) -> Self {
        Self(self.0.route(path, methods.route_layer(middleware::from_fn_with_state(needs, guard::access))))
    }
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
    serde_json::from_slice(bytes).map_err(|error| not_taken(error.to_string()))
}

fn not_taken(cause: String) -> Refusal {
    Refusal::new(
        Why::Malformed,
        Explain::new("bad-request", "the request's JSON is not what this endpoint takes")
            .caused_by(cause)
            .help("use a `mainstay` of this version or of one beside it"),
    )
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

/// From here on the connection may no more than that.
async fn narrow(Extension(connection): Extension<Arc<Connection>>, bytes: Bytes) -> Reply<StatusCode> {
    let grant: Grant = required(&bytes)?;
    connection.narrow(grant)?;
    Ok(StatusCode::NO_CONTENT)
}

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

/// Those that the connection may see.
async fn apps<O: Operations>(
    State(ops): Ops<O>,
    Extension(connection): Extension<Arc<Connection>>,
) -> Reply<Response> {
    let mut apps = ops.apps().await?;
    apps.retain(|app| connection.sees(&app.site));
    Ok(Json(apps).into_response())
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

async fn received<O: Operations>(
    State(ops): Ops<O>,
    Extension(by): Who,
    Named(digest): Named<String>,
) -> Reply<Response> {
    Ok(match ops.received(by, digest).await? {
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
    Extension(by): Who,
    Named(digest): Named<String>,
    Asked(Place { offset, total }): Asked<Place>,
    chunk: Bytes,
) -> Response {
    ops.receive(by, digest, total, offset, chunk).await.map(Json).into_response()
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
    Named(DeployPath { id }): Named<DeployPath>,
    Asked(From { from }): Asked<From>,
) -> Reply<Response> {
    Ok(ndjson(ops.deploy_events(site, id, from).await?))
}

async fn cancel<O: Operations>(State(ops): Ops<O>, Extension(by): Who, At(site): At) -> Response {
    ops.cancel(by, site).await.map(Json).into_response()
}

async fn approve<O: Operations>(
    State(ops): Ops<O>,
    Extension(by): Who,
    At(site): At,
    bytes: Bytes,
) -> Reply<StatusCode> {
    ops.approve(by, site, required(&bytes)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn resume<O: Operations>(State(ops): Ops<O>, Extension(by): Who, At(site): At) -> Reply<StatusCode> {
    ops.resume(by, site).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn freeze<O: Operations>(
    State(ops): Ops<O>,
    Extension(by): Who,
    At(site): At,
    bytes: Bytes,
) -> Reply<StatusCode> {
    ops.freeze(by, site, required(&bytes)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A word that is not known, like a misspelt `allow`, would be a page for everybody.
fn page(bytes: &Bytes) -> Reply<Option<Notice>> {
    const WORDS: [&str; 3] = ["words", "until_unix_ms", "allow"];
    let said: Option<serde_json::Map<String, serde_json::Value>> = required(bytes)?;
    let unknown = said.iter().flat_map(|said| said.keys()).find(|key| !WORDS.contains(&key.as_str()));
    match unknown {
        None => required(bytes),
        Some(key) => Err(not_taken(format!("unknown field `{key}`, expected one of {}", WORDS.join(", ")))),
    }
}

async fn maintenance<O: Operations>(
    State(ops): Ops<O>,
    Extension(by): Who,
    At(site): At,
    bytes: Bytes,
) -> Reply<StatusCode> {
    ops.post(by, site, page(&bytes)?).await?;
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
    Asked(Limit { limit }): Asked<Limit>,
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
    Asked(Of { release }): Asked<Of>,
) -> Response {
    ops.config(site, release).await.map(Json).into_response()
}

async fn logs<O: Operations>(
    State(ops): Ops<O>,
    At(site): At,
    Asked(query): Asked<api::logs::Query>,
) -> Reply<Response> {
    Ok(ndjson(ops.logs(site, query).await?))
}

async fn machine_checks<O: Operations>(State(ops): Ops<O>) -> Response {
    ops.machine_checks().await.map(Json).into_response()
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
    Named(SecretPath { name }): Named<SecretPath>,
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    /// Path and methods of each endpoint, read off this file: `get` and `post` are functions, and tell nobody their names.
    fn offered() -> BTreeSet<String> {
        let text = include_str!("routes.rs");
        let begin = text.find("pub(crate) fn router").expect("the router");
        let end = text.find("struct Endpoints").expect("what it is made of");
        let mut all = BTreeSet::new();
        for endpoint in text[begin..end].split("Needs::").skip(1) {
            let mut parts = endpoint.splitn(3, ',').map(str::trim);
            let (_, path, methods) = (parts.next(), parts.next(), parts.next().expect("its methods"));
            let path = path.expect("its path").trim_matches('"');
            let path = match path {
                "paths::CONNECTION" => api::paths::CONNECTION,
                "paths::MACHINE_CHECKS" => api::paths::MACHINE_CHECKS,
                written => written,
            };
            let methods = methods.split(".layer(").next().expect("the beginning");
            for method in ["get", "post", "put", "delete", "patch"] {
                if methods.contains(&format!("{method}(")) {
                    all.insert(format!("{} {path}", method.to_uppercase()));
                }
            }
        }
        all
    }

    fn documented() -> BTreeSet<String> {
        let table = include_str!("../../api/src/paths.rs");
        let rows = table.lines().filter_map(|line| line.strip_prefix("//! | ")?.split(" |").next());
        let mut all = BTreeSet::new();
        for row in rows.filter(|row| row.contains("`/v1/")) {
            let row = row.replace('`', "");
            let row = row.split('?').next().expect("a beginning");
            match row.split_once("{retry,down,contract}") {
                Some((before, _)) => {
                    all.extend(["retry", "down", "contract"].map(|verb| format!("{before}{verb}")));
                }
                None => _ = all.insert(row.to_owned()),
            }
        }
        all
    }

    #[test]
    fn a_page_is_asked_for_in_words_that_are_known() {
        let page = |text: &'static str| super::page(&text.into());
        assert_eq!(page("null").ok(), Some(None));
        let said = page(r#"{"words":"Back soon","allow":["192.0.2.7/32"]}"#).ok().flatten().expect("a page");
        assert_eq!((said.words.as_deref(), said.allow.len()), (Some("Back soon"), 1));
        for wrong in [r#"{"alow":["192.0.2.7/32"]}"#, r#"{"words":7}"#, "", "[]"] {
            assert!(page(wrong).is_err_and(|refusal| refusal.explain.code == "bad-request"), "{wrong}");
        }
    }

    #[test]
    fn every_endpoint_stands_in_the_table_and_every_row_is_one() {
        let (offered, documented) = (offered(), documented());
        assert!(offered.len() > 30, "{offered:?}");
        assert_eq!(offered, documented);
    }
}
