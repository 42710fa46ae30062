//! Connections to upstreams: opening them, keeping them for a second, and never using one whose state is not certain.
//!
//! Each thread has its own. A connection belongs to the one request that uses it until the answer has come whole; only
//! then is it kept for the next.

mod connection;
mod framing;
mod head;
mod sending;
mod transport;

use std::{
    cell::RefCell,
    collections::HashMap,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use http::response::Parts;
use model::ProcessId;

pub(crate) use self::{
    connection::{Connection, Fault},
    transport::{ConnectError, Transport, dial},
};
use crate::{clock::now_ms, hash::OwnKeys, pool::UpstreamState, settings::Limits, timers::Timers};

/// A request that cannot be sent twice takes a pooled connection only if it was used this recently: the shorter the
/// pause, the less likely that the upstream is just closing it.
const FRESH_MS: u64 = 250;

/// A connection and when it was last used, in the edge's milliseconds.
type Kept = (Box<Connection>, u64);

/// The idle connections of one thread.
#[derive(Debug, Default)]
pub(crate) struct Idle {
    by_process: RefCell<HashMap<ProcessId, Vec<Kept>, OwnKeys>>,
}

/// Where a connection goes once its answer has come whole.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    pub(crate) idle: Rc<Idle>,
    pub(crate) process: ProcessId,
    pub(crate) max: usize,
}

/// An answer whose head has come; the rest comes on its connection.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: Parts,
    pub(crate) connection: Box<Connection>,
    pub(crate) home: Home,
}

impl Home {
    /// `now_ms`: a little early is well, the connection only seems older then.
    pub(crate) fn take_back(&self, connection: Box<Connection>, now_ms: u64) {
        if !connection.is_free() {
            return;
        }
        let mut all = self.idle.by_process.borrow_mut();
        let list = all.entry(self.process).or_default();
        if list.len() < self.max {
            list.push((connection, now_ms));
        }
    }
}

/// Sends the rest of a request whose answer has ended already: an app may answer first and read on. Ends when nothing
/// moves for `idle`.
pub(crate) async fn send_rest(
    mut connection: Box<Connection>,
    home: Home,
    timers: Rc<Timers>,
    idle: Duration,
) {
    let timer = timers.timer();
    let mut before = None;
    std::future::poll_fn(|cx| {
        let (ended, sent) = connection.poll_rest(cx);
        if before.replace(sent) != Some(sent) {
            timer.arm(idle);
        }
        if timer.expired(cx) { Poll::Ready(()) } else { ended }
    })
    .await;
    home.take_back(connection, timers.now());
}

impl Idle {
    /// The connection that was used last and that the upstream has not closed.
    pub(crate) fn take(
        &self,
        cx: &mut Context<'_>,
        process: ProcessId,
        may_send_twice: bool,
        idle_max: Duration,
    ) -> Option<Box<Connection>> {
        let mut all = self.by_process.borrow_mut();
        let list = all.get_mut(&process)?;
        let oldest =
            now_ms().saturating_sub(if may_send_twice { crate::clock::ms(idle_max) } else { FRESH_MS });
        // Older ones stand before it; the sweep closes them.
        while list.last().is_some_and(|(_, since)| *since >= oldest) {
            let (mut connection, _) = list.pop()?;
            if connection.is_quiet(cx) {
                return Some(connection);
            }
        }
        None
    }

    /// Closes what has been idle for `idle_max`.
    pub(crate) fn sweep(&self, idle_max: Duration) {
        let oldest = now_ms().saturating_sub(crate::clock::ms(idle_max));
        self.by_process.borrow_mut().retain(|_, list| {
            list.retain(|(_, since)| *since >= oldest);
            !list.is_empty()
        });
    }
}

/// A new connection to `upstream`.
pub(crate) async fn connect(
    timers: &Rc<Timers>,
    upstream: &UpstreamState,
    limits: &Limits,
) -> Result<Box<Connection>, ConnectError> {
    Ok(Box::new(Connection::new(dial(timers, &upstream.address, limits).await?)))
}
