//! Who comes in the clear is sent to TLS.

use api::checks::{Severity, State};
use model::Explain;

use super::{Answer, FromOutside, Served};
use crate::finding::{Check, count, found_if, not_run};

pub(super) const CHECK: Check<FromOutside> = Check {
    id: "served-redirect",
    title: "plain requests are sent to TLS",
    severity: Severity::Error,
    sources: &["EDGE-01", "CHK-09a"],
    run,
};

fn run(context: &Served<'_>) -> State {
    let plain: Vec<(&str, &Answer)> = context
        .doors()
        .filter_map(|(host, door)| Some((host, door.plain.as_ref()?.as_ref().ok()?)))
        .filter(|(host, _)| context.requires_tls(host))
        .collect();
    if plain.is_empty() {
        return not_run("no name that requires TLS was answered over plain HTTP");
    }
    let wrong = plain.iter().filter_map(|(host, answer)| {
        let to = answer.header("location").unwrap_or_default();
        let is_sent = [301, 308].contains(&answer.status) && to.starts_with(&format!("https://{host}"));
        let answered = match to {
            "" => answer.status.to_string(),
            to => format!("{} {to}", answer.status),
        };
        (!is_sent).then(|| format!("http://{host}/ answers {answered}"))
    });
    let explain = Explain::new("no-redirect", "somebody who comes in the clear is not sent to TLS for good")
        .help("say `tls = \"required\"` in the route; a proxy in front must not answer port 80 itself");
    found_if(wrong.collect(), explain, count(plain.len(), "answer"))
}
