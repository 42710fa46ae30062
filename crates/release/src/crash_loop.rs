//! A release that begins to crash again and again soon after its deploy: back to the last stable one, where its manifest
//! says so (`restart.on_crash_loop`), and once.
//!
//! The bake sees what fails at once; this is for what fails an hour later. It is an ordinary rollback, with the schema
//! contract and the gate of one, in the name of `mainstay`.

use api::deploy::{Outcome, Record, Rollback};
use jiff::{SignedDuration, Timestamp};
use model::{
    Explain, InstanceName, ReleaseNumber,
    manifest::{Manifest, OnCrashLoop},
};

use crate::{
    history,
    journal::Kind,
    request::Caller,
    run::last_end,
    scene::Scene,
    site::{Actor, Lock},
    state::State,
    world::{InstanceState, Observed, World},
};

/// The name under which Mainstay does something by itself.
pub(crate) const OURSELVES: &str = "mainstay";
/// After this a crash loop has another reason than the deploy.
const RECENT: SignedDuration = SignedDuration::from_hours(1);
/// Bound: records that are looked at for the deploy of what serves.
const RECORDS_MAX: usize = 64;

/// What serves and is in a crash loop that its manifest wants to return from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Looping {
    pub release: ReleaseNumber,
    pub instance: InstanceName,
    pub exits: u64,
    pub last_exit: Option<String>,
}

pub(crate) async fn look<W: World>(at: &Scene<W>) -> Option<Looping> {
    let state = at.books.read();
    let manifest = at.manifest(state.serving?).ok()?;
    let wanted = |service: &model::manifest::Service| service.restart.on_crash_loop == OnCrashLoop::Rollback;
    if !manifest.services.values().any(wanted) {
        return None;
    }
    looping(&state, &manifest, &at.observed().await.ok()?)
}

fn looping(state: &State, manifest: &Manifest, observed: &[Observed]) -> Option<Looping> {
    let release = state.serving?;
    let returns = |name: &InstanceName| {
        let service = manifest.services.get(&name.service);
        service.is_some_and(|service| service.restart.on_crash_loop == OnCrashLoop::Rollback)
    };
    let live = |name: &InstanceName| {
        state
            .live
            .iter()
            .filter(|group| group.release == release)
            .flat_map(|group| &group.members)
            .any(|m| m.name == *name)
    };
    let found =
        observed.iter().find(|o| o.state == InstanceState::Degraded && live(&o.name) && returns(&o.name))?;
    Some(Looping {
        release,
        instance: found.name.clone(),
        exits: found.exits,
        last_exit: found.last_exit.clone(),
    })
}

/// How long ago `release` began to serve by somebody's deploy, if that was within the hour. By the wall clock, which is all
/// that records know: one that jumped costs the return, and `mainstay rollback` is still there.
fn served_for(records: &[Record], release: ReleaseNumber, now: Timestamp) -> Option<SignedDuration> {
    let brought = |record: &&Record| {
        let brings = matches!(record.verb.as_str(), "deploy" | "rollback");
        // The same once more changed nothing, not even since when it serves.
        brings && record.to == Some(release) && record.outcome != Some(Outcome::Unchanged)
    };
    let record = records.iter().find(brought)?;
    let ended = record.ended.as_deref()?.parse::<Timestamp>().ok()?;
    // What Mainstay itself returned to is not returned from: it would flap.
    let by_somebody = record.operator != OURSELVES && record.outcome == Some(Outcome::Served);
    Some(now.duration_since(ended)).filter(|ago| by_somebody && *ago < RECENT)
}

/// Whether nobody but us tried to leave `release` since it began to serve.
fn was_tried(records: &[Record], release: ReleaseNumber) -> bool {
    let ours = |record: &&Record| record.operator == OURSELVES && record.verb == "rollback";
    let until_it_came = records.iter().take_while(|record| record.to != Some(release));
    until_it_came.into_iter().any(|record| ours(&record) && record.from == Some(release))
}

impl<W: World> Actor<W> {
    /// Returns from a crash loop, once for each release that serves. Where that fails, what serves goes on as it is.
    pub(crate) async fn leave_crash_loop(&mut self, looping: &Looping) {
        let state = self.at.books.read();
        let is_it = state.serving == Some(looping.release) && self.left_loop != Some(looping.release);
        let waits = self.is_waiting();
        if !is_it || !(waits || matches!(self.lock, Lock::Free)) {
            return;
        }
        let records = history::records(&self.at.layout, &self.at.site, RECORDS_MAX);
        // Never forward, to one that a person may just have left.
        let way_back = served_for(&records, looping.release, self.at.world.now())
            .filter(|_| !was_tried(&records, looping.release))
            .zip(state.last_stable_before(Some(looping.release)));
        if waits && way_back.is_some() {
            // The next look finds the lock free.
            self.give_way("the return from a crash loop");
            return;
        }
        if !waits {
            self.left_loop = Some(looping.release);
        }
        let Some((ago, other)) = way_back.filter(|_| !waits) else { return };
        let lines =
            self.at.world.tail_log(&self.at.site, &looping.instance, self.at.settings.log_lines).await;
        let why = why(looping, ago, lines);
        tracing::warn!(site = %self.at.site, release = %looping.release, to = %other, error = %why, "Returning from a crash loop.");
        let caller = Caller { operator: OURSELVES.into(), host: self.at.world.host(), key: None };
        match self.rollback(Rollback { release: Some(other), with_secrets: false }, &caller).await {
            Ok(_) => {
                if let Lock::Held(held) = &self.lock {
                    held.log.tell(Kind::Reason { reason: why });
                }
            }
            Err(error) => {
                tracing::error!(site = %self.at.site, %error, "The return from a crash loop cannot begin; what serves is tried on.");
            }
        }
    }
}

fn why(looping: &Looping, ago: SignedDuration, lines: Vec<String>) -> Explain {
    let Looping { release, instance, exits, last_exit } = looping;
    let ago = model::Span::secs(ago.as_secs().unsigned_abs());
    let mut explain = Explain::new(
        "crash-loop",
        format!("{instance} ended {exits} times in the {ago} since release {release} was deployed"),
    );
    if let Some(exit) = last_exit {
        explain = explain.caused_by(last_end(instance, exit));
    }
    if let Some(line) = lines.iter().rev().find(|line| !line.trim().is_empty()) {
        explain = explain.caused_by(format!("the last line of its log: {}", line.trim()));
    }
    if !lines.is_empty() {
        explain = explain.detail(format!("last {} log lines of {instance}", lines.len()), lines);
    }
    explain
        .caused_by("`restart.on_crash_loop` of its manifest is \"rollback\"")
        .now("the last stable release is started beside it, and takes over when it is ready")
        .help(format!(
            "`mainstay logs {} --release {release}` tells why; mend it and deploy again",
            instance.service
        ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(verb: &str, operator: &str, from: u64, to: u64, outcome: Outcome) -> Record {
        let at = "2026-01-01T12:00:00Z".to_owned();
        Record {
            deploy: model::DeployId(ulid::Ulid::generate()),
            verb: verb.to_owned(),
            site: "shop/production".parse().unwrap(),
            from: Some(ReleaseNumber(from)),
            to: Some(ReleaseNumber(to)),
            release: None,
            operator: operator.to_owned(),
            host: "desk".to_owned(),
            started: at.clone(),
            ended: Some(at),
            phase: api::deploy::Phase::Commit,
            outcome: Some(outcome),
            error: None,
            approved: None,
            reason: None,
        }
    }

    #[test]
    fn only_the_hour_after_somebodys_deploy_counts() {
        let recent = |records: &[Record], now: &str| {
            served_for(records, ReleaseNumber(2), now.parse().unwrap()).is_some()
        };
        let deployed = record("deploy", "anna", 1, 2, Outcome::Served);
        let one = std::slice::from_ref(&deployed);
        assert!(recent(one, "2026-01-01T12:59:59Z"));
        assert!(!recent(one, "2026-01-01T13:00:01Z"));
        // A restart is none, and does not hide the deploy.
        assert!(recent(
            &[record("restart", "anna", 2, 2, Outcome::Served), deployed.clone()],
            "2026-01-01T12:10:00Z"
        ));
        assert!(!recent(&[record("rollback", OURSELVES, 3, 2, Outcome::Served)], "2026-01-01T12:10:00Z"));
        assert!(!recent(&[record("deploy", "anna", 1, 2, Outcome::Held)], "2026-01-01T12:10:00Z"));
        assert!(!recent(&[], "2026-01-01T12:10:00Z"));
    }

    #[test]
    fn a_return_that_failed_is_not_tried_again_by_the_next_keeper() {
        let deployed = record("deploy", "anna", 1, 2, Outcome::Served);
        let failed = record("rollback", OURSELVES, 2, 1, Outcome::Aborted);
        assert!(was_tried(&[failed.clone(), deployed.clone()], ReleaseNumber(2)));
        assert!(!was_tried(&[deployed.clone(), failed], ReleaseNumber(2)));
        assert!(!was_tried(&[deployed], ReleaseNumber(2)));
    }
}
