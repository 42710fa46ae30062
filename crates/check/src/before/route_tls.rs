//! What production serves, it serves by TLS, with a certificate that browsers trust.

use api::checks::{Severity, State};
use model::{Explain, host::covers, manifest::RouteTls};

use super::{Before, Context};
use crate::finding::{Check, found_if, not_run};

pub(super) const CHECK: Check<Before> = Check {
    id: "route-tls",
    title: "production is served by TLS, with a real certificate",
    severity: Severity::Warning,
    sources: &["EDGE-01", "CHK-03a", "CHK-06c", "CHK-09a", "CHK-10e", "W-E17"],
    run,
};

fn run(context: &Context<'_>) -> State {
    if !context.manifest.env.is_production() {
        return not_run(format!("{} is not production", context.manifest.env));
    }
    let mut wrong = Vec::new();
    for route in &context.manifest.routes {
        let what = format!("the route to {}{}", route.service, route.path_prefix);
        if route.tls != RouteTls::Required {
            wrong.push(format!("{what} is also served in the clear"));
        }
        let bare = route.hosts.iter().filter(|host| !covered(host, &context.certified));
        let unmeant = bare.filter(|host| !context.beyond.contains(host));
        wrong.extend(
            unmeant.map(|host| {
                format!("no [[certificate]] of machine.toml is for {host}, and no [acme] gets one")
            }),
        );
    }
    if let [first, ..] = context.beyond.as_slice() {
        let hosts = context.beyond.len();
        wrong.push(format!(
            "{hosts} hosts, {first} the first, are beyond `names_per_site_max` of [acme] and get no certificate"
        ));
    }
    let explain = Explain::new(
        "route-tls",
        "users would be served in the clear, or with a certificate that no browser trusts",
    )
    .help("say `tls = \"required\"` in the route, and let an [acme] of machine.toml get a certificate, or name certificate and key there");
    found_if(wrong, explain, "every route requires TLS and has a certificate")
}

pub(super) fn covered(host: &str, certified: &[String]) -> bool {
    certified.iter().any(|name| covers(name, host))
}
