//! What the deploy machine writes down, as a line of a simulated world's trace.

pub(super) use testkit::worlds::tell;

use crate::journal::{Kind, Record};

/// Without ids, which are another each time.
pub(super) fn record(record: &Record) {
    let Some(kind) = record.kind() else { return };
    tell(|| format!("    {}", word(kind)));
}

fn word(kind: &Kind) -> String {
    match kind {
        Kind::Began { verb, course, from, to, generation, .. } => {
            let course = format!("{course:?}");
            let course = course.split([' ', '{']).next().unwrap_or_default();
            let from = from.map_or("nothing".to_owned(), |from| from.to_string());
            format!("began {verb} ({course}) from {from} to {to}, generation {generation}")
        }
        Kind::Entered { phase } => format!("entered {}", phase.name()),
        Kind::Note { message, .. } => format!("note: {message}"),
        Kind::Warned { warning } => format!("warned: {}", warning.code),
        Kind::Reason { reason } => format!("reason: {}", reason.code),
        Kind::JobIntent { job, .. } => format!("job intent: {job:?}"),
        Kind::JobDone { job, end, .. } => format!("job done: {job:?}, {end}"),
        Kind::MigrateIntent { before, target, .. } => format!("migrate intent: {before} to {target}"),
        Kind::MigrateDone { data } => format!("migrate done: {}", data.version),
        Kind::InstanceIntent { name, .. } => format!("instance intent: {name}"),
        Kind::Baseline { exits, .. } => format!("baseline: {exits} exits"),
        Kind::CanaryIntent { weight } => format!("canary intent: {weight}"),
        Kind::SwitchIntent { generation, release } => {
            format!("switch intent: {generation}, release {release}")
        }
        Kind::SwitchDone { .. } => "switch done".to_owned(),
        Kind::ReturnIntent { generation, release, why } => {
            format!("return intent: {generation}, release {release}, {}", why.code)
        }
        Kind::ReturnDone { .. } => "return done".to_owned(),
        Kind::Baked => "baked".to_owned(),
        Kind::ApprovalAsked { .. } => "approval asked".to_owned(),
        Kind::Approved { by, .. } => format!("approved by {by}"),
        Kind::CancelAsked { .. } => "cancel asked".to_owned(),
        Kind::Ended { outcome, serving, error, .. } => {
            let serving = serving.map_or("nothing".to_owned(), |n| n.to_string());
            let code = error.as_ref().map_or("", |error| &error.code);
            format!("ended {}, {serving} serves {code}", outcome.name())
        }
        Kind::Retired { generation, .. } => format!("retired generation {generation}"),
    }
}
