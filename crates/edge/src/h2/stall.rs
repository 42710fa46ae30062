//! Streams of HTTP/2 whose client gives them no room. Each stream has a window of its own, so a client that takes nothing of
//! one answer blocks no socket, and hyper asks that answer for nothing more, its time limits neither. Here the stream's task
//! is ended instead, which resets the stream; others of its connection go on.

use std::{
    cell::Cell,
    pin::pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use hyper::rt::Executor;

use crate::{
    clock::{NEVER, ms},
    timers::{Timer, Timers},
};

tokio::task_local! {
    /// Since when the stream's task holds bytes for which there is no room; of the answer that it asks.
    static HELD: Held;
}

#[derive(Debug)]
struct Held {
    since: Cell<u64>,
    is_over: Cell<bool>,
}

/// The answer's last bytes have found room: it is asked for more.
pub(crate) fn asked() {
    // Over HTTP/1.1 there is nobody to tell: there a client that takes nothing blocks its socket.
    let _ = HELD.try_with(|held| held.since.set(NEVER));
}

/// The answer gives bytes.
pub(crate) fn gave(now: u64) {
    let _ = HELD.try_with(|held| held.since.set(now));
}

/// Whether the answer ends because its client gave it no room.
pub(crate) fn is_over() -> bool {
    HELD.try_with(|held| held.is_over.get()).unwrap_or(false)
}

/// Runs streams on the thread of their connection, each until it is done or stalls for `limit`.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    pub(super) timers: Rc<Timers>,
    pub(super) limit: Duration,
}

impl<F: Future + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let Self { timers, limit } = self.clone();
        let held = Held { since: Cell::new(NEVER), is_over: Cell::new(false) };
        tokio::task::spawn_local(HELD.scope(held, until_stalled(stream, timers, limit)));
    }
}

async fn until_stalled<F: Future>(stream: F, timers: Rc<Timers>, limit: Duration) {
    let mut stream = pin!(stream);
    let mut timer: Option<Timer> = None;
    std::future::poll_fn(|cx| {
        if stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let since = HELD.with(|held| held.since.get());
        if since == NEVER {
            return Poll::Pending;
        }
        // Most streams never come here: only these have a timer more.
        let timer = timer.get_or_insert_with(|| timers.timer());
        look(timer, cx, since, limit)
    })
    .await;
}

fn look(timer: &Timer, cx: &mut Context<'_>, since: u64, limit: Duration) -> Poll<()> {
    let left = ms(limit).saturating_sub(timer.now().saturating_sub(since));
    if left == 0 {
        HELD.with(|held| held.is_over.set(true));
        return Poll::Ready(());
    }
    timer.arm(Duration::from_millis(left));
    let _ = timer.expired(cx);
    Poll::Pending
}
