//! How a process listens, and how it lets its connections go.

use std::{os::fd::OwnedFd, os::unix::net::UnixListener, process::Stdio, time::Duration};

use futures_util::{SinkExt, StreamExt};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{
    Message, client::IntoClientRequest, protocol::frame::coding::CloseCode,
};

use crate::{
    bench::{Bench, PATIENCE, begin, is_gone},
    client::Client,
};

#[tokio::test]
async fn websockets_tell_changes_of_other_processes_and_close_with_1012() {
    let bench = Bench::new();
    let (mut one, other) = (bench.web("web.1.1", &[]).await, bench.web("web.1.2", &[]).await);
    let (token, _) = begin(&one).await;
    let mut request = "ws://test/api/ws".into_client_request().expect("a request");
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().expect("a header"));
    let stream = one.client.connect().await.expect("connects");
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await.expect("upgrades");
    let hello = next(&mut socket).await;
    assert_eq!((hello["type"].as_str(), hello["instance"].as_str()), (Some("hello"), Some("web.1.1")));
    socket.send(Message::text(r#"{"type":"ping","n":7}"#)).await.expect("sends");
    assert_eq!(next(&mut socket).await, json!({"type": "pong", "n": 7}));
    let task = other.client.post(&token, "/api/tasks", json!({"title": "Pay rent"})).await.text("/task/id");
    assert_eq!(next(&mut socket).await, json!({"type": "changed", "kind": "task", "id": task}));

    one.signal(Signal::TERM);
    let closed = tokio::time::timeout(PATIENCE, socket.next())
        .await
        .expect("in time")
        .expect("a message")
        .expect("no error");
    let Message::Close(Some(frame)) = closed else { panic!("{closed:?} is no close") };
    assert_eq!(frame.code, CloseCode::Restart);
    assert!(one.end().await.success());
    assert!(is_gone(&bench.path("web.1.1.sock")), "its socket is left behind");
}

async fn next<S>(socket: &mut tokio_tungstenite::WebSocketStream<S>) -> Value
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    loop {
        let message = tokio::time::timeout(PATIENCE, socket.next())
            .await
            .expect("in time")
            .expect("a message")
            .expect("no error");
        if let Message::Text(text) = message {
            return serde_json::from_str(&text).expect("JSON");
        }
    }
}

#[tokio::test]
async fn a_socket_that_is_handed_over_as_descriptor_3_is_served() {
    let bench = Bench::new();
    let path = bench.path("handed.sock");
    let listener = UnixListener::bind(&path).expect("binds");
    let binary = env!("CARGO_BIN_EXE_assistant");
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "exec 3<&0 </dev/null; exec \"$0\" web", binary]).env_clear();
    command
        .env("ASSISTANT_DATA", bench.path("data"))
        .env("LISTEN_FDS", "1")
        .env("LOG_LEVEL", "warn")
        .stdin(Stdio::from(OwnedFd::from(listener)));
    let mut child = command.spawn().expect("starts");
    // The connection waits in the socket's queue until the process is there.
    let answer = tokio::time::timeout(PATIENCE, Client::new(&path).try_get("/api/version")).await;
    let _ = child.kill();
    let _ = child.wait();
    let answer = answer.expect("in time").expect("an answer");
    assert_eq!((answer.status, answer.json()["schema"].clone()), (200, json!(10)));
}

#[tokio::test]
async fn a_socket_file_of_a_killed_process_is_no_obstacle_and_one_in_use_is() {
    let bench = Bench::new();
    let mut one = bench.web("web.1.1", &[]).await;
    let listen = format!("unix:{}", bench.path("web.1.1.sock").display());
    let taken = bench.command(&[]).args(["web", "--listen", &listen]).output().expect("runs");
    assert!(!taken.status.success());
    assert!(String::from_utf8_lossy(&taken.stderr).contains("cannot listen on"), "{taken:?}");
    one.kill();
    assert!(!is_gone(&bench.path("web.1.1.sock")), "a killed process cleans nothing");
    bench.web("web.1.1", &[]).await;
}

#[tokio::test]
async fn a_worker_answers_and_stops_when_told() {
    let bench = Bench::new();
    let web = bench.web("web.1.1", &[]).await;
    let (token, conversation) = begin(&web).await;
    web.signal(Signal::USR1);
    let mut worker =
        bench.command(&[("MAINSTAY_INSTANCE", "worker.1.1")]).arg("worker").spawn().expect("starts");
    let id = crate::bench::say(&web, &token, &conversation, "count to 5").await;
    let seen = web.client.follow(&token, &id, "").await.rest().await;
    let pid = i32::try_from(worker.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a process");
    rustix::process::kill_process(pid, Signal::TERM).expect("a signal");
    let ended = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Some(status) = worker.try_wait().expect("waits") {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let ended = ended.await;
    let _ = worker.kill();
    assert_eq!(crate::client::shown(&seen), crate::bench::counted(5));
    assert!(ended.expect("in time").success());
}
