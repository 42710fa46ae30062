//! One HTTP/1.1 connection, by hyper, and what comes before and after it: refusals, upgrades, an orderly end.
//!
//! The seam to another HTTP/1.1 path: it gets a [`Ctx`] and a [`ClientIo`], calls [`proxy::answer`] for each request
//! and returns when the connection is over.

use std::{convert::Infallible, pin::Pin, rc::Rc, task::Poll, time::Duration};

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::Service};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

mod refuse;

use crate::{
    body::EdgeBody,
    conn::{ClientIo, Kill},
    proxy::{self, Ctx},
    settings::Limits,
    timers::within,
};

/// Bound: of what one connection may have buffered of requests; a head must fit too.
const BUFFER_BYTES_MIN: usize = 64 << 10;
/// After the last answer a client may still be sending; closing at once would destroy the answer on its way (a reset
/// overtakes data), so what comes is read over for this long, and at most [`LINGER_BYTES_MAX`].
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES_MAX: usize = 256 << 10;
/// What hyper takes when nothing is said.
const HYPERS_HEADERS_MAX: usize = 100;

/// Hands requests to the proxy.
struct Requests(Rc<Ctx>);

impl Service<Request<Incoming>> for Requests {
    type Response = Response<EdgeBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>>>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        Box::pin(proxy::answer(Rc::clone(&self.0), request))
    }
}

/// How the exchange of requests ended.
enum End {
    Orderly,
    Killed(Kill),
    /// Between requests.
    Broken(hyper::Error),
    /// In the middle of a request, whose own record tells it.
    Cut,
}

fn builder(limits: &Limits) -> http1::Builder {
    let head = usize::try_from(limits.header_bytes_max.0).unwrap_or(BUFFER_BYTES_MIN);
    let mut builder = http1::Builder::new();
    builder
        .max_header_size(head)
        .max_buf_size(BUFFER_BYTES_MIN.max(head + 1024))
        // The sweep judges slow heads; hyper's own timer would be one more per request.
        .header_read_timeout(None);
    // hyper's default has its place on the stack; any other number costs an allocation a request.
    if limits.headers_max != HYPERS_HEADERS_MAX {
        builder.max_headers(limits.headers_max);
    }
    builder
}

/// Serves `io` until it is over.
pub(crate) async fn serve(ctx: Rc<Ctx>, io: ClientIo) {
    let builder = builder(&ctx.worker.shared.settings.limits);
    let mut connection = builder.serve_connection(TokioIo::new(io), Requests(Rc::clone(&ctx)));
    let end = std::future::poll_fn(|cx| {
        ctx.state.watch(cx);
        if let Some(kill) = ctx.state.kill.get() {
            return Poll::Ready(End::Killed(kill));
        }
        connection.poll_without_shutdown(cx).map(|result| match result {
            Ok(()) => End::Orderly,
            Err(error) if ctx.state.is_idle() => End::Broken(error),
            Err(_) => End::Cut,
        })
    })
    .await;
    let parts = connection.into_parts();
    let mut io = parts.io.into_inner();
    let tunnel = ctx.tunnel.borrow_mut().take();
    if let (End::Orderly, Some(tunnel)) = (&end, tunnel) {
        io.stop_guarding();
        return Box::pin(tunnel.run(io, parts.read_buf)).await;
    }
    // Boxed, what comes last takes no room while the connection lives.
    Box::pin(refuse::refuse(&ctx, &end, &parts.read_buf, &mut io)).await;
    match end {
        // Nothing is on its way to such a client, or nothing arrives.
        End::Killed(Kill::SendTimeout | Kill::Excess) => {}
        End::Killed(Kill::Idle | Kill::Shutdown) => {
            let _ = within(&ctx.worker.timers, LINGER, io.shutdown()).await;
        }
        End::Orderly | End::Killed(Kill::HeaderTimeout) | End::Broken(_) | End::Cut => {
            Box::pin(linger(&ctx, io)).await;
        }
    }
}

async fn linger(ctx: &Ctx, mut io: ClientIo) {
    io.stop_guarding();
    let end = async {
        if io.shutdown().await.is_err() {
            return;
        }
        let mut buffer = [0; 4096];
        let mut left = LINGER_BYTES_MAX;
        while let Ok(got @ 1..) = io.read(&mut buffer).await {
            left = left.saturating_sub(got);
            if left == 0 {
                return;
            }
        }
    };
    let _ = within(&ctx.worker.timers, LINGER, end).await;
}
