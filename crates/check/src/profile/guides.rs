//! The items, in the order and with the letters of the catalogue.

/// One production guide and its checklists.
#[derive(Debug)]
pub struct Guide {
    /// `s0`
    pub name: &'static str,
    /// What it puts into production.
    pub about: &'static str,
    /// (id, what it asks for)
    pub items: &'static [(&'static str, &'static str)],
}

/// All of them.
pub fn guides() -> &'static [Guide] {
    &GUIDES
}

/// The guide of that name, whatever the case of its letter.
pub fn by_name(name: &str) -> Option<&'static Guide> {
    GUIDES.iter().find(|guide| guide.name.eq_ignore_ascii_case(name))
}

const GUIDES: [Guide; 5] = [
    Guide { name: "s0", about: "Next.js behind a CDN: before and after an update", items: &S0 },
    Guide { name: "s1", about: "an automated pipeline: its best practices", items: &S1 },
    Guide { name: "s2", about: "Python on several machines: before a deploy", items: &S2 },
    Guide { name: "s3", about: "Node on one machine: before production", items: &S3 },
    Guide {
        name: "s4",
        about: "Node and Kubernetes: hardening, before, during and after a deploy",
        items: &S4,
    },
];

const S0: [(&str, &str); 9] = [
    ("CHK-01a", "all tests pass"),
    ("CHK-01b", "backups of the database are made"),
    ("CHK-01c", "the plan to go back is written down"),
    ("CHK-01d", "the maintenance is planned"),
    ("CHK-01e", "stakeholders are told"),
    ("CHK-02a", "it is watched for 24 hours"),
    ("CHK-02b", "documents are brought up to date"),
    ("CHK-02c", "the end is told"),
    ("CHK-02d", "the old version is kept"),
];

const S1: [(&str, &str); 8] = [
    ("CHK-13a", "monitor continuously"),
    ("CHK-13b", "test thoroughly"),
    ("CHK-13c", "deploy beside what serves"),
    ("CHK-13d", "handle errors gracefully"),
    ("CHK-13e", "log everything"),
    ("CHK-13f", "secure by default"),
    ("CHK-13g", "plan for scale"),
    ("CHK-13h", "have the way back ready"),
];

const S2: [(&str, &str); 10] = [
    ("CHK-03a", "certificates are installed and valid"),
    ("CHK-03b", "the database is replicated"),
    ("CHK-03c", "the cache is a cluster"),
    ("CHK-03d", "variables of the environment are secured"),
    ("CHK-03e", "monitoring is deployed"),
    ("CHK-03f", "backups are tested"),
    ("CHK-03g", "the load balancer is configured"),
    ("CHK-03h", "the DNS is up to date"),
    ("CHK-03i", "security was scanned"),
    ("CHK-03j", "performance was tested"),
];

const S3: [(&str, &str); 29] = [
    ("CHK-04a", "tests pass: units, integration, behaviour"),
    ("CHK-04b", "tests cover more than 80 %"),
    ("CHK-04c", "linter and formatter pass"),
    ("CHK-04d", "types are checked"),
    ("CHK-04e", "security was reviewed"),
    ("CHK-04f", "benchmarks are met"),
    ("CHK-05a", "the environment of production is configured"),
    ("CHK-05b", "OAuth credentials are of the production domain"),
    ("CHK-05c", "the signing key is not the default"),
    ("CHK-05d", "the CORS origin is the production domain"),
    ("CHK-05e", "database connections are those of production"),
    ("CHK-05f", "cache connections are those of production"),
    ("CHK-06a", "the server is provisioned"),
    ("CHK-06b", "the load balancer is configured"),
    ("CHK-06c", "certificates are installed"),
    ("CHK-06d", "domains are configured"),
    ("CHK-06e", "monitoring and logging are configured"),
    ("CHK-06f", "there are backups"),
    ("CHK-07a", "security headers are sent"),
    ("CHK-07b", "rates are limited"),
    ("CHK-07c", "CORS is configured"),
    ("CHK-07d", "requests are authenticated"),
    ("CHK-07e", "input is validated"),
    ("CHK-07f", "no SQL can be injected"),
    ("CHK-08a", "staging was deployed"),
    ("CHK-08b", "integration tests passed in staging"),
    ("CHK-08c", "load was tested"),
    ("CHK-08d", "security was tested"),
    ("CHK-08e", "users accepted it"),
];

const S4: [(&str, &str); 34] = [
    ("CHK-09a", "TLS with a certificate"),
    ("CHK-09b", "all secrets outside of the code"),
    ("CHK-09c", "a database password of 32 characters"),
    ("CHK-09d", "10 requests a second for a client"),
    ("CHK-09e", "CORS for the own domain"),
    ("CHK-09f", "security headers"),
    ("CHK-09g", "a firewall: 80, 443 and 22 only"),
    ("CHK-09h", "SSH by keys only"),
    ("CHK-09i", "system and packages up to date"),
    ("CHK-09j", "daily backups by themselves"),
    ("CHK-09k", "health checks and monitoring"),
    ("CHK-09l", "no access as root"),
    ("CHK-10a", "tests pass"),
    ("CHK-10b", "the build is there"),
    ("CHK-10c", "the environment is configured"),
    ("CHK-10d", "migrations are ready"),
    ("CHK-10e", "certificates are there"),
    ("CHK-10f", "the backup strategy is tested"),
    ("CHK-10g", "monitoring is set up"),
    ("CHK-10h", "load was tested"),
    ("CHK-11a", "staging first"),
    ("CHK-11b", "migrations ran"),
    ("CHK-11c", "the health endpoint answers"),
    ("CHK-11d", "logs were read"),
    ("CHK-11e", "critical paths of users work"),
    ("CHK-11f", "error rates are watched"),
    ("CHK-11g", "the backup job runs"),
    ("CHK-12a", "performance was looked at"),
    ("CHK-12b", "error logs were read"),
    ("CHK-12c", "database connections are well"),
    ("CHK-12d", "it was tried from other networks"),
    ("CHK-12e", "documents are up to date"),
    ("CHK-12f", "stakeholders are told"),
    ("CHK-12g", "a review is planned"),
];
