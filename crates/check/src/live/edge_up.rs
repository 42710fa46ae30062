//! The edge runs and listens.

use api::checks::{Severity, State};
use model::Explain;

use super::{Live, Running};
use crate::finding::{Check, found, passed};

pub(super) const CHECK: Check<Running> = Check {
    id: "edge",
    title: "the edge runs and listens",
    severity: Severity::Error,
    sources: &["CHK-03g", "CHK-06b", "GATE-02"],
    run,
};

fn run(context: &Live<'_>) -> State {
    let wrong = |explain: Explain| {
        found(explain.help(
            "`mainstay status --machine` and the keeper's log tell more; it is started again by itself",
        ))
    };
    match (&context.machine.edge, context.machine.listeners.as_slice()) {
        (None, _) => {
            let explain =
                Explain::new("no-edge", "the edge does not run: connections wait in the listen queue");
            wrong(match &context.machine.edge_said[..] {
                [] => explain,
                said => explain.detail("what it said last", said.to_vec()),
            })
        }
        (Some(_), []) => wrong(Explain::new("no-listener", "the edge runs and listens nowhere")),
        (Some(edge), listeners) => {
            let urls: Vec<&str> = listeners.iter().map(|listener| listener.url.as_str()).collect();
            passed(format!("pid {}, at {}", edge.pid, urls.join(" ")))
        }
    }
}
