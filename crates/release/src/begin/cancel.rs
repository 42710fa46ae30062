//! The commands that end a run, or let runs begin again.

use api::deploy::{Cancelled, Outcome, Phase};
use model::Explain;

use crate::{
    journal::{Course, Kind},
    recover::has_bake,
    request::{Caller, Refused, RefusedKind},
    site::{Actor, Lock},
    world::World,
};

impl<W: World> Actor<W> {
    pub(crate) fn cancel(&mut self, caller: &Caller) -> Result<Cancelled, Refused> {
        let conflict = |explain| Err(Refused::new(RefusedKind::Conflict, explain));
        let Lock::Held(held) = &self.lock else {
            return conflict(
                Explain::new("nothing-to-cancel", format!("nothing is under way on {}", self.at.site))
                    .help("`mainstay status` shows what serves, `mainstay events` what ended"),
            );
        };
        let phase = self.phase(held);
        let outcome = match phase {
            _ if matches!(held.task.course, Course::Migrate { .. }) => {
                return conflict(
                    Explain::new("migration-runs", "a migration is not ended half way")
                        .help("it ends by itself within `migrate.timeout`"),
                );
            }
            Phase::Plan | Phase::Lock | Phase::Preflight | Phase::Stage | Phase::Approve => Outcome::Aborted,
            Phase::Recess | Phase::Migrate | Phase::Start | Phase::Gate => Outcome::Aborted,
            Phase::Switch | Phase::Relieve | Phase::Bake if held.task.from.is_none() => {
                return conflict(
                    Explain::new("nothing-to-return-to", "the first release serves; there is none before it")
                        .help("`mainstay destroy` takes the site off this machine"),
                );
            }
            Phase::Switch | Phase::Relieve | Phase::Bake if has_bake(&held.task.course) => {
                Outcome::RolledBack
            }
            Phase::Switch | Phase::Relieve | Phase::Bake => {
                return conflict(
                    Explain::new("too-late", format!("the {} is at its last step", held.task.verb))
                        .help("it ends within seconds; `mainstay status` shows what serves then"),
                );
            }
            Phase::Drain | Phase::Stop | Phase::Commit => {
                let to = held.task.to;
                return conflict(
                    Explain::new(
                        "too-late",
                        format!("release {to} serves and has baked; it cannot be cancelled any more"),
                    )
                    .help("`mainstay rollback` returns to the one before it"),
                );
            }
        };
        held.log.tell(Kind::CancelAsked { by: caller.operator.clone() });
        held.cancel.cancel();
        Ok(Cancelled { deploy: held.task.deploy, phase, outcome })
    }

    pub(crate) fn resume(&mut self, caller: &Caller) -> Result<(), Refused> {
        self.at.books.change(|state| state.paused = None).map_err(Refused::failed)?;
        self.record_word("resume", caller)
    }
}
