//! The room's settings, each with its default.

use std::{path::PathBuf, time::Duration};

/// Limits and places of the deploy machine. Manifests say the rest.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `<data>`: holds `apps/` and `artifacts/`.
    pub data: PathBuf,
    /// Kept free beside every release (`disk_reserve`); default 1 GiB.
    pub disk_reserve_bytes: u64,
    /// Hosts on which more than one site may have routes (`shared_hosts`), lower-case; default none.
    pub shared_hosts: Vec<String>,
    /// Longest time between two looks at what a phase waits for; default 200 ms.
    pub tick: Duration,
    /// PLAN and PREFLIGHT, each; default 30 s.
    pub preflight_limit: Duration,
    /// STAGE; default 15 min.
    pub stage_limit: Duration,
    /// START where no startup probe says its own deadline; default 60 s.
    pub start_limit: Duration,
    /// Until the edge must have acknowledged a table; default 5 s (a machine under load is slow, not broken).
    pub switch_limit: Duration,
    /// One probe or smoke request; default 5 s.
    pub smoke_limit: Duration,
    /// Between smoke requests in BAKE; default 5 s.
    pub smoke_every: Duration,
    /// The whole deploy, without draining; default 45 min.
    pub deploy_limit: Duration,
    /// One archive, unpacked: bytes, entries, bytes of a path.
    pub unpack: crate::unpack::Caps,
    /// Longest artifact; default 4 GiB.
    pub artifact_bytes_max: u64,
    /// Lines of log that an error shows; default 50.
    pub log_lines: usize,
}

impl Settings {
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            disk_reserve_bytes: 1 << 30,
            shared_hosts: Vec::new(),
            tick: Duration::from_millis(200),
            preflight_limit: Duration::from_secs(30),
            stage_limit: Duration::from_secs(15 * 60),
            start_limit: Duration::from_secs(60),
            switch_limit: Duration::from_secs(5),
            smoke_limit: Duration::from_secs(5),
            smoke_every: Duration::from_secs(5),
            deploy_limit: Duration::from_secs(45 * 60),
            unpack: crate::unpack::Caps::default(),
            artifact_bytes_max: 4 << 30,
            log_lines: 50,
        }
    }
}
