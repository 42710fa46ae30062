//! One HTTP/2 connection, by hyper: streams become requests like any other.

pub(crate) mod stall;

use std::{
    pin::pin,
    rc::Rc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderValue, Request, header};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::TokioIo;

use self::stall::Streams;
use crate::{
    conn::{ClientIo, Kill, Unclaimed},
    no_request::{NOT_ANSWERED, NoRequest},
    page,
    proxy::{self, Ctx},
    settings::Limits,
    timers::Timer,
};

/// Bound: of one stream's answer that waits for the client to read.
const SEND_BYTES_MAX: usize = 128 << 10;

/// Bound: what one head may have beyond the limit and still be read, so that a page can answer it on its stream; it is
/// kept no longer than that. Of more h2 keeps nothing: it answers a bare 431 while the head comes in few frames, and ends
/// the connection of a client that goes on and on (ENHANCE_YOUR_CALM). Clients are told this sum as the limit, since one
/// that keeps to it would otherwise fail by itself, without a page.
const OVERSIZE_BYTES_MAX: u32 = 256 << 10;

/// Cause of the end of a client that makes work and asks nothing.
const EXCESS: &str = "http2-excess";

/// From GOAWAY to the end of a connection on which nothing is open; looked at again as long as something is.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

/// The same where the client is stuck in the middle of a head: GOAWAY has the time to arrive.
const STUCK_LEAVE_WITHIN: Duration = Duration::from_secs(1);

/// Serves `io` until it is over.
pub(crate) async fn serve(ctx: Rc<Ctx>, io: ClientIo) {
    let limits = &ctx.worker.shared.settings.limits;
    let streams = Streams { timers: Rc::clone(&ctx.worker.timers), limit: limits.send_timeout.0 };
    let mut builder = http2::Builder::new(streams);
    builder
        .max_concurrent_streams(limits.h2_streams_max)
        .max_header_list_size(head_bytes_read_max(limits))
        .max_send_buf_size(SEND_BYTES_MAX)
        .enable_connect_protocol();
    let service = {
        let ctx = Rc::clone(&ctx);
        service_fn(move |mut request: Request<Incoming>| {
            claim(&ctx);
            join_cookies(request.headers_mut());
            proxy::answer(Rc::clone(&ctx), request)
        })
    };
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
    let mut leave = Leave { timer: ctx.worker.timers.timer(), is_begun: false };
    std::future::poll_fn(|cx| {
        ctx.state.watch(cx);
        match ctx.state.kill.get() {
            Some(Kill::SendTimeout) => return Poll::Ready(()),
            Some(Kill::Excess) => {
                log(&ctx, NOT_ANSWERED, EXCESS, Duration::ZERO);
                return Poll::Ready(());
            }
            // GOAWAY, so that the client opens no stream that would be lost; ends when the open ones have.
            Some(kill) if !leave.is_begun => {
                connection.as_mut().graceful_shutdown();
                leave.begin(&ctx, kill);
            }
            _ => {}
        }
        let polled =
            connection.as_mut().poll(cx).map(|ended| ended.unwrap_or_else(|error| note_end(&ctx, &error)));
        let is_settled = polled.is_pending() && !leave.is_begun && !ctx.state.pace.is_blocked();
        note_unclaimed(&ctx, is_settled);
        if polled.is_pending() && leave.is_over(&ctx, cx) { Poll::Ready(()) } else { polled }
    })
    .await;
}

/// This head has become a request.
fn claim(ctx: &Ctx) {
    let seen = ctx.state.unclaimed.get();
    ctx.state.unclaimed.set(Unclaimed { heads: seen.heads.saturating_sub(1), ..seen });
}

/// The way out of a connection that the sweep ends.
struct Leave {
    timer: Timer,
    is_begun: bool,
}

impl Leave {
    fn begin(&mut self, ctx: &Ctx, why: Kill) {
        self.is_begun = true;
        let is_stuck = why == Kill::HeaderTimeout;
        if is_stuck {
            log(ctx, NOT_ANSWERED, page::HEAD_TIMEOUT.cause, head_took(ctx));
        }
        // In the middle of a head a client has no way to say that it has understood, so there is nothing to wait for.
        self.timer.arm(if is_stuck && ctx.state.is_idle() { STUCK_LEAVE_WITHIN } else { LEAVE_WITHIN });
    }

    /// A client that is gone never says that it has understood.
    fn is_over(&self, ctx: &Ctx, cx: &mut Context<'_>) -> bool {
        if !self.is_begun || !self.timer.expired(cx) {
            return false;
        }
        if !ctx.state.is_idle() {
            self.timer.arm(LEAVE_WITHIN);
            let _ = self.timer.expired(cx);
            return false;
        }
        true
    }
}

fn head_bytes_read_max(limits: &Limits) -> u32 {
    u32::try_from(limits.header_bytes_max.0).unwrap_or(u32::MAX).saturating_add(OVERSIZE_BYTES_MAX)
}

/// RFC 9113 8.2.3: clients may send a cookie in crumbs, a line each; whatever is no HTTP/2 gets it in one.
fn join_cookies(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(header::COOKIE).iter();
    if crumbs.next().is_none() || crumbs.next().is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    // What was taken apart of values is one.
    if let Ok(cookie) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(header::COOKIE, cookie);
    }
}

/// An end that h2 has made for what the client sent is no request's, so it has a line of its own.
fn note_end(ctx: &Ctx, error: &hyper::Error) {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<h2::Error>());
    let Some(error) = cause.filter(|error| error.is_go_away() && error.is_library()) else { return };
    let is_excess = error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM);
    log(ctx, NOT_ANSWERED, if is_excess { EXCESS } else { "http2-protocol" }, head_took(ctx));
}

/// Heads of which h2 has made no request, so that nobody else tells of them. Bound: h2 ends a connection with too many.
/// `is_settled`: all that have come were looked at, and what was said of them has gone out.
fn note_unclaimed(ctx: &Ctx, is_settled: bool) {
    let seen = ctx.state.unclaimed.get();
    let malformed = seen.malformed.min(seen.heads);
    let too_large = seen.too_large.min(seen.heads - malformed);
    let left = seen.heads - malformed - too_large;
    // The rest is streams beyond the number that is allowed.
    let refused = if is_settled { left } else { 0 };
    ctx.state.unclaimed.set(Unclaimed { heads: left - refused, ..Unclaimed::default() });
    let too_large_page = &page::HEAD_TOO_LARGE;
    let told = [
        (malformed, NOT_ANSWERED, "http2-malformed"),
        (too_large, too_large_page.status.as_u16(), too_large_page.cause),
        (refused, NOT_ANSWERED, "http2-refused"),
    ];
    for (count, status, cause) in told {
        (0..count).for_each(|_| log(ctx, status, cause, Duration::ZERO));
    }
}

fn head_took(ctx: &Ctx) -> Duration {
    ctx.state.head_took(ctx.worker.timers.now())
}

fn log(ctx: &Ctx, status: u16, cause: &'static str, took: Duration) {
    let id = ctx.worker.new_id(Instant::now());
    ctx.worker.log_refused(&ctx.state, &id, &NoRequest { status, cause, bytes_out: 0, took });
}
