//! The control socket's server.

use std::{convert::Infallible, rc::Rc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{net::UnixListener, sync::watch};

use super::{DrainNow, DrainNowDone, ListenerStatus, LoadTable, Problem, Shutdown, ShutdownBegun, report};
use crate::{
    certificates::Told,
    director::{Director, OrderError},
};

/// Bound: of an order.
const ORDER_BYTES_MAX: usize = 64 << 10;
const PAUSE: Duration = Duration::from_millis(50);

/// What the server needs.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) director: Rc<Director>,
    pub(crate) listeners: Vec<ListenerStatus>,
    pub(crate) certificates: Told,
    /// Told once a shutdown has begun.
    pub(crate) stop: watch::Sender<bool>,
}

impl Control {
    /// Begins the drain of everything.
    pub(crate) fn shut_down(&self, within: Duration) -> ShutdownBegun {
        let open = self.director.stop(within);
        self.stop.send_replace(true);
        ShutdownBegun { pid: std::process::id(), open }
    }
}

/// Serves until it is dropped.
pub(crate) async fn serve(listener: UnixListener, control: Rc<Control>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let control = Rc::clone(&control);
        tokio::task::spawn_local(async move {
            let service = service_fn(|request| answer(Rc::clone(&control), request));
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(60));
            if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(%error, "a control connection broke");
            }
        });
    }
}

type Answer = Response<Full<Bytes>>;

async fn answer(control: Rc<Control>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let director = &control.director;
    Ok(match (request.method(), request.uri().path()) {
        (&Method::GET, "/status") => json(StatusCode::OK, &report::status(&control)),
        (&Method::GET, "/metrics") => metrics(report::metrics(&control)),
        (&Method::POST, "/table") => match order::<LoadTable>(request).await {
            Ok(order) => told(director.load(Some(order.epoch)).await),
            Err(answer) => answer,
        },
        (&Method::POST, "/drain-now") => match order::<DrainNow>(request).await {
            Ok(order) => {
                let open = director.drain_now(&order.pool).await;
                told(open.map(|open| DrainNowDone { pool: order.pool, open }))
            }
            Err(answer) => answer,
        },
        (&Method::POST, "/shutdown") => match order::<Shutdown>(request).await {
            Ok(order) => json(StatusCode::OK, &control.shut_down(order.within.0)),
            Err(answer) => answer,
        },
        (_, "/status" | "/metrics" | "/table" | "/drain-now" | "/shutdown") => {
            problem(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "this path has another method")
        }
        _ => problem(StatusCode::NOT_FOUND, "no-such-path", "there is nothing at this path"),
    })
}

async fn order<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, Answer> {
    let bad = |message: String| problem(StatusCode::BAD_REQUEST, "bad-order", &message);
    let body = Limited::new(request.into_body(), ORDER_BYTES_MAX).collect().await;
    let body = body.map_err(|error| bad(error.to_string()))?.to_bytes();
    serde_json::from_slice(&body).map_err(|error| bad(error.to_string()))
}

fn told<T: Serialize>(result: Result<T, OrderError>) -> Answer {
    let error = match result {
        Ok(done) => return json(StatusCode::OK, &done),
        Err(error) => error,
    };
    let (status, code) = match &error {
        OrderError::EpochTooLow { .. } => (StatusCode::CONFLICT, "epoch-too-low"),
        OrderError::OtherEpoch { .. } => (StatusCode::CONFLICT, "other-epoch"),
        OrderError::Stopping => (StatusCode::CONFLICT, "stopping"),
        OrderError::BadTable(_) => (StatusCode::UNPROCESSABLE_ENTITY, "bad-table"),
        OrderError::NoSuchPool(_) => (StatusCode::NOT_FOUND, "no-such-pool"),
        OrderError::NotDurable { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "not-durable"),
    };
    let mut causes = Vec::new();
    let mut cause = std::error::Error::source(&error);
    while let Some(next) = cause {
        causes.push(next.to_string());
        cause = next.source();
    }
    json(status, &Problem { code: code.to_owned(), message: error.to_string(), causes })
}

fn problem(status: StatusCode, code: &str, message: &str) -> Answer {
    json(status, &Problem { code: code.to_owned(), message: message.to_owned(), causes: Vec::new() })
}

fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    let (status, text) = match serde_json::to_vec(body) {
        Ok(text) => (status, text),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, b"{}".to_vec()),
    };
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

fn metrics(text: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}
