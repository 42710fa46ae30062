//! What is open for a session ends with it, in every process: its WebSocket and its streams, however the session ends.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::json;
use tokio::{net::UnixStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest, protocol::frame::coding::CloseCode},
};

use crate::{
    bench::{Bench, PASSWORD, Process},
    client::Events,
};

/// A session's end is seen each second, and the machine may be busy.
const SOON: Duration = Duration::from_secs(4);

/// A socket and a stream of one session at one process.
struct Open {
    socket: WebSocketStream<UnixStream>,
    events: Events,
}

impl Open {
    async fn at(process: &Process, token: &str, message: &str) -> Self {
        let mut request = "ws://test/api/ws".into_client_request().expect("a request");
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().expect("a header"));
        let stream = process.client.connect().await.expect("connects");
        let (socket, _) = tokio_tungstenite::client_async(request, stream).await.expect("upgrades");
        let mut events = process.client.follow(token, message, "").await;
        assert!(events.next().await.is_some(), "{}: nothing comes", process.name);
        Self { socket, events }
    }

    /// How both end: the socket's code, and the kind of the stream's last event.
    async fn ending(mut self) -> (Option<CloseCode>, String) {
        let mut code = None;
        while let Some(Ok(message)) = self.socket.next().await {
            if let Message::Close(frame) = message {
                code = frame.map(|frame| frame.code);
            }
        }
        let last = self.events.rest().await.pop();
        (code, last.map_or_else(String::new, |event| event.kind))
    }

    /// Both go on: the next word comes, and the socket is open.
    async fn goes_on(&mut self) {
        for _ in 0..3 {
            assert!(self.events.next().await.is_some(), "the stream of another session ended");
        }
        while let Ok(message) = timeout(Duration::from_millis(10), self.socket.next()).await {
            assert!(matches!(message, Some(Ok(Message::Text(_) | Message::Ping(_)))), "{message:?}");
        }
    }
}

/// An answer that takes a minute, and its message.
async fn answering(process: &Process, token: &str) -> String {
    let talk = process.client.post(token, "/api/conversations", json!({})).await.text("/id");
    let path = format!("/api/conversations/{talk}/messages");
    process.client.post(token, &path, json!({"text": "count to 60 slowly"})).await.text("/message_id")
}

#[tokio::test]
async fn what_is_open_ends_with_its_session_in_both_instances_and_nothing_else_does() {
    let bench = Bench::new();
    let webs = [bench.web("web.1.1", &[]).await, bench.web("web.1.2", &[]).await];
    let [here, there] = &webs;
    let sign_in = || here.client.sign_in("ana", PASSWORD);
    let keeps = sign_in().await;
    let message = answering(here, &keeps).await;
    let mut kept = Open::at(there, &keeps, &message).await;
    let id_of = async |token: &str| here.client.get(token, "/api/sessions").await.text("/sessions/0/id");
    let sql = |sql: &str, token_of: &str| {
        let db = rusqlite::Connection::open(bench.path("data/assistant.db")).expect("opens");
        db.busy_timeout(Duration::from_secs(5)).expect("sets");
        assert_eq!(db.execute(sql, [token_of]).expect("changes"), 1);
    };
    for way in ["sign out", "end one", "expire"] {
        let token = sign_in().await;
        let open = [Open::at(here, &token, &message).await, Open::at(there, &token, &message).await];
        let id = id_of(&token).await;
        match way {
            "sign out" => assert_eq!(here.client.post(&token, "/api/logout", json!({})).await.status, 204),
            "end one" => {
                let ended = there.client.ask(&keeps, "DELETE", &format!("/api/sessions/{id}"), &[], "").await;
                assert_eq!(ended.status, 200, "{}", ended.body);
            }
            _ => sql("UPDATE sessions SET seen_at = 1 WHERE id = ?1", &id),
        }
        let since = Instant::now();
        for open in open {
            let ending = timeout(SOON, open.ending()).await;
            let (code, last) = ending.unwrap_or_else(|_| panic!("{way}: still open after {SOON:?}"));
            assert_eq!(code, Some(CloseCode::Policy), "{way}");
            assert_ne!(last, "done", "{way}: the answer was told to its end");
        }
        assert!(since.elapsed() < SOON, "{way}: ended after {:?}", since.elapsed());
        kept.goes_on().await;
    }
    // All others, by a changed password.
    let other = sign_in().await;
    let open = Open::at(there, &other, &message).await;
    let new = json!({"old": PASSWORD, "new": "another horse"});
    assert_eq!(here.client.post(&keeps, "/api/password", new).await.status, 204);
    let (code, _) = timeout(SOON, open.ending()).await.expect("ends with the password");
    assert_eq!(code, Some(CloseCode::Policy));
    kept.goes_on().await;
    // The account, and with it every session.
    sql("DELETE FROM accounts WHERE name = ?1", "ana");
    let (code, last) = timeout(SOON, kept.ending()).await.expect("ends with the account");
    assert_eq!((code, last.as_str() == "done"), (Some(CloseCode::Policy), false));
}
