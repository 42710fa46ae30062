//! A request on its way to an upstream: the head, then the client's body as it comes.

use std::{
    io::IoSlice,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http_body::Body;
use tokio::io::AsyncWrite;

use super::transport::Transport;
use crate::source::RequestBody;

/// What is still to be sent. Its room is kept from one request to the next.
#[derive(Debug, Default)]
pub(super) struct Sending {
    /// The head, and between the pieces of a body what frames them.
    lines: Vec<u8>,
    lines_sent: usize,
    piece: Bytes,
    body: RequestBody,
    rest: Rest,
    /// Bytes of this request that have left.
    pub(super) sent: u64,
    /// The upstream takes no more; it may still have an answer.
    is_cut: bool,
}

/// How the rest of the body is framed (RFC 9112 6).
#[derive(Clone, Copy, Debug, Default)]
enum Rest {
    #[default]
    Nothing,
    Length(u64),
    Chunked {
        is_first: bool,
    },
}

/// The client's part of the exchange has failed; [`crate::source::Source::fault`] says why.
#[derive(Debug)]
pub(super) struct SourceFailed;

impl Sending {
    /// `head` writes the request line and headers without those that frame a body. `says_empty`: the client has said
    /// that its body is empty, so we say it too.
    pub(super) fn begin(&mut self, body: RequestBody, says_empty: bool, head: impl FnOnce(&mut Vec<u8>)) {
        self.lines.clear();
        self.lines_sent = 0;
        self.sent = 0;
        head(&mut self.lines);
        self.rest = match (body.is_end_stream(), body.size_hint().exact()) {
            (true, _) => {
                self.lines.extend_from_slice(if says_empty { b"content-length: 0\r\n" } else { b"" });
                Rest::Nothing
            }
            (false, Some(length)) => {
                self.lines.extend_from_slice(b"content-length: ");
                self.lines.extend_from_slice(length.to_string().as_bytes());
                self.lines.extend_from_slice(b"\r\n");
                Rest::Length(length)
            }
            (false, None) => {
                self.lines.extend_from_slice(b"transfer-encoding: chunked\r\n");
                Rest::Chunked { is_first: true }
            }
        };
        self.lines.extend_from_slice(b"\r\n");
        self.body = body;
    }

    /// Whether all has been sent.
    pub(super) fn is_done(&self) -> bool {
        !self.is_cut && matches!(self.rest, Rest::Nothing) && !self.has_more()
    }

    /// Whether the connection was closed before it took anything.
    pub(super) fn is_refused(&self) -> bool {
        self.is_cut && self.sent == 0
    }

    /// Whether the upstream takes no more, so that the rest stays unsent.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    fn has_more(&self) -> bool {
        self.lines_sent < self.lines.len() || !self.piece.is_empty()
    }

    /// Sends what can be sent now; the task is woken when more can. Whether the upstream takes it is for its answer to say.
    pub(super) fn poll(&mut self, io: &mut Transport, cx: &mut Context<'_>) -> Result<(), SourceFailed> {
        while !self.is_cut {
            self.gather(cx)?;
            if !self.has_more() {
                break;
            }
            match self.write(io, cx) {
                Poll::Pending => break,
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0) | Err(_)) => self.is_cut = true,
            }
        }
        Ok(())
    }

    /// Takes the next piece of the body if there is one and none waits to be sent.
    fn gather(&mut self, cx: &mut Context<'_>) -> Result<(), SourceFailed> {
        while self.piece.is_empty() && !matches!(self.rest, Rest::Nothing) {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => break,
                Poll::Ready(Some(Err(_))) => return Err(SourceFailed),
                // A client's trailers end here: apps would take them for headers that we have judged.
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => self.frame(data)?,
                    _ => {}
                },
                Poll::Ready(None) => self.end()?,
            }
        }
        Ok(())
    }

    fn frame(&mut self, data: Bytes) -> Result<(), SourceFailed> {
        self.forget_sent_lines();
        match &mut self.rest {
            Rest::Nothing => {}
            Rest::Length(left) => {
                *left = left.checked_sub(data.len() as u64).ok_or(SourceFailed)?;
                if *left == 0 {
                    self.rest = Rest::Nothing;
                }
            }
            Rest::Chunked { is_first } => {
                let line_end = if *is_first { "" } else { "\r\n" };
                *is_first = false;
                self.lines.extend_from_slice(format!("{line_end}{:x}\r\n", data.len()).as_bytes());
            }
        }
        self.piece = data;
        Ok(())
    }

    fn end(&mut self) -> Result<(), SourceFailed> {
        self.forget_sent_lines();
        match std::mem::take(&mut self.rest) {
            Rest::Nothing | Rest::Length(0) => Ok(()),
            // Shorter than it said: the upstream must not take it for whole.
            Rest::Length(_) => Err(SourceFailed),
            Rest::Chunked { is_first } => {
                self.lines.extend_from_slice(if is_first { b"0\r\n\r\n" } else { b"\r\n0\r\n\r\n" });
                Ok(())
            }
        }
    }

    fn forget_sent_lines(&mut self) {
        self.lines.drain(..self.lines_sent);
        self.lines_sent = 0;
    }

    fn write(&mut self, io: &mut Transport, cx: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        let lines = &self.lines[self.lines_sent..];
        let io = Pin::new(io);
        let written = if self.piece.is_empty() {
            ready!(io.poll_write(cx, lines))?
        } else {
            ready!(io.poll_write_vectored(cx, &[IoSlice::new(lines), IoSlice::new(&self.piece)]))?
        };
        self.sent += written as u64;
        let of_lines = written.min(lines.len());
        self.lines_sent += of_lines;
        self.piece.advance(written - of_lines);
        Poll::Ready(Ok(written))
    }
}
