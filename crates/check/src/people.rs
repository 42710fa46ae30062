//! What no program can see from here: a person looks, and attests it until a date.

use api::checks::{Finding, Severity, State};

/// (id, what is true when somebody vouches for it, where the demand comes from). The first four are seen by a program where
/// `--live` may look at the machine.
const ITEMS: [(&str, &str, &[&str]); 33] = [
    ("firewall", "only the ports that are meant to be open are open", &["CHK-09g", "SEC-01"]),
    ("ssh-keys-only", "SSH takes keys only", &["CHK-09h", "SEC-01"]),
    ("system-updated", "the operating system and its packages are up to date", &["CHK-09i", "SEC-02"]),
    ("dns-points-here", "the domain names point to this machine", &["CHK-03h", "CHK-06d"]),
    ("backups-tested", "a backup was restored for proof", &["CHK-03f", "CHK-06f", "CHK-09j", "CHK-10f"]),
    (
        "backups-running",
        "the job that makes backups ran, today and before this change",
        &["CHK-01b", "CHK-09j", "CHK-11g"],
    ),
    (
        "tests-pass",
        "the tests of this version pass",
        &["CHK-01a", "CHK-04a", "CHK-10a", "CHK-13b", "GATE-03"],
    ),
    ("tests-cover", "the tests run more than 80 % of the code", &["CHK-04b"]),
    ("code-checked", "linter, formatter and type check have nothing to say", &["CHK-04c", "CHK-04d"]),
    ("staging-first", "this version ran in staging", &["CHK-08a", "CHK-11a", "GATE-04"]),
    ("staging-tested", "the integration tests passed in staging", &["CHK-08b"]),
    ("accepted", "those who will use it tried it and took it", &["CHK-08e"]),
    (
        "load-tested",
        "it was tested under the load that is expected",
        &["CHK-03j", "CHK-04f", "CHK-08c", "CHK-10h", "CHK-13g"],
    ),
    (
        "security-reviewed",
        "the code and its dependencies were reviewed for security",
        &["CHK-03i", "CHK-04e", "CHK-08d"],
    ),
    (
        "requests-guarded",
        "who asks is known before anything is done, and what is asked is validated",
        &["CHK-07d", "CHK-07e", "CHK-07f"],
    ),
    ("errors-handled", "what fails is told to users in words, and to somebody who mends it", &["CHK-13d"]),
    ("oauth-for-production", "OAuth credentials are those of the production domain", &["CHK-05b"]),
    (
        "database-connected",
        "the database is that of production, and its pool is large enough",
        &["CHK-05e", "CHK-12c"],
    ),
    ("cache-connected", "the cache is that of production", &["CHK-05f"]),
    ("database-replicated", "the database has a replica that takes over", &["CHK-03b"]),
    ("cache-replicated", "the cache has another node that takes over", &["CHK-03c"]),
    ("migrations-ready", "the migrations of this version ran against a copy of the data", &["CHK-10d"]),
    ("maintenance-planned", "the time of the change is agreed", &["CHK-01d"]),
    ("rollback-plan", "people know how to go back, and when", &["CHK-01c", "CHK-13h"]),
    (
        "stakeholders-told",
        "those who depend on the app know of the change, and that it is done",
        &["CHK-01e", "CHK-02c", "CHK-12f"],
    ),
    ("user-flows", "the critical paths of users were tried after the deploy", &["CHK-11e"]),
    ("other-networks", "it was tried from other networks than one's own", &["CHK-12d"]),
    (
        "monitoring-watched",
        "somebody sees alerts of this machine",
        &["CHK-03e", "CHK-06e", "CHK-09k", "CHK-10g", "CHK-11f", "CHK-13a"],
    ),
    ("watched-a-day", "it was watched for a day after the change", &["CHK-02a"]),
    ("logs-read", "the logs were read after the deploy", &["CHK-11d", "CHK-12b", "CHK-13e"]),
    ("figures-read", "latencies and errors after the deploy were compared with those before", &["CHK-12a"]),
    (
        "documents-true",
        "what is written down about the app is true after the change",
        &["CHK-02b", "CHK-12e"],
    ),
    ("review-planned", "a day is set to look back at the deploy", &["CHK-12g"]),
];

/// Why such a finding is not run.
pub const ONLY_PEOPLE: &str = "only a person can see it";

pub(crate) fn ids() -> impl Iterator<Item = &'static str> {
    ITEMS.iter().map(|(id, ..)| *id)
}

/// Each with where its demand comes from.
pub(crate) fn demands() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    ITEMS.iter().map(|(id, _, sources)| (*id, *sources))
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
