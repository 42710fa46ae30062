//! How a command becomes a run: look, plan, refuse or take the lock, write the first records, start.

use std::{collections::BTreeMap, sync::Arc};

use api::{
    deploy::{Cancelled, Outcome, Phase, Plan, Started},
    jobs::Scale,
};
use model::{
    DeployId, Explain, ReleaseId, ReleaseNumber, ServiceName, manifest::INSTANCES_MAX, manifest::Manifest,
};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use ulid::Ulid;

use crate::{
    deploy,
    events::EventLog,
    journal::{Course, Journal, Kind, now},
    layout::told,
    migrate,
    plan::{self, Seen, Side},
    preflight::{foresee, secret_names},
    recover::has_bake,
    request::{Caller, MigrateVerb, Refused, RefusedKind, Wanted, What},
    run::{Log, Run, Task},
    scene::Scene,
    site::{Actor, Done, Held, Lock, Queued},
    state::{Fate, LeavingStage, ReleaseRecord},
    world::{InstanceState, World},
};

/// What a look at a wanted deploy found.
pub(crate) struct Looked {
    pub plan: Plan,
    pub manifest: Arc<Manifest>,
    pub course: Course,
    secrets: BTreeMap<String, String>,
}

/// Looks at everything that PLAN depends on, and plans. Changes nothing.
pub(crate) async fn look<W: World>(at: &Scene<W>, wanted: &Wanted) -> Result<Looked, Refused> {
    let state = at.books.read();
    let mut errors = Vec::new();
    let (manifest, course, to, digest) = match &wanted.what {
        What::New { manifest, artifact } => {
            if manifest.site() != at.site {
                let explain = Explain::new("other-site", format!("this manifest is for {}", manifest.site()))
                    .caused_by(format!("it was sent to {}", at.site))
                    .help("deploy in the folder of that app, with the `--env` that is meant");
                return Err(Refused::new(RefusedKind::Plan, explain));
            }
            errors.extend(manifest.release.check_digest(&artifact.digest).err());
            if let Err(refused) = at.artifacts.find(artifact) {
                errors.push(refused.explain);
            }
            let course = Course::New { digest: artifact.digest.clone(), bytes: artifact.bytes };
            let to = ReleaseNumber(state.next_release);
            (Arc::new((**manifest).clone()), course, to, artifact.digest.clone())
        }
        What::Existing { release } => {
            let record = whole_release(at, *release)?;
            let manifest = at.manifest(*release).map_err(Refused::failed)?;
            (manifest, Course::Existing, *release, record.digest)
        }
    };
    errors.extend(at.claims.conflicts(&at.site, &manifest.routes));
    let names = secret_names(&manifest);
    let secrets = timeout(at.settings.preflight_limit, at.world.secret_digests(&at.site, &names)).await;
    let secrets = secrets.unwrap_or_else(|_| {
        let limit = model::Span(at.settings.preflight_limit);
        Err(Explain::new("secrets-slow", format!("the secrets did not resolve within {limit}")).help("run the command that machine.toml names as their source by hand, as the app's user: it hangs or is slow"))
    });
    let secrets = secrets.unwrap_or_else(|error| {
        errors.push(error);
        BTreeMap::new()
    });
    let serving =
        state.serving.and_then(|number| Some((at.manifest(number).ok()?, state.releases.get(&number)?)));
    let before = serving.as_ref().map(|(m, record)| Side {
        manifest: m,
        digest: &record.digest,
        secrets: &record.secrets,
    });
    let after = Side { manifest: &manifest, digest: &digest, secrets: &secrets };
    let mut plan = plan::plan(Seen { site: &at.site, state: &state, before, after, to, errors });
    if !plan::is_empty(&plan) {
        plan.warnings.extend(foresee(at, &manifest, &course, to));
    }
    Ok(Looked { plan, manifest, course, secrets })
}

fn whole_release<W: World>(at: &Scene<W>, release: ReleaseNumber) -> Result<ReleaseRecord, Refused> {
    let state = at.books.read();
    let found = state.releases.get(&release).filter(|record| record.fate != Fate::Staging);
    found.cloned().ok_or_else(|| {
        let known: Vec<String> = state.releases.keys().rev().take(5).map(ToString::to_string).collect();
        let explain = Explain::new("no-such-release", format!("{} has no release {release}", at.site));
        let explain = match known.as_slice() {
            [] => explain.help("`mainstay deploy` makes the first one"),
            known => explain
                .help(format!("the newest here are {}; `mainstay releases` lists all", known.join(", "))),
        };
        Refused::new(RefusedKind::NotFound, explain)
    })
}

pub(crate) fn no_service(manifest: &Manifest) -> Refused {
    let names: Vec<&str> = manifest.services.keys().map(ServiceName::as_str).collect();
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

type Reply = oneshot::Sender<Result<Started, Refused>>;

impl<W: World> Actor<W> {
    /// # Errors
    /// Somebody holds the lock, or nothing may begin here now.
    fn check_lock(&self) -> Result<(), Refused> {
        let explain = match &self.lock {
            Lock::Free => return Ok(()),
            Lock::Starting => Explain::new("site-starting", format!("{} is being taken over", self.at.site))
                .help("try again in a moment, or with `--wait`"),
            Lock::Down => {
                let explain = Explain::new("site-down", format!("{} was stopped", self.at.site))
                    .help("start this machine's Mainstay again");
                return Err(Refused::new(RefusedKind::Conflict, explain));
            }
            Lock::Held(held) => {
                let phase = format!("{:?}", self.phase(held)).to_lowercase();
                let (verb, to) = (&held.task.verb, held.task.to);
                Explain::new("locked", format!("a {verb} of release {to} is under way on {}", self.at.site))
                    .caused_by(format!("{} began it at {}; it is in {phase}", held.caller.operator, held.since))
                    .help("wait with `--wait 10m`, follow it with `mainstay attach`, or end it with `mainstay cancel`")
            }
        };
        Err(Refused::new(RefusedKind::Locked, explain))
    }

    /// # Errors
    /// Deploys are paused, or a migration is held.
    fn check_allowed(&self) -> Result<(), Refused> {
        let state = self.at.books.read();
        if let Some(reason) = &state.paused {
            let explain = Explain::new("paused", format!("deploys of {} are paused", self.at.site))
                .caused_by(reason.clone())
                .help("`mainstay resume` allows them again");
            return Err(Refused::new(RefusedKind::Conflict, explain));
        }
        if let Some(held) = state.held.as_ref().filter(|held| held.migration) {
            let explain = Explain::new("held", format!("a migration of {} needs a person", self.at.site))
                .caused_by(held.explain.message.clone())
                .help("`mainstay migrate status` shows it; `mainstay migrate retry` or `down` moves it on");
            return Err(Refused::new(RefusedKind::Conflict, explain));
        }
        Ok(())
    }

    pub(crate) async fn deploy_or_queue(&mut self, wanted: Wanted, caller: Caller, reply: Reply) {
        match self.check_lock() {
            Err(refused) if refused.kind == RefusedKind::Locked && !wanted.wait.is_zero() => {
                let until = Instant::now() + wanted.wait;
                let newer = Queued { wanted, caller, reply, until };
                if let Some(older) = self.queued.replace(newer) {
                    let explain = Explain::new("superseded", "a newer deploy waits in this one's place").help("`mainstay attach` follows what is under way; deploy again if this one is still wanted");
                    let _ = older.reply.send(Err(Refused::new(RefusedKind::Locked, explain)));
                }
            }
            _ => drop(reply.send(self.deploy(wanted, &caller).await)),
        }
    }

    pub(crate) fn give_up_queued(&mut self) {
        if let Some(queued) = self.queued.take() {
            let locked = self.check_lock().err();
            let explain = Explain::new("locked", "the lock did not become free in time")
                .help("wait longer with `--wait`, or end what holds it with `mainstay cancel`");
            let locked = locked.unwrap_or_else(|| Refused::new(RefusedKind::Locked, explain));
            let _ = queued.reply.send(Err(locked));
        }
    }

    pub(crate) async fn deploy(&mut self, wanted: Wanted, caller: &Caller) -> Result<Started, Refused> {
        self.check_lock()?;
        self.check_allowed()?;
        let looked = look(&self.at, &wanted).await?;
        if !looked.plan.errors.is_empty() {
            return Err(Refused::new(RefusedKind::Plan, all_of(looked.plan.errors)));
        }
        if plan::is_empty(&looked.plan) {
            let serving = looked.plan.from.unwrap_or(looked.plan.to);
            let task = self.task("deploy", Course::Nothing, serving, false)?;
            return self.record_only(task, caller, Outcome::Unchanged);
        }
        let task = self.task("deploy", looked.course, looked.plan.to, wanted.drain_now)?;
        self.begin(task, looked.manifest, caller, looked.secrets)
    }

    /// To `release`, or to the newest stable one before the one that serves.
    pub(crate) async fn rollback(
        &mut self,
        release: Option<ReleaseNumber>,
        caller: &Caller,
    ) -> Result<Started, Refused> {
        self.check_lock()?;
        let state = self.at.books.read();
        if let Some(held) = state.held.as_ref().filter(|held| held.migration) {
            return Err(Refused::new(RefusedKind::Conflict, held.explain.clone()));
        }
        let Some(to) = release.or_else(|| state.last_stable_before(state.serving)) else {
            let explain =
                Explain::new("no-stable-release", format!("{} has no earlier stable release", self.at.site))
                    .help("name one that `mainstay releases` lists: `mainstay rollback NUMBER`");
            return Err(Refused::new(RefusedKind::NotFound, explain));
        };
        whole_release(&self.at, to)?;
        let manifest = self.at.manifest(to).map_err(Refused::failed)?;
        if state.serving == Some(to) {
            let task = self.task("rollback", Course::Nothing, to, false)?;
            return self.record_only(task, caller, Outcome::Unchanged);
        }
        let conflicts = self.at.claims.conflicts(&self.at.site, &manifest.routes);
        if !conflicts.is_empty() {
            return Err(Refused::new(RefusedKind::Plan, all_of(conflicts)));
        }
        let course = if self.is_warm(to, &manifest).await { Course::Warm } else { Course::Existing };
        let task = self.task("rollback", course, to, false)?;
        self.begin(task, manifest, caller, BTreeMap::new())
    }

    /// Whether all services of a release still run, drain, and were not told so.
    async fn is_warm(&self, release: ReleaseNumber, manifest: &Manifest) -> bool {
        if manifest.drain.hint != model::manifest::DrainHint::None {
            return false;
        }
        let Ok(observed) = self.at.observed().await else { return false };
        let state = self.at.books.read();
        manifest.services.keys().all(|service| {
            let mut groups =
                state.leaving.iter().filter(|l| l.group.release == release && l.group.service == *service);
            let Some(leaving) = groups.next() else { return false };
            let up = |name: &model::InstanceName| {
                observed.iter().any(|o| o.name == *name && o.state == InstanceState::Up)
            };
            groups.next().is_none()
                && leaving.stage == LeavingStage::Draining
                && leaving.group.members.iter().all(|member| up(&member.name))
        })
    }

    pub(crate) fn restart(
        &mut self,
        service: Option<ServiceName>,
        caller: &Caller,
    ) -> Result<Started, Refused> {
        self.check_lock()?;
        let (serving, manifest) = self.serving_manifest()?;
        if service.as_ref().is_some_and(|service| !manifest.services.contains_key(service)) {
            return Err(no_service(&manifest));
        }
        let task = self.task("restart", Course::Restart { service, instances: None }, serving, false)?;
        self.begin(task, manifest, caller, BTreeMap::new())
    }

    pub(crate) fn scale(&mut self, scale: Scale, caller: &Caller) -> Result<Started, Refused> {
        self.check_lock()?;
        let (serving, manifest) = self.serving_manifest()?;
        if !manifest.services.contains_key(&scale.service) {
            return Err(no_service(&manifest));
        }
        if !(1..=INSTANCES_MAX).contains(&scale.instances) {
            let explain = Explain::new("bad-scale", format!("a service has 1 to {INSTANCES_MAX} instances"))
                .caused_by(format!("{} were asked for", scale.instances))
                .help(format!("like `mainstay scale {}=2`; `mainstay down` stops all of it", scale.service));
            return Err(Refused::new(RefusedKind::Plan, explain));
        }
        let state = self.at.books.read();
        let live =
            state.live.iter().filter(|g| g.service == scale.service).map(|g| g.members.len()).sum::<usize>();
        let live = u32::try_from(live).unwrap_or(u32::MAX);
        let (service, instances) = (scale.service, scale.instances);
        let course = match instances.cmp(&live) {
            std::cmp::Ordering::Equal => Course::Nothing,
            std::cmp::Ordering::Greater => Course::Grow { service, instances },
            std::cmp::Ordering::Less => {
                Course::Restart { service: Some(service), instances: Some(instances) }
            }
        };
        let nothing = course == Course::Nothing;
        let task = self.task("scale", course, serving, false)?;
        if nothing {
            return self.record_only(task, caller, Outcome::Unchanged);
        }
        self.begin(task, manifest, caller, BTreeMap::new())
    }

    pub(crate) fn migrate(&mut self, verb: MigrateVerb, caller: &Caller) -> Result<Started, Refused> {
        self.check_lock()?;
        let state = self.at.books.read();
        let held = state.held.as_ref().filter(|held| held.migration).map(|held| held.release);
        // The way down from what serves needs no failed way up: it is what makes a rollback possible.
        let of_serving = state.serving.filter(|_| verb == MigrateVerb::Down);
        let Some(release) = held.or(of_serving) else {
            let explain = Explain::new("nothing-held", format!("no migration of {} is held", self.at.site))
                .help("`mainstay migrate status` shows the schema and what is held");
            return Err(Refused::new(RefusedKind::Conflict, explain));
        };
        let manifest = self.at.manifest(release).map_err(Refused::failed)?;
        if held.is_none() {
            let way = migrate::way_down(&manifest, release, state.schema);
            way.map_err(|explain| Refused::new(RefusedKind::Conflict, explain))?;
        }
        let task = self.task("migrate", Course::Migrate { verb }, release, false)?;
        self.begin(task, manifest, caller, BTreeMap::new())
    }

    pub(crate) fn cancel(&mut self, caller: &Caller) -> Result<Cancelled, Refused> {
        let conflict = |explain| Err(Refused::new(RefusedKind::Conflict, explain));
        let Lock::Held(held) = &self.lock else {
            return conflict(
                Explain::new("nothing-to-cancel", format!("nothing is under way on {}", self.at.site))
                    .help("`mainstay status` shows what serves, `mainstay events` what ended"),
            );
        };
        let phase = self.phase(held);
        let outcome = match phase {
            _ if matches!(held.task.course, Course::Migrate { .. }) => {
                return conflict(
                    Explain::new("migration-runs", "a migration is not ended half way")
                        .help("it ends by itself within `migrate.timeout`"),
                );
            }
            Phase::Plan | Phase::Lock | Phase::Preflight | Phase::Stage | Phase::Migrate => Outcome::Aborted,
            Phase::Start | Phase::Gate => Outcome::Aborted,
            Phase::Switch | Phase::Bake if held.task.from.is_none() => {
                return conflict(
                    Explain::new("nothing-to-return-to", "the first release serves; there is none before it")
                        .help("`mainstay destroy` takes the site off this machine"),
                );
            }
            Phase::Switch | Phase::Bake if has_bake(&held.task.course) => Outcome::RolledBack,
            Phase::Switch | Phase::Bake => {
                return conflict(
                    Explain::new("too-late", format!("the {} is at its last step", held.task.verb))
                        .help("it ends within seconds; `mainstay status` shows what serves then"),
                );
            }
            Phase::Drain | Phase::Stop | Phase::Commit => {
                let to = held.task.to;
                return conflict(
                    Explain::new(
                        "too-late",
                        format!("release {to} serves and has baked; it cannot be cancelled any more"),
                    )
                    .help("`mainstay rollback` returns to the one before it"),
                );
            }
        };
        held.log.tell(Kind::CancelAsked { by: caller.operator.clone() });
        held.cancel.cancel();
        Ok(Cancelled { deploy: held.task.deploy, phase, outcome })
    }

    pub(crate) fn resume(&mut self, caller: &Caller) -> Result<(), Refused> {
        self.at.books.change(|state| state.paused = None).map_err(Refused::failed)?;
        let serving = self.at.books.read().serving;
        if let (Lock::Free, Some(serving)) = (&self.lock, serving) {
            let task = self.task("resume", Course::Nothing, serving, false)?;
            self.record_only(task, caller, Outcome::Unchanged)?;
        }
        Ok(())
    }

    fn task(&self, verb: &str, course: Course, to: ReleaseNumber, drain_now: bool) -> Result<Task, Refused> {
        let layout = &self.at.layout;
        machine::fs::make_dirs_durably(&layout.deploys())
            .map_err(|error| Refused::failed(told("site-unwritable", "make", &layout.deploys(), &error)))?;
        let is_new = matches!(course, Course::New { .. });
        let state = self.at.books.read();
        let release =
            if is_new { Some(ReleaseId(Ulid::generate())) } else { state.releases.get(&to).map(|r| r.id) };
        let from = state.serving;
        let deploy = DeployId(Ulid::generate());
        let generation = self.at.books.change(|state| {
            state.last_deploy = Some(deploy);
            state.fresh_generation()
        });
        let generation = generation.map_err(Refused::failed)?;
        Ok(Task { deploy, verb: verb.to_owned(), course, from, to, release, generation, drain_now })
    }

    /// The first records; the lock is taken when they are on the disk.
    fn journal(&self, task: &Task, caller: &Caller) -> Result<Log, Refused> {
        let path = self.at.layout.journal(task.deploy);
        let journal = Journal::create(&path, &caller.operator, &caller.host).map_err(|error| {
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
        };
        for kind in [began, Kind::Entered { phase: Phase::Plan }, Kind::Entered { phase: Phase::Lock }] {
            log.append(kind).map_err(Refused::failed)?;
        }
        Ok(log)
    }

    /// For what needs no run: one journal with its end.
    fn record_only(&self, task: Task, caller: &Caller, outcome: Outcome) -> Result<Started, Refused> {
        let log = self.journal(&task, caller)?;
        let ended = Kind::Ended { outcome, serving: task.from, error: None, report: Vec::new() };
        log.append(ended).map_err(Refused::failed)?;
        Ok(Started { deploy: task.deploy, release: task.to })
    }

    fn begin(
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
                // The journal may stand without an end; nothing was done, and the next start writes one.
                self.release_claims();
                return Err(refused);
            }
        };
        self.at.remember(task.to, &manifest);
        let (cancel, since) = (CancellationToken::new(), now());
        let started = Started { deploy: task.deploy, release: task.to };
        let run = Run::new(Arc::clone(&self.at), task.clone(), manifest, Arc::clone(&log), cancel.clone());
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
                    created: now(),
                    operator: caller.operator.clone(),
                    bytes: 0,
                    fate: Fate::Staging,
                    schema: manifest.migrate.as_ref().map(|m| m.code.schema),
                    secrets,
                };
                state.releases.insert(task.to, record);
                true
            }
            Course::Warm => state.claim_warm(task.to, manifest),
            Course::Existing | Course::Restart { .. } | Course::Grow { .. } => true,
            Course::Migrate { .. } | Course::Nothing => true,
        })?;
        if booked {
            return Ok(());
        }
        let message = format!("the instances of release {} were just stopped", task.to);
        Err(Explain::new("not-warm-any-more", message).help("ask again: it is started anew"))
    }
}
