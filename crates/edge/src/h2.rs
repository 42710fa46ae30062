//! One HTTP/2 connection, by hyper: streams become requests like any other.

use std::{
    pin::pin,
    rc::Rc,
    task::Poll,
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use hyper::{body::Incoming, rt::Executor, server::conn::http2, service::service_fn};
use hyper_util::rt::TokioIo;

use crate::{
    conn::{ClientIo, Kill},
    proxy::{self, Ctx},
    settings::Limits,
};

/// Bound: of one stream's answer that waits for the client to read.
const SEND_BYTES_MAX: usize = 128 << 10;

/// Bound: what one head may have beyond the limit and still be read, so that a page can answer it on its stream; it is
/// kept no longer than that. Of more h2 keeps nothing: it answers a bare 431 while the head comes in few frames, and ends
/// the connection of a client that goes on and on (ENHANCE_YOUR_CALM). Clients are told this sum as the limit, since one
/// that keeps to it would otherwise fail by itself, without a page.
const OVERSIZE_BYTES_MAX: u32 = 256 << 10;

/// From GOAWAY to the end of a connection on which nothing is open; looked at again as long as something is.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);

/// Streams run on the thread of their connection.
#[derive(Clone, Copy, Debug)]
struct SameThread;

impl<F: Future + 'static> Executor<F> for SameThread {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}

/// Serves `io` until it is over.
pub(crate) async fn serve(ctx: Rc<Ctx>, io: ClientIo) {
    let limits = &ctx.worker.shared.settings.limits;
    let mut builder = http2::Builder::new(SameThread);
    builder
        .max_concurrent_streams(limits.h2_streams_max)
        .max_header_list_size(head_bytes_read_max(limits))
        .max_send_buf_size(SEND_BYTES_MAX)
        .enable_connect_protocol();
    let service = {
        let ctx = Rc::clone(&ctx);
        service_fn(move |mut request: Request<Incoming>| {
            join_cookies(request.headers_mut());
            proxy::answer(Rc::clone(&ctx), request)
        })
    };
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
    let timer = ctx.worker.timers.timer();
    let mut is_leaving = false;
    std::future::poll_fn(|cx| {
        ctx.state.watch(cx);
        match ctx.state.kill.get() {
            Some(Kill::SendTimeout) => return Poll::Ready(()),
            // GOAWAY, so that the client opens no stream that would be lost; ends when the open ones have.
            Some(_) if !is_leaving => {
                is_leaving = true;
                connection.as_mut().graceful_shutdown();
                timer.arm(LEAVE_WITHIN);
            }
            _ => {}
        }
        let polled =
            connection.as_mut().poll(cx).map(|ended| ended.unwrap_or_else(|error| note(&ctx, &error)));
        // A client that is gone never says that it has understood.
        if polled.is_pending() && is_leaving && timer.expired(cx) {
            if ctx.state.is_idle() {
                return Poll::Ready(());
            }
            timer.arm(LEAVE_WITHIN);
            let _ = timer.expired(cx);
        }
        polled
    })
    .await;
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
fn note(ctx: &Ctx, error: &hyper::Error) {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<h2::Error>());
    let Some(error) = cause.filter(|error| error.is_go_away() && error.is_library()) else { return };
    let is_excess = error.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM);
    let cause = if is_excess { "http2-excess" } else { "http2-protocol" };
    let id = ctx.worker.new_id(Instant::now());
    ctx.worker.log_refused(&ctx.state, &id, StatusCode::BAD_REQUEST, cause);
}
