//! The client of the control socket: what the keeper calls.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use model::Span;
use net::client::{Call, Failure, Target};
use serde::{Serialize, de::DeserializeOwned};

use super::{DrainNow, DrainNowDone, LoadTable, Problem, Served, Shutdown, ShutdownBegun, Status};
use crate::table::PoolId;

/// Bound: of one answer; a status of 10,000 instances fits.
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// Speaks to one edge. Cheap to clone; every call is a connection of its own, so nothing goes stale.
///
/// Cancel-safe: a dropped call may or may not have been carried out; all calls may be repeated.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
    timeout: Duration,
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No edge answers there, or not in time.
    #[error("the edge does not answer on {socket}")]
    Unreachable { socket: PathBuf, source: Failure },
    /// The edge understood and refused; `problem.code` says which case.
    #[error("the edge refused: {}", problem.message)]
    Refused { status: u16, problem: Problem },
    /// An answer that this version does not understand.
    #[error("the edge answered {status} with something unknown")]
    Unknown { status: u16 },
}

impl Client {
    pub fn new(socket: impl AsRef<Path>) -> Self {
        Self { socket: socket.as_ref().to_owned(), timeout: Duration::from_secs(5) }
    }

    /// Of one call, from connect to the answer's last byte. Default 5 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    pub async fn status(&self) -> Result<Status, CallError> {
        self.call("GET", "/status", None::<&()>).await
    }

    /// Serves the table file, which must hold this `epoch`. When it returns, new requests go by it and
    /// `served.json` says so.
    pub async fn load_table(&self, epoch: u64) -> Result<Served, CallError> {
        self.call("POST", "/table", Some(&LoadTable { epoch })).await
    }

    pub async fn drain_now(&self, pool: &PoolId) -> Result<DrainNowDone, CallError> {
        self.call("POST", "/drain-now", Some(&DrainNow { pool: pool.clone() })).await
    }

    /// Begins the end; watch the process to see it.
    pub async fn shutdown(&self, within: Duration) -> Result<ShutdownBegun, CallError> {
        self.call("POST", "/shutdown", Some(&Shutdown { within: Span(within) })).await
    }

    /// Prometheus text.
    pub async fn metrics(&self) -> Result<String, CallError> {
        let (status, body) = self.send("GET", "/metrics", Vec::new()).await?;
        String::from_utf8(body).map_err(|_| CallError::Unknown { status })
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, CallError> {
        let body = match body {
            Some(body) => serde_json::to_vec(body).map_err(|_| CallError::Unknown { status: 0 })?,
            None => Vec::new(),
        };
        let (status, answer) = self.send(method, path, body).await?;
        serde_json::from_slice(&answer).map_err(|_| CallError::Unknown { status })
    }

    async fn send(&self, method: &str, path: &str, body: Vec<u8>) -> Result<(u16, Vec<u8>), CallError> {
        let unreachable = |source| CallError::Unreachable { socket: self.socket.clone(), source };
        let call = Call::new(method, path).body(body).total(self.timeout).answer_max(ANSWER_BYTES_MAX);
        let answer =
            net::client::send(&Target::Unix(self.socket.clone()), call).await.map_err(unreachable)?;
        let status = answer.status().as_u16();
        let body = answer.into_body();
        if (200..300).contains(&status) {
            return Ok((status, body.into()));
        }
        match serde_json::from_slice(&body) {
            Ok(problem) => Err(CallError::Refused { status, problem }),
            Err(_) => Err(CallError::Unknown { status }),
        }
    }
}
