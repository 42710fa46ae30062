//! What no program can see from here: a person looks, and attests it until a date.

use api::checks::{Finding, Severity, State};

/// (id, what is true when somebody vouches for it, where the demand comes from)
const ITEMS: [(&str, &str, &[&str]); 14] = [
    ("firewall", "only the ports that are meant to be open are open", &["CHK-09g", "SEC-01"]),
    ("ssh-keys-only", "SSH takes keys only, and root cannot log in", &["CHK-09h", "CHK-09l", "SEC-02"]),
    ("system-updated", "the operating system and its packages are up to date", &["CHK-09i", "SEC-02"]),
    ("backups-tested", "a backup was restored for proof", &["CHK-03f", "CHK-06f", "CHK-09j", "CHK-10f"]),
    ("tests-pass", "the tests of this version pass", &["CHK-01a", "CHK-04a", "CHK-10a", "GATE-03"]),
    ("staging-first", "this version ran in staging", &["CHK-08a", "CHK-11a", "GATE-04"]),
    ("load-tested", "it was tested under the load that is expected", &["CHK-03j", "CHK-08c", "CHK-10h"]),
    (
        "security-reviewed",
        "the code and its dependencies were reviewed for security",
        &["CHK-03i", "CHK-04e", "CHK-08d"],
    ),
    ("oauth-for-production", "OAuth credentials are those of the production domain", &["CHK-05b"]),
    ("dns-points-here", "the domain names point to this machine", &["CHK-03h", "CHK-06d"]),
    ("rollback-plan", "people know how to go back, and when", &["CHK-01c"]),
    (
        "stakeholders-told",
        "those who depend on the app know of the change",
        &["CHK-01d", "CHK-01e", "CHK-12f"],
    ),
    ("user-flows", "the critical paths of users were tried after the deploy", &["CHK-11e", "CHK-12d"]),
    (
        "monitoring-watched",
        "somebody sees alerts of this machine",
        &["CHK-03e", "CHK-06e", "CHK-09k", "CHK-10g"],
    ),
];

/// Why such a finding is not run.
pub const ONLY_PEOPLE: &str = "only a person can see it";

pub(crate) fn ids() -> impl Iterator<Item = &'static str> {
    ITEMS.iter().map(|(id, ..)| *id)
}

pub(crate) fn findings() -> impl Iterator<Item = Finding> {
    ITEMS.iter().map(|(id, title, sources)| Finding {
        id: (*id).to_owned(),
        title: (*title).to_owned(),
        severity: Severity::Info,
        sources: sources.iter().map(|source| (*source).to_owned()).collect(),
        state: State::NotRun { why: ONLY_PEOPLE.to_owned() },
    })
}
