//! One HTTP/1.1 connection to an upstream: a request goes out, its answer comes in, and only when both have ended
//! whole is the connection good for another.
//!
//! Nothing runs beside it: whoever waits for the answer or its body drives both ways.

use std::{
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::{Method, StatusCode, response::Parts};
use http_body::Frame;
use tokio::io::AsyncReadExt;

use super::{
    framing::{Framing, Malformed},
    head::{self, Place},
    sending::Sending,
    transport::Transport,
};
use crate::source::RequestBody;

/// Bounds: the room for one read.
const READ_BYTES_MIN: usize = 8 << 10;
const READ_BYTES_MAX: usize = 128 << 10;
/// Bound: an answer's head.
const HEAD_BYTES_MAX: usize = 128 << 10;
/// Bound: interim answers (1xx) before the answer.
const INTERIM_MAX: u32 = 64;

/// Why there is no answer, or no more of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// No byte of the request was sent.
    #[error("the connection was closed before the request")]
    Unsent,
    /// The request may have been received, in part or whole.
    #[error("the connection broke")]
    Broken,
    #[error("no HTTP/1.1: {0}")]
    Malformed(#[from] Malformed),
}

#[derive(Debug)]
pub(crate) struct Connection {
    io: Transport,
    input: BytesMut,
    places: Vec<Place>,
    room: Room,
    sending: Sending,
    asked: Method,
    interim: u32,
    /// Of the answer that comes.
    framing: Framing,
    lives_on: bool,
}

impl Connection {
    pub(crate) fn new(io: Transport) -> Self {
        Self {
            io,
            input: BytesMut::new(),
            places: Vec::new(),
            room: Room::default(),
            sending: Sending::default(),
            asked: Method::GET,
            interim: 0,
            framing: Framing::DONE,
            lives_on: true,
        }
    }

    /// Begins an exchange; `head` writes the request line and all headers but those that frame the body.
    pub(crate) fn begin(
        &mut self,
        asked: &http::request::Parts,
        body: RequestBody,
        head: impl FnOnce(&mut Vec<u8>),
    ) {
        self.asked = asked.method.clone();
        self.interim = 0;
        self.lives_on = false;
        let says_empty = asked.headers.contains_key(http::header::CONTENT_LENGTH);
        self.sending.begin(body, says_empty, head);
    }

    /// The answer's head. Interim answers are skipped; 101 is an answer.
    pub(crate) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Parts, Fault>> {
        if self.sending.poll(&mut self.io, cx).is_err() {
            return Poll::Ready(Err(Fault::Broken));
        }
        if self.sending.is_refused() {
            return Poll::Ready(Err(Fault::Unsent));
        }
        loop {
            if let Some(parts) = self.take_head()? {
                return Poll::Ready(Ok(parts));
            }
            match ready!(self.poll_fill(cx)) {
                Ok(1..) => {}
                Ok(0) | Err(_) if self.sending.sent > 0 => return Poll::Ready(Err(Fault::Broken)),
                Ok(0) | Err(_) => return Poll::Ready(Err(Fault::Unsent)),
            }
        }
    }

    fn take_head(&mut self) -> Result<Option<Parts>, Fault> {
        while !self.input.is_empty() {
            let Some(head) = head::take(&mut self.input, &mut self.places, &self.asked)? else {
                let fits = self.input.len() <= HEAD_BYTES_MAX;
                return if fits { Ok(None) } else { Err(Malformed("a head of this size").into()) };
            };
            let is_interim = head.parts.status.is_informational();
            if !is_interim || head.parts.status == StatusCode::SWITCHING_PROTOCOLS {
                self.framing = head.framing;
                self.lives_on = head.lives_on;
                return Ok(Some(head.parts));
            }
            self.interim += 1;
            if self.interim > INTERIM_MAX {
                return Err(Malformed("interim answers without end").into());
            }
        }
        Ok(None)
    }

    /// The next piece of the answer's body.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if !self.sending.is_done() && self.sending.poll(&mut self.io, cx).is_err() {
            return Poll::Ready(Some(Err(Fault::Broken)));
        }
        loop {
            match self.framing.next(&mut self.input) {
                Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                Ok(None) if self.framing.is_done() => return Poll::Ready(None),
                Ok(None) => {}
                Err(malformed) => return Poll::Ready(Some(Err(malformed.into()))),
            }
            match ready!(self.poll_fill(cx)) {
                Ok(1..) => {}
                Ok(0) if self.framing == Framing::UntilClose => self.framing = Framing::DONE,
                Ok(0) | Err(_) => return Poll::Ready(Some(Err(Fault::Broken))),
            }
        }
    }

    /// Whether all of the answer's body was taken.
    pub(crate) fn is_ended(&self) -> bool {
        self.framing.is_done()
    }

    /// Bytes of the answer's body that are still to come, where that is known.
    pub(crate) fn left(&self) -> Option<u64> {
        self.framing.left()
    }

    /// Whether the exchange has ended whole and another may begin.
    pub(crate) fn is_free(&self) -> bool {
        self.lives_on && self.is_ended() && self.sending.is_done() && self.input.is_empty()
    }

    /// Whether the answer has ended before its request, and the upstream still takes that.
    pub(crate) fn owes_body(&self) -> bool {
        self.lives_on && self.is_ended() && !self.sending.is_done() && !self.sending.is_cut()
    }

    /// Sends on; ready once nothing is owed any more. What was sent so far is the measure of progress.
    pub(crate) fn poll_rest(&mut self, cx: &mut Context<'_>) -> (Poll<()>, u64) {
        let failed = self.sending.poll(&mut self.io, cx).is_err();
        self.lives_on &= !failed;
        let ended = if self.owes_body() { Poll::Pending } else { Poll::Ready(()) };
        (ended, self.sending.sent)
    }

    /// Whether a free connection is still open, and the upstream has said nothing that nobody asked for.
    pub(crate) fn is_quiet(&mut self, cx: &mut Context<'_>) -> bool {
        self.poll_fill(cx).is_pending()
    }

    /// The transport after a 101, and what came behind its head.
    pub(crate) fn into_parts(self) -> (Transport, Bytes) {
        (self.io, self.input.freeze())
    }

    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let awaited = self.framing.left().map_or(0, |left| usize::try_from(left).unwrap_or(usize::MAX));
        // A read that leaves room is known to have emptied the socket, so the next one needs no call to find that out.
        self.input.reserve(self.room.bytes.max(awaited).min(READ_BYTES_MAX) + 1);
        let read = ready!(pin!(Pin::new(&mut self.io).read_buf(&mut self.input)).poll(cx))?;
        self.room.was_used(read);
        Poll::Ready(Ok(read))
    }
}

/// Room for the next read: it follows what answers need, growing at once and shrinking once two in a row needed less.
#[derive(Debug)]
struct Room {
    bytes: usize,
    was_too_large: bool,
}

impl Default for Room {
    fn default() -> Self {
        Self { bytes: READ_BYTES_MIN, was_too_large: false }
    }
}

impl Room {
    fn was_used(&mut self, bytes: usize) {
        let is_too_large = bytes < self.bytes / 2;
        if bytes >= self.bytes {
            self.bytes = (2 * self.bytes).min(READ_BYTES_MAX);
        } else if is_too_large && self.was_too_large {
            self.bytes = (self.bytes / 2).max(READ_BYTES_MIN);
        }
        self.was_too_large = is_too_large && !self.was_too_large;
    }
}

#[cfg(test)]
mod tests;
