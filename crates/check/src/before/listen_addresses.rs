//! The edge's addresses are free, and this user may take them.

use std::{io::ErrorKind, net::TcpListener};

use api::checks::{Severity, State};
use model::Explain;

use super::{Before, Context};
use crate::finding::{Check, count, found_if, passed};

pub(super) const CHECK: Check<Before> = Check {
    id: "listen-addresses",
    title: "the edge's addresses are free",
    severity: Severity::Error,
    sources: &["CHK-03g", "CHK-06b"],
    run,
};

fn run(context: &Context<'_>) -> State {
    if context.running {
        return passed("Mainstay runs and holds them");
    }
    let mut wrong = Vec::new();
    for address in &context.listen {
        // Bound and let go at once: nobody connects in between who would not be refused otherwise.
        match TcpListener::bind(address) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                wrong.push(format!("{address} is taken by somebody else"))
            }
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                wrong.push(format!("{address}: ports below 1024 are for root"));
            }
            Err(error) => wrong.push(format!("{address}: {error}")),
        }
    }
    let explain = Explain::new("address-taken", "the edge cannot listen where machine.toml says")
        .help("`ss -ltnp` shows who listens; other addresses stand in [listen] of machine.toml or `mainstay up --listen`");
    found_if(wrong, explain, count(context.listen.len(), "address"))
}
