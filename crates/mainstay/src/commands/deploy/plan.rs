//! A plan as words.

use std::process::ExitCode;

use api::deploy::{Change, EXIT_FINDINGS, EXIT_USAGE, Plan};

use crate::{
    output::{json, line},
    report::clean,
    session::Session,
};

/// Shows the plan; 0 nothing to change, 2 changes, 1 it would be refused.
pub(super) fn show(session: &Session, plan: &Plan) -> ExitCode {
    if session.json() {
        json(plan);
    } else {
        line(words(plan));
        plan.warnings.iter().for_each(|warning| session.report.warning(warning));
        plan.closed.iter().for_each(|why| session.report.warning(why));
        plan.errors.iter().for_each(|error| session.report.error(error));
    }
    match (plan.errors.is_empty(), plan.changes.is_empty()) {
        (false, _) => ExitCode::from(EXIT_USAGE),
        (true, false) => ExitCode::from(EXIT_FINDINGS),
        (true, true) => ExitCode::SUCCESS,
    }
}

fn words(plan: &Plan) -> String {
    let from = plan.from.map_or_else(|| "nothing serves".to_owned(), |from| format!("release {from} serves"));
    if plan.changes.is_empty() {
        return format!("{}: {from}; nothing would change", plan.site);
    }
    let mut lines = vec![format!("{}: {from}; release {} would:", plan.site, plan.to)];
    lines.extend(plan.changes.iter().map(change));
    lines.join("\n")
}

fn change(change: &Change) -> String {
    let subject = clean(&change.subject);
    match (&change.before, &change.after) {
        (None, Some(after)) => format!("  + {subject}: {}", clean(after)),
        (Some(before), None) => format!("  - {subject}: {}", clean(before)),
        (Some(before), Some(after)) => format!("  ~ {subject}: {} -> {}", clean(before), clean(after)),
        (None, None) => format!("  ~ {subject}"),
    }
}
