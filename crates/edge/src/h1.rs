//! One HTTP/1.1 connection, by hyper, and what comes before and after it: refusals, upgrades, an orderly end.
//!
//! The seam to another HTTP/1.1 path: it gets a [`Ctx`] and a [`ClientIo`], calls [`proxy::answer`] for each request
//! and returns when the connection is over.

use std::{
    convert::Infallible,
    pin::{Pin, pin},
    rc::Rc,
    task::{Poll, ready},
    time::Duration,
};

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
    let mut last_look = pin!(None);
    let end = std::future::poll_fn(|cx| {
        ctx.state.watch(cx);
        let kill = ctx.state.kill.get();
        match kill {
            None | Some(Kill::Idle | Kill::Shutdown) => {}
            Some(kill) => return Poll::Ready(End::Killed(kill)),
        }
        if let Poll::Ready(result) = connection.poll_without_shutdown(cx) {
            return Poll::Ready(match result {
                Ok(()) => End::Orderly,
                Err(error) if ctx.state.is_idle() => End::Broken(error),
                Err(_) => End::Cut,
            });
        }
        let Some(kill) = kill else { return Poll::Pending };
        // The sweep and a request may have come in the same turn: what is in the socket is seen only after one more.
        if last_look.is_none() {
            last_look.set(Some(tokio::task::yield_now()));
        }
        if let Some(look) = last_look.as_mut().as_pin_mut() {
            ready!(look.poll(cx));
        }
        last_look.set(None);
        if ctx.state.is_quiet() {
            return Poll::Ready(End::Killed(kill));
        }
        // It speaks after all. The sweep will come again.
        ctx.state.kill.set(None);
        Poll::Pending
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::net::UnixStream;

    use super::*;
    use crate::{
        access_log::Log,
        conn::{ConnState, Entrance, Stream},
        headers::Trust,
        settings::Settings,
        shared::{Logs, Shared},
        worker::Worker,
    };

    /// What a client gets that has sent `bytes` and nothing more when the sweep ends its connection.
    fn answered_to(bytes: &[u8], why: Kill) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        let log = || Log::start(None).expect("no log").0;
        let logs = Logs { access: log(), csp: log() };
        let shared = Arc::new(Shared::new(Settings::new(folder.path(), folder.path()), None, None, logs));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(Default::default())
            .expect("a runtime");
        runtime.block_on(async move {
            let (mut client, ours) = UnixStream::pair().expect("a pair");
            client.write_all(bytes).await.expect("room");
            let worker = Rc::new(Worker::new(0, shared, Vec::new()));
            let state = Rc::new(ConnState::new(Entrance::Http, None, 80, Trust::Nobody, 0));
            state.end(why);
            let io = ClientIo::new(Stream::Unix(ours), Rc::clone(&state), Rc::clone(&worker.timers), 8_192);
            let ctx = Rc::new(Ctx::new(worker, state));
            tokio::task::spawn_local(serve(ctx, io));
            let mut beginning = [0; 512];
            let got = client.read(&mut beginning).await.expect("no reset");
            String::from_utf8_lossy(&beginning[..got]).into_owned()
        })
    }

    #[test]
    fn a_request_that_comes_as_its_idle_connection_ends_is_answered() {
        let request = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n";
        for why in [Kill::Idle, Kill::Shutdown] {
            let answer = answered_to(request, why);
            assert!(
                answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 5"),
                "{why:?}: {answer}"
            );
            assert_eq!(answered_to(b"", why), "", "{why:?}: who says nothing is let go");
        }
    }
}
