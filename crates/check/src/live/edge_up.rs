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
    match (&context.machine.edge, context.machine.listeners.as_slice()) {
        (None, _) => {
            let explain =
                Explain::new("no-edge", "the edge does not run: connections wait in the listen queue").help(
                    "it is started again by itself; logs/edge/edge.log in the data folder says why it ends",
                );
            found(match &context.machine.edge_said[..] {
                [] => explain,
                said => explain.detail("what it said last", said.to_vec()),
            })
        }
        (Some(_), []) => {
            found(Explain::new("no-listener", "the edge runs and listens nowhere").help(
                "name addresses under [listen] in machine.toml, then `mainstay down` and `mainstay up`",
            ))
        }
        (Some(edge), listeners) => {
            let urls: Vec<&str> = listeners.iter().map(|listener| listener.url.as_str()).collect();
            passed(format!("pid {}, at {}", edge.pid, urls.join(" ")))
        }
    }
}
