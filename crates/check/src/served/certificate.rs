//! What is shown by name is a certificate that browsers take, for that name, for long enough, and the one that was installed.

use api::checks::{Severity, State};
use model::Explain;

use super::{Door, FromOutside, Served, Shown};
use crate::finding::{Check, count, found_if, not_run};

pub(super) const CHECK: Check<FromOutside> = Check {
    id: "served-certificate",
    title: "browsers take the certificate that is shown",
    severity: Severity::Error,
    sources: &["TLS-08", "CHK-03a", "CHK-06c", "CHK-09a", "CHK-10e", "W-E17"],
    run,
};

/// With these left a person must act today.
const DAYS_LAST: i64 = 3;

fn run(context: &Served<'_>) -> State {
    let shown: Vec<(&str, &Door, &Shown)> = context
        .doors()
        .filter_map(|(host, door)| Some((host, door, door.shown.as_ref()?.as_ref().ok()?)))
        .collect();
    if shown.is_empty() {
        return not_run("no name was answered over TLS");
    }
    let mut wrong = Vec::new();
    for (host, door, shown) in &shown {
        let at = format!("{host} at {}", door.address);
        if let Some(why) = &shown.refused {
            wrong.push(format!("{at}: {why} (signed by {})", shown.issuer));
        } else if shown.days_left < DAYS_LAST {
            wrong.push(format!("{at}: {} days are left", shown.days_left));
        }
        if context.is_own(door.address) && knows_its_own(context) && !context.is_installed(shown) {
            wrong.push(format!("{at}: it is not one of those that are installed here"));
        }
    }
    let least = shown.iter().map(|(.., shown)| shown.days_left).min().unwrap_or(0);
    let explain = Explain::new("certificate-refused", "browsers refuse what is shown, or will in days").help(
        "`mainstay certs list` says what [acme] of machine.toml does for the name; a file of [[certificate]] holds the server's own \
         certificate first, then who has signed it",
    );
    found_if(wrong, explain, format!("{}, the next ends in {least} days", count(shown.len(), "address")))
}

/// The development certificate, and what an older server does not say, have no fingerprint.
fn knows_its_own(context: &Served<'_>) -> bool {
    context.machine.certificates.iter().any(|known| known.fingerprint.is_some())
}
