//! Certificates are served, valid, and renewed in time.

use api::{
    checks::{Severity, State},
    machine::Certificate,
};
use model::Explain;

use super::{Live, Running};
use crate::finding::{Check, count, found_if};

pub(super) const VALID: Check<Running> = Check {
    id: "certificates",
    title: "certificates are served and valid",
    severity: Severity::Error,
    sources: &["CHK-03a", "CHK-09a"],
    run: valid,
};

pub(super) const RENEWED: Check<Running> = Check {
    id: "certificates-renewed",
    title: "certificates are renewed in time",
    severity: Severity::Warning,
    sources: &["TLS-06"],
    run: renewed,
};

/// Who renews begins 30 days before the end; with these left nobody has.
const DAYS_SOON: i64 = 14;
/// With these left a person must act today.
const DAYS_LAST: i64 = 3;

fn valid(context: &Live<'_>) -> State {
    let ends = |known: &Certificate| match known.days_left {
        Some(days) if days < 0 => Some(format!("{} has expired", named(known))),
        Some(days) if days < DAYS_LAST => Some(days_left(known, days)),
        Some(_) | None => None,
    };
    let unserved = |known: &Certificate| {
        let why = known.problem.as_deref().unwrap_or("the edge did not say why");
        (!known.served).then(|| format!("{} is not served: {why}", named(known)))
    };
    let all = &context.machine.certificates;
    let wrong = all.iter().filter_map(|known| unserved(known).or_else(|| ends(known)));
    let explain = Explain::new("certificate-invalid", "clients refuse a certificate, or will in days")
        .help("put a valid pair at the paths of machine.toml, readable for the edge's account: it is served within seconds");
    found_if(wrong.collect(), explain, seen(all))
}

fn renewed(context: &Live<'_>) -> State {
    let late = |known: &Certificate| {
        let days = known.days_left.filter(|days| (DAYS_LAST..DAYS_SOON).contains(days))?;
        Some(days_left(known, days))
    };
    let kept_out = |known: &Certificate| {
        let problem = known.problem.as_deref().filter(|_| known.served)?;
        Some(format!("{} changed on the disk and the one of before is served on: {problem}", named(known)))
    };
    let all = &context.machine.certificates;
    let wrong = all.iter().flat_map(|known| [kept_out(known), late(known)]).flatten();
    let explain = Explain::new("certificate-not-renewed", "a certificate is not renewed in time")
        .help("see what renews it; both files of machine.toml must be there, belong together, and be readable for the edge's account");
    found_if(wrong.collect(), explain, seen(all))
}

fn named(known: &Certificate) -> String {
    format!("the certificate of {} ({})", known.names.join(", "), known.file)
}

fn days_left(known: &Certificate, days: i64) -> String {
    let days = usize::try_from(days).unwrap_or(0);
    format!("{} has {} left", named(known), count(days, "day"))
}

fn seen(all: &[Certificate]) -> String {
    match all.iter().filter_map(|known| known.days_left).min() {
        Some(days) => {
            format!("{}, the next ends in {days} days", count(all.len(), "certificate"))
        }
        None => "machine.toml names none".to_owned(),
    }
}
