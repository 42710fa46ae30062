//! The bytes of a client's connection, watched on their way: by the guard, for the sweep, and for the parser's own answers.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::server::TlsStream;

use super::{
    ConnState,
    h2_frames::{Inbound, Outbound},
};
use crate::{
    clock::NEVER,
    guard::{Guard, Phase},
    joined::joined,
    timers::Timers,
};

/// The transport.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

/// Who reads along.
#[derive(Debug)]
enum Watch {
    Http1(Guard),
    Http2(Inbound, Outbound),
    /// The bytes are no HTTP, or nothing that follows counts.
    Nobody,
}

/// A transport whose bytes are watched: by the guard (HTTP/1.1 only) and for the sweep.
#[derive(Debug)]
pub(crate) struct ClientIo {
    stream: Stream,
    watch: Watch,
    state: Rc<ConnState>,
    /// Time at the last sweep.
    timers: Rc<Timers>,
    has_withheld: bool,
}

impl ClientIo {
    /// `line_bytes_max`: of one line of a head.
    pub(crate) fn new(
        stream: Stream,
        state: Rc<ConnState>,
        timers: Rc<Timers>,
        line_bytes_max: usize,
    ) -> Self {
        let watch = match state.is_h2.get() {
            true => Watch::Http2(Inbound::default(), Outbound::default()),
            false => Watch::Http1(Guard::new(line_bytes_max)),
        };
        Self { stream, watch, state, timers, has_withheld: false }
    }

    /// The parser has refused what came, and its client does not know yet.
    pub(crate) fn has_withheld(&self) -> bool {
        self.has_withheld
    }

    /// From here on the bytes are no HTTP.
    pub(crate) fn stop_guarding(&mut self) {
        self.watch = Watch::Nobody;
        self.state.head_since.set(NEVER);
    }

    /// hyper answers what it cannot parse by itself, with a head and nothing in it. Such bytes are told by this: no request
    /// is open, and of no answer of ours anything is left to send. They are withheld, so that the edge's page can come
    /// in their place. In doubt they pass, and the client gets hyper's.
    fn withholds(&mut self, bytes: usize) -> Option<Poll<io::Result<usize>>> {
        let is_http1 = matches!(self.watch, Watch::Http1(_));
        if !is_http1 || self.state.is_answering.get() || !self.state.is_idle() {
            return None;
        }
        self.has_withheld = true;
        Some(Poll::Ready(Ok(bytes)))
    }

    fn look(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        if buf.filled().len() == before {
            return;
        }
        let (is_in_head, is_new) = match &mut self.watch {
            Watch::Http1(guard) => {
                if let Err(passed) = guard.feed(&buf.filled()[before..]) {
                    // No parser takes a NUL in a head or where a chunk's size should stand: hyper answers 400 and closes.
                    self.state.refusal.set(guard.refusal());
                    let end = before + passed;
                    buf.filled_mut()[end] = 0;
                    buf.set_filled(end + 1);
                }
                (guard.phase() == Phase::Head, false)
            }
            Watch::Http2(frames, _) => {
                let mut unclaimed = self.state.unclaimed.get();
                let (is_new, chatter) = frames.feed(&buf.filled()[before..], &mut unclaimed);
                self.state.unclaimed.set(unclaimed);
                self.state.chatters(chatter, self.timers.now());
                (frames.is_in_head(), is_new)
            }
            Watch::Nobody => return,
        };
        let since = &self.state.head_since;
        match is_in_head {
            true if is_new || since.get() == NEVER => since.set(self.timers.now()),
            true => {}
            false => since.set(NEVER),
        }
    }

    /// Looks for what h2 says without telling anybody.
    fn sent<'a>(&mut self, mut bytes: usize, slices: impl Iterator<Item = &'a [u8]>) {
        let Watch::Http2(_, frames) = &mut self.watch else { return };
        let mut unclaimed = self.state.unclaimed.get();
        for slice in slices {
            let sent = bytes.min(slice.len());
            frames.feed(&slice[..sent], &mut unclaimed);
            bytes -= sent;
        }
        self.state.unclaimed.set(unclaimed);
    }

    /// `bytes`: that were taken, of what is ready.
    fn wrote<T>(&self, result: Poll<io::Result<T>>, bytes: impl FnOnce(&T) -> usize) -> Poll<io::Result<T>> {
        let (pace, now) = (&self.state.pace, self.timers.now());
        match &result {
            Poll::Pending => pace.blocks(now),
            Poll::Ready(taken) => pace.takes(taken.as_ref().map_or(0, bytes) as u64, now),
        }
        result
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.state.refusal.get().is_some() {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        })?;
        self.look(buf, before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(withheld) = self.withholds(bytes.len()) {
            return withheld;
        }
        let result = match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        };
        if let Poll::Ready(Ok(sent)) = result {
            self.sent(sent, std::iter::once(bytes));
        }
        self.wrote(result, |bytes| *bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(result) = joined(slices, |piece| self.as_mut().poll_write(cx, piece)) {
            return result;
        }
        if let Some(withheld) = self.withholds(slices.iter().map(|slice| slice.len()).sum()) {
            return withheld;
        }
        let result = match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        };
        if let Poll::Ready(Ok(sent)) = result {
            self.sent(sent, slices.iter().map(|slice| &**slice));
        }
        self.wrote(result, |bytes| *bytes)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_flush(cx),
        };
        // hyper flushes when nothing of its own is left, so what was answered is sent.
        if result.is_ready() && self.state.is_idle() {
            self.state.is_answering.set(false);
        }
        self.wrote(result, |()| 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
