//! Answers' bodies on their way to the client: an upstream's, or a page of ours.
//!
//! Nothing is buffered; a slow client is felt by the upstream.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::{
    encode::Encoder,
    flight::Flight,
    h2::stall,
    pool::Class,
    upstream::{Connection, Home, send_rest},
};

/// An answer of unknown length that lasts longer than this is a stream.
const STREAM_AFTER: Duration = Duration::from_secs(2);

/// Causes of an answer that broke after its head, as the access log names them.
pub(crate) const UPSTREAM_IDLE: &str = "upstream-idle";
pub(crate) const UPSTREAM_BROKE_OFF: &str = "upstream-broke-off";
/// Its client took nothing for too long, or next to nothing.
const SEND_TIMEOUT: &str = "send-timeout";

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
    /// Until all has come, or no more is wanted.
    connection: Option<Box<Connection>>,
    home: Home,
    flight: Box<Flight>,
    idle: Duration,
    is_event_stream: bool,
    /// Ends at which it becomes a stream, until it has.
    becomes_stream_at: Option<u64>,
    /// Takes what comes and gives what the client gets.
    encoder: Option<Box<Encoder>>,
    /// What comes behind the encoder's last bytes.
    trailers: Option<Frame<Bytes>>,
}

impl UpstreamBody {
    pub(crate) fn new(
        connection: Box<Connection>,
        home: Home,
        flight: Box<Flight>,
        idle: Duration,
        is_event_stream: bool,
    ) -> Self {
        let unknown_length = connection.left().is_none();
        let stream_at = flight.timer.now().saturating_add(crate::clock::ms(STREAM_AFTER));
        let mut body = Self {
            connection: Some(connection),
            home,
            flight,
            idle,
            is_event_stream,
            becomes_stream_at: (unknown_length && !is_event_stream).then_some(stream_at),
            encoder: None,
            trailers: None,
        };
        if is_event_stream {
            body.become_stream();
        }
        body.arm();
        body
    }

    /// The client gets what the encoder makes of it.
    pub(crate) fn encoded(mut self, encoder: Option<Encoder>) -> Self {
        self.encoder = encoder.map(Box::new);
        self
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
        (!self.is_event_stream).then_some(AnswerFault("the drain's deadline has come"))
    }

    /// All has come.
    fn finish(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        if connection.owes_body() {
            let timers = Rc::clone(self.flight.timers());
            tokio::task::spawn_local(send_rest(connection, self.home.clone(), timers, self.idle));
            return;
        }
        self.home.take_back(connection, self.flight.timer.now());
    }
}

type Polled = Poll<Option<Result<Frame<Bytes>, AnswerFault>>>;

impl UpstreamBody {
    /// The next piece as the upstream sent it.
    fn poll_plain(&mut self, cx: &mut Context<'_>) -> Polled {
        let Some(connection) = &mut self.connection else { return Poll::Ready(None) };
        let polled = connection.poll_frame(cx);
        let is_last = connection.is_ended();
        if let Some(end) = self.check_time(cx, polled.is_pending()) {
            self.connection = None;
            return Poll::Ready(end.map(Err));
        }
        match ready!(polled) {
            Some(Ok(frame)) => {
                if is_last {
                    self.finish()
                } else {
                    self.arm()
                }
                Poll::Ready(Some(Ok(frame)))
            }
            None => {
                self.finish();
                Poll::Ready(None)
            }
            Some(Err(_)) => {
                self.connection = None;
                self.flight.cause = Some(UPSTREAM_BROKE_OFF);
                Poll::Ready(Some(Err(AnswerFault("the upstream broke off"))))
            }
        }
    }

    /// The next piece as the encoder gives it: many small ones as one, and all that is there once the upstream pauses.
    fn poll_encoded(&mut self, encoder: &mut Encoder, cx: &mut Context<'_>) -> Polled {
        loop {
            let made = match self.poll_plain(cx) {
                Poll::Pending => match encoder.flush() {
                    Ok(None) => return Poll::Pending,
                    made => made,
                },
                Poll::Ready(Some(Err(fault))) => return Poll::Ready(Some(Err(fault))),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => encoder.write(&data),
                    Err(trailers) => {
                        self.trailers = Some(trailers);
                        encoder.finish()
                    }
                },
                Poll::Ready(None) => match encoder.finish() {
                    Ok(None) => return Poll::Ready(self.trailers.take().map(Ok)),
                    made => made,
                },
            };
            match made {
                Ok(None) => {}
                Ok(Some(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Err(_) => return Poll::Ready(Some(Err(AnswerFault("the answer cannot be compressed")))),
            }
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = AnswerFault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        stall::asked();
        let polled = match self.encoder.take() {
            None => self.poll_plain(cx),
            Some(mut encoder) => {
                let polled = self.poll_encoded(&mut encoder, cx);
                self.encoder = Some(encoder);
                polled
            }
        };
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.flight.bytes_out += frame.data_ref().map_or(0, |data| data.len() as u64);
            stall::gave(self.flight.timer.now());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        let is_given =
            self.encoder.as_ref().is_none_or(|encoder| encoder.is_ended()) && self.trailers.is_none();
        is_given && self.connection.as_ref().is_none_or(|connection| connection.is_ended())
    }

    fn size_hint(&self) -> SizeHint {
        if self.encoder.is_some() {
            return SizeHint::default();
        }
        let left = self.connection.as_ref().map_or(Some(0), |connection| connection.left());
        left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl Drop for UpstreamBody {
    fn drop(&mut self) {
        // A body without bytes is never polled: it ended with its head.
        if self.connection.as_ref().is_some_and(|connection| connection.is_ended()) {
            self.finish();
        }
        if self.connection.is_some() {
            let takes_nothing = stall::is_over() || self.flight.is_cut_by_pace();
            self.flight.cause.get_or_insert(if takes_nothing { SEND_TIMEOUT } else { "client-broke-off" });
        }
    }
}

impl Body for EdgeBody {
    type Data = Bytes;
    type Error = AnswerFault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        match &mut *self {
            Self::Upstream(body) => Pin::new(body).poll_frame(cx),
            Self::Full(bytes, flight) => Poll::Ready(bytes.take().map(|bytes| {
                if let Some(flight) = flight {
                    flight.bytes_out += bytes.len() as u64;
                    stall::gave(flight.timer.now());
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
