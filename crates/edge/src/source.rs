//! A client's body on its way to an upstream.
//!
//! Nothing is buffered but what a retry may need ([`KEPT_BYTES_MAX`]); a slow upstream is felt by the client.

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

use crate::timers::Timer;

/// Bound: of a request's body that is kept so that it can be sent again.
const KEPT_BYTES_MAX: usize = 64 << 10;
/// A body is judged by its rate only after the edge has waited this long for its bytes.
const RATE_AFTER_MS: u64 = 20_000;

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

    /// Whether all of it was read.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended || self.exact == Some(self.bytes)
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
