//! One HTTP/2 connection, by hyper: streams become requests like any other.

use std::{pin::pin, rc::Rc, task::Poll, time::Duration};

use hyper::{rt::Executor, server::conn::http2, service::service_fn};
use hyper_util::rt::TokioIo;

use crate::{
    conn::{ClientIo, Kill},
    proxy::{self, Ctx},
};

/// Bound: of one stream's answer that waits for the client to read.
const SEND_BYTES_MAX: usize = 128 << 10;

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
        .max_header_list_size(u32::try_from(limits.header_bytes_max.0).unwrap_or(u32::MAX))
        .max_send_buf_size(SEND_BYTES_MAX)
        .enable_connect_protocol();
    let service = {
        let ctx = Rc::clone(&ctx);
        service_fn(move |request| proxy::answer(Rc::clone(&ctx), request))
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
        let polled = connection.as_mut().poll(cx).map(|_| ());
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
