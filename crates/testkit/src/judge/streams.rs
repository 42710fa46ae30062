//! Event streams: each is read until its own last event.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;

use super::{
    Shared,
    client::{Client, Wrong},
    requests::instance,
    tally::{Failure, Kind},
};
use crate::fakeapp::answer;

/// Longest pause between two events that is still patience; the edge's idle time-outs are longer.
const SILENCE_MAX: Duration = Duration::from_secs(30);

pub(super) async fn run(shared: Arc<Shared>, client: usize) {
    let share = shared.load.event_every * client as u32 / shared.load.streams.max(1) as u32;
    shared.pause(share).await;
    while !shared.is_stopping() {
        let _open = shared.tally.open(Kind::Stream);
        let began = std::time::Instant::now();
        match read_one(&shared, client).await {
            Ok(by) => shared.tally.right(Kind::Stream, &by, began.elapsed()),
            Err((by, (failure, detail))) => {
                let detail = format!("{detail}, open for {:.1} s", began.elapsed().as_secs_f64());
                shared.fail(failure, Kind::Stream, began, by, detail);
                shared.pause(Duration::from_millis(100)).await;
            }
        }
    }
}

/// One stream to its end; the instance that wrote it.
async fn read_one(shared: &Shared, client: usize) -> Result<String, (Option<String>, Wrong)> {
    let nonce = shared.nonce();
    let (events, every) = (shared.load.events, shared.load.event_every.as_millis());
    let request = Request::builder()
        .uri(format!("/sse?n={events}&ms={every}"))
        .header("host", &shared.target.host)
        .header("accept", "text/event-stream")
        .header(answer::NONCE, &nonce)
        .body(Full::new(Bytes::new()))
        .expect("the parts are valid");
    let (parts, body) =
        Client::new(&shared.target, client).send(request).await.map_err(|wrong| (None, wrong))?.into_parts();
    let by = instance(&parts.headers);
    if !parts.status.is_success() {
        let failure = if by.is_none() { Failure::EdgeStatus } else { Failure::Status };
        return Err((by, (failure, parts.status.to_string())));
    }
    let text = read_to_end(body).await.map_err(|wrong| (by.clone(), wrong))?;
    check(&text, &nonce, events).map_err(|wrong| (by.clone(), wrong))?;
    Ok(by.unwrap_or_default())
}

async fn read_to_end(mut body: Incoming) -> Result<String, Wrong> {
    let mut text = Vec::new();
    loop {
        match tokio::time::timeout(SILENCE_MAX, body.frame()).await {
            Err(_) => return Err((Failure::Timeout, "the stream went silent".into())),
            Ok(None) => return Ok(String::from_utf8_lossy(&text).into_owned()),
            Ok(Some(Err(error))) => return Err((Failure::StreamCut, error.to_string())),
            Ok(Some(Ok(frame))) => text.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data)),
        }
    }
}

/// Every event once, in order, all of this nonce, the last one there.
fn check(text: &str, nonce: &str, events: u32) -> Result<(), Wrong> {
    let data: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    let foreign = data.iter().find(|line| !line.starts_with(&format!("{nonce} ")));
    if let Some(line) = foreign {
        return Err((Failure::WrongAnswer, format!("asked {nonce}, got {line}")));
    }
    let wanted = (0..=events).map(|n| format!("{nonce} {n}"));
    if data.len() <= events as usize || !text.contains("event: done") {
        return Err((Failure::StreamCut, format!("{} of {} events", data.len(), events + 1)));
    }
    if !wanted.eq(data.iter().copied()) {
        return Err((Failure::WrongDigest, "events out of order".into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(nonce: &str, events: u32) -> String {
        let event = |n| if n == events { "done" } else { "tick" };
        (0..=events).map(|n| format!("id: {n}\nevent: {}\ndata: {nonce} {n}\n\n", event(n))).collect()
    }

    #[test]
    fn a_whole_stream_is_right_and_a_cut_or_foreign_one_is_not() {
        assert_eq!(check(&text("n1", 3), "n1", 3), Ok(()));
        let whole = text("n1", 3);
        let cut = &whole[..whole.len() - 30];
        assert_eq!(check(cut, "n1", 3).map_err(|wrong| wrong.0), Err(Failure::StreamCut));
        assert_eq!(check(&text("n2", 3), "n1", 3).map_err(|wrong| wrong.0), Err(Failure::WrongAnswer));
    }
}
