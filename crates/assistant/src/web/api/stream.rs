//! An answer's log as server-sent events, from any point, in any process, as long as the session is not over.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::{Path, State},
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
};
use futures_util::stream;
use http::{HeaderMap, HeaderName, StatusCode};
use kit::{
    metrics::Held,
    stream::{Chunk, DONE, Follow, Position, Step, read_after},
};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::bad_query;
use crate::{
    accounts::over,
    chat::{self, Message},
    error::Result,
    ids,
    web::{App, problem::Problem, request::Params, session::SignedIn},
};

/// What a client waits before it comes again.
const RETRY: Duration = Duration::from_millis(300);

#[derive(Deserialize)]
pub(in crate::web) struct From {
    from: Option<String>,
}

pub(in crate::web) async fn stream(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    Params(query): Params<From>,
    headers: HeaderMap,
) -> std::result::Result<Response, Problem> {
    let from = position(&headers, query)?;
    let account = who.account.id;
    let message_id = id.clone();
    let begin = app.read(move |db| begin(db, &account, &message_id, from)).await?;
    let (first, follow) = match begin {
        Begin::Over => return Ok(StatusCode::NO_CONTENT.into_response()),
        Begin::Forgotten(chunks) => (chunks, None),
        Begin::Log => {
            let (db, drain) = (app.inner.db.clone(), app.inner.drain.clone());
            (Vec::new(), Some(Follow::new(db, &app.inner.live, drain, &id, from)))
        }
    };
    let open = app.inner.metrics.hold("event_streams_active");
    let session = app.inner.accounts.watch(&who.token);
    let rest = Rest { first: first.into_iter(), follow, session, hello: true, _open: open };
    let events = stream::unfold(rest, |mut rest| async move {
        rest.next().await.map(|event| (Ok::<_, Infallible>(event), rest))
    });
    // Proxies that gather answers are told not to.
    Ok(([(HeaderName::from_static("x-accel-buffering"), "no")], Sse::new(events)).into_response())
}

fn position(headers: &HeaderMap, query: From) -> std::result::Result<Option<Position>, Problem> {
    let header = headers.get("last-event-id").map(|value| value.to_str().unwrap_or("?").to_owned());
    // A browser that connects again sends the header beside the address it began with; the header is later.
    let given = header.or(query.from).filter(|text| !text.is_empty());
    given
        .map(|text| text.parse())
        .transpose()
        .map_err(|_| bad_query("Last-Event-ID and from are written attempt.seq, such as 1.17."))
}

enum Begin {
    /// All was seen.
    Over,
    /// The log is gone, the text is not.
    Forgotten(Vec<Chunk>),
    Log,
}

fn begin(db: &rusqlite::Connection, account: &str, id: &str, from: Option<Position>) -> Result<Begin> {
    let message = chat::message(db, account, id)?;
    if !message.is_over() {
        return Ok(Begin::Log);
    }
    if !read_after(db, id, from)?.is_empty() {
        return Ok(Begin::Log);
    }
    // Nothing after `from`: either it was the end, or the log was cleared away meanwhile.
    let log_is_there = !read_after(db, id, None)?.is_empty();
    let seen_whole_copy = from.is_some_and(|from| from == copy_end(&message));
    Ok(if log_is_there || seen_whole_copy {
        Begin::Over
    } else {
        Begin::Forgotten(copy(&message, from.is_some()))
    })
}

/// The end of a copy lies behind every position of the log that it stands for.
fn copy_end(message: &Message) -> Position {
    Position { attempt: message.attempt + 1, seq: 2 }
}

/// A finished message as a log of its own, for whoever comes after its log was cleared away.
fn copy(message: &Message, seen_some: bool) -> Vec<Chunk> {
    let at = |seq| Position { attempt: copy_end(message).attempt, seq };
    let text = Chunk { at: at(1), kind: "text".to_owned(), data: json!({"text": message.text}) };
    let digest = ids::hex(&Sha256::digest(message.text.as_bytes()));
    let done = Chunk {
        at: at(2),
        kind: DONE.to_owned(),
        data: json!({"status": message.status, "interrupted": message.interrupted, "chars": message.text.chars().count(), "sha256": digest}),
    };
    let reset = Chunk {
        at: at(0),
        kind: "reset".to_owned(),
        data: json!({"attempt": message.attempt, "reason": "here is the whole answer"}),
    };
    if seen_some { vec![reset, text, done] } else { vec![text, done] }
}

struct Rest {
    first: std::vec::IntoIter<Chunk>,
    follow: Option<Follow>,
    session: over::Session,
    hello: bool,
    _open: Held,
}

impl Rest {
    async fn next(&mut self) -> Option<Event> {
        if std::mem::take(&mut self.hello) {
            return Some(Event::default().retry(RETRY));
        }
        if let Some(chunk) = self.first.next() {
            return Some(event(&chunk));
        }
        let step = tokio::select! {
            step = self.follow.as_mut()?.next() => step,
            // Ended without `done`: whoever signs in anew goes on from where it was.
            () = self.session.over() => return None,
        };
        match step {
            Ok(Some(Step::Chunk(chunk))) => Some(event(&chunk)),
            Ok(Some(Step::Quiet)) => Some(Event::default().comment("still here")),
            Ok(None) => None,
            Err(error) => {
                // Ending without `done` brings the client back with its position.
                tracing::warn!(%error, "a stream was ended");
                None
            }
        }
    }
}

fn event(chunk: &Chunk) -> Event {
    Event::default().id(chunk.at.to_string()).event(&chunk.kind).data(chunk.data.to_string())
}
