//! A page that an operator puts up in place of the site: written down first, then served; what runs runs on, deploys too.

use std::sync::atomic::Ordering;

use model::{Explain, Notice};

use crate::{
    request::{Caller, Refused},
    scene::Scene,
    site::Actor,
    state::Posted,
    world::World,
};

impl<W: World> Actor<W> {
    /// Writes it down and who it was; `None` takes it down. What is served so is [`publish`]'s.
    /// # Errors
    /// The disk's.
    pub(crate) fn post(&mut self, notice: Option<Notice>, caller: &Caller) -> Result<(), Refused> {
        let verb = if notice.is_some() { "page-on" } else { "page-off" };
        let (since, operator) = (self.at.stamp(), caller.operator.clone());
        let posted = notice.map(|notice| Posted { notice, since, operator });
        self.at.books.change(|state| state.posted = posted).map_err(Refused::failed)?;
        self.record_word(verb, caller)
    }
}

/// # Errors
/// As [`crate::SiteHandle::post`].
pub(crate) async fn publish<W: World>(at: &Scene<W>) -> Result<(), Refused> {
    // Crash: the next keeper publishes what the books say.
    at.publish().await.map(drop).map_err(|error| Refused::failed(not_served(error)))
}

fn not_served(error: Explain) -> Explain {
    error.now("it is written down, and the edge is told again until it serves it so")
}

/// The edge ends it on the minute by itself; then it is forgotten, and the edge told so.
pub(crate) fn take_down_what_is_over<W: World>(at: &Scene<W>) {
    let now = at.now_unix_ms();
    let is_over = |posted: &Posted| !posted.notice.stands(now);
    if !at.books.read().posted.as_ref().is_some_and(is_over) {
        return;
    }
    match at.books.change(|state| drop(state.posted.take_if(|posted| is_over(posted)))) {
        Ok(()) => at.is_table_owed.store(true, Ordering::Relaxed),
        Err(error) => tracing::debug!(site = %at.site, %error, "A page that is over stays in the books."),
    }
}
