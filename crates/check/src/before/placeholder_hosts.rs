//! Routes in production name hosts, and real ones.

use api::checks::{Severity, State};
use model::Explain;

use super::{Before, Context};
use crate::finding::{Check, count, found_if, not_run};

pub(super) const CHECK: Check<Before> = Check {
    id: "route-hosts",
    title: "routes name the hosts that they are for",
    severity: Severity::Warning,
    sources: &["W-F2", "CHK-05a", "CHK-06d"],
    run,
};

fn run(context: &Context<'_>) -> State {
    if !context.manifest.env.is_production() {
        return not_run(format!("{} is not production", context.manifest.env));
    }
    let routes = &context.manifest.routes;
    let reserved = |host: &str| {
        ["example.com", "example.org", "example.net"]
            .iter()
            .any(|name| host == *name || host.ends_with(&format!(".{name}")))
            || host.ends_with(".example")
            || host.ends_with(".invalid")
    };
    let examples: Vec<String> = routes
        .iter()
        .flat_map(|route| &route.hosts)
        .filter(|host| reserved(host))
        .map(|host| format!("{host} is a name for examples: nobody can reach it"))
        .collect();
    let open = routes.iter().filter(|route| route.hosts.is_empty());
    let open: Vec<String> = open
        .map(|route| format!("the route to {}{} takes any host", route.service, route.path_prefix))
        .collect();
    let explain = match (examples.is_empty(), open.is_empty()) {
        (false, true) => Explain::new("route-hosts", "a route is for a host of an example")
            .help("put the name in its place that your users type, and that leads to this machine"),
        (false, false) => {
            Explain::new("route-hosts", "a route names no host that it is for, another one that of an example")
                .help("name in `hosts` what your users type: a request with another Host is then refused instead of answered")
        }
        (true, _) => Explain::new("route-hosts", "a route does not name the hosts that it is for")
            .help("name them in `hosts`: a request with another Host is then refused instead of answered"),
    };
    found_if([examples, open].concat(), explain, count(routes.len(), "route"))
}
