//! APPROVE, where `deploy.approval` is set: the run waits for an operator who did not begin it.
//!
//! It waits behind STAGE: what is approved is what lies sealed on this machine, and a keeper that dies meanwhile is followed by one
//! that waits on. Nothing of what serves is touched. How long it waits is counted by the wall clock from a record of the journal,
//! the only one that outlives a keeper.

use std::time::Duration;

use api::status::Awaited;
use model::{DeployId, Explain};
use tokio::time::{Instant, sleep};

use crate::{
    journal::{Kind, Record},
    preflight,
    run::{Halt, Run},
    world::World,
};

/// Bound: nobody has approved it by then, and it is given up.
const WAITS_MAX: Duration = Duration::from_secs(24 * 3600);
/// Bound: a clock that was set is seen within this.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// What a run and those who answer it know of its approval.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Approval {
    /// It was asked for; until when it waits.
    pub until_unix_ms: Option<u64>,
    pub answer: Option<Answer>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    Approved,
    /// Something that needs no approval is done in its place.
    GivesWay {
        to: String,
    },
}

impl Approval {
    /// As keepers before this one wrote it down.
    pub(crate) fn of(records: &[Record]) -> Self {
        let mut approval = Self::default();
        for kind in records.iter().filter_map(Record::kind) {
            match kind {
                Kind::ApprovalAsked { until_unix_ms } => approval.until_unix_ms = Some(*until_unix_ms),
                Kind::Approved { .. } => approval.answer = Some(Answer::Approved),
                _ => {}
            }
        }
        approval
    }

    /// What it waits for; `None`: for nothing.
    pub(crate) fn awaited(&self, deploy: DeployId) -> Option<Awaited> {
        let until_unix_ms = self.until_unix_ms.filter(|_| self.answer.is_none())?;
        Some(Awaited { command: command(deploy), until_unix_ms })
    }
}

pub(crate) fn command(deploy: DeployId) -> String {
    format!("mainstay approve {deploy}")
}

pub(crate) async fn approve<W: World>(run: &mut Run<W>) -> Result<(), Halt> {
    let until = ask(run)?;
    let waited = wait(run, until).await;
    run.log.approval.send_modify(|approval| approval.until_unix_ms = None);
    waited.map_err(|error| error.now(run.now_serving()))?;
    // Its own time was not spent by who had to approve it; and the machine may be another one by now.
    run.deadline = Instant::now() + run.at.settings.deploy_limit;
    preflight::preflight(run).await
}

/// Asks once, however many keepers wait.
fn ask<W: World>(run: &Run<W>) -> Result<u64, Explain> {
    if let Some(until) = run.log.approval.borrow().until_unix_ms {
        return Ok(until);
    }
    let waits_ms = u64::try_from(WAITS_MAX.as_millis()).unwrap_or(u64::MAX);
    let until_unix_ms = run.at.now_unix_ms().saturating_add(waits_ms);
    run.log.append(Kind::ApprovalAsked { until_unix_ms })?;
    run.log.approval.send_modify(|approval| approval.until_unix_ms = Some(until_unix_ms));
    run.log.note(format!(
        "waits for another operator than {}, {} at most: `{}`",
        run.operator,
        model::Span(WAITS_MAX),
        command(run.task.deploy)
    ));
    Ok(until_unix_ms)
}

async fn wait<W: World>(run: &Run<W>, until: u64) -> Result<(), Explain> {
    let mut answers = run.log.approval.subscribe();
    loop {
        run.check_cancelled()?;
        let answer = answers.borrow_and_update().answer.clone();
        match answer {
            Some(Answer::Approved) => return Ok(()),
            Some(Answer::GivesWay { to }) => {
                let message = format!("the {} waited for an approval, and gave way to {to}", run.task.verb);
                return Err(Explain::new("gave-way", message).help("deploy again when it may go on"));
            }
            None => {}
        }
        let left = Duration::from_millis(until.saturating_sub(run.at.now_unix_ms()));
        if left.is_zero() {
            let waited = model::Span(WAITS_MAX);
            let message = format!("nobody approved the {} within {waited}", run.task.verb);
            return Err(Explain::new("not-approved", message).help(
                "deploy again, and tell whoever is to approve it: `mainstay status` names the command",
            ));
        }
        tokio::select! {
            _ = answers.changed() => {}
            () = run.cancel.cancelled() => {}
            () = sleep(left.min(LOOK_EVERY)) => {}
        }
    }
}
