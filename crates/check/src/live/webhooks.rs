//! Every webhook of machine.toml can be told something.

use api::checks::{Severity, State};
use model::Explain;

use super::{Live, Running};
use crate::finding::{Check, found_if};

pub(super) const CHECK: Check<Running> = Check {
    id: "webhooks",
    title: "every webhook can be told something",
    severity: Severity::Warning,
    sources: &["ALERT-04"],
    run,
};

fn run(context: &Live<'_>) -> State {
    let machine = context.machine;
    let mut wrong = machine.webhooks_unusable.clone();
    if machine.station_wanted && machine.station.is_none() {
        wrong.push("the station does not run".to_owned());
        wrong.extend(machine.station_said.iter().cloned());
    }
    if !machine.station_refused.is_empty() {
        let refused = machine.station_refused.iter().map(|(call, times)| format!("{call} {times} times"));
        wrong.push(format!("the sandbox refused the station: {}", refused.collect::<Vec<_>>().join(", ")));
    }
    let explain = Explain::new("webhooks", "not every webhook is told what happens as it is asked for")
        .now("what is told to nobody waits in the queue")
        .help("`mainstay webhook list` says what waits, and names the remedy of each");
    found_if(wrong, explain, if machine.station_wanted { "the station runs" } else { "there is none" })
}
