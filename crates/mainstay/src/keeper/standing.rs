//! What stands: this keeper, the edge, the listeners, and what the machine does not give.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use api::{
    certificates::{ACME, FILE},
    machine::{Certificate, Listener, Machine, Process},
};
use edge::control::CertificateStatus;
use supervisor::{Slot, SlotState, store::Store};

use super::{
    counted::Counted,
    data_plane,
    instances::rfc3339,
    last_good,
    past::Kept,
    station::Station,
    webhooks::{Webhooks, usable::Usable},
    world::Outside,
};

pub(crate) struct Standing {
    pub started: SystemTime,
    pub edge: Arc<Slot>,
    pub listeners: Vec<Listener>,
    /// What the living edge does not do yet.
    pub pending: Vec<String>,
    /// Why what stood in machine.toml when it was read is not what holds.
    pub unread: Option<model::Explain>,
    /// What `mainstay up` was told over machine.toml.
    pub given: Vec<String>,
    /// Whether somebody above restarts this keeper.
    pub store: Option<Arc<Store>>,
    /// How often that parent has started a keeper before this one.
    pub restarts: u64,
    pub hung_edges: Counted,
    pub edge_past: Kept,
    pub station: Station,
}

impl Standing {
    pub(crate) async fn machine(&self, world: &Outside, webhooks: &Webhooks) -> Machine {
        let ground = &world.ground;
        let room = machine::fs::disk_space(&ground.folders.data).ok();
        let mut lost = ground.supervisor.lost_abilities();
        let controllers = ground.supervisor.missing_controllers();
        if !ground.users.is_root() {
            lost.push("apps run as the user that started Mainstay: it is not root".to_owned());
            if !webhooks.hooks().is_empty() {
                lost.push(
                    "the station runs as that user, too: it could ask the API what operators may".to_owned(),
                );
            }
        }
        Machine {
            version: crate::VERSION.to_owned(),
            build: crate::BUILD.to_owned(),
            // What the keeper says of its own binary is not known here.
            digest: String::new(),
            returned: None,
            api: api::version::answered_by(api::VERSION),
            host: ground.host.clone(),
            data: ground.folders.data.display().to_string(),
            run: ground.folders.run.display().to_string(),
            keeper: Process {
                pid: std::process::id(),
                started: rfc3339(self.started),
                restarts: self.restarts,
            },
            edge: self.edge(),
            edges_draining: world.leaving.processes().iter().map(|process| told(process, 0)).collect(),
            edge_hung: self.hung_edges.read(),
            edge_said: self.edge_said(world).await,
            station: self.station.told(),
            station_wanted: self.station.is_wanted(),
            station_refused: self.station.refused().await,
            station_said: self.station.said().await,
            webhooks_unusable: webhooks.hooks().iter().filter_map(unusable).collect(),
            has_parent: self.has_parent(),
            listeners: self.listeners.clone(),
            addresses: machine::addresses::own().unwrap_or_default(),
            certificates: certificates(world).await,
            lost,
            unheld: supervisor::sandbox::lost(),
            missing_controllers: controllers.into_iter().map(str::to_owned).collect(),
            pending: self.pending.clone(),
            unread: last_good::unread_now(&world.ground.folders, self.unread.clone()).await,
            given: self.given.clone(),
            disk_free_bytes: room.map_or(0, |room| room.bytes_free),
            inodes_free: room.map_or(0, |room| room.inodes_free),
        }
    }

    /// Whether whoever started this keeper would start the next one.
    pub(crate) fn has_parent(&self) -> bool {
        self.store.as_ref().is_some_and(|store| store.is_heard())
    }

    async fn edge_said(&self, world: &Outside) -> Vec<String> {
        let is_up = matches!(*self.edge.state().borrow(), SlotState::Up { .. });
        if is_up { Vec::new() } else { data_plane::last_words(&world.ground.folders.data, "edge").await }
    }

    fn edge(&self) -> Option<Process> {
        let state = self.edge.state().borrow().clone();
        let process = match state {
            SlotState::Starting { process: Some(process), .. }
            | SlotState::Up { process, .. }
            | SlotState::Stopping { process, .. } => process,
            SlotState::Starting { process: None, .. }
            | SlotState::BackingOff { .. }
            | SlotState::Stopped { .. } => return None,
        };
        let restarts = self.edge_past.read().exits;
        Some(told(&process, restarts))
    }
}

fn told(process: &supervisor::Process, restarts: u64) -> Process {
    Process { pid: process.pid(), started: rfc3339(process.started()), restarts }
}

/// The edge serves without a certificate that it cannot use; whoever starts the machine should see that.
pub(crate) async fn tell_unserved_certificates(edge: &edge::control::Client) {
    let Ok(status) = edge.status().await else { return };
    for known in status.certificates.iter().filter(|known| !known.served) {
        let (names, why) = (known.names.join(" "), known.problem.as_deref());
        tracing::error!(
            names,
            why,
            "A certificate of machine.toml cannot be used; its names are answered with another."
        );
    }
}

/// Why a webhook is told nothing, or by an old secret, in words.
fn unusable(hook: &Usable) -> Option<String> {
    let (how, why) = match (&hook.secret, &hook.unread) {
        (Err(why), _) => ("is told nothing", why),
        (Ok(_), Some(why)) => ("is told with the secret that was there before", why),
        (Ok(_), None) => return None,
    };
    let help = why.help.as_ref().map(|help| format!(" ({help})"));
    Some(format!("{} {how}: {why}{}", hook.place, help.unwrap_or_default()))
}

/// What the edge says of them; an edge that does not answer is a finding of its own.
pub(crate) async fn certificates(world: &Outside) -> Vec<Certificate> {
    let Ok(status) = world.edge.status().await else { return Vec::new() };
    // Files are read.
    let told = move || status.certificates.into_iter().map(certificate).collect();
    tokio::task::spawn_blocking(told).await.unwrap_or_default()
}

fn certificate(known: CertificateStatus) -> Certificate {
    let expires = known.expires_unix_s.map(|at| UNIX_EPOCH + Duration::from_secs(at));
    Certificate {
        names: known.names,
        source: if known.acme { ACME } else { FILE }.to_owned(),
        fingerprint: net::tls::read_leaf(&known.cert).ok().map(|leaf| leaf.fingerprint),
        file: known.cert.display().to_string(),
        served: known.served,
        expires: expires.map(rfc3339),
        days_left: expires.map(days_until),
        problem: known.problem,
    }
}

/// Whole days, rounded down: what ended a minute ago has -1.
fn days_until(at: SystemTime) -> i64 {
    const DAY_S: i64 = 24 * 3600;
    let s = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    match at.duration_since(SystemTime::now()) {
        Ok(left) => s(left) / DAY_S,
        Err(over) => -1 - s(over.duration()) / DAY_S,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_whole_and_an_end_that_has_been_is_below_none() {
        let now = SystemTime::now();
        let in_s = |s: u64| days_until(now + Duration::from_secs(s));
        assert_eq!((in_s(86_400 + 60), in_s(86_400 - 60)), (1, 0));
        assert_eq!(days_until(now - Duration::from_secs(60)), -1);
        assert_eq!(days_until(now - Duration::from_secs(86_400 + 60)), -2);
    }
}
