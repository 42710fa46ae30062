//! A time in which no deploy begins. It ends by itself, by this machine's clock; ways back, restarts and scales go on.

use model::{Explain, Freeze, Site};

use crate::{
    request::{Caller, Refused, RefusedKind},
    scene::Scene,
    site::Actor,
    state::Frozen,
    world::World,
};

/// The one that stands now.
pub(crate) fn standing<W: World>(at: &Scene<W>) -> Option<Frozen> {
    at.books.read().frozen.clone().filter(|frozen| frozen.freeze.stands(at.now_unix_ms()))
}

pub(super) fn refusal(site: &Site, frozen: &Frozen) -> Explain {
    let Frozen { freeze, since, operator } = frozen;
    Explain::new("frozen", format!("deploys of {site} are frozen until {}", until(freeze)))
        .caused_by(format!("{operator} at {}: {}", moment(since.parse().ok()), freeze.reason))
        .help(
            "wait for its end; `mainstay freeze --lift` ends it now, and `mainstay rollback` works meanwhile",
        )
}

fn until(freeze: &Freeze) -> String {
    let at =
        i64::try_from(freeze.until_unix_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    at.map_or_else(|| "for ever".to_owned(), |at| moment(Some(at)))
}

/// For people who may be in another zone than this machine.
fn moment(at: Option<jiff::Timestamp>) -> String {
    at.map_or_else(|| "an unknown time".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

impl<W: World> Actor<W> {
    /// `None` ends it.
    pub(crate) fn freeze(&mut self, freeze: Option<Freeze>, caller: &Caller) -> Result<(), Refused> {
        if let Some(freeze) = &freeze {
            check(freeze, self.at.now_unix_ms())
                .map_err(|explain| Refused::new(RefusedKind::Plan, explain))?;
        }
        let verb = if freeze.is_some() { "freeze" } else { "thaw" };
        let (since, operator) = (self.at.stamp(), caller.operator.clone());
        let frozen = freeze.map(|freeze| Frozen { freeze, since, operator });
        self.at.books.change(|state| state.frozen = frozen).map_err(Refused::failed)?;
        self.record_word(verb, caller)
    }
}

fn check(freeze: &Freeze, now_unix_ms: u64) -> Result<(), Explain> {
    if !freeze.stands(now_unix_ms) {
        return Err(Explain::new("freeze-over", format!("{} is over already", until(freeze)))
            .help("give a time to come, by the clock of the server"));
    }
    if freeze.reason.trim().is_empty() {
        return Err(Explain::new("freeze-without-reason", "a freeze has a reason")
            .help("say it for whoever is refused: `--reason \"the sale\"`"));
    }
    Ok(())
}
