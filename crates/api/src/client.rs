//! The client of the admin API: one method per endpoint of [`crate::paths`].
//!
//! [`Client`] speaks HTTP/1.1 over the keeper's unix socket, one connection a call, or by [`ssh`] to the keeper of another machine, whose
//! side of it is [`proxy`]. [`lines::Lines`] are answers that
//! come line by line, [`console`] is a command that this client is attached to, [`follow::Follow`] are the events of a deploy across a keeper's death, [`once`] begins
//! one run across it, [`upload`] sends an artifact and goes on where it stopped. Every method is cancel-safe: dropping it ends the asking, never the work.

mod certificates;
pub mod console;
pub mod follow;
pub mod lines;
pub mod once;
pub mod proxy;
pub mod ssh;
#[cfg(test)]
mod tests;
pub mod upload;
mod way;
mod webhooks;
mod wire;

use std::{path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use model::{DeployId, Explain, Freeze, Notice, ReleaseNumber, Site, manifest::Manifest};
use serde::{Serialize, de::DeserializeOwned};

use self::{follow::Follow, lines::Lines, way::Way};
use crate::{
    apps, artifact, checks, deploy, jobs, logs, machine, migrate, paths, request_key::RequestKey, secrets,
    status, upgrade,
};

/// Answers that are computed from what the keeper has.
const QUICK: Duration = Duration::from_secs(30);
/// A chunk of an artifact on a slow way: the smallest one goes through at 5 kbit/s.
const CHUNK: Duration = Duration::from_secs(120);
/// Answers that wait for the plan or for an edge.
const SLOW: Duration = Duration::from_secs(150);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Nothing listens on the socket: nothing was asked.
    #[error("no Mainstay answers at {socket}")]
    NoKeeper { socket: PathBuf, source: std::io::Error },
    /// Nobody listens because the keeper cannot start; who stands above it tries again.
    #[error("the keeper here cannot start: {explain}")]
    NotStarting { explain: Box<Explain> },
    /// The keeper refused, in its own words.
    #[error("{explain}")]
    Refused { status: u16, explain: Box<Explain> },
    /// The connection broke: what was asked may have been done.
    #[error("the connection to Mainstay broke while it was asked for {what}")]
    Lost { what: String, cause: String },
    /// It did not answer for long, and then went away: what was asked may have been done.
    #[error("the keeper did not answer {what} for {} s, and went away", after.as_secs())]
    Hung { what: String, after: Duration },
    /// It is there and does not answer.
    #[error("Mainstay did not answer {what} within {} s", within.as_secs())]
    Silent { what: String, within: Duration },
    /// The machine that `--host` names was not reached: nothing was asked. `passing`: it may be reached a moment later.
    #[error("{explain}")]
    Unreached { passing: bool, explain: Box<Explain> },
    /// An answer that this client does not understand.
    #[error("Mainstay's answer to {what} is not understood")]
    Garbled { what: String, cause: String },
}

/// HTTP 423: somebody else holds the site's lock.
const LOCKED: u16 = 423;
const NOT_FOUND: u16 = 404;
const FORBIDDEN: u16 = 403;

impl Failure {
    pub fn is_locked(&self) -> bool {
        matches!(self, Self::Refused { status: LOCKED, .. })
    }

    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Refused { status: NOT_FOUND, .. })
    }

    /// What the connection may does not reach so far.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused { status: FORBIDDEN, .. })
    }

    /// The keeper went away before or while it was asked; the next one may know.
    pub fn is_gone(&self) -> bool {
        matches!(
            self,
            Self::NoKeeper { .. }
                | Self::NotStarting { .. }
                | Self::Lost { .. }
                | Self::Hung { .. }
                | Self::Unreached { passing: true, .. }
        )
    }

    /// The telling form.
    pub fn explain(self) -> Explain {
        match self {
            Self::Refused { explain, .. } | Self::Unreached { explain, .. } => *explain,
            Self::NoKeeper { socket, source } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                Explain::new("not-an-operator", "this user may not ask the Mainstay here")
                    .caused_by(format!("{} may not be opened by this user", socket.display()))
                    .help("join the group that owns the socket, or use sudo")
            }
            Self::NoKeeper { socket, source } => Explain::new("no-keeper", "no Mainstay is running here")
                .caused_by(format!("{}: {source}", socket.display()))
                .help("start it with `mainstay up`; `--data DIR` names one that lives elsewhere"),
            Self::NotStarting { explain: why } => {
                let explain =
                    Explain::new("keeper-not-starting", "Mainstay is up here, and its keeper cannot start")
                        .caused_by(why.message)
                        .now("what was served is served on; the start is tried again every few seconds");
                Explain { causes: [explain.causes, why.causes].concat(), help: why.help, details: why.details, place: why.place, ..explain }
            }
            Self::Lost { ref cause, .. } => Explain::new("connection-lost", self.to_string())
                .caused_by(cause.clone())
                .now("apps serve on: they do not depend on the keeper")
                .help("`mainstay status` shows what is true; ask again"),
            Self::Hung { .. } => Explain::new("keeper-hung", self.to_string())
                .now("apps serve on: they do not depend on the keeper; `mainstay up` or the service starts the next one")
                .help("ask again in a moment; `mainstay status --machine` counts its restarts"),
            Self::Silent { .. } => Explain::new("no-answer", self.to_string())
                .now("apps serve on: they do not depend on the keeper")
                .help("if it stays silent, stop the keeper by its pid: `mainstay up` or the service starts it anew"),
            Self::Garbled { ref cause, .. } => Explain::new("not-understood", self.to_string())
                .caused_by(cause.clone())
                .help("client and keeper may be of versions too far apart: compare `mainstay version` on both sides"),
        }
    }
}

/// A keeper, of this machine or of another.
#[derive(Clone, Debug)]
pub struct Client {
    way: Way,
}

impl Client {
    /// The one behind this socket.
    pub fn new(socket: PathBuf) -> Self {
        Self { way: Way::Socket(socket) }
    }

    /// One on another machine.
    pub fn over_ssh(target: ssh::Target) -> Self {
        Self { way: Way::Ssh(Arc::new(ssh::Remote::new(target))) }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.get_within(path, QUICK).await
    }

    async fn get_within<T: DeserializeOwned>(&self, path: &str, limit: Duration) -> Result<T, Failure> {
        wire::json(&self.way, "GET", path, Bytes::new(), limit).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        within: Duration,
    ) -> Result<T, Failure> {
        wire::json(&self.way, "POST", path, encode(body)?, within).await
    }

    /// Begins a run, or is answered with the one that a request with this key began.
    async fn start(
        &self,
        site: &Site,
        verb: &str,
        key: &RequestKey,
        body: Bytes,
        within: Duration,
    ) -> Result<deploy::Started, Failure> {
        wire::keyed(&self.way, &paths::site(site, verb), key, body, within).await
    }

    async fn post_for_nothing(&self, path: &str, body: Bytes, within: Duration) -> Result<(), Failure> {
        wire::nothing(&self.way, "POST", path, body, within).await
    }

    async fn post_for_lines<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Lines<T>, Failure> {
        wire::lines(&self.way, "POST", path, encode(body)?, QUICK).await
    }

    pub async fn machine(&self) -> Result<machine::Machine, Failure> {
        self.get(paths::MACHINE).await
    }

    pub async fn down(&self, request: &machine::Down) -> Result<Lines<machine::DownStep>, Failure> {
        self.post_for_lines(paths::DOWN, request).await
    }

    /// Answers when it is in place, just before the keeper gives way.
    pub async fn upgrade(&self, request: &upgrade::Request) -> Result<upgrade::Planned, Failure> {
        self.post(paths::UPGRADES, request, SLOW).await
    }

    /// Newest first.
    pub async fn upgrades(&self) -> Result<Vec<upgrade::Record>, Failure> {
        self.get(paths::UPGRADES).await
    }

    pub async fn apps(&self) -> Result<Vec<apps::App>, Failure> {
        self.get(paths::APPS).await
    }

    /// `None`: not a byte of it is there.
    pub async fn received(&self, digest: &str) -> Result<Option<artifact::Received>, Failure> {
        match self.get(&paths::artifact(digest)).await {
            Ok(received) => Ok(Some(received)),
            Err(failure) if failure.is_unknown() => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// One chunk of at most [`artifact::CHUNK_BYTES_MAX`] bytes of `whole`.
    pub async fn send_chunk(
        &self,
        whole: &artifact::Artifact,
        offset: u64,
        chunk: Bytes,
    ) -> Result<artifact::Received, Failure> {
        let path = format!("{}?offset={offset}&total={}", paths::artifact(&whole.digest), whole.bytes);
        wire::json(&self.way, "PUT", &path, chunk, CHUNK).await
    }

    pub async fn plan(&self, site: &Site, request: &deploy::Request) -> Result<deploy::Plan, Failure> {
        self.post(&paths::site(site, "plan"), request, SLOW).await
    }

    /// Waits for the lock as long as the request says.
    pub async fn deploy(
        &self,
        site: &Site,
        key: &RequestKey,
        request: &deploy::Request,
    ) -> Result<deploy::Started, Failure> {
        let wait = request.wait.map_or(Duration::ZERO, Duration::from);
        self.start(site, "deploys", key, encode(request)?, SLOW.saturating_add(wait)).await
    }

    pub async fn rollback(
        &self,
        site: &Site,
        key: &RequestKey,
        request: &deploy::Rollback,
    ) -> Result<deploy::Started, Failure> {
        self.start(site, "rollback", key, encode(request)?, SLOW).await
    }

    /// The events of a deploy from `from` on, over this one connection.
    pub async fn deploy_events(
        &self,
        site: &Site,
        deploy: DeployId,
        from: u64,
    ) -> Result<Lines<deploy::Event>, Failure> {
        wire::lines(&self.way, "GET", &paths::deploy_events(site, deploy, from), Bytes::new(), QUICK).await
    }

    /// The events of a deploy to its end, across keepers.
    pub fn follow(&self, site: &Site, deploy: DeployId) -> Follow {
        Follow::new(self.clone(), site.clone(), deploy)
    }

    pub async fn cancel(&self, site: &Site) -> Result<deploy::Cancelled, Failure> {
        wire::json(&self.way, "POST", &paths::site(site, "cancel"), Bytes::new(), QUICK).await
    }

    /// Lets a deploy go on that another operator began.
    pub async fn approve(&self, site: &Site, deploy: DeployId) -> Result<(), Failure> {
        let approve = encode(&deploy::Approve { deploy })?;
        self.post_for_nothing(&paths::site(site, "approve"), approve, QUICK).await
    }

    pub async fn resume(&self, site: &Site) -> Result<(), Failure> {
        self.post_for_nothing(&paths::site(site, "resume"), Bytes::new(), QUICK).await
    }

    /// Refuses deploys for a while; `None` allows them again.
    pub async fn freeze(&self, site: &Site, freeze: Option<&Freeze>) -> Result<(), Failure> {
        self.post_for_nothing(&paths::site(site, "freeze"), encode(&freeze)?, QUICK).await
    }

    /// Puts a page up in place of the site; `None` takes it down.
    pub async fn post_notice(&self, site: &Site, notice: Option<&Notice>) -> Result<(), Failure> {
        self.post_for_nothing(&paths::site(site, "maintenance"), encode(&notice)?, SLOW).await
    }

    pub async fn status(&self, site: &Site) -> Result<status::SiteStatus, Failure> {
        self.get(&paths::site(site, "status")).await
    }

    pub async fn releases(&self, site: &Site) -> Result<Vec<status::Release>, Failure> {
        self.get(&paths::site(site, "releases")).await
    }

    /// Newest first.
    pub async fn records(&self, site: &Site, limit: usize) -> Result<Vec<deploy::Record>, Failure> {
        self.get(&paths::site(site, &format!("events?limit={limit}"))).await
    }

    /// The effective manifest of a release; `None`: of the one that serves.
    pub async fn config(&self, site: &Site, release: Option<ReleaseNumber>) -> Result<Manifest, Failure> {
        let query = release.map(|release| format!("?release={release}")).unwrap_or_default();
        self.get(&paths::site(site, &format!("config{query}"))).await
    }

    pub async fn logs(&self, site: &Site, query: &logs::Query) -> Result<Lines<logs::Line>, Failure> {
        let query = serde_urlencoded::to_string(query)
            .map_err(|error| Failure::Garbled { what: "logs".to_owned(), cause: error.to_string() })?;
        wire::lines(&self.way, "GET", &paths::site(site, &format!("logs?{query}")), Bytes::new(), QUICK).await
    }

    pub async fn checks(&self, site: &Site) -> Result<Vec<checks::Finding>, Failure> {
        self.get(&paths::site(site, "checks")).await
    }

    /// Of the machine itself, which takes it some seconds.
    pub async fn machine_checks(&self) -> Result<Vec<checks::Finding>, Failure> {
        self.get_within(paths::MACHINE_CHECKS, SLOW).await
    }

    pub async fn restart(
        &self,
        site: &Site,
        key: &RequestKey,
        request: &jobs::Restart,
    ) -> Result<deploy::Started, Failure> {
        self.start(site, "restart", key, encode(request)?, SLOW).await
    }

    pub async fn scale(
        &self,
        site: &Site,
        key: &RequestKey,
        request: &jobs::Scale,
    ) -> Result<deploy::Started, Failure> {
        self.start(site, "scale", key, encode(request)?, SLOW).await
    }

    pub async fn run(
        &self,
        site: &Site,
        request: &jobs::Run,
    ) -> Result<(console::Input, console::Output), Failure> {
        wire::attach(&self.way, &paths::site(site, "run"), encode(request)?, QUICK).await
    }

    pub async fn exec(
        &self,
        site: &Site,
        request: &jobs::Exec,
    ) -> Result<(console::Input, console::Output), Failure> {
        wire::attach(&self.way, &paths::site(site, "exec"), encode(request)?, QUICK).await
    }

    pub async fn migrate_status(&self, site: &Site) -> Result<migrate::MigrateStatus, Failure> {
        self.get(&paths::site(site, "migrate")).await
    }

    pub async fn migrate_retry(&self, site: &Site, key: &RequestKey) -> Result<deploy::Started, Failure> {
        self.start(site, "migrate/retry", key, Bytes::new(), SLOW).await
    }

    pub async fn migrate_contract(&self, site: &Site, key: &RequestKey) -> Result<deploy::Started, Failure> {
        self.start(site, "migrate/contract", key, Bytes::new(), SLOW).await
    }

    pub async fn migrate_down(&self, site: &Site, key: &RequestKey) -> Result<deploy::Started, Failure> {
        self.start(site, "migrate/down", key, Bytes::new(), SLOW).await
    }

    pub async fn secrets(&self, site: &Site) -> Result<secrets::Secrets, Failure> {
        self.get(&paths::site(site, "secrets")).await
    }

    /// `name` is one that can stand in a path: the keeper refuses others.
    pub async fn change_secret(
        &self,
        site: &Site,
        name: &str,
        change: &secrets::Change,
    ) -> Result<secrets::Changed, Failure> {
        self.post(&paths::site(site, &format!("secrets/{name}")), change, SLOW).await
    }

    pub async fn destroy(&self, site: &Site, request: &apps::Destroy) -> Result<(), Failure> {
        self.post_for_nothing(&paths::site(site, "destroy"), encode(request)?, SLOW).await
    }
}

fn encode(body: &impl Serialize) -> Result<Bytes, Failure> {
    serde_json::to_vec(body)
        .map(Bytes::from)
        .map_err(|error| Failure::Garbled { what: "a request".to_owned(), cause: error.to_string() })
}
