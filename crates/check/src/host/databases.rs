//! No database, cache or container engine listens to strangers.

use api::checks::{Severity, State};
use model::Explain;

use super::{Host, OnHost, judged};
use crate::finding::{Check, found_if};

pub(super) const CHECK: Check<OnHost> = Check {
    id: "open-databases",
    title: "no database listens to strangers",
    severity: Severity::Error,
    sources: &["CHK-09g", "SEC-01", "SEC-07"],
    run,
};

/// By the ports that are theirs unless somebody changes it.
const KNOWN: [(u16, &str); 13] = [
    (1433, "SQL Server"),
    (2375, "Docker, which is root to whoever asks"),
    (2379, "etcd"),
    (3306, "MySQL"),
    (5432, "PostgreSQL"),
    (5984, "CouchDB"),
    (6379, "Redis"),
    (6432, "PgBouncer"),
    (9042, "Cassandra"),
    (9090, "Prometheus"),
    (9200, "Elasticsearch"),
    (11211, "memcached"),
    (27017, "MongoDB"),
];

fn run(context: &Host<'_>) -> State {
    judged(&context.facts.sockets, |sockets| {
        let served = context.served();
        let public =
            sockets.iter().filter(|socket| socket.is_public() && !served.contains(&socket.address.port()));
        let wrong = public.filter_map(|socket| {
            let (_, what) = KNOWN.iter().find(|(port, _)| *port == socket.address.port())?;
            Some(format!("{}: the port of {what}", socket.told()))
        });
        let explain = Explain::new("database-open", "a database listens to strangers")
            .help("let it listen at 127.0.0.1 or at a socket; from another machine reach it by a private network or an ssh tunnel");
        found_if(wrong.collect(), explain, "none at its own port")
    })
}
