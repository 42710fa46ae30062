//! The word that lets a deploy go on, and what a deploy that waits for it gives way to.

use api::status::Awaited;
use model::{DeployId, Explain, Site};

use crate::{
    approve::Answer,
    begin::freeze,
    handle::Command,
    journal::Kind,
    request::{Caller, Refused, RefusedKind, Start},
    site::{Actor, Held, Lock},
    world::World,
};

/// Why nothing else may begin.
pub(super) fn waits(site: &Site, held: &Held, awaited: &Awaited) -> Explain {
    let (verb, to) = (&held.task.verb, held.task.to);
    Explain::new("locked", format!("a {verb} of release {to} waits for an approval on {site}"))
        .caused_by(format!("{} began it at {}", held.caller.operator, held.since))
        .help(format!("another operator lets it go on with `{}`; `mainstay cancel` ends it", awaited.command))
}

impl Held {
    /// The approval that it waits for.
    pub(crate) fn awaited(&self) -> Option<Awaited> {
        self.log.approval.borrow().awaited(self.task.deploy)
    }
}

impl<W: World> Actor<W> {
    pub(crate) fn approve(&mut self, deploy: DeployId, caller: &Caller) -> Result<(), Refused> {
        let conflict = |explain| Err(Refused::new(RefusedKind::Conflict, explain));
        let Some(held) = self.waiting().filter(|held| held.task.deploy == deploy) else {
            let message = format!("deploy {deploy} of {} waits for no approval", self.at.site);
            return conflict(Explain::new("nothing-to-approve", message).help(
                "`mainstay status` names the one that waits, `mainstay events` what became of others",
            ));
        };
        if held.caller.operator == caller.operator {
            let operator = &caller.operator;
            held.log.warn(
                Explain::new("own-approval-refused", format!("{operator} asked to approve it, and began it"))
                    .help("another operator has to"),
            );
            let message = format!("{operator} began this deploy: somebody else has to approve it");
            return conflict(
                Explain::new("own-deploy", message)
                    .now("it waits on")
                    .help("ask another operator, or end it with `mainstay cancel`"),
            );
        }
        if let Some(frozen) = freeze::standing(&self.at) {
            return conflict(freeze::refusal(&self.at.site, &frozen));
        }
        let (by, by_host) = (caller.operator.clone(), caller.host.clone());
        held.log.append(Kind::Approved { by: by.clone(), by_host }).map_err(Refused::failed)?;
        held.log.note(format!("approved by {by}"));
        held.log.approval.send_modify(|approval| approval.answer = Some(Answer::Approved));
        Ok(())
    }

    /// The run that waits for an approval.
    fn waiting(&self) -> Option<&Held> {
        match &self.lock {
            Lock::Held(held) => held.awaited().map(|_| &**held),
            Lock::Starting | Lock::Free | Lock::Down => None,
        }
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting().is_some()
    }

    /// Whether what is under way ends for this command, which then waits for that. A rollback needs no approval: a deploy that
    /// waits for one does not hold it up.
    pub(crate) fn makes_way_for(&self, command: &Command) -> bool {
        let Command::Start(start, caller, _) = command else { return false };
        let returns = matches!(start, Start::Rollback(_)) && self.is_waiting();
        // One that was begun already is only told of.
        if returns && self.begun_before(start, caller).is_none() {
            return self.give_way(&format!("the rollback of {}", caller.operator));
        }
        self.makes_way()
    }

    /// Ends a deploy that waits for an approval; `false`: none does.
    pub(crate) fn give_way(&self, to: &str) -> bool {
        let Some(held) = self.waiting() else { return false };
        let to = to.to_owned();
        held.log.approval.send_modify(|approval| approval.answer = Some(Answer::GivesWay { to }));
        true
    }
}
