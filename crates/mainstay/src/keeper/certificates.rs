//! Certificates as the keeper sees them: which names should have one by ACME, what an operator asks, and what the station
//! and the edge say became of it.

mod folder;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use admin::{Refusal, Reply, Why};
use api::{
    certificates::{
        ACME, Beyond, Certificate, Certificates as Told, RENEW_WITHIN, Renew, Report, State, Wanted,
    },
    machine::Certificate as Served,
    station::{Seen, WAIT_MAX},
};
use certs::{Settings, settings};
use model::Explain;
use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;
use ulid::Ulid;

use super::world::Outside;
use crate::config::machine::{Acme, Certificate as Files, WantedNames, wanted_names};

pub(crate) use self::folder::{Folders, folders};

/// How often the routes are looked at while the station waits.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// What the station has longer than the operator's patience.
const RENEW_LIMIT: Duration = RENEW_WITHIN.saturating_sub(Duration::from_secs(5));
/// Bound: of the CA's file that is trusted.
const ROOTS_BYTES_MAX: usize = 1 << 20;

pub(crate) struct Certificates {
    acme: Option<Acme>,
    own: Vec<Files>,
    world: Arc<Outside>,
    /// This keeper's; the next one knows nothing of what was asked here.
    keeper: String,
    /// By name: requests that the station does not have on its disk yet.
    renew: Mutex<BTreeMap<String, String>>,
    asked: Notify,
    states: Mutex<BTreeMap<String, State>>,
    reported: Notify,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Certificates {
    pub(crate) fn new(world: &Arc<Outside>) -> Self {
        let machine = &world.ground.machine;
        Self {
            acme: machine.acme.clone(),
            own: machine.certificates.clone(),
            world: Arc::clone(world),
            keeper: Ulid::generate().to_string(),
            renew: Mutex::default(),
            asked: Notify::new(),
            states: Mutex::default(),
            reported: Notify::new(),
        }
    }

    /// Whether the station has something to do here.
    pub(crate) fn is_wanted(&self) -> bool {
        self.acme.is_some()
    }

    /// What the station is started with; `None`: it gets no certificates.
    /// # Errors
    /// The file of whom to trust cannot be read.
    pub(crate) fn settings(&self, keeper: PathBuf) -> Result<Option<Settings>, Explain> {
        let Some(acme) = &self.acme else { return Ok(None) };
        let data = &self.world.ground.folders.data;
        let roots = acme.ca_file.as_ref().map(|file| {
            machine::fs::read_text(file, ROOTS_BYTES_MAX).map_err(|error| {
                Explain::new("ca-file-unreadable", format!("cannot read `ca_file` of [acme], {}", file.display()))
                    .because(&error)
                    .help("it holds the CA's own certificates as PEM, and nothing secret: let the keeper's user read it")
            })
        });
        let Folders { state, certs } = folders(data);
        Ok(Some(Settings {
            format: settings::FORMAT,
            keeper,
            state,
            folder: certs,
            directory: acme.directory.clone(),
            rehearsal: acme.rehearsal.clone(),
            contact: acme.contact.iter().map(|address| format!("mailto:{address}")).collect(),
            roots: roots.transpose()?,
            key: acme.key,
            profile: acme.profile.clone(),
            challenge: acme.challenge,
            dns_hook: acme.dns_hook.clone(),
        }))
    }

    /// What the hook that writes to a DNS needs of this machine: itself, and what it reads.
    pub(crate) fn hook_files(&self) -> Vec<PathBuf> {
        let Some(acme) = &self.acme else { return Vec::new() };
        acme.dns_hook.first().map(PathBuf::from).into_iter().chain(acme.dns_hook_reads.clone()).collect()
    }

    async fn names(&self) -> WantedNames {
        let Some(acme) = &self.acme else { return WantedNames::default() };
        wanted_names(acme, &self.world.tables.routes_by_site().await, &self.own)
    }

    /// At once where it is not what was seen, else when it is, or after a time.
    pub(crate) async fn wanted(&self, Seen { seen }: Seen) -> Wanted {
        let until = Instant::now() + WAIT_MAX;
        loop {
            let (names, renew) = (self.names().await.names, lock(&self.renew).clone());
            let now = format!("{}-{}", self.keeper, digest(&names, &renew));
            if now != seen || Instant::now() >= until {
                return Wanted { seen: now, names, renew };
            }
            let _ = tokio::time::timeout(LOOK_EVERY, self.asked.notified()).await;
        }
    }

    pub(crate) fn report(&self, report: Report) {
        let has = |name: &String, asked: &String| {
            report.states.get(name).is_some_and(|state| state.asked.as_ref() == Some(asked))
        };
        lock(&self.renew).retain(|name, asked| !has(name, asked));
        *lock(&self.states) = report.states;
        self.reported.notify_waiters();
    }

    /// Returns once the station has it on its disk.
    /// # Errors
    /// Nothing is got by ACME, the name is not wanted, or the station does not answer.
    pub(crate) async fn renew(&self, Renew { name }: Renew) -> Reply<()> {
        let name = name.to_ascii_lowercase();
        if self.acme.is_none() {
            let explain = Explain::new("no-acme", "this machine gets no certificates by itself")
                .help("an [acme] in machine.toml says from whom; files of a [[certificate]] are renewed by whoever made them");
            return Err(Refusal::new(Why::Conflict, explain));
        }
        if !self.names().await.names.contains(&name) {
            let explain = Explain::new(
                "no-such-certificate",
                format!("no certificate for {name} is got by ACME"),
            )
            .help("`mainstay certs list` shows which are: hosts of routes that serve, and `names` of [acme]");
            return Err(Refusal::new(Why::Unknown, explain));
        }
        let id = Ulid::generate().to_string();
        lock(&self.renew).insert(name.clone(), id.clone());
        self.asked.notify_waiters();
        let kept = tokio::time::timeout(RENEW_LIMIT, self.until_kept(&name, &id)).await;
        kept.map_err(|_| {
            lock(&self.renew).retain(|_, asked| *asked != id);
            let explain = Explain::new("station-silent", "the station has not taken the request")
                .help("`mainstay status --machine` says whether it runs; its log lies in logs/station of the data folder");
            Refusal::new(Why::Unavailable, explain)
        })
    }

    async fn until_kept(&self, name: &str, id: &str) {
        loop {
            let reported = self.reported.notified();
            // Another request for the same name stands for this one, too.
            if lock(&self.renew).get(name).is_none_or(|asked| asked != id) {
                return;
            }
            reported.await;
        }
    }

    /// `served`: what the edge says.
    pub(crate) async fn told(&self, served: Vec<Served>) -> Told {
        let states = lock(&self.states).clone();
        let WantedNames { names, beyond } = self.names().await;
        let mut waiting = names.clone();
        let mut all: Vec<Certificate> = Vec::new();
        for served in served {
            let state = match served.source.as_str() {
                ACME => served.names.first().and_then(|name| states.get(name)).cloned(),
                _ => None,
            };
            waiting.retain(|name| !served.names.contains(name));
            let is_left = served.source == ACME && !served.names.iter().any(|name| names.contains(name));
            all.push(with_state(served, state, is_left));
        }
        all.extend(waiting.into_iter().map(|name| not_yet(&name, states.get(&name).cloned())));
        all.sort_by(|one, other| one.names.cmp(&other.names));
        let max = self.acme.as_ref().map_or(0, |acme| acme.names_per_site_max);
        let beyond = beyond.into_iter().map(|(site, names)| Beyond { site, names, max }).collect();
        Told { directory: self.acme.as_ref().map(|acme| acme.directory.clone()), certificates: all, beyond }
    }
}

/// `is_left`: nobody asks for it any more, so that no order follows.
fn with_state(served: Served, state: Option<State>, is_left: bool) -> Certificate {
    let state = state.map(|state| State { next_order: state.next_order.filter(|_| !is_left), ..state });
    Certificate {
        names: served.names,
        source: served.source,
        served: served.served,
        expires: served.expires,
        days_left: served.days_left,
        problem: served.problem,
        state,
        is_left,
    }
}

fn not_yet(name: &str, state: Option<State>) -> Certificate {
    Certificate {
        names: vec![name.to_owned()],
        source: ACME.to_owned(),
        served: false,
        expires: None,
        days_left: None,
        problem: None,
        state,
        is_left: false,
    }
}

fn digest(names: &[String], renew: &BTreeMap<String, String>) -> String {
    let said = serde_json::json!([names, renew]);
    Sha256::digest(said.to_string().as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
