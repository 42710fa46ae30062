//! Bodies on their way: the client's to the upstream, the upstream's (or a page of ours) to the client.
//!
//! Nothing is buffered but what a retry may need ([`KEPT_BYTES_MAX`]); a slow reader is felt at the other end.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::{flight::Flight, pool::Class, timers::Timer, upstream::Reuse};

/// Bound: of a request's body that is kept so that it can be sent again.
pub(crate) const KEPT_BYTES_MAX: usize = 64 << 10;
/// A body is judged by its rate only after the edge has waited this long for its bytes.
const RATE_AFTER_MS: u64 = 20_000;
/// An answer of unknown length that lasts longer than this is a stream.
const STREAM_AFTER: Duration = Duration::from_secs(2);

/// Causes of an answer that broke after its head, as the access log names them.
pub(crate) const UPSTREAM_IDLE: &str = "upstream-idle";
pub(crate) const UPSTREAM_BROKE_OFF: &str = "upstream-broke-off";

/// Why a request's body ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyFault {
    #[error("the request's body is larger than the route allows")]
    TooLarge,
    #[error("the request's body comes too slowly")]
    Timeout,
    #[error("the client broke off")]
    Broken,
}

/// The client's body, read once, whoever asks.
#[derive(Debug)]
pub(crate) struct Source {
    incoming: Incoming,
    /// Frames that were read, for a second reader; empty when `keep` is off.
    kept: Vec<Bytes>,
    keep: bool,
    kept_bytes: usize,
    ended: bool,
    exact: Option<u64>,
    limit: u64,
    pub(crate) bytes: u64,
    pub(crate) fault: Option<BodyFault>,
    /// When the last byte came, in the edge's milliseconds.
    pub(crate) progress_at: u64,
    timer: Timer,
    idle: Duration,
    rate_min: u64,
    waiting_since: Option<u64>,
    waited_ms: u64,
}

/// Bounds on a request's body.
pub(crate) struct SourceLimits {
    pub(crate) bytes: u64,
    pub(crate) idle: Duration,
    pub(crate) rate_min: u64,
}

impl Source {
    /// `keep`: the request may be sent twice.
    pub(crate) fn new(incoming: Incoming, keep: bool, limits: &SourceLimits, timer: Timer) -> Self {
        let exact = incoming.size_hint().exact();
        Self {
            exact,
            keep: keep && exact.is_none_or(|bytes| bytes <= KEPT_BYTES_MAX as u64),
            incoming,
            kept: Vec::new(),
            kept_bytes: 0,
            ended: false,
            limit: limits.bytes,
            bytes: 0,
            fault: None,
            progress_at: timer.now(),
            timer,
            idle: limits.idle,
            rate_min: limits.rate_min,
            waiting_since: None,
            waited_ms: 0,
        }
    }

    /// Whether another attempt can send the same body: nothing was read, or all that was read is kept.
    pub(crate) fn can_replay(&self) -> bool {
        self.fault.is_none() && (self.bytes == 0 || self.keep)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        if let Some(fault) = self.fault {
            return Poll::Ready(Some(Err(fault)));
        }
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Pending => self.wait(cx),
            Poll::Ready(None) => {
                self.ended = true;
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(_))) => self.fail(BodyFault::Broken),
            Poll::Ready(Some(Ok(frame))) => self.take(frame),
        }
    }

    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let now = self.timer.now();
        if self.waiting_since.is_none() {
            self.waiting_since = Some(now);
            self.timer.arm(self.idle);
        }
        if self.timer.expired(cx) { self.fail(BodyFault::Timeout) } else { Poll::Pending }
    }

    fn take(&mut self, frame: Frame<Bytes>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let now = self.timer.now();
        self.progress_at = now;
        self.timer.disarm();
        if let Some(since) = self.waiting_since.take() {
            self.waited_ms += now.saturating_sub(since);
        }
        let Some(data) = frame.data_ref() else { return Poll::Ready(Some(Ok(frame))) };
        self.bytes += data.len() as u64;
        if self.bytes > self.limit {
            return self.fail(BodyFault::TooLarge);
        }
        if self.waited_ms > RATE_AFTER_MS && self.bytes * 1000 / self.waited_ms < self.rate_min {
            return self.fail(BodyFault::Timeout);
        }
        if self.keep {
            self.kept_bytes += data.len();
            self.keep = self.kept_bytes <= KEPT_BYTES_MAX;
            if self.keep {
                self.kept.push(data.clone());
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn fail(&mut self, fault: BodyFault) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        self.fault = Some(fault);
        Poll::Ready(Some(Err(fault)))
    }
}

/// One attempt's view of the client's body.
#[derive(Debug, Default)]
pub(crate) struct RequestBody {
    source: Option<Rc<RefCell<Source>>>,
    /// The next kept frame to give.
    next: usize,
}

impl RequestBody {
    pub(crate) fn new(source: Option<Rc<RefCell<Source>>>) -> Self {
        Self { source, next: 0 }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let Some(source) = self.source.clone() else { return Poll::Ready(None) };
        let mut source = source.borrow_mut();
        if let Some(kept) = source.kept.get(self.next) {
            self.next += 1;
            return Poll::Ready(Some(Ok(Frame::data(kept.clone()))));
        }
        if source.ended {
            return Poll::Ready(None);
        }
        let frame = ready!(source.poll(cx));
        self.next = source.kept.len();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.source.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            None => SizeHint::with_exact(0),
            Some(source) => source.borrow().exact.map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

/// Why an answer's body ended early; the client's connection (or stream) is then broken off, so that nobody takes a
/// part for the whole.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct AnswerFault(&'static str);

/// What the client gets.
#[derive(Debug)]
pub(crate) enum EdgeBody {
    /// A page of ours, or nothing.
    Full(Option<Bytes>, Option<Box<Flight>>),
    Upstream(UpstreamBody),
}

impl EdgeBody {
    pub(crate) fn full(bytes: Bytes) -> Self {
        Self::Full((!bytes.is_empty()).then_some(bytes), None)
    }

    /// The flight ends when this body does.
    pub(crate) fn carry(&mut self, flight: Box<Flight>) {
        match self {
            Self::Full(_, carried) => *carried = Some(flight),
            Self::Upstream(body) => body.flight = flight,
        }
    }
}

/// An upstream's answer on its way.
#[derive(Debug)]
pub(crate) struct UpstreamBody {
    incoming: Incoming,
    flight: Box<Flight>,
    reuse: Option<Reuse>,
    idle: Duration,
    is_event_stream: bool,
    /// Ends at which it becomes a stream, until it has.
    becomes_stream_at: Option<u64>,
    ended: bool,
}

impl UpstreamBody {
    pub(crate) fn new(
        incoming: Incoming,
        flight: Box<Flight>,
        reuse: Reuse,
        idle: Duration,
        is_event_stream: bool,
    ) -> Self {
        let unknown_length = incoming.size_hint().exact().is_none();
        let stream_at = flight.timer.now().saturating_add(crate::clock::ms(STREAM_AFTER));
        let mut body = Self {
            incoming,
            flight,
            reuse: Some(reuse),
            idle,
            is_event_stream,
            becomes_stream_at: (unknown_length && !is_event_stream).then_some(stream_at),
            ended: false,
        };
        if is_event_stream {
            body.become_stream();
        }
        body.arm();
        body
    }

    fn become_stream(&mut self) {
        self.becomes_stream_at = None;
        if let Some(lease) = &mut self.flight.lease {
            lease.become_class(Class::Stream);
        }
    }

    /// The idle deadline, or the moment at which the answer turns out to be a stream.
    fn arm(&mut self) {
        match self.becomes_stream_at {
            Some(_) => self.flight.timer.arm(self.idle.min(STREAM_AFTER)),
            None => self.flight.timer.arm(self.idle),
        }
        let cut_at = self.flight.lease.as_ref().map_or(crate::clock::NEVER, crate::pool::Lease::cut_at);
        self.flight.timer.cut_at(cut_at);
    }

    /// What time asks for: `Some` ends the body.
    fn check_time(&mut self, cx: &mut Context<'_>, waits: bool) -> Option<Option<AnswerFault>> {
        let now = self.flight.timer.now();
        if self.becomes_stream_at.is_some_and(|at| at <= now) {
            self.become_stream();
            self.arm();
        }
        let cut_at = self.flight.lease.as_ref().map_or(crate::clock::NEVER, crate::pool::Lease::cut_at);
        if cut_at <= now {
            return Some(self.cut());
        }
        self.flight.timer.cut_at(cut_at);
        if waits && self.flight.timer.expired(cx) {
            self.flight.cause = Some(UPSTREAM_IDLE);
            return Some(Some(AnswerFault("the upstream sent nothing for too long")));
        }
        None
    }

    /// The drain's deadline: an event stream just ends, since its client comes back; all else is broken off.
    fn cut(&mut self) -> Option<AnswerFault> {
        self.flight.cause = Some("drain-deadline");
        if let Some(lease) = &self.flight.lease {
            lease.pool.cut.count(lease.class());
        }
        self.reuse = None;
        (!self.is_event_stream).then_some(AnswerFault("the drain's deadline has come"))
    }

    fn finish(&mut self) {
        self.ended = true;
        if let Some(reuse) = self.reuse.take() {
            reuse.put_back(self.flight.timer.now());
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = AnswerFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerFault>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        if let Some(end) = self.check_time(cx, polled.is_pending()) {
            self.ended = true;
            return Poll::Ready(end.map(Err));
        }
        match ready!(polled) {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    self.flight.bytes_out += data.len() as u64;
                }
                if self.incoming.is_end_stream() {
                    self.finish();
                } else {
                    self.arm();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            None => {
                self.finish();
                Poll::Ready(None)
            }
            Some(Err(_)) => {
                self.ended = true;
                self.flight.cause = Some(UPSTREAM_BROKE_OFF);
                Poll::Ready(Some(Err(AnswerFault("the upstream broke off"))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for UpstreamBody {
    fn drop(&mut self) {
        // A body without bytes is never polled: it ended with its head.
        if !self.ended && self.incoming.is_end_stream() {
            self.finish();
        }
        if !self.ended {
            self.flight.cause.get_or_insert("client-broke-off");
        }
    }
}

impl Body for EdgeBody {
    type Data = Bytes;
    type Error = AnswerFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerFault>>> {
        match &mut *self {
            Self::Upstream(body) => Pin::new(body).poll_frame(cx),
            Self::Full(bytes, flight) => Poll::Ready(bytes.take().map(|bytes| {
                if let Some(flight) = flight {
                    flight.bytes_out += bytes.len() as u64;
                }
                Ok(Frame::data(bytes))
            })),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Upstream(body) => body.is_end_stream(),
            Self::Full(bytes, _) => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Upstream(body) => body.size_hint(),
            Self::Full(bytes, _) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
        }
    }
}
