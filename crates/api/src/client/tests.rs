//! The client against a socket that answers what a test tells it to, one scripted answer a connection.

use std::{path::PathBuf, sync::Arc};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixListener,
    sync::Mutex,
};

use super::{
    Client, Failure,
    follow::Seen,
    once::{Unanswered, once},
    upload,
};
use crate::{
    artifact::Artifact,
    deploy::{EventKind, Outcome, Rollback, Started},
    request_key::RequestKey,
};

struct Served {
    client: Client,
    /// The first line of each request.
    asked: Arc<Mutex<Vec<String>>>,
    /// What each request is known again by.
    keys: Arc<Mutex<Vec<Option<String>>>>,
    _dir: tempfile::TempDir,
}

/// Answers the n-th connection with the n-th text and closes it.
fn serving(answers: Vec<String>) -> Served {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("api.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let keys = Arc::new(Mutex::new(Vec::new()));
    let (heard, known_by) = (asked.clone(), keys.clone());
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = read_request(&mut stream).await;
            heard.lock().await.push(head.lines().next().unwrap_or_default().to_owned());
            let key = head.lines().find_map(|line| line.strip_prefix("idempotency-key: "));
            known_by.lock().await.push(key.map(str::to_owned));
            // A client that hangs up early is a case of its own, no failure of the test.
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    Served { client: Client::new(socket), asked, keys, _dir: dir }
}

async fn read_request(stream: &mut tokio::net::UnixStream) -> String {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let read = stream.read(&mut chunk).await.unwrap();
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes).to_string();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if read == 0 || body.len() >= length.unwrap_or(0) {
            return head.to_owned();
        }
    }
}

fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// A chunked answer that is never ended: the connection just closes.
fn cut(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n", body.len())
}

fn site() -> model::Site {
    "assistant/production".parse().unwrap()
}

const AT: &str = "2026-01-01T00:00:00.000Z";

fn note(seq: u64) -> String {
    format!(
        "{{\"seq\":{seq},\"at\":\"{AT}\",\"kind\":{{\"note\":{{\"phase\":\"gate\",\"message\":\"n\"}}}}}}\n"
    )
}

fn ended(seq: u64) -> String {
    format!(
        "{{\"seq\":{seq},\"at\":\"{AT}\",\"kind\":{{\"ended\":{{\"outcome\":\"aborted\",\"serving\":1,\"error\":null,\"report\":[]}}}}}}\n"
    )
}

#[tokio::test]
async fn without_a_keeper_it_says_how_to_start_one() {
    let dir = tempfile::tempdir().unwrap();
    let failure = Client::new(dir.path().join("api.sock")).apps().await.unwrap_err();
    let explain = failure.explain();
    assert_eq!(explain.code, "no-keeper");
    assert!(explain.help.unwrap().contains("mainstay up"));
}

#[tokio::test]
async fn a_refusal_is_told_in_the_keepers_words() {
    let served =
        serving(vec![answer("423 Locked", r#"{"code":"locked","message":"alice deploys since 12:00"}"#)]);
    let failure = served.client.resume(&site()).await.unwrap_err();
    assert!(failure.is_locked());
    assert_eq!(failure.explain().message, "alice deploys since 12:00");
    assert_eq!(*served.asked.lock().await, ["POST /v1/apps/assistant/production/resume HTTP/1.1"]);
}

#[tokio::test]
async fn an_answer_that_is_no_json_is_an_error_in_words() {
    let served = serving(vec![answer("200 OK", "<html>"), answer("502 Bad Gateway", "<html>")]);
    assert!(matches!(served.client.apps().await, Err(Failure::Garbled { .. })));
    assert!(matches!(served.client.apps().await, Err(Failure::Refused { status: 502, .. })));
}

#[tokio::test]
async fn a_deploy_is_followed_across_keepers_and_every_event_comes_once() {
    let first = cut(&(note(1) + &note(2)));
    let second = answer("503 Service Unavailable", r#"{"code":"starting","message":"not yet"}"#);
    // The second keeper tells event 2 again, as one that does not know `from` would.
    let third = cut(&(note(2) + &note(3) + &ended(4)));
    let served = serving(vec![first, second, third]);
    let mut follow =
        served.client.follow(&site(), model::DeployId("01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap()));
    let (mut seqs, mut away, mut back, mut outcome) = (Vec::new(), 0, 0, None);
    while let Some(seen) = follow.next().await.unwrap() {
        match seen {
            Seen::Event(event) => {
                seqs.push(event.seq);
                if let EventKind::Ended { outcome: end, .. } = event.kind {
                    outcome = Some(end);
                }
            }
            Seen::KeeperAway => away += 1,
            Seen::KeeperBack => back += 1,
        }
    }
    assert_eq!(seqs, [1, 2, 3, 4]);
    assert_eq!((away, back), (1, 1));
    assert_eq!(outcome, Some(Outcome::Aborted));
    let asked = served.asked.lock().await;
    assert!(asked[2].contains("events?from=3"), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_waited_for_longer_than_a_minute() {
    let dir = tempfile::tempdir().unwrap();
    let client = Client::new(dir.path().join("api.sock"));
    let before = tokio::time::Instant::now();
    let mut follow = client.follow(&site(), model::DeployId("01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap()));
    assert!(matches!(follow.next().await, Ok(Some(Seen::KeeperAway))), "it is told that one waits");
    let failure = follow.next().await.unwrap_err();
    assert!(matches!(failure, Failure::NoKeeper { .. }));
    let waited = before.elapsed().as_secs();
    assert!((60..63).contains(&waited), "{waited} s");
}

#[tokio::test]
async fn a_start_without_an_answer_is_sent_again_under_its_key_until_it_is_answered() {
    let started = r#"{"deploy":"01ARZ3NDEKTSV4RRFFQ69G5FAV","release":7}"#;
    let served = serving(vec![
        String::new(),
        answer("503 Service Unavailable", r#"{"code":"starting","message":"not yet"}"#),
        answer("200 OK", started),
        answer("200 OK", started),
    ]);
    let (site, request) = (site(), Rollback::default());
    let ask = async |key: &RequestKey| served.client.rollback(&site, key, &request).await;
    let mut told = Vec::new();
    let answered =
        once(ask, |seen| told.push(matches!(seen, Unanswered::Begins(Failure::Lost { .. })))).await;
    assert_eq!(answered.unwrap().release.0, 7);
    assert_eq!(told, [true, false], "each is told once");
    once(ask, |_| panic!("it is answered at once")).await.unwrap();
    let keys = served.keys.lock().await;
    assert!(keys[0].is_some() && keys[..3].iter().all(|key| *key == keys[0]), "{keys:?}");
    assert_ne!(keys[3], keys[0], "another request has another key");
}

#[tokio::test(start_paused = true)]
async fn what_was_not_asked_or_was_refused_is_told_at_once_and_nobody_is_asked_for_ever() {
    let lost = || Failure::Lost { what: "POST".to_owned(), cause: "it broke".to_owned() };
    let gone = || Failure::NoKeeper {
        socket: "/run/api.sock".into(),
        source: std::io::ErrorKind::ConnectionRefused.into(),
    };
    let explain = || Box::new(model::Explain::new("locked", "alice deploys"));
    for failure in [gone(), Failure::Refused { status: 423, explain: explain() }] {
        let failure = std::cell::RefCell::new(Some(failure));
        let ask = async |_: &RequestKey| -> Result<Started, Failure> {
            Err(failure.borrow_mut().take().expect("it is asked once"))
        };
        once(ask, |_| panic!("nothing is waited for")).await.unwrap_err();
    }
    let before = tokio::time::Instant::now();
    let asked = std::cell::Cell::new(0);
    let ask = async |_: &RequestKey| -> Result<Started, Failure> {
        asked.set(asked.get() + 1);
        Err(if asked.get() == 1 { lost() } else { gone() })
    };
    let failure = once(ask, |seen| assert!(matches!(seen, Unanswered::Begins(_)))).await.unwrap_err();
    assert!(matches!(failure, Failure::Lost { .. }), "it may have been done: {failure}");
    let waited = before.elapsed().as_secs();
    assert!((60..63).contains(&waited) && asked.get() > 10, "{waited} s, {} times", asked.get());
}

fn file(bytes: &[u8]) -> (tempfile::TempDir, PathBuf, Artifact) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tar");
    std::fs::write(&path, bytes).unwrap();
    (dir, path, Artifact { digest: "sha256:00".to_owned(), bytes: bytes.len() as u64 })
}

#[tokio::test]
async fn an_upload_goes_on_where_the_keeper_says_that_it_is() {
    let served = serving(vec![
        answer("200 OK", r#"{"offset":3,"complete":false}"#),
        answer("200 OK", r#"{"offset":10,"complete":true}"#),
    ]);
    let (_dir, path, artifact) = file(b"0123456789");
    let mut seen = Vec::new();
    upload::send(&served.client, &artifact, &path, |at| seen.push(at)).await.unwrap();
    assert_eq!(seen, [3, 10]);
    assert!(served.asked.lock().await[1].starts_with("PUT /v1/artifacts/sha256:00?offset=3&total=10 "));
}

#[tokio::test]
async fn a_chunk_whose_connection_broke_is_asked_about_before_anything_is_sent_again() {
    let served = serving(vec![
        answer("404 Not Found", ""),
        String::new(),
        answer("200 OK", r#"{"offset":8,"complete":false}"#),
        answer("200 OK", r#"{"offset":10,"complete":true}"#),
    ]);
    let (_dir, path, artifact) = file(b"0123456789");
    let mut seen = Vec::new();
    upload::send(&served.client, &artifact, &path, |at| seen.push(at)).await.unwrap();
    assert_eq!(seen, [0, 8, 10]);
    let asked = served.asked.lock().await;
    let methods: Vec<_> = asked.iter().map(|line| line.split(' ').next().unwrap_or_default()).collect();
    assert_eq!(methods, ["GET", "PUT", "GET", "PUT"]);
    assert!(asked[3].contains("?offset=8&total=10 "), "what arrived is not sent again: {asked:?}");
}

#[tokio::test]
async fn bytes_that_are_there_already_are_not_sent_again() {
    let served = serving(vec![answer("200 OK", r#"{"offset":10,"complete":true}"#)]);
    let (_dir, path, artifact) = file(b"0123456789");
    upload::send(&served.client, &artifact, &path, |_| {}).await.unwrap();
    assert_eq!(served.asked.lock().await.len(), 1);
}

#[tokio::test]
async fn a_file_that_shrank_while_it_was_sent_is_told() {
    let served =
        serving(vec![answer("404 Not Found", ""), answer("200 OK", r#"{"offset":5,"complete":false}"#)]);
    let (_dir, path, mut artifact) = file(b"01234");
    artifact.bytes = 10;
    let error = upload::send(&served.client, &artifact, &path, |_| {}).await.unwrap_err();
    assert!(matches!(error, upload::UploadError::Changed { found: 5, wanted: 10, .. }), "{error}");
}

#[test]
fn a_socket_that_may_not_be_opened_does_not_mean_that_nothing_runs() {
    let failure =
        |kind: std::io::ErrorKind| Failure::NoKeeper { socket: "/run/api.sock".into(), source: kind.into() };
    let denied = failure(std::io::ErrorKind::PermissionDenied).explain();
    assert_eq!(denied.code, "not-an-operator");
    assert!(!denied.message.contains("no Mainstay"));
    assert_eq!(failure(std::io::ErrorKind::NotFound).explain().code, "no-keeper");
}
