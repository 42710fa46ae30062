//! How a command becomes a run: look, plan, refuse or take the lock, write the first records, start.
//!
//! The commands stand in [`verbs`] and [`cancel`], what a deploy depends on in [`look`]; here is what all of them share.

mod approve;
mod cancel;
pub(crate) mod freeze;
mod look;
mod verbs;

use std::{collections::BTreeMap, sync::Arc};

use api::{
    deploy::{Outcome, Phase, Started},
    status::Unwritten,
};
use model::{DeployId, Explain, ReleaseId, ReleaseNumber, ServiceName, manifest::Manifest};
use tokio_util::sync::CancellationToken;
use ulid::Ulid;

pub(crate) use self::look::{look, unsent, whole_release};
use crate::{
    deploy,
    events::EventLog,
    journal::{Course, Journal, Kind},
    layout::told,
    plan, recycle,
    request::{Caller, Refused, RefusedKind},
    run::{Log, Run, Task},
    site::{Actor, Done, Held, Lock},
    state::{Fate, ReleaseRecord},
    world::World,
};

/// `there`: those that could have been meant.
pub(crate) fn no_service<'s>(there: impl Iterator<Item = &'s ServiceName>) -> Refused {
    let names: Vec<&str> = there.map(ServiceName::as_str).collect();
    let explain = Explain::new("no-such-service", "the release that serves has no such service")
        .help(format!("it has {}", names.join(", ")));
    Refused::new(RefusedKind::NotFound, explain)
}

/// Several reasons as one error.
fn all_of(errors: Vec<Explain>) -> Explain {
    let mut errors = errors.into_iter();
    let Some(first) = errors.next() else { return Explain::new("plan-refused", "the plan was refused") };
    errors.fold(first, |all, next| all.detail(format!("also: {}", next.message), next.causes.clone()))
}

/// Later than the last one, whatever the clock shows: records are listed, and pruned, in the order of their ids.
fn deploy_after(last: Option<DeployId>, by_the_clock: Ulid) -> DeployId {
    let next = last.and_then(|DeployId(last)| last.increment().ok());
    DeployId(next.map_or(by_the_clock, |next| next.max(by_the_clock)))
}

impl<W: World> Actor<W> {
    /// # Errors
    /// Somebody holds the lock, or nothing may begin here now.
    fn check_lock(&self) -> Result<(), Refused> {
        let explain = match &self.lock {
            _ if self.is_ending() && !matches!(self.lock, Lock::Down) => return Err(self.refused_as_ending()),
            Lock::Free => return Ok(()),
            Lock::Starting => Explain::new("site-starting", format!("{} is being taken over", self.at.site))
                .help("try again in a moment, or with `--wait`"),
            Lock::Down => {
                let explain = Explain::new("site-down", format!("{} was stopped", self.at.site))
                    .help("start this machine's Mainstay again");
                return Err(Refused::new(RefusedKind::Conflict, explain));
            }
            Lock::Held(held) => {
                if let Some(awaited) = held.awaited() {
                    return Err(Refused::new(
                        RefusedKind::Locked,
                        approve::waits(&self.at.site, held, &awaited),
                    ));
                }
                let phase = self.phase(held).name();
                let (verb, to) = (&held.task.verb, held.task.to);
                let explain = Explain::new(
                    "locked",
                    format!("a {verb} of release {to} is under way on {}", self.at.site),
                )
                .caused_by(format!("{} began it at {}; it is in {phase}", held.caller.operator, held.since));
                match held.unwritten(&self.at) {
                    Some(Unwritten { since, why }) => {
                        let help = why.help.clone().unwrap_or_default();
                        explain.caused_by(format!("since {since}: {why}")).help(help)
                    }
                    None => explain.help("wait with `--wait 10m`, follow it with `mainstay attach`, or end it with `mainstay cancel`"),
                }
            }
        };
        Err(Refused::new(RefusedKind::Locked, explain))
    }

    /// Why no deploy may begin now, whatever it is of. One that is asked for while the site is taken over waits for that.
    pub(crate) fn closed(&self) -> Option<Explain> {
        if matches!(self.lock, Lock::Starting) {
            return None;
        }
        let checked = self.check_lock().and_then(|()| self.check_allowed());
        checked.err().map(|refused| refused.explain)
    }

    /// # Errors
    /// Deploys are frozen or paused.
    fn check_allowed(&self) -> Result<(), Refused> {
        let state = self.at.books.read();
        if let Some(frozen) = freeze::standing(&self.at) {
            return Err(Refused::new(RefusedKind::Conflict, freeze::refusal(&self.at.site, &frozen)));
        }
        if let Some(reason) = &state.paused {
            let explain = Explain::new("paused", format!("deploys of {} are paused", self.at.site))
                .caused_by(reason.clone())
                .help("`mainstay resume` allows them again");
            return Err(Refused::new(RefusedKind::Conflict, explain));
        }
        Ok(())
    }

    /// # Errors
    /// A migration is held that was not when this deploy began to wait: whoever asked for it has not seen that.
    fn check_held_since(&self, known: Option<DeployId>) -> Result<(), Refused> {
        let state = self.at.books.read();
        let Some(held) = state.held_migration().filter(|held| known != Some(held.deploy)) else {
            return Ok(());
        };
        let message = format!("a migration of {} came to be held while this deploy waited", self.at.site);
        let explain = Explain::new("held", message).caused_by(held.explain.message.clone()).help(
            "`mainstay migrate status` shows it; this deploy once more goes on from where the database is",
        );
        Err(Refused::new(RefusedKind::Conflict, explain))
    }

    /// # Errors
    /// A migration is held, and this deploy has none that could lead out.
    fn check_held(&self, plan: &api::deploy::Plan, manifest: &Manifest) -> Result<(), Refused> {
        let state = self.at.books.read();
        let Some(held) = state.held_migration() else { return Ok(()) };
        if !plan::is_empty(plan) && (held.contract || manifest.migrate.is_some()) {
            return Ok(());
        }
        let down = if held.contract { "" } else { " or `down`" };
        let explain = Explain::new("held", format!("a migration of {} needs a person", self.at.site))
            .caused_by(held.explain.message.clone())
            .help(format!(
                "`mainstay migrate status` shows it; `mainstay migrate retry`{down} moves it on, or a deploy of a release with \
                 another `[migrate]`"
            ));
        Err(Refused::new(RefusedKind::Conflict, explain))
    }

    pub(crate) fn task(
        &self,
        verb: &str,
        course: Course,
        to: ReleaseNumber,
        drain_now: bool,
    ) -> Result<Task, Refused> {
        let layout = &self.at.layout;
        machine::fs::make_dirs_durably(&layout.deploys())
            .map_err(|error| Refused::failed(told("site-unwritable", "make", &layout.deploys(), &error)))?;
        let is_new = matches!(course, Course::New { .. });
        let state = self.at.books.read();
        let release =
            if is_new { Some(ReleaseId(Ulid::generate())) } else { state.releases.get(&to).map(|r| r.id) };
        let from = state.serving;
        let deploy = deploy_after(state.last_deploy, Ulid::generate());
        let generation = self.at.books.change(|state| {
            state.last_deploy = Some(deploy);
            state.fresh_generation()
        });
        let generation = generation.map_err(Refused::failed)?;
        // What joins or replaces some of what serves is given what the others have.
        let joins = matches!(verb, "scale" | "migrate" | recycle::VERB);
        let service = match &course {
            Course::Grow { service, .. } | Course::Restart { service: Some(service), .. } => Some(service),
            Course::Recycle { instance } => Some(&instance.service),
            _ => None,
        };
        let secrets_of = state.secrets_of(to, service).filter(|_| joins);
        let verb = verb.to_owned();
        Ok(Task { deploy, verb, course, from, to, release, generation, drain_now, secrets_of })
    }

    /// The first records; the lock is taken when they are on the disk.
    fn journal(&self, task: &Task, caller: &Caller) -> Result<Log, Refused> {
        let path = self.at.layout.journal(task.deploy);
        let journal =
            Journal::create(&path, &caller.operator, &caller.host, self.at.clock()).map_err(|error| {
                Refused::failed(told("journal-unwritable", "make the journal", &path, &error))
            })?;
        let log = Log::new(journal, EventLog::new(&[]), Phase::Lock);
        let began = Kind::Began {
            verb: task.verb.clone(),
            course: task.course.clone(),
            from: task.from,
            to: task.to,
            release: task.release,
            generation: task.generation,
            drain_now: task.drain_now,
            secrets_of: task.secrets_of,
            request_key: caller.key.clone(),
        };
        for kind in [began, Kind::Entered { phase: Phase::Plan }, Kind::Entered { phase: Phase::Lock }] {
            log.append(kind).map_err(Refused::failed)?;
        }
        Ok(log)
    }

    /// For what needs no run: one journal with its end.
    fn record_only(&self, task: Task, caller: &Caller, outcome: Outcome) -> Result<Started, Refused> {
        let ended = Kind::Ended { outcome, serving: task.from, error: None, report: Vec::new() };
        let log = self.journal(&task, caller);
        match log.and_then(|log| log.append(ended).map_err(Refused::failed)) {
            Ok(()) => Ok(Started { deploy: task.deploy, release: task.to }),
            Err(refused) => {
                self.forget_journal(&task);
                Err(refused)
            }
        }
    }

    /// The record of a word that is not about a release; beside a run, whose journal is the newest, a line of that.
    pub(crate) fn record_word(&self, verb: &str, caller: &Caller) -> Result<(), Refused> {
        if let Lock::Held(held) = &self.lock {
            held.log.note(format!("{verb} by {}", caller.operator));
        }
        if let (Lock::Free, Some(serving)) = (&self.lock, self.at.books.read().serving) {
            let task = self.task(verb, Course::Nothing, serving, false)?;
            self.record_only(task, caller, Outcome::Unchanged)?;
        }
        Ok(())
    }

    /// Nothing was begun, and who asked is told so: no record of it stays, least of all one without an end.
    fn forget_journal(&self, task: &Task) {
        // Crash: or the next start gives it its end.
        let path = self.at.layout.journal(task.deploy);
        if let Err(error) = std::fs::remove_file(&path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(site = %self.at.site, %error, "The journal of what did not begin stays.");
        }
    }

    pub(crate) fn begin(
        &mut self,
        task: Task,
        manifest: Arc<Manifest>,
        caller: &Caller,
        secrets: BTreeMap<String, String>,
    ) -> Result<Started, Refused> {
        let claimed = self.at.claims.add(&self.at.site, &manifest.routes);
        claimed.map_err(|conflicts| Refused::new(RefusedKind::Plan, all_of(conflicts)))?;
        let log = self.journal(&task, caller).and_then(|log| {
            self.book(&task, &manifest, caller, secrets).map_err(Refused::failed)?;
            Ok(log)
        });
        let log = match log {
            Ok(log) => Arc::new(log),
            Err(refused) => {
                self.forget_journal(&task);
                self.release_claims();
                return Err(refused);
            }
        };
        self.at.remember(task.to, &manifest);
        let (cancel, since) = (CancellationToken::new(), self.at.stamp());
        let started = Started { deploy: task.deploy, release: task.to };
        let run = Run::new(
            Arc::clone(&self.at),
            task.clone(),
            manifest,
            Arc::clone(&log),
            cancel.clone(),
            caller.operator.clone(),
        );
        self.lock = Lock::Held(Box::new(Held { task, caller: caller.clone(), since, log, cancel }));
        self.jobs.spawn(async move { Done::Ran(deploy::run(run, Phase::Preflight).await) });
        Ok(started)
    }

    fn release_claims(&self) {
        match self.serving_manifest() {
            Ok((_, manifest)) => self.at.claims.keep(&self.at.site, &manifest.routes),
            Err(_) => self.at.claims.release(&self.at.site),
        }
    }

    /// What the books must know before the run begins.
    fn book(
        &self,
        task: &Task,
        manifest: &Manifest,
        caller: &Caller,
        secrets: BTreeMap<String, String>,
    ) -> Result<(), Explain> {
        let booked = self.at.books.change(|state| match &task.course {
            Course::New { digest, .. } => {
                state.next_release = task.to.0 + 1;
                let record = ReleaseRecord {
                    id: task.release.unwrap_or(ReleaseId(Ulid::generate())),
                    digest: digest.clone(),
                    created: self.at.stamp(),
                    operator: caller.operator.clone(),
                    bytes: 0,
                    fate: Fate::Staging,
                    schema: manifest.migrate.as_ref().map(|m| m.code.schema),
                    secrets,
                    secrets_taken: None,
                    secrets_kept: None,
                    secrets_settled: None,
                    secrets_of: None,
                };
                state.releases.insert(task.to, record);
                true
            }
            Course::Warm => state.claim_warm(task.to, manifest),
            Course::Existing | Course::Restart { .. } | Course::Grow { .. } => true,
            Course::Recycle { .. } | Course::Migrate { .. } | Course::Nothing => true,
        })?;
        if booked {
            return Ok(());
        }
        let message = format!("the instances of release {} were just stopped", task.to);
        Err(Explain::new("not-warm-any-more", message).help("ask again: it is started anew"))
    }
}
