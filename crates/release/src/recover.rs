//! After a keeper's death: what a deploy that has no end must become, from its journal and the edge's word. Pure.

use api::deploy::Phase;
use model::{Explain, ProcessId};

use crate::{
    journal::{Course, Kind, Record},
    world::{JobKind, Served},
};

/// How far a run came, from its records alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reached {
    pub phase: Option<Phase>,
    /// A migration that was begun.
    pub migration: Option<Begun>,
    pub migrated: bool,
    /// The process of a contract step that was begun.
    pub contract: Option<ProcessId>,
    /// The process of a way down that was begun.
    pub down: Option<ProcessId>,
    pub had_canary: bool,
    pub switch_begun: bool,
    pub switched: bool,
    /// Label and reason of a return that was begun.
    pub returning: Option<(u64, Explain)>,
    pub returned: bool,
    pub baked: bool,
    pub cancel_asked: bool,
    pub ended: bool,
    pub hooks_begun: Vec<JobKind>,
}

/// A migration, as its intent says it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Begun {
    pub before: u64,
    pub target: u64,
    pub old_is_down: bool,
    /// Of its job, once that was to be started.
    pub process: Option<ProcessId>,
}

/// What the next keeper does with it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Recovery {
    /// It ended; nothing to do.
    Over,
    /// Users never saw it: stop what it started.
    Abort,
    /// A migration was under way: wait for it if it lives, read what the database is, go on at START, abort, or hold.
    TakeUpMigration(Begun),
    /// A contract step was under way: wait for it if it lives, then look.
    TakeUpContract { process: ProcessId },
    /// A way down was under way: wait for it if it lives, then look.
    /// `is_done`: where it led is in the journal.
    TakeUpDown { process: ProcessId, is_done: bool },
    /// The edge serves the old release: make that final, then abort.
    MakeOldFinal,
    /// The edge serves the new one, which is not written down: write it down, then go on after SWITCH.
    CompleteSwitch { epoch: u64 },
    /// Go on at this phase; a bake begins anew.
    GoOn { phase: Phase },
    /// A return was under way: make it so, and end.
    FinishReturn { label: u64, why: Explain },
}

impl Recovery {
    /// For a log, as a person reads it.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Over => "nothing: it has ended".to_owned(),
            Self::Abort => "abort: what it started is stopped".to_owned(),
            Self::TakeUpContract { .. } => "wait for its contract step".to_owned(),
            Self::TakeUpDown { .. } => "wait for its way down, then read the schema".to_owned(),
            Self::TakeUpMigration(_) => "wait for its migration, then read the schema".to_owned(),
            Self::MakeOldFinal => "abort: the old release serves on".to_owned(),
            Self::CompleteSwitch { .. } => "go on: the new release serves already".to_owned(),
            Self::GoOn { phase } => format!("go on at {}", phase.name()),
            Self::FinishReturn { .. } => "finish the return to the old release".to_owned(),
        }
    }
}

impl Reached {
    pub(crate) fn of(records: &[Record]) -> Self {
        let mut reached = Self::default();
        records.iter().filter_map(Record::kind).for_each(|kind| reached.take(kind));
        reached
    }

    fn take(&mut self, kind: &Kind) {
        match kind {
            Kind::Entered { phase } => self.phase = Some(*phase),
            Kind::MigrateIntent { before, target, old_is_down } => {
                let (before, target, old_is_down) = (*before, *target, *old_is_down);
                self.migration = Some(Begun { before, target, old_is_down, process: None });
            }
            Kind::JobIntent { job, .. } if job.is_hook() => self.hooks_begun.push(*job),
            Kind::JobIntent { job: JobKind::Migrate, process } => {
                if let Some(begun) = &mut self.migration {
                    begun.process = Some(*process);
                }
            }
            Kind::JobIntent { job: JobKind::MigrateContract, process } => self.contract = Some(*process),
            Kind::JobIntent { job: JobKind::MigrateDown, process } => self.down = Some(*process),
            Kind::MigrateDone { .. } => self.migrated = true,
            Kind::CanaryIntent { .. } => self.had_canary = true,
            Kind::SwitchIntent { .. } => self.switch_begun = true,
            Kind::SwitchDone { .. } => self.switched = true,
            Kind::ReturnIntent { generation, why, .. } => self.returning = Some((*generation, why.clone())),
            Kind::ReturnDone { .. } => self.returned = true,
            Kind::Baked => self.baked = true,
            Kind::CancelAsked { .. } => self.cancel_asked = true,
            Kind::Ended { .. } => self.ended = true,
            Kind::Began { .. }
            | Kind::Note { .. }
            | Kind::Warned { .. }
            | Kind::Reason { .. }
            | Kind::JobIntent { .. }
            | Kind::JobDone { .. }
            | Kind::ApprovalAsked { .. }
            | Kind::Approved { .. }
            | Kind::Baseline { .. }
            | Kind::InstanceIntent { .. }
            | Kind::Retired { .. } => {}
        }
    }
}

/// `label`: the generation that the run would switch to; `booked`: that of the books; `served`: the edge's own word.
pub(crate) fn plan(reached: &Reached, label: u64, booked: u64, served: Option<Served>) -> Recovery {
    if reached.ended {
        return Recovery::Over;
    }
    if let Some((label, why)) = &reached.returning {
        return Recovery::FinishReturn { label: *label, why: why.clone() };
    }
    // Only a return moves the label after the switch was written down: its own record is lost, the books have it.
    if reached.switched && booked != label {
        return Recovery::FinishReturn { label: booked, why: why_returned() };
    }
    // The books follow an acknowledged switch only, so they may stand for the lost last record of it.
    if reached.switched || booked == label {
        // The phase after the last one that is known to be over.
        let phase = match reached.phase {
            _ if reached.baked => Phase::Drain,
            Some(phase) if phase > Phase::Relieve => phase.min(Phase::Drain),
            _ => Phase::Relieve,
        };
        return Recovery::GoOn { phase };
    }
    if reached.switch_begun {
        let served = served.filter(|_| !machine::planted::is_planted("recovers-without-the-edge"));
        return match served.filter(|served| served.generation == label) {
            Some(served) => Recovery::CompleteSwitch { epoch: served.epoch },
            None => Recovery::MakeOldFinal,
        };
    }
    if let Some(process) = reached.contract {
        return Recovery::TakeUpContract { process };
    }
    if let Some(process) = reached.down {
        return Recovery::TakeUpDown { process, is_done: reached.migrated };
    }
    match reached.migration {
        Some(begun) if reached.phase == Some(Phase::Migrate) => Recovery::TakeUpMigration(begun),
        // What waits for a person has touched nothing, and its release is whole.
        _ if reached.phase == Some(Phase::Approve) => Recovery::GoOn { phase: Phase::Approve },
        _ => Recovery::Abort,
    }
}

fn why_returned() -> Explain {
    Explain::new(
        "release-returned",
        "the release was taken back; why is not in the journal, which could not be written",
    )
    .help("`mainstay logs` of that release may say it")
}

pub(crate) fn has_bake(course: &Course) -> bool {
    crate::deploy::phases(course).contains(&Phase::Bake)
}
