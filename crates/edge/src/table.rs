//! The routing table: a JSON file that the keeper replaces atomically and the edge serves.
//!
//! Shapes and their checks only; [`crate::matcher`] turns a checked table into lookups.

use std::{
    collections::HashSet,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use machine::formats;
use model::{
    Address, InstanceName, Notice, ProcessId, ReleaseNumber, ServiceName, Site,
    manifest::{Balance, Drain, ReadinessProbe, Route},
};
use serde::{Deserialize, Serialize};

/// Version of the file; a reader accepts this one and the one before.
pub const FORMAT: u32 = 1;

/// Bound: a larger file is refused before it is parsed.
pub const TABLE_BYTES_MAX: u64 = 64 << 20;

/// Everything that the edge serves, of all sites. Written by the keeper, by temp file, fsync and rename.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    pub format: u32,
    /// Counted up by the keeper with every change; the edge refuses a lower one than it serves.
    pub epoch: u64,
    pub sites: Vec<SiteTable>,
}

/// One site's part of the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteTable {
    pub site: Site,
    /// The keeper's count of what served; the edge persists it and reports it, so that what serves can be read after
    /// any crash.
    pub generation: u64,
    /// The release that the routes lead to; `None`: nothing has served yet.
    #[serde(default)]
    pub release: Option<ReleaseNumber>,
    /// All generations that the edge should know: those on trial, those that serve, those that drain.
    pub pools: Vec<Pool>,
    /// Each leads to a pool of this site that is [`PoolState::Live`].
    pub routes: Vec<RouteEntry>,
    /// A reason that people are shown; while it stands, every request to the site's routes is answered 503.
    #[serde(default)]
    pub maintenance: Option<String>,
    /// What an operator has put up; the same for all but those whom it lets in, and over by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<Notice>,
}

/// A route and the pool that serves it now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteEntry {
    pub route: Route,
    pub pool: PoolId,
    /// Who tries the route on some of its clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
}

/// A pool that takes a share of a route's clients, each client all of the time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    pub pool: PoolId,
    /// Clients of a hundred.
    pub weight: u8,
}

/// Names one generation of one service of one site: `assistant/production/web@7`. Unique in a table. A restart of the
/// same release is another generation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PoolId(pub String);

impl PoolId {
    pub fn new(site: &Site, service: &ServiceName, generation: u64) -> Self {
        Self(format!("{site}/{service}@{generation}"))
    }
}

impl fmt::Display for PoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The instances of one service in one release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    pub id: PoolId,
    pub service: ServiceName,
    pub release: ReleaseNumber,
    pub state: PoolState,
    pub upstreams: Vec<Upstream>,
    /// `None`: an upstream is ready when it accepts a connection (asked every second).
    #[serde(default)]
    pub readiness: Option<ReadinessProbe>,
    /// `Host` of the readiness request where the probe names none; `None`: `localhost`.
    #[serde(default)]
    pub probe_host: Option<String>,
    pub drain: Drain,
    pub balance: Balance,
}

/// What a pool is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolState {
    /// Probed; takes requests only through the private listener.
    Candidate,
    /// Takes requests of the routes that lead to it.
    Live,
    /// Takes no new request; what is open ends by its class (see [`Drain`]), counted from when the edge was told.
    Draining,
}

/// One instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    pub name: InstanceName,
    /// Readiness and counts belong to this process; a restarted instance begins anew.
    pub process: ProcessId,
    pub address: Address,
}

/// Why a file is no table that can be served. What is being served stays.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("cannot write {path}")]
    Write { path: PathBuf, source: std::io::Error },
    #[error("{path} has {bytes} bytes, more than {TABLE_BYTES_MAX}")]
    TooLarge { path: PathBuf, bytes: u64 },
    #[error("{path} is no routing table")]
    Parse { path: PathBuf, source: serde_json::Error },
    #[error("the table has format {found}, this edge reads up to {}", formats::current(FORMAT))]
    Format { found: u32 },
    #[error("the pool {0} stands twice in the table")]
    PoolTwice(PoolId),
    #[error("a route of {site} leads to the pool {pool}, which the site does not have")]
    NoSuchPool { site: Site, pool: PoolId },
    #[error("a route of {site} leads to the pool {pool}, which is not live")]
    PoolNotLive { site: Site, pool: PoolId },
    #[error("the path prefix `{0}` does not begin with `/`")]
    BadPrefix(String),
    #[error("{host}{prefix} is claimed by {first} and by {second}")]
    Claimed { host: String, prefix: String, first: Box<Site>, second: Box<Site> },
}

impl Table {
    /// Nothing deployed: the edge answers with a page that says so.
    pub fn empty() -> Self {
        Self { format: formats::current(FORMAT), epoch: 0, sites: Vec::new() }
    }

    /// Reads and checks the file. Blocking; call it where blocking is allowed.
    pub fn read(path: &Path) -> Result<Self, TableError> {
        let read = |source| TableError::Read { path: path.to_owned(), source };
        let bytes = std::fs::metadata(path).map_err(read)?.len();
        if bytes > TABLE_BYTES_MAX {
            return Err(TableError::TooLarge { path: path.to_owned(), bytes });
        }
        let text = std::fs::read(path).map_err(read)?;
        let table: Self = serde_json::from_slice(&text)
            .map_err(|source| TableError::Parse { path: path.to_owned(), source })?;
        table.check()?;
        Ok(table)
    }

    /// Replaces the file, for the edge to read: there is nothing secret in a table. Blocking.
    pub fn write(&self, path: &Path) -> Result<(), TableError> {
        let failed = |source| TableError::Write { path: path.to_owned(), source };
        let table = Self { format: formats::current(FORMAT), ..self.clone() };
        let text = serde_json::to_vec(&table).map_err(|error| failed(error.into()))?;
        // The edge has an account of its own.
        machine::fs::write_atomic(path, &text, 0o644).map_err(failed)
    }

    /// The longest that any class of any pool may drain.
    pub fn drain_max(&self) -> Duration {
        let longest = |drain: &Drain| {
            let websockets = drain.websocket_timeout.0 + drain.close_jitter.0;
            drain.http_timeout.0.max(drain.stream_timeout.0).max(websockets)
        };
        self.pools().map(|pool| longest(&pool.drain)).max().unwrap_or_default()
    }

    /// What must hold of a table before it is served. The keeper may ask it before it writes one.
    pub fn check(&self) -> Result<(), TableError> {
        if self.format > formats::current(FORMAT) {
            return Err(TableError::Format { found: self.format });
        }
        let mut ids = HashSet::new();
        for pool in self.pools() {
            if !ids.insert(&pool.id) {
                return Err(TableError::PoolTwice(pool.id.clone()));
            }
        }
        self.sites.iter().try_for_each(SiteTable::check)?;
        self.check_claims()
    }

    /// All pools of all sites, in the order of the file.
    pub fn pools(&self) -> impl Iterator<Item = &Pool> {
        self.sites.iter().flat_map(|site| &site.pools)
    }

    /// A route belongs to one site: two sites that claim the same host and prefix would make serving a matter of order.
    fn check_claims(&self) -> Result<(), TableError> {
        let mut claims = std::collections::HashMap::new();
        for site in &self.sites {
            for route in site.routes.iter().map(|entry| &entry.route) {
                let any = [String::new()];
                let hosts = if route.hosts.is_empty() { &any[..] } else { &route.hosts[..] };
                for host in hosts {
                    let key = (host.clone(), segments(&route.path_prefix).collect::<Vec<_>>().join("/"));
                    let first = claims.entry(key).or_insert(&site.site);
                    if **first != site.site {
                        return Err(TableError::Claimed {
                            host: if host.is_empty() { "any host ".to_owned() } else { host.clone() },
                            prefix: route.path_prefix.clone(),
                            first: Box::new((**first).clone()),
                            second: Box::new(site.site.clone()),
                        });
                    }
                }
            }
        }
        Ok(())
    }
}

impl SiteTable {
    fn check(&self) -> Result<(), TableError> {
        for RouteEntry { route, pool, canary } in &self.routes {
            if !route.path_prefix.starts_with('/') {
                return Err(TableError::BadPrefix(route.path_prefix.clone()));
            }
            let canary = canary.as_ref().map(|canary| &canary.pool);
            std::iter::once(pool).chain(canary).try_for_each(|pool| self.check_live(pool))?;
        }
        Ok(())
    }

    fn check_live(&self, pool: &PoolId) -> Result<(), TableError> {
        match self.pools.iter().find(|known| known.id == *pool) {
            None => Err(TableError::NoSuchPool { site: self.site.clone(), pool: pool.clone() }),
            Some(found) if found.state != PoolState::Live => {
                Err(TableError::PoolNotLive { site: self.site.clone(), pool: pool.clone() })
            }
            Some(_) => Ok(()),
        }
    }
}

/// The segments of a prefix: `/api/` and `/api` are one prefix, `/` is none.
pub(crate) fn segments(prefix: &str) -> impl Iterator<Item = &str> {
    prefix.trim_matches('/').split('/').filter(|segment| !segment.is_empty())
}

#[cfg(test)]
mod tests;
