//! Every address of every name answers, at both ports.

use api::checks::{Severity, State};
use model::Explain;

use super::{Answer, FromOutside, Served};
use crate::finding::{Check, count, found_if, not_run};

pub(super) const CHECK: Check<FromOutside> = Check {
    id: "reachable",
    title: "every address of every name answers",
    severity: Severity::Error,
    sources: &["CHK-06b", "CHK-12d", "GATE-02"],
    run,
};

fn run(context: &Served<'_>) -> State {
    if context.doors().next().is_none() {
        return not_run("no name has an address to ask");
    }
    let mut wrong = Vec::new();
    for (host, door) in context.doors() {
        let plain = door.plain.as_ref().and_then(|answer| answer.as_ref().err());
        let shown = door.shown.as_ref().and_then(|shown| shown.as_ref().err());
        let broken = [("HTTP", plain), ("HTTPS", shown)];
        let broken = broken.into_iter().filter_map(|(what, why)| Some((what, why?)));
        wrong.extend(broken.map(|(what, why)| format!("{host} at {} over {what}: {why}", door.address)));
        let failing = door.pages.iter().filter_map(|page| Some((&page.url, failure(&page.answer)?)));
        wrong.extend(failing.map(|(url, why)| format!("{url} at {}: {why}", door.address)));
    }
    if wrong.is_empty() && context.is_here {
        return not_run(
            "not known: all answer, but it was asked from the machine itself, past every filter in front of it; \
             `mainstay check --live --host HOST` asks from elsewhere",
        );
    }
    let explain = Explain::new("unreachable", "somebody who comes by a name is not answered")
        .help("open the ports in every filter on the way, and remove records that lead to addresses where nobody listens");
    found_if(wrong, explain, count(context.doors().count(), "address"))
}

/// A server's own failure; what a page refuses is its business.
fn failure(answer: &Result<Answer, String>) -> Option<String> {
    match answer {
        Err(why) => Some(why.clone()),
        Ok(answer) if answer.status >= 500 => Some(format!("it answers {}", answer.status)),
        Ok(_) => None,
    }
}
