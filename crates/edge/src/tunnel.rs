//! A WebSocket on its way: bytes go both ways unread, until one side ends or the drain's deadline comes.
//!
//! To close with a code in the middle of a conversation the relay stops at a frame's end, in each direction on its own, and
//! only then speaks itself: a close frame to the client, a masked one to the upstream. What the upstream still says is
//! discarded; the client has 5 s for its own close frame.

use std::{cell::Cell, io, pin::pin, time::Duration};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::Notify,
};

use crate::{
    clock::NEVER,
    flight::Flight,
    frames::{Frames, close_frame},
    upstream::Transport,
};

/// For the frames that are under way to end, and again for the client's own close frame.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);
const BUFFER_BYTES: usize = 16 << 10;

/// An accepted WebSocket, ready to be relayed.
#[derive(Debug)]
pub(crate) struct Tunnel {
    pub(crate) upstream: Transport,
    /// What the upstream sent right behind its 101.
    pub(crate) early: Bytes,
    pub(crate) flight: Box<Flight>,
    pub(crate) idle: Duration,
}

/// How a direction stopped.
#[derive(Debug, PartialEq, Eq)]
enum Stop {
    /// The sender ended, or the receiver is gone.
    Ended,
    /// It was asked to, and stands between two frames.
    Boundary,
}

/// One direction.
struct Direction<'a> {
    frames: Frames,
    bytes: &'a Cell<u64>,
    asked: &'a Cell<bool>,
    bell: &'a Notify,
}

impl Direction<'_> {
    /// Relays until an end, or until asked to stop and at a frame's end.
    async fn relay(
        &mut self,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        early: &[u8],
    ) -> io::Result<Stop> {
        self.pass(early, to).await?;
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            if self.asked.get() && self.frames.is_at_boundary() {
                return Ok(Stop::Boundary);
            }
            let got = tokio::select! {
                biased;
                () = self.bell.notified(), if !self.asked.get() => continue,
                got = from.read(&mut buffer) => got?,
            };
            if got == 0 {
                return Ok(Stop::Ended);
            }
            self.pass(&buffer[..got], to).await?;
        }
    }

    async fn pass(&mut self, bytes: &[u8], to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let passed = match self.asked.get() {
            true => self.frames.feed_frame(bytes),
            false => {
                self.frames.feed(bytes);
                bytes.len()
            }
        };
        self.bytes.set(self.bytes.get() + passed as u64);
        to.write_all(&bytes[..passed]).await?;
        to.flush().await
    }
}

impl Tunnel {
    /// Relays until it is over. `client_early`: what the client sent behind its request.
    pub(crate) async fn run(self, client: impl AsyncRead + AsyncWrite + Unpin, client_early: Bytes) {
        let Self { upstream, early, mut flight, idle } = self;
        let (mut from_client, mut to_client) = tokio::io::split(client);
        let (mut from_upstream, mut to_upstream) = tokio::io::split(upstream);
        let asked = Cell::new(false);
        let bells = [Notify::new(), Notify::new()];
        let bytes = [Cell::new(0), Cell::new(0)];
        let direction = |bell, bytes| Direction { frames: Frames::default(), bytes, asked: &asked, bell };
        let (mut up, mut down) = (direction(&bells[0], &bytes[0]), direction(&bells[1], &bytes[1]));
        // Whether the edge may speak: to the client, to the upstream.
        let (mut to_client_at_boundary, mut to_upstream_at_boundary) = (false, false);
        let drained = {
            let mut upward = pin!(up.relay(&mut from_client, &mut to_upstream, &client_early));
            let mut downward = pin!(down.relay(&mut from_upstream, &mut to_client, &early));
            tokio::select! {
                _ = &mut upward => false,
                _ = &mut downward => false,
                drain = deadline(&flight, idle, &bytes) => {
                    asked.set(true);
                    bells.iter().for_each(Notify::notify_one);
                    // Each on its own: a client that stopped in the middle of a frame is still told, and so is the upstream.
                    let (up, down) = tokio::join!(
                        crate::timers::within(flight.timers(), CLOSE_WITHIN, upward),
                        crate::timers::within(flight.timers(), CLOSE_WITHIN, downward),
                    );
                    to_upstream_at_boundary = matches!(up, Some(Ok(Stop::Boundary)));
                    to_client_at_boundary = matches!(down, Some(Ok(Stop::Boundary)));
                    drain
                }
            }
        };
        flight.bytes_in = bytes[0].get();
        flight.bytes_out = bytes[1].get();
        if asked.get() {
            flight.cause = Some(if drained { "drain-deadline" } else { "websocket-idle" });
            if let Some(lease) = flight.lease.as_ref().filter(|_| drained) {
                lease.pool.cut.count(lease.class());
            }
        }
        if drained {
            let code = close_code(&flight);
            let say_to_client = to_client_at_boundary && !down.frames.is_closed();
            let say_to_upstream = to_upstream_at_boundary && !up.frames.is_closed();
            let talk = async {
                if say_to_client {
                    to_client.write_all(&close_frame(code, None)).await?;
                    to_client.flush().await?;
                }
                if say_to_upstream {
                    to_upstream.write_all(&close_frame(code, Some(mask()))).await?;
                    to_upstream.flush().await?;
                }
                await_close(&mut from_client, &mut up.frames).await
            };
            let _ = crate::timers::within(flight.timers(), CLOSE_WITHIN, talk).await;
        }
        let end = async {
            let _ = to_upstream.shutdown().await;
            let _ = to_client.shutdown().await;
        };
        let _ = crate::timers::within(flight.timers(), Duration::from_secs(1), end).await;
    }
}

/// Waits for the drain's deadline (true), spread by jitter so that clients do not all come back at once, or for a
/// conversation in which nothing was said for `idle` (false).
async fn deadline(flight: &Flight, idle: Duration, bytes: &[Cell<u64>; 2]) -> bool {
    let roll = machine::entropy::roll();
    let mut said = 0;
    let mut silent_since = flight.timer.now();
    std::future::poll_fn(|cx| {
        let now = flight.timer.now();
        let total = bytes[0].get() + bytes[1].get();
        if total != said {
            (said, silent_since) = (total, now);
        }
        let cut_at = flight.lease.as_ref().map_or(NEVER, |lease| lease.cut_at_jittered(roll));
        if cut_at <= now {
            return std::task::Poll::Ready(true);
        }
        let silent = Duration::from_millis(now.saturating_sub(silent_since));
        if silent >= idle {
            return std::task::Poll::Ready(false);
        }
        flight.timer.cut_at(cut_at);
        flight.timer.arm(idle - silent);
        let _ = flight.timer.expired(cx);
        std::task::Poll::Pending
    })
    .await
}

/// The client's answer to a close frame; anything else that it still sends is read over.
async fn await_close(from: &mut (impl AsyncRead + Unpin), frames: &mut Frames) -> io::Result<()> {
    let mut buffer = vec![0; 4096];
    while !frames.is_closed() {
        match from.read(&mut buffer).await? {
            0 => break,
            got => frames.feed(&buffer[..got]),
        }
    }
    Ok(())
}

fn close_code(flight: &Flight) -> u16 {
    flight.lease.as_ref().map_or(1012, |lease| lease.pool.config.load().drain.websocket_close_code)
}

fn mask() -> [u8; 4] {
    let mut mask = [0; 4];
    let _ = machine::entropy::fill(&mut mask);
    mask
}
