//! Live changes over a WebSocket. Ends with 1012 when this process stops, with 1008 when its session is over.

use std::time::Duration;

use axum::{
    extract::{
        State,
        ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade},
    },
    response::Response,
};
use http::{HeaderMap, StatusCode};
use kit::live::{Change, ChangeWatch};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    accounts::over,
    reminders,
    web::{App, guard, json as shapes, problem::Problem, session::SignedIn},
};

const PING: Duration = Duration::from_secs(20);
/// Without a word for so long, the other side is gone.
const SILENCE: Duration = Duration::from_secs(60);
/// Bound: what a client may send at once.
const MESSAGE_BYTES_MAX: usize = 4 * 1_024;
/// RFC 6455's registry: service restart, come again.
const RESTARTING: u16 = 1012;
const AWAY: u16 = 1001;
/// Policy violation: whoever listens is signed in no more.
const SIGNED_OUT: u16 = 1008;

pub(in crate::web) async fn socket(
    State(app): State<App>,
    who: SignedIn,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Problem> {
    // A browser opens sockets to any site with that site's cookie; only our own pages may.
    if who.by_cookie && !guard::is_same_site(&headers) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "This request came from another site."));
    }
    let drain = app.inner.drain.clone();
    let session = app.inner.accounts.watch(&who.token);
    let serve = move |socket| async move {
        let listener = Listener { app, account: who.account.id, heard: Instant::now() };
        // Tracked, so that the process waits for its close frame.
        drop(drain.tracker().spawn(listener.run(socket, session)).await);
    };
    Ok(upgrade.max_message_size(MESSAGE_BYTES_MAX).on_upgrade(serve))
}

struct Listener {
    app: App,
    account: String,
    heard: Instant,
}

#[derive(Deserialize)]
struct Said {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    n: Value,
}

impl Listener {
    async fn run(mut self, mut socket: WebSocket, mut session: over::Session) {
        let _open = self.app.inner.metrics.hold("websocket_active_connections");
        let mut changes = self.app.inner.live.changes();
        let hello =
            json!({"type": "hello", "release": self.app.inner.release, "instance": self.app.inner.instance});
        if send(&mut socket, &hello).await.is_err() {
            return;
        }
        let code = self.talk(&mut socket, &mut changes, &mut session).await;
        if let Some(code) = code {
            let reason = Utf8Bytes::from_static(match code {
                RESTARTING => "restarting",
                SIGNED_OUT => "signed out",
                _ => "silence",
            });
            // The other side may be gone; then there is nobody to tell.
            let _ = socket.send(Message::Close(Some(CloseFrame { code, reason }))).await;
            // Its answering close, so that the connection ends on both sides; not waited for long.
            let _ = tokio::time::timeout(Duration::from_millis(500), socket.recv()).await;
        }
    }

    /// The code to close with; `None` when the other side left.
    async fn talk(
        &mut self,
        socket: &mut WebSocket,
        changes: &mut ChangeWatch,
        session: &mut over::Session,
    ) -> Option<u16> {
        let mut ping = tokio::time::interval(PING);
        ping.tick().await;
        let drain = self.app.inner.drain.clone();
        loop {
            let sent = tokio::select! {
                () = drain.stopping() => return Some(RESTARTING),
                () = session.over() => return Some(SIGNED_OUT),
                change = changes.next() => self.tell(socket, change).await,
                said = socket.recv() => match said {
                    Some(Ok(message)) => self.hear(socket, message).await?,
                    Some(Err(_)) | None => return None,
                },
                _ = ping.tick() => {
                    if self.heard.elapsed() > SILENCE {
                        return Some(AWAY);
                    }
                    socket.send(Message::Ping(Vec::new().into())).await
                }
            };
            if sent.is_err() {
                return None;
            }
        }
    }

    async fn tell(&self, socket: &mut WebSocket, change: Option<Change>) -> Result<(), axum::Error> {
        match change {
            Some(change) if change.account == self.account => {
                if change.kind == "reminder" {
                    self.remind(socket, &change.entity).await?;
                }
                send(socket, &json!({"type": "changed", "kind": change.kind, "id": change.entity})).await
            }
            Some(_) => Ok(()),
            // Some were missed: look at everything again.
            None => send(socket, &json!({"type": "changed", "kind": "all", "id": null})).await,
        }
    }

    /// A reminder that no page has shown yet. One that cannot be read now stands on the dashboard.
    async fn remind(&self, socket: &mut WebSocket, id: &str) -> Result<(), axum::Error> {
        let (account, id) = (self.account.clone(), id.to_owned());
        let read = self.app.read(move |db| reminders::unshown(db, &account, &id)).await;
        let Ok(Some(reminder)) = read else { return Ok(()) };
        let mut message = shapes::reminder(&reminder);
        message["type"] = json!("reminder");
        send(socket, &message).await
    }

    /// `None`: the other side closed.
    async fn hear(&mut self, socket: &mut WebSocket, message: Message) -> Option<Result<(), axum::Error>> {
        self.heard = Instant::now();
        match message {
            Message::Close(_) => None,
            Message::Text(text) => Some(match serde_json::from_str::<Said>(&text) {
                Ok(said) if said.kind == "ping" => send(socket, &json!({"type": "pong", "n": said.n})).await,
                Ok(_) | Err(_) => Ok(()),
            }),
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) => Some(Ok(())),
        }
    }
}

async fn send(socket: &mut WebSocket, message: &Value) -> Result<(), axum::Error> {
    socket.send(Message::Text(message.to_string().into())).await
}
