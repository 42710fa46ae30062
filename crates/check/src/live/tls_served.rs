//! Routes that require TLS have an address that speaks it.

use api::checks::{Severity, State};
use model::{Explain, manifest::RouteTls};

use super::{Live, Running};
use crate::finding::{Check, found, passed};

pub(super) const CHECK: Check<Running> = Check {
    id: "tls-served",
    title: "routes that require TLS are served by TLS",
    severity: Severity::Error,
    sources: &["CHK-03a", "CHK-09a", "EDGE-01"],
    run,
};

fn run(context: &Live<'_>) -> State {
    let wanted = context.manifest.routes.iter().any(|route| route.tls == RouteTls::Required);
    let served = context.machine.listeners.iter().find(|listener| listener.kind == "https");
    match (wanted, served) {
        (false, _) => passed("no route requires it"),
        (true, Some(listener)) => passed(listener.address.clone()),
        (true, None) => found(
            Explain::new("no-tls", "a route requires TLS and no address speaks it")
                .caused_by("plain requests are redirected to https, where nobody listens")
                .help("set `https` in [listen] of machine.toml"),
        ),
    }
}
