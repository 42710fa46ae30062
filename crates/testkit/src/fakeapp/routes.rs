//! What the fake app answers.

use std::{
    convert::Infallible,
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{
        DefaultBodyLimit, Path, Query, State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use serde::Deserialize;
use tokio::time::sleep;

use super::{answer, settings::Settings};

struct App {
    settings: Settings,
    began: Instant,
    /// What `/plain/…` answers; made once, so that a benchmark measures who is before the app.
    plain: Bytes,
    answered: AtomicU64,
    written: AtomicU64,
}

/// Of so many writes one takes long.
const WRITES_PER_SLOW_ONE: u64 = 4;

/// Longest answer of `/plain/{bytes}`.
const PLAIN_BYTES_MAX: usize = 64 << 10;

/// What a request may ask of its answer.
#[derive(Deserialize)]
struct Wanted {
    /// Bytes of filler.
    #[serde(default)]
    size: usize,
    /// Time before the answer, or between two events.
    #[serde(default)]
    ms: u64,
    /// Events of a stream.
    #[serde(default = "ten")]
    n: u32,
}

fn ten() -> u32 {
    10
}

pub(super) fn router(settings: &Settings) -> Router {
    let app = Arc::new(App {
        settings: settings.clone(),
        began: Instant::now(),
        plain: vec![b'x'; PLAIN_BYTES_MAX].into(),
        answered: AtomicU64::new(0),
        written: AtomicU64::new(0),
    });
    Router::new()
        .route("/plain/{bytes}", get(plain))
        .route("/ready", get(ready))
        .route("/up", get(echo))
        .route("/sse", get(events))
        .route("/ws", any(socket))
        .route("/write", post(write))
        .route("/version", get(version))
        .route("/exit", any(async || -> Response { exit().await }))
        .fallback(echo)
        .layer(DefaultBodyLimit::disable())
        .with_state(app)
}

async fn ready(State(app): State<Arc<App>>) -> Response {
    if app.settings.ails("crash") {
        exit().await
    }
    if app.began.elapsed() < app.settings.ready_after || app.settings.ails("unready") {
        return (StatusCode::SERVICE_UNAVAILABLE, "not ready yet").into_response();
    }
    app.answer_with(app.settings.status, "ready", &[], 0).await
}

async fn version(State(app): State<Arc<App>>) -> Response {
    let release = app.settings.release.parse::<u64>().unwrap_or(0);
    axum::Json(serde_json::json!({ "release": release, "instance": app.settings.instance })).into_response()
}

/// Any method, any path: the nonce and the digest of the body come back.
async fn echo(
    State(app): State<Arc<App>>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    sleep(Duration::from_millis(wanted.ms)).await;
    app.answer(nonce(&headers), &body, wanted.size).await
}

/// Appends the nonce to the ledger before it answers: an acknowledged write stands there exactly once. An app that dies
/// in between has applied what nobody may send again.
async fn write(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    let nonce = nonce(&headers).to_owned();
    if let Some(path) = &app.settings.ledger {
        let line = format!("{nonce} {}\n", app.settings.instance);
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        // One `write` of a short line to an O_APPEND file is not torn between processes.
        if let Err(error) = file.and_then(|mut file| file.write_all(line.as_bytes())) {
            return (StatusCode::INTERNAL_SERVER_ERROR, format!("ledger: {error}")).into_response();
        }
    }
    if app.written.fetch_add(1, Ordering::Relaxed).is_multiple_of(WRITES_PER_SLOW_ONE) {
        sleep(app.settings.write).await;
    }
    app.answer(&nonce, &body, 0).await
}

/// So many bytes, at no cost.
async fn plain(State(app): State<Arc<App>>, Path(bytes): Path<usize>) -> Bytes {
    app.plain.slice(..bytes.min(PLAIN_BYTES_MAX))
}

async fn exit() -> ! {
    eprintln!("fakeapp: asked to crash");
    std::process::exit(7)
}

/// `n` events, `ms` apart, each with the nonce; the last is `done`.
async fn events(State(app): State<Arc<App>>, Query(wanted): Query<Wanted>, headers: HeaderMap) -> Response {
    let nonce = nonce(&headers).to_owned();
    let stream = futures_util::stream::unfold(0_u32, move |sent| {
        let nonce = nonce.clone();
        async move {
            if sent > wanted.n {
                return None;
            }
            sleep(Duration::from_millis(wanted.ms)).await;
            let event = if sent == wanted.n { "done" } else { "tick" };
            let text = format!("id: {sent}\nevent: {event}\ndata: {nonce} {sent}\n\n");
            Some((Ok::<_, Infallible>(Bytes::from(text)), sent + 1))
        }
    });
    app.dress(
        Response::builder().header("content-type", "text/event-stream").header("cache-control", "no-store"),
    )
    .body(Body::from_stream(stream))
    .expect("the parts are valid")
}

async fn socket(State(app): State<Arc<App>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(move |socket| talk(app, socket))
}

/// Says who it is, then echoes.
async fn talk(app: Arc<App>, mut socket: WebSocket) {
    let hello = format!("hello {} {}", app.settings.release, app.settings.instance);
    if socket.send(Message::Text(hello.into())).await.is_err() {
        return;
    }
    while let Some(Ok(message)) = socket.recv().await {
        match message {
            Message::Text(_) | Message::Binary(_) => {
                if socket.send(message).await.is_err() {
                    return;
                }
            }
            Message::Close(_) => return,
            Message::Ping(_) | Message::Pong(_) => {}
        }
    }
}

impl App {
    async fn answer(&self, nonce: &str, request_body: &[u8], filler_bytes: usize) -> Response {
        sleep(self.settings.slowness()).await;
        self.answer_with(self.status(), nonce, request_body, filler_bytes).await
    }

    async fn answer_with(
        &self,
        status: u16,
        nonce: &str,
        request_body: &[u8],
        filler_bytes: usize,
    ) -> Response {
        if self.settings.hang {
            std::future::pending::<()>().await;
        }
        // Written to, so that it is there.
        std::mem::forget(vec![1_u8; self.settings.leak_kib << 10]);
        let head = answer::Head {
            nonce: nonce.to_owned(),
            release: self.settings.release.clone(),
            instance: self.settings.instance.clone(),
            digest: answer::digest(request_body),
        };
        self.dress(Response::builder().status(status))
            .header(answer::NONCE, nonce)
            .body(Body::from(answer::body(&head, filler_bytes)))
            .expect("the parts are valid")
    }

    /// Of an answer to users.
    fn status(&self) -> u16 {
        let count = self.answered.fetch_add(1, Ordering::Relaxed);
        let fails =
            self.settings.ails("500") || (count.is_multiple_of(3) && self.settings.ails("every-third"));
        if fails { 500 } else { self.settings.status }
    }

    fn dress(&self, builder: http::response::Builder) -> http::response::Builder {
        builder
            .header(answer::RELEASE, &self.settings.release)
            .header(answer::INSTANCE, &self.settings.instance)
    }
}

fn nonce(headers: &HeaderMap) -> &str {
    headers.get(answer::NONCE).and_then(|value| value.to_str().ok()).unwrap_or("-")
}
