//! Instances that work well and are replaced all the same, because the manifest says so: by age, by requests, by memory
//! (RUN-05). One at a time for a service; the next one is ready beside it before it drains.
//!
//! It is an ordinary run of the deploy machine, with its journal and its gate, in the name of `mainstay`; it makes way
//! for whatever a person asks.

use std::time::Duration;

use api::deploy::Outcome;
use model::{
    ByteSize, Explain, InstanceName, ServiceName, Span,
    manifest::{Manifest, Recycle},
};
use tokio::time::Instant;

use crate::{
    crash_loop::OURSELVES,
    deploy::End,
    journal::{Course, Kind},
    relieve::is_never_two,
    request::{Caller, Refused},
    run::Task,
    scene::Scene,
    site::{Actor, Lock},
    state::State,
    world::{InstanceState, Observed, PoolStatus, World},
};

/// The verb of its records.
pub(crate) const VERB: &str = "recycle";
/// Whoever is younger stays, whatever it holds or has answered: else a limit that is too low would be a service that only
/// starts.
const AGE_MIN: Duration = Duration::from_secs(60);
/// How far age and requests are spread to either side.
const JITTER: f64 = 0.1;
/// After one that did not come to its end.
const AGAIN_AFTER: Duration = Duration::from_secs(600);

/// An instance whose time has come, and why.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Due {
    pub instance: InstanceName,
    pub why: Explain,
}

/// What serves and is due, if anything is.
pub(crate) async fn look<W: World>(at: &Scene<W>) -> Option<Due> {
    let state = at.books.read();
    let manifest = at.manifest(state.serving?).ok()?;
    if manifest.services.values().all(|service| service.recycle.is_none()) {
        return None;
    }
    // Without the edge nobody could be sent to another.
    let (observed, pools) = (at.observed().await.ok()?, at.pools().await.ok()?);
    due(&state, &manifest, &observed, &pools)
}

/// The first that is due, of a service whose last one is gone. Pure.
fn due(state: &State, manifest: &Manifest, observed: &[Observed], pools: &[PoolStatus]) -> Option<Due> {
    if state.recess.is_some() || state.held_migration().is_some() {
        return None;
    }
    let is_parting = |service: &ServiceName| {
        state.leaving.iter().any(|leaving| leaving.left.is_some() && leaving.group.service == *service)
    };
    let live = state.live.iter().filter(|group| Some(group.release) == state.serving);
    let candidates = live.filter(|group| !is_parting(&group.service)).flat_map(|group| {
        let recycle = manifest.services.get(&group.service).and_then(|service| service.recycle);
        group.members.iter().filter_map(move |member| {
            let seen = observed.iter().find(|o| o.name == member.name && o.state == InstanceState::Up)?;
            Some((recycle?, seen))
        })
    });
    candidates.into_iter().find_map(|(recycle, seen)| {
        let requests = pools.iter().flat_map(|pool| &pool.upstreams).find(|u| u.instance == seen.name);
        let why = why(&recycle, seen, requests.map(|upstream| upstream.requests))?;
        Some(Due { instance: seen.name.clone(), why })
    })
}

fn why(recycle: &Recycle, seen: &Observed, requests: Option<u64>) -> Option<Explain> {
    let age = seen.age.filter(|age| *age >= AGE_MIN)?;
    let name = &seen.name;
    let spread = spread(name);
    let told = |what: String, key: &str, limit: String| {
        Explain::new(VERB, format!("{name} {what}"))
            .caused_by(format!("`recycle.{key}` of its manifest is {limit}"))
            .help("nothing is wrong with it: another instance takes its place; what it has open comes to its end first")
    };
    if let Some(limit) = recycle.memory
        && seen.memory_bytes.is_some_and(|bytes| bytes >= limit.0)
    {
        let held = ByteSize(seen.memory_bytes.unwrap_or_default());
        return Some(told(
            format!("holds {} of memory", model::room::round(held.0)),
            "memory",
            limit.to_string(),
        ));
    }
    if let Some(limit) = recycle.after_requests
        && requests.is_some_and(|requests| requests as f64 >= limit as f64 * spread)
    {
        let requests = requests.unwrap_or_default();
        return Some(told(format!("has answered {requests} requests"), "after_requests", limit.to_string()));
    }
    let limit = recycle.after.filter(|limit| age >= limit.0.mul_f64(spread))?;
    Some(told(format!("has run for {}", Span::secs(age.as_secs())), "after", limit.to_string()))
}

/// An instance's own share of its limits, from 0.9 to 1.1: the same whenever it is asked, and its successor, which has
/// another name, has another.
fn spread(name: &InstanceName) -> f64 {
    let roll = f64::from(crc32fast::hash(name.to_string().as_bytes())) / f64::from(u32::MAX);
    1.0 - JITTER + 2.0 * JITTER * roll
}

/// The service of which a run that has come to its end replaced one.
pub(crate) fn recycled(task: &Task) -> Option<&ServiceName> {
    match &task.course {
        Course::Recycle { instance } => Some(&instance.service),
        Course::Restart { service, .. } if task.verb == VERB => service.as_ref(),
        _ => None,
    }
}

impl<W: World> Actor<W> {
    /// Replaces one, where nothing else is under way.
    pub(crate) fn recycle(&mut self, due: Due) {
        let rests = self.recycle_not_before.is_some_and(|until| Instant::now() < until);
        let is_live = || {
            let state = self.at.books.read();
            state.live.iter().flat_map(|group| &group.members).any(|member| member.name == due.instance)
        };
        if rests || !matches!(self.lock, Lock::Free) || self.is_ending() || !is_live() {
            return;
        }
        let Due { instance, why } = due;
        match self.begin_recycling(&instance) {
            Ok(()) => {
                tracing::info!(site = %self.at.site, %instance, why = %why.message, "An instance is replaced as its manifest asks.");
                if let Lock::Held(held) = &self.lock {
                    held.log.tell(Kind::Reason { reason: why });
                }
            }
            Err(error) => {
                tracing::warn!(site = %self.at.site, %instance, %error, "An instance that is due cannot be replaced; later.");
                self.recycle_not_before = Some(Instant::now() + AGAIN_AFTER);
            }
        }
    }

    fn begin_recycling(&mut self, instance: &InstanceName) -> Result<(), Refused> {
        let (serving, manifest) = self.serving_manifest()?;
        let service = &instance.service;
        let course = match is_never_two(&manifest, service) {
            // The one that there is goes first.
            true => Course::Restart { service: Some(service.clone()), instances: None },
            false => Course::Recycle { instance: instance.clone() },
        };
        let task = self.task(VERB, course, serving, false)?;
        let caller = Caller { operator: OURSELVES.into(), host: self.at.world.host(), key: None };
        self.begin(task, manifest, &caller, Default::default()).map(drop)
    }

    /// Whether the run in flight makes way for what a person asks; it ends as soon as it can.
    pub(crate) fn makes_way(&self) -> bool {
        let Lock::Held(held) = &self.lock else { return false };
        let makes_way = held.task.verb == VERB;
        if makes_way && matches!(held.task.course, Course::Recycle { .. }) {
            held.cancel.cancel();
        }
        makes_way
    }

    /// What did not work is not tried again at once.
    pub(crate) fn recycling_ended(&mut self, end: &End) {
        let Lock::Held(held) = &self.lock else { return };
        if held.task.verb == VERB && end.outcome != Outcome::Served {
            self.recycle_not_before = Some(Instant::now() + AGAIN_AFTER);
        }
    }
}

#[cfg(test)]
mod tests {
    use model::ProcessId;

    use super::*;

    fn seen(age_s: u64, memory: u64) -> Observed {
        Observed {
            name: "web.2.1".parse().unwrap(),
            process: ProcessId(ulid::Ulid::generate()),
            pid: Some(7),
            state: InstanceState::Up,
            address: None,
            exits: 0,
            lost: 0,
            exits_last_hour: 0,
            last_exit: None,
            fault: None,
            warnings: Vec::new(),
            last_probe: None,
            since: None,
            age: Some(Duration::from_secs(age_s)),
            memory_bytes: Some(memory),
            memory_peak_bytes: None,
        }
    }

    #[test]
    fn the_first_limit_that_is_reached_decides() {
        let all = Recycle {
            after: Some(Span::secs(86_400)),
            after_requests: Some(1_000),
            memory: Some(ByteSize::mib(400)),
        };
        let word =
            |age, requests, mib: u64| why(&all, &seen(age, mib << 20), Some(requests)).map(|why| why.message);
        assert_eq!(word(3_600, 800, 399), None);
        assert_eq!(word(3_600, 0, 401).unwrap(), "web.2.1 holds 401MiB of memory");
        assert_eq!(word(3_600, 1_101, 1).unwrap(), "web.2.1 has answered 1101 requests");
        assert_eq!(word(96_000, 0, 1).unwrap(), "web.2.1 has run for 1day2h40m");
        // Too young, whatever it holds.
        assert_eq!(word(59, 5_000, 500), None);
        assert_eq!(why(&Recycle::default(), &seen(u64::from(u32::MAX), u64::MAX), Some(u64::MAX)), None);
    }

    #[test]
    fn what_began_together_does_not_go_together() {
        let after = Recycle { after: Some(Span::secs(1_000)), ..Recycle::default() };
        let one = |age, n| Observed { name: format!("web.2.{n}").parse().unwrap(), ..seen(age, 0) };
        let gone = |age| (1..=200).filter(|n| why(&after, &one(age, *n), None).is_some()).count();
        assert_eq!((gone(899), gone(1_101)), (0, 200));
        assert!((50..150).contains(&gone(1_000)));
    }
}
