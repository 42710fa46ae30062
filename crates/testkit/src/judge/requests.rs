//! Clients that ask and wait: short, slow, pausing, writing.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, response::Parts};
use http_body_util::Full;

use super::{
    Shared,
    client::{Client, Wrong},
    tally::{Failure, Kind},
};
use crate::fakeapp::answer;

/// What a client asks once.
struct Asked {
    kind: Kind,
    nonce: String,
    method: Method,
    path: String,
    body: Vec<u8>,
    filler_bytes: usize,
}

/// Mixed methods and bodies, one in a hundred given up.
pub(super) async fn short(shared: Arc<Shared>, client: usize) {
    let mut connection = Client::new(&shared.target, client);
    let mut turn = client * 13;
    while !shared.is_stopping() {
        turn += 1;
        let asked = mixed(shared.nonce(), turn, shared.load.answer_bytes_max);
        if turn % 100 == 99 {
            let _ = connection.abort(asked.request(&shared), Duration::from_millis(turn as u64 % 5)).await;
            shared.tally.aborted();
        } else {
            ask(&shared, &mut connection, &asked).await;
        }
        if shared.load.fresh {
            connection.hang_up();
        }
        shared.pause(shared.load.pace).await;
    }
}

/// Requests of 500 ms, back to back on one connection: each deploy finds some of them open.
pub(super) async fn slow(shared: Arc<Shared>, client: usize) {
    let mut connection = Client::new(&shared.target, client);
    while !shared.is_stopping() {
        ask(&shared, &mut connection, &get(Kind::Slow, shared.nonce(), "/slow?ms=500&size=200", 200)).await;
    }
}

/// Sleeps on its open connection, then goes on with it.
pub(super) async fn pausing(shared: Arc<Shared>, client: usize) {
    let mut connection = Client::new(&shared.target, client);
    let clients = shared.load.pausing.max(1) as u32;
    let pause = shared.load.pause_max * (client as u32 + 1) / clients;
    while !shared.is_stopping() {
        ask(&shared, &mut connection, &get(Kind::Pausing, shared.nonce(), "/page?size=2000", 2000)).await;
        shared.pause(pause).await;
    }
}

/// POSTs that must be in the ledger once if they were acknowledged.
pub(super) async fn writing(shared: Arc<Shared>, client: usize) {
    let mut connection = Client::new(&shared.target, client);
    while !shared.is_stopping() {
        let nonce = shared.nonce();
        let body = format!("write {nonce}").into_bytes();
        let path = "/write".to_owned();
        let asked = Asked { kind: Kind::Write, nonce, method: Method::POST, path, body, filler_bytes: 0 };
        if ask(&shared, &mut connection, &asked).await {
            shared.tally.acknowledged(asked.nonce);
        }
        shared.pause(shared.load.pace).await;
    }
}

fn get(kind: Kind, nonce: String, path: &str, filler_bytes: usize) -> Asked {
    Asked { kind, nonce, method: Method::GET, path: path.to_owned(), body: Vec::new(), filler_bytes }
}

/// The `turn`-th of the mix: methods, body sizes and answer sizes of their own periods.
fn mixed(nonce: String, turn: usize, answer_bytes_max: usize) -> Asked {
    const METHODS: [Method; 6] =
        [Method::GET, Method::POST, Method::GET, Method::PUT, Method::GET, Method::DELETE];
    const BODY_BYTES: [usize; 5] = [0, 11, 1000, 0, 40_000];
    const ANSWER_BYTES: [usize; 4] = [0, 900, 30_000, 120];
    let method = METHODS[turn % METHODS.len()].clone();
    let body_bytes = if method == Method::GET { 0 } else { BODY_BYTES[turn % BODY_BYTES.len()] };
    let filler_bytes = ANSWER_BYTES[turn % ANSWER_BYTES.len()].min(answer_bytes_max);
    let body = answer::filler(&nonce, body_bytes).collect();
    Asked {
        kind: Kind::Short,
        nonce,
        method,
        path: format!("/short/{turn}?size={filler_bytes}"),
        body,
        filler_bytes,
    }
}

/// Asks and judges; `true`: a right answer.
async fn ask(shared: &Shared, connection: &mut Client, asked: &Asked) -> bool {
    let _open = shared.tally.open(asked.kind);
    let expectation = shared.expectation();
    let began = Instant::now();
    let answered = connection.ask(asked.request(shared)).await;
    let judged = answered.map_err(|wrong| (None, wrong)).and_then(|(parts, body, took)| {
        let instance = instance(&parts.headers);
        verdict(asked, &parts, &body)
            .and_then(|head| {
                let may = shared.may_answer(expectation, &head.release);
                if may { Ok(head) } else { Err(wrong_release(&head, expectation.1)) }
            })
            .map(|head| (head, took))
            .map_err(|wrong| (instance, wrong))
    });
    match judged {
        Ok((head, took)) => {
            shared.tally.right(asked.kind, &head.instance, took);
            true
        }
        Err((instance, (failure, detail))) => {
            connection.hang_up();
            let detail = format!("{} {}: {detail}", asked.method, asked.path);
            shared.fail(failure, asked.kind, began, instance, detail);
            // Without a pause a refused client would fill the table.
            shared.pause(Duration::from_millis(50)).await;
            false
        }
    }
}

fn wrong_release(head: &answer::Head, wanted: u64) -> Wrong {
    (Failure::WrongRelease, format!("release {} answered, {wanted} serves", head.release))
}

/// Whether this is the answer to what was asked, to the byte.
fn verdict(asked: &Asked, parts: &Parts, body: &[u8]) -> Result<answer::Head, Wrong> {
    if parts.status != StatusCode::OK {
        let failure = match instance(&parts.headers) {
            None if parts.status.is_server_error() => Failure::EdgeStatus,
            _ => Failure::Status,
        };
        let words: String = String::from_utf8_lossy(body).chars().take(200).collect();
        return Err((failure, format!("{}: {words}", parts.status)));
    }
    let Some((head, filler)) = answer::parse_head(body) else {
        return Err((Failure::WrongAnswer, "not an answer of the app".into()));
    };
    if head.nonce != asked.nonce {
        return Err((
            Failure::WrongAnswer,
            format!("asked {}, got the answer to {}", asked.nonce, head.nonce),
        ));
    }
    if head.digest != answer::digest(&asked.body) {
        return Err((Failure::WrongDigest, "the app saw another body".into()));
    }
    if filler.len() < asked.filler_bytes {
        return Err((Failure::ShortBody, format!("{} of {} bytes", filler.len(), asked.filler_bytes)));
    }
    if !filler.iter().copied().eq(answer::filler(&asked.nonce, asked.filler_bytes)) {
        return Err((Failure::WrongDigest, "the answer's bytes differ".into()));
    }
    Ok(head)
}

/// The instance that wrote an answer; `None`: the edge itself did.
pub(super) fn instance(headers: &HeaderMap) -> Option<String> {
    headers.get(answer::INSTANCE)?.to_str().ok().map(str::to_owned)
}

impl Asked {
    fn request(&self, shared: &Shared) -> Request<Full<Bytes>> {
        Request::builder()
            .method(self.method.clone())
            .uri(&self.path)
            .header("host", &shared.target.host)
            .header(answer::NONCE, &self.nonce)
            .body(Full::new(Bytes::from(self.body.clone())))
            .expect("the parts are valid")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(head: &answer::Head, filler_bytes: usize) -> (Parts, Vec<u8>) {
        let response = http::Response::builder().header(answer::INSTANCE, "web.1.1").body(()).expect("valid");
        (response.into_parts().0, answer::body(head, filler_bytes))
    }

    fn head(asked: &Asked) -> answer::Head {
        let digest = answer::digest(&asked.body);
        answer::Head { nonce: asked.nonce.clone(), release: "1".into(), instance: "web.1.1".into(), digest }
    }

    #[test]
    fn a_right_answer_is_right() {
        let asked = mixed("n1".into(), 1, usize::MAX);
        let (parts, body) = answered(&head(&asked), asked.filler_bytes);
        assert_eq!(verdict(&asked, &parts, &body), Ok(head(&asked)));
    }

    #[test]
    fn the_answer_to_another_is_seen() {
        let (asked, other) = (mixed("n1".into(), 1, usize::MAX), mixed("n2".into(), 1, usize::MAX));
        let (parts, body) = answered(&head(&other), other.filler_bytes);
        assert_eq!(verdict(&asked, &parts, &body).map_err(|wrong| wrong.0), Err(Failure::WrongAnswer));
    }

    #[test]
    fn a_missing_byte_a_changed_byte_and_a_changed_request_are_seen() {
        let asked = mixed("n1".into(), 2, usize::MAX);
        let (parts, body) = answered(&head(&asked), asked.filler_bytes);
        let shorter = &body[..body.len() - 1];
        assert_eq!(verdict(&asked, &parts, shorter).map_err(|wrong| wrong.0), Err(Failure::ShortBody));
        let mut changed = body.clone();
        *changed.last_mut().expect("a byte") ^= 1;
        assert_eq!(verdict(&asked, &parts, &changed).map_err(|wrong| wrong.0), Err(Failure::WrongDigest));
        let lied = answer::Head { digest: answer::digest(b"other"), ..head(&asked) };
        let (parts, body) = answered(&lied, asked.filler_bytes);
        assert_eq!(verdict(&asked, &parts, &body).map_err(|wrong| wrong.0), Err(Failure::WrongDigest));
    }

    #[test]
    fn a_5xx_without_an_instance_is_the_edges() {
        let asked = mixed("n1".into(), 2, usize::MAX);
        let parts = http::Response::builder().status(502).body(()).expect("valid").into_parts().0;
        assert_eq!(
            verdict(&asked, &parts, b"bad gateway").map_err(|wrong| wrong.0),
            Err(Failure::EdgeStatus)
        );
    }
}
