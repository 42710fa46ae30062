//! What an upstream may say, and what it comes to. hyper's client is the oracle: what it does not take, we do not
//! take, and what both take both understand alike.

use std::future::poll_fn;

use http::Request;
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use super::*;

const WORDS: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n";

/// An answer as it was understood.
#[derive(Debug, PartialEq, Eq)]
struct Understood {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

fn understood(head: &Parts, body: Vec<u8>) -> Understood {
    let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.as_str().to_owned(), value.as_bytes().to_vec())
    };
    let mut headers: Vec<_> = head.headers.iter().map(line).collect();
    headers.sort();
    Understood { status: head.status.as_u16(), headers, body }
}

fn asked(method: Method) -> http::request::Parts {
    Request::builder().method(method).body(()).unwrap().into_parts().0
}

/// An upstream that says `pieces`, each on its own, once it was asked, and closes unless `stays`.
fn upstream(pieces: Vec<Vec<u8>>, stays: bool) -> UnixStream {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    tokio::spawn(async move {
        let mut request = [0; 1024];
        let _ = theirs.read(&mut request).await;
        for piece in pieces {
            let _ = theirs.write_all(&piece).await;
            tokio::task::yield_now().await;
        }
        if stays {
            let _ = theirs.read(&mut request).await;
        }
    });
    ours
}

/// What we make of it, and whether the connection would be used again.
async fn by_us(method: Method, pieces: Vec<Vec<u8>>, stays: bool) -> Result<(Understood, bool), Fault> {
    let mut connection = Connection::new(Transport::Unix(upstream(pieces, stays)));
    connection.begin(&asked(method), RequestBody::default(), |to| to.extend_from_slice(WORDS));
    let head = poll_fn(|cx| connection.poll_head(cx)).await?;
    let mut body = Vec::new();
    while let Some(frame) = poll_fn(|cx| connection.poll_frame(cx)).await {
        body.extend_from_slice(&frame?.into_data().unwrap_or_default());
    }
    Ok((understood(&head, body), connection.is_free()))
}

async fn by_hyper(method: Method, pieces: Vec<Vec<u8>>) -> Option<Understood> {
    let io = TokioIo::new(upstream(pieces, false));
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let request = Request::builder().method(method).header("host", "a").body(String::new()).unwrap();
    let (head, body) = sender.send_request(request).await.ok()?.into_parts();
    Some(understood(&head, body.collect().await.ok()?.to_bytes().to_vec()))
}

fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime
        .block_on(async { tokio::time::timeout(std::time::Duration::from_secs(20), future).await.unwrap() })
}

/// What we say of `answer` to `method`: status, body, and whether the connection is used again.
fn said(method: Method, answer: &str) -> Result<(u16, String, bool), String> {
    let (understood, is_free) =
        run(by_us(method, vec![answer.into()], true)).map_err(|fault| fault.to_string())?;
    Ok((understood.status, String::from_utf8(understood.body).unwrap(), is_free))
}

#[test]
fn a_body_ends_where_its_head_says() {
    let taken = |status, body: &str, is_free| Ok((status, body.to_owned(), is_free));
    let get = |answer: &str| said(Method::GET, answer);
    assert_eq!(get("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"), taken(200, "hi", true));
    assert_eq!(get("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), taken(200, "", true));
    assert_eq!(get("HTTP/1.1 204 None\r\n\r\n"), taken(204, "", true));
    // Whether the nine bytes follow is not known, so nothing is asked after them.
    assert_eq!(get("HTTP/1.1 204 None\r\ncontent-length: 9\r\n\r\n"), taken(204, "", false));
    assert_eq!(get("HTTP/1.1 304 Same\r\ncontent-length: 9\r\n\r\n"), taken(304, "", true));
    assert_eq!(get("HTTP/1.1 304 Same\r\ntransfer-encoding: chunked\r\n\r\n"), taken(304, "", false));
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n";
    assert_eq!(get(&format!("{chunked}2;a=b\r\nhi\r\n1\r\n!\r\n0\r\n\r\n")), taken(200, "hi!", true));
    assert_eq!(get(&format!("{chunked}1\r\n!\r\n0\r\nx-sum: 1\r\n\r\n")), taken(200, "!", true));
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n";
    assert_eq!(said(Method::HEAD, head), taken(200, "", true));
}

#[test]
fn interim_answers_are_skipped_and_a_switch_is_an_answer() {
    let early = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    let answer = format!("{early}HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi");
    assert_eq!(said(Method::GET, &answer), Ok((200, "hi".to_owned(), true)));
    let switched = said(Method::GET, "HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\nraw");
    assert_eq!(switched, Ok((101, String::new(), false)));
    let endless = "HTTP/1.1 100 Continue\r\n\r\n".repeat(100);
    assert!(said(Method::GET, &endless).unwrap_err().contains("interim"));
}

#[test]
fn a_connection_is_used_again_only_where_both_sides_say_so() {
    for (answer, is_free) in [
        ("HTTP/1.1 200 OK\r\nconnection: x, Close\r\ncontent-length: 0\r\n\r\n", false),
        ("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", false),
        ("HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nwhat nobody asked for", false),
    ] {
        assert_eq!(said(Method::GET, answer).unwrap().2, is_free, "{answer}");
    }
}

#[test]
fn an_answer_without_a_length_ends_with_its_connection() {
    let answer = b"HTTP/1.1 200 OK\r\n\r\nhi".to_vec();
    let (understood, is_free) = run(by_us(Method::GET, vec![answer], false)).unwrap();
    assert_eq!((understood.body.as_slice(), is_free), (&b"hi"[..], false));
}

#[test]
fn what_could_be_understood_in_two_ways_is_refused() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nhi!",
        "HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n\r\n",
        "HTTP/1.1 200 OK\r\nfolded: a\r\n b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nspaced : a\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "hello\r\n\r\n",
    ] {
        assert!(said(Method::GET, answer).unwrap_err().contains("no HTTP/1.1"), "{answer}");
    }
}

#[test]
fn what_has_no_end_is_refused() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let lines = "x: y\r\n".repeat(200);
    for answer in [
        format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(2 * HEAD_BYTES_MAX)),
        format!("HTTP/1.1 200 OK\r\n{lines}\r\n"),
        format!("{chunked}1;{}", "y".repeat(10_000)),
        format!("{chunked}0\r\nx: {}", "y".repeat(40_000)),
        format!("{chunked}0\r\n{lines}\r\n"),
    ] {
        assert!(said(Method::GET, &answer).unwrap_err().contains("no HTTP/1.1"), "{}", &answer[..60]);
    }
}

#[test]
fn a_part_is_never_taken_for_the_whole() {
    for answer in [
        "",
        "HTTP/1.1 200 OK\r\ncontent-le",
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhi",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n",
    ] {
        let fault = run(by_us(Method::GET, vec![answer.into()], false)).unwrap_err();
        assert!(matches!(fault, Fault::Broken), "{answer}: {fault}");
    }
}

#[test]
fn a_connection_that_was_closed_before_the_request_got_none_of_it() {
    run(async {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        let mut connection = Connection::new(Transport::Unix(ours));
        connection.begin(&asked(Method::POST), RequestBody::default(), |to| to.extend_from_slice(WORDS));
        let fault = poll_fn(|cx| connection.poll_head(cx)).await.unwrap_err();
        assert!(matches!(fault, Fault::Unsent), "{fault}");
    });
}

/// Answers of every shape, most of them sound, some spoiled in one place.
fn answers() -> impl Strategy<Value = Vec<u8>> {
    let body = proptest::collection::vec(any::<u8>(), 0..300);
    let headers = proptest::collection::vec("[a-z-]{1,12}: {0,2}[ -~]{0,20}", 0..5);
    let head = ("HTTP/1\\.[01] [1-5][0-9]{2} ?[A-Za-z ]{0,10}", headers);
    let shape = (0..4_u8, 1..80_usize, any::<bool>());
    let spoiled = proptest::option::weighted(0.4, (any::<prop::sample::Index>(), any::<u8>()));
    (head, body, shape, spoiled).prop_map(|((line, headers), body, (shape, chunk, trailer), spoiled)| {
        let mut answer = format!("{line}\r\n").into_bytes();
        headers.iter().for_each(|header| answer.extend_from_slice(format!("{header}\r\n").as_bytes()));
        match shape {
            0 => answer.extend_from_slice(b"\r\n"),
            1 => answer.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes()),
            _ => answer.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n"),
        }
        if shape < 2 {
            answer.extend_from_slice(&body);
        } else {
            for piece in body.chunks(chunk) {
                answer.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                answer.extend_from_slice(piece);
                answer.extend_from_slice(b"\r\n");
            }
            answer.extend_from_slice(if trailer { b"0\r\nx-sum: 1\r\n\r\n" } else { b"0\r\n\r\n" });
        }
        if let Some((at, byte)) = spoiled {
            let at = at.index(answer.len());
            answer[at] = byte;
        }
        answer
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn what_we_take_hyper_takes_alike(answer in answers(), is_head in any::<bool>()) {
        let method = || if is_head { Method::HEAD } else { Method::GET };
        // hyper waits for an upgrade behind a 101 that it was not asked to expect.
        prop_assume!(!answer.starts_with(b"HTTP/1.1 101") && !answer.starts_with(b"HTTP/1.0 101"));
        if let Ok((ours, _)) = run(by_us(method(), vec![answer.clone()], false)) {
            let theirs = run(by_hyper(method(), vec![answer]));
            prop_assert_eq!(theirs.as_ref(), Some(&ours));
        }
    }

    #[test]
    fn where_the_bytes_are_cut_makes_no_difference(answer in answers(), size in 1..40_usize) {
        let pieces = answer.chunks(size).map(<[u8]>::to_vec).collect();
        let at_once = run(by_us(Method::GET, vec![answer], false)).map_err(|fault| fault.to_string());
        let in_pieces = run(by_us(Method::GET, pieces, false)).map_err(|fault| fault.to_string());
        prop_assert_eq!(at_once, in_pieces);
    }
}
