//! A client over a unix socket: one connection a request, and a reader of event streams.

use std::path::{Path, PathBuf};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::UnixStream;

use crate::bench::PATIENCE;

pub(crate) struct Client {
    socket: PathBuf,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    pub(crate) fn text(&self, pointer: &str) -> String {
        self.json()
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_else(|| panic!("no {pointer} in {}", self.body))
            .to_owned()
    }
}

/// One event of a stream.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) data: Value,
}

pub(crate) struct Events {
    body: Incoming,
    text: String,
}

impl Client {
    pub(crate) fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    pub(crate) async fn connect(&self) -> std::io::Result<UnixStream> {
        UnixStream::connect(&self.socket).await
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Option<Response<Incoming>> {
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(self.connect().await.ok()?)).await.ok()?;
        tokio::spawn(connection);
        sender.send_request(request).await.ok()
    }

    async fn whole(&self, request: Request<Full<Bytes>>) -> Option<Answer> {
        let response = self.send(request).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.ok()?.to_bytes();
        Some(Answer { status, body: String::from_utf8_lossy(&body).into_owned() })
    }

    pub(crate) async fn try_get(&self, path: &str) -> Option<Answer> {
        self.whole(Request::get(path).header("host", "test").body(Full::default()).expect("a request")).await
    }

    pub(crate) async fn get(&self, token: &str, path: &str) -> Answer {
        let request =
            Request::get(path).header("host", "test").header("authorization", format!("Bearer {token}"));
        self.whole(request.body(Full::default()).expect("a request")).await.expect("an answer")
    }

    pub(crate) async fn post(&self, token: &str, path: &str, body: Value) -> Answer {
        let request =
            Request::post(path).header("host", "test").header("authorization", format!("Bearer {token}"));
        let request = request
            .header("content-type", "application/json")
            .body(Full::from(body.to_string()))
            .expect("a request");
        self.whole(request).await.expect("an answer")
    }

    /// Any request, with headers of its own.
    pub(crate) async fn ask(
        &self,
        token: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("host", "test");
        request = request.header("authorization", format!("Bearer {token}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.whole(request.body(Full::new(body.into())).expect("a request")).await.expect("an answer")
    }

    /// Announces a file for an entry.
    pub(crate) async fn announce(&self, token: &str, entry: &str, name: &str, size: usize) -> Answer {
        let (size, name) = (size.to_string(), format!("filename {}", STANDARD.encode(name)));
        let headers = [("tus-resumable", "1.0.0"), ("upload-length", &size), ("upload-metadata", &name)];
        self.ask(token, "POST", &format!("/api/journal/{entry}/attachments"), &headers, Bytes::new()).await
    }

    pub(crate) async fn piece(&self, token: &str, id: &str, offset: usize, bytes: &[u8]) -> Answer {
        let offset = offset.to_string();
        let headers = [
            ("tus-resumable", "1.0.0"),
            ("upload-offset", offset.as_str()),
            ("content-type", "application/offset+octet-stream"),
        ];
        self.ask(token, "PATCH", &format!("/api/attachments/{id}"), &headers, bytes.to_vec()).await
    }

    /// A whole file; its id.
    pub(crate) async fn upload(&self, token: &str, entry: &str, name: &str, bytes: &[u8]) -> String {
        let id = self.announce(token, entry, name, bytes.len()).await.text("/id");
        let sent = self.piece(token, &id, 0, bytes).await;
        assert_eq!(sent.status, 204, "{}", sent.body);
        id
    }

    /// A form of a page, as a browser without a session sends it.
    pub(crate) async fn form(&self, path: &str, fields: &str) -> Answer {
        let request = Request::post(path).header("host", "test").header("accept", "text/html");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        self.whole(request.body(Full::from(fields.to_owned())).expect("a request")).await.expect("an answer")
    }

    pub(crate) async fn sign_in(&self, user: &str, password: &str) -> String {
        let answer = self.post("none", "/api/login", json!({"user": user, "password": password})).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.text("/token")
    }

    /// The stream of an answer after `from` (empty: from its start).
    pub(crate) async fn follow(&self, token: &str, message: &str, from: &str) -> Events {
        let path = format!("/api/messages/{message}/stream");
        let request = Request::get(path)
            .header("host", "test")
            .header("authorization", format!("Bearer {token}"))
            .header("last-event-id", from);
        let response = self.send(request.body(Full::default()).expect("a request")).await.expect("an answer");
        assert_eq!(response.status(), 200);
        Events { body: response.into_body(), text: String::new() }
    }
}

impl Events {
    /// `None`: the stream ended, or was cut.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                if let Some(event) = parse(&block) {
                    return Some(event);
                }
            }
            let frame = tokio::time::timeout(PATIENCE, self.body.frame())
                .await
                .expect("something comes in time")?
                .ok()?;
            self.text.push_str(&String::from_utf8_lossy(frame.data_ref()?));
        }
    }

    pub(crate) async fn rest(mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

fn parse(block: &str) -> Option<Event> {
    let field = |name: &str| {
        block.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
    };
    Some(Event {
        id: field("id:")?,
        kind: field("event:")?,
        data: serde_json::from_str(&field("data:")?).ok()?,
    })
}

/// The text that a page would show after these events.
pub(crate) fn shown(events: &[Event]) -> String {
    let mut text = String::new();
    for event in events {
        match event.kind.as_str() {
            "reset" => text.clear(),
            "text" => text.push_str(event.data["text"].as_str().unwrap_or_default()),
            _ => {}
        }
    }
    text
}
