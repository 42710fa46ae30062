//! What the edge says of itself and is told, by HTTP on its control socket.
//!
//! | call | body | answer |
//! |---|---|---|
//! | `GET /status` | | [`Status`] |
//! | `POST /table` | [`LoadTable`] | [`Served`]; 409 [`Problem`] `epoch-too-low`; 422 `bad-table`; 500 `not-durable`: served, see [`Status::unwritten`] |
//! | `POST /drain-now` | [`DrainNow`] | [`DrainNowDone`]; 404 `no-such-pool` |
//! | `POST /shutdown` | [`Shutdown`] | [`ShutdownBegun`], then the edge drains and exits 0 |
//! | `GET /metrics` | | Prometheus text, version 0.0.4 |
//!
//! Who may connect is the socket's mode and group. Times are `…_unix_ms` (milliseconds since 1970, for people) or
//! `…_ms` (lengths, monotonic, to decide on).

mod client;
mod report;
pub(crate) mod serve;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use model::{ProcessId, ReleaseNumber, Site, Span, Traffic};
use serde::{Deserialize, Serialize};

pub use self::client::{CallError, Client};
use crate::table::{PoolId, PoolState};

/// Asks for the table file to be read again and served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadTable {
    /// The epoch that the caller wrote. A file with another one is refused (409 `other-epoch`): somebody else wrote too.
    pub epoch: u64,
}

/// In the state folder.
pub(crate) const SERVED_FILE: &str = "served.json";

/// What is served, as it was made durable in `<state>/served.json` before it was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    pub format: u32,
    pub epoch: u64,
    pub sites: Vec<ServedSite>,
}

/// Version of `served.json`; a reader accepts this one and the one before.
pub const SERVED_FORMAT: u32 = 1;

impl Served {
    pub(crate) fn new(epoch: u64, sites: Vec<ServedSite>) -> Self {
        Self { format: machine::formats::current(SERVED_FORMAT), epoch, sites }
    }

    /// What an edge with that state folder made durable last; `None`: none ever did, or it does not read. Blocking.
    ///
    /// # Errors
    /// A newer version wrote it.
    pub fn read(state: &Path) -> Result<Option<Self>, ServedByNewer> {
        let path = state.join(SERVED_FILE);
        #[derive(Deserialize)]
        struct Versioned {
            format: u32,
        }
        let Ok(text) = std::fs::read(&path) else { return Ok(None) };
        match serde_json::from_slice(&text) {
            Ok(Versioned { format: found }) if found > machine::formats::current(SERVED_FORMAT) => {
                Err(ServedByNewer { path, found })
            }
            _ => Ok(serde_json::from_slice(&text).ok()),
        }
    }
}

/// What was served last was written by a newer version, and nothing else may be written over it.
#[derive(Debug, thiserror::Error)]
#[error("{} has the format {found}, and this version reads up to {}", path.display(), machine::formats::current(SERVED_FORMAT))]
pub struct ServedByNewer {
    pub path: PathBuf,
    pub found: u32,
}

/// What is served and is not in `served.json`: the next edge would not know of it by that file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unwritten {
    pub served: Served,
    /// Since the first write that failed, of those that failed one after the other.
    pub since_unix_ms: u64,
    pub path: PathBuf,
    /// Of the last write.
    pub why: String,
}

/// Where one site's routes lead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServedSite {
    pub site: Site,
    /// [`crate::table::SiteTable::generation`] of the table being served.
    pub generation: u64,
    pub release: Option<ReleaseNumber>,
    /// In maintenance: requests get the maintenance page.
    pub maintenance: bool,
}

/// Ends what a draining pool still holds: plain requests get 1 s, streams are cut, WebSockets closed with the pool's
/// code, without jitter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainNow {
    pub pool: PoolId,
}

/// What was open when the order came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainNowDone {
    pub pool: PoolId,
    pub open: Active,
}

/// Drains everything by class, for at most `within`, then exits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shutdown {
    pub within: Span,
}

/// Of a shutdown's time, what classes may drain in: then closing words can still be said.
pub(crate) const DRAIN_SHARE: f64 = 0.8;

impl Shutdown {
    /// Long enough that a drain of this length is not cut.
    pub fn for_drain(longest: Duration) -> Self {
        Self { within: Span(longest.div_f64(DRAIN_SHARE) + Duration::from_secs(1)) }
    }
}

/// The edge has stopped accepting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShutdownBegun {
    pub pid: u32,
    pub open: Active,
}

/// Why a call was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Stable, kebab-case.
    pub code: String,
    pub message: String,
    /// From the nearest cause to the farthest.
    #[serde(default)]
    pub causes: Vec<String>,
}

/// Open requests by class. A request is `http` until its answer shows that it is a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Active {
    pub http: u64,
    /// `text/event-stream` and chunked answers that last.
    pub stream: u64,
    pub websocket: u64,
}

impl Active {
    pub fn total(&self) -> u64 {
        self.http + self.stream + self.websocket
    }
}

/// The whole of what the edge observes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub version: String,
    pub pid: u32,
    pub up_ms: u64,
    /// Shutting down: no new connections are taken.
    pub draining: bool,
    /// What is served, as far as it is written down.
    pub served: Served,
    /// What is served in truth, where that cannot be written down; it is tried again every second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unwritten: Option<Unwritten>,
    pub pools: Vec<PoolStatus>,
    pub listeners: Vec<ListenerStatus>,
    /// Of files; empty where no TLS is spoken.
    #[serde(default)]
    pub certificates: Vec<CertificateStatus>,
    pub workers: Vec<WorkerStatus>,
    /// Client connections that are open.
    pub connections: u64,
    /// Connections closed at once because a cap was reached.
    pub connections_refused_total: u64,
    pub requests_total: u64,
    /// Answers of status 5xx that the edge made itself (no upstream, time-outs).
    pub edge_5xx_total: u64,
    /// Lines that the access log could not take.
    pub access_log_dropped_total: u64,
}

impl Status {
    /// What clients get, written down or not.
    pub fn in_effect(&self) -> &Served {
        self.unwritten.as_ref().map_or(&self.served, |unwritten| &unwritten.served)
    }

    /// The pool of this id, if the edge knows it.
    pub fn pool(&self, id: &PoolId) -> Option<&PoolStatus> {
        self.pools.iter().find(|pool| pool.id == *id)
    }
}

/// One pool. Pools that left the table stay listed until nothing of theirs is open.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PoolStatus {
    pub id: PoolId,
    pub site: Site,
    pub release: ReleaseNumber,
    pub state: PoolState,
    /// Open requests; of a draining pool: what remains.
    pub active: Active,
    /// For how long it has been draining.
    pub draining_for_ms: Option<u64>,
    /// Draining, and nothing is open: the instances may be stopped.
    pub drained: bool,
    /// Requests that the drain cut at its deadlines, by class.
    pub cut: Active,
    /// What users got since this edge knows the pool.
    #[serde(default)]
    pub traffic: Traffic,
    /// The same of the last ten minutes, to the minute.
    #[serde(default)]
    pub recent: Traffic,
    /// Answers in neither of the two: the app marked them as another service's fault (`X-Mainstay-Cause: upstream`).
    #[serde(default)]
    pub foreign: u64,
    pub upstreams: Vec<UpstreamStatus>,
    /// Instances that the table no longer names and that still hold requests.
    #[serde(default)]
    pub leaving: Vec<UpstreamStatus>,
}

impl PoolStatus {
    /// Every upstream is ready, and there is one.
    pub fn is_ready(&self) -> bool {
        !self.upstreams.is_empty() && self.upstreams.iter().all(|upstream| upstream.ready)
    }

    /// Every upstream has been ready without a break for this long; `None`: not all are ready.
    pub fn ready_for_ms(&self) -> Option<u64> {
        let spans = self.upstreams.iter().map(|upstream| upstream.ready_for_ms);
        spans.collect::<Option<Vec<_>>>()?.into_iter().min()
    }
}

/// One instance, as the edge sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpstreamStatus {
    /// `web.42.1`.
    pub name: model::InstanceName,
    pub process: ProcessId,
    pub address: String,
    pub ready: bool,
    pub ready_since_unix_ms: Option<u64>,
    pub ready_for_ms: Option<u64>,
    /// Probes in a row.
    pub successes: u32,
    pub failures: u32,
    /// How often it went from ready to unready.
    pub lost_total: u64,
    pub last_probe: Option<ProbeReport>,
    /// Taken out after failed connects until then.
    pub ejected_for_ms: Option<u64>,
    pub active: Active,
    pub requests_total: u64,
    /// Answers of status 5xx that the instance gave.
    pub errors_5xx_total: u64,
    pub connect_errors_total: u64,
    /// Connections that broke before the answer's head.
    pub broken_total: u64,
}

/// The last readiness probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeReport {
    pub at_unix_ms: u64,
    pub took_ms: u64,
    /// What was asked: `GET /ready`, or `connect`.
    pub asked: String,
    /// `None`: no answer, see `error`.
    pub status: Option<u16>,
    /// As received, at most 32.
    pub headers: Vec<(String, String)>,
    /// The first 500 bytes, invalid UTF-8 replaced.
    pub body: String,
    pub error: Option<String>,
}

/// One inherited or own listener; all are accepted from once the edge said it is ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerStatus {
    /// As it was inherited: `http.0`; `private`.
    pub name: String,
    pub address: String,
    /// The worker that accepts from it.
    pub worker: usize,
}

/// One certificate of the settings, or of the station's folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateStatus {
    pub names: Vec<String>,
    /// The station put it there.
    #[serde(default)]
    pub acme: bool,
    pub cert: PathBuf,
    /// `false`: its names are answered with another certificate.
    pub served: bool,
    /// Of the one that is served.
    pub expires_unix_s: Option<u64>,
    /// Why what stands in the files now is not what is served.
    pub problem: Option<String>,
}

/// One serving thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStatus {
    pub index: usize,
    /// Since the thread last said that it runs; it does every 100 ms.
    pub heartbeat_age_ms: u64,
    pub connections: u64,
}
