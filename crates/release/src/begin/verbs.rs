//! The commands that start a run: each looks whether it may, says what is to be done, and begins it.

use std::collections::BTreeMap;

use api::{
    deploy::{Outcome, Rollback, Started},
    jobs::Scale,
};
use model::{
    Explain, ReleaseNumber, ServiceName,
    manifest::{INSTANCES_MAX, Manifest},
};
use tokio::{sync::oneshot, time::Instant};

use super::{all_of, look, no_service, unsent, whole_release};
use crate::{
    environment, history,
    journal::Course,
    migrate, plan,
    relieve::is_never_two,
    request::{Caller, MigrateVerb, Refused, RefusedKind, Start, Wanted},
    run::Task,
    site::{Actor, Queued},
    state::LeavingStage,
    world::{InstanceState, World},
};

/// What a contract step took away cannot be brought back.
fn down_from_contract(held: &crate::state::Held, verb: MigrateVerb) -> bool {
    held.contract && verb == MigrateVerb::Down
}

type Reply = oneshot::Sender<Result<Started, Refused>>;

/// Tells whoever asked what became of it.
pub(crate) fn answer(reply: Reply, begun: Result<Started, Refused>) {
    if begun.is_ok() {
        // Crash: who asked learns nothing, and finds the run by the key of the request.
        machine::failpoint::hit("deploy-begun");
    }
    let _ = reply.send(begun);
}

impl<W: World> Actor<W> {
    pub(crate) async fn start(&mut self, start: Start, caller: Caller, reply: Reply) {
        if let Some(begun) = self.begun_before(&start, &caller) {
            return drop(reply.send(begun));
        }
        let begun = match start {
            Start::Deploy(wanted) => return self.deploy_or_queue(wanted, caller, reply).await,
            Start::Rollback(to) => self.rollback(to, &caller).await,
            Start::Restart(which) => self.restart(which.service, &caller),
            Start::Scale(scale) => self.scale(scale, &caller),
            Start::Migrate(verb) => self.migrate(verb, &caller),
        };
        answer(reply, begun);
    }

    /// The run that this request began when it came before; `None`: it comes for the first time.
    pub(super) fn begun_before(&self, start: &Start, caller: &Caller) -> Option<Result<Started, Refused>> {
        let task = history::begun_by(&self.at.layout, caller.key.as_ref()?)?;
        if task.verb == start.verb() {
            return Some(Ok(Started { deploy: task.deploy, release: task.to }));
        }
        let message = format!("this Idempotency-Key is that of a {}, not of a {}", task.verb, start.verb());
        let explain = Explain::new("request-key-used", message)
            .now("nothing was begun")
            .help("give each request a key of its own; the same key means the same request");
        Some(Err(Refused::new(RefusedKind::Plan, explain)))
    }

    async fn deploy_or_queue(&mut self, wanted: Wanted, caller: Caller, reply: Reply) {
        match self.check_lock() {
            Err(refused) if refused.kind == RefusedKind::Locked && !wanted.wait.is_zero() => {
                let until = Instant::now() + wanted.wait;
                let held = self.at.books.read().held_migration().map(|held| held.deploy);
                let newer = Queued { wanted, caller, reply, until, held };
                if let Some(older) = self.queued.replace(newer) {
                    let explain = Explain::new("superseded", "a newer deploy waits in this one's place").help("`mainstay attach` follows what is under way; deploy again if this one is still wanted");
                    let _ = older.reply.send(Err(Refused::new(RefusedKind::Locked, explain)));
                }
            }
            _ => answer(reply, self.deploy(wanted, &caller).await),
        }
    }

    pub(crate) async fn begin_queued(&mut self) {
        let Some(Queued { wanted, caller, reply, held, .. }) = self.queued.take() else { return };
        let begun = match self.check_held_since(held) {
            Ok(()) => self.deploy(wanted, &caller).await,
            Err(refused) => Err(refused),
        };
        answer(reply, begun);
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
        let mut looked = look(&self.at, &wanted).await?;
        looked.plan.errors.splice(0..0, unsent(&self.at, &wanted));
        if !looked.plan.errors.is_empty() {
            return Err(Refused::new(RefusedKind::Plan, all_of(looked.plan.errors)));
        }
        self.check_held(&looked.plan, &looked.manifest)?;
        if plan::is_empty(&looked.plan) {
            let serving = looked.plan.from.unwrap_or(looked.plan.to);
            let task = self.task("deploy", Course::Nothing, serving, false)?;
            return self.record_only(task, caller, Outcome::Unchanged);
        }
        let task = self.task("deploy", looked.course, looked.plan.to, wanted.drain_now)?;
        self.begin(task, looked.manifest, caller, looked.secrets)
    }

    /// To a release, or to the newest stable one before the one that serves.
    pub(crate) async fn rollback(&mut self, wanted: Rollback, caller: &Caller) -> Result<Started, Refused> {
        self.check_lock()?;
        let state = self.at.books.read();
        if let Some(held) = state.held_migration() {
            return Err(Refused::new(RefusedKind::Conflict, held.explain.clone()));
        }
        let Some(to) = wanted.release.or_else(|| state.last_stable_before(state.serving)) else {
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
        let secrets_of = match wanted.with_secrets {
            true => environment::former(&self.at, to, &manifest).await?,
            false => None,
        };
        // Warm instances have such values as well, but whoever cares for them after this keeper would not know it.
        let is_warm = secrets_of.is_none() && self.is_warm(to, &manifest).await;
        let course = if is_warm { Course::Warm } else { Course::Existing };
        let task = Task { secrets_of, ..self.task("rollback", course, to, false)? };
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
            let mut groups = state
                .leaving
                .iter()
                .filter(|l| l.left.is_none() && l.group.release == release && l.group.service == *service);
            let Some(leaving) = groups.next() else { return false };
            let up = |name: &model::InstanceName| {
                observed.iter().any(|o| o.name == *name && o.state == InstanceState::Up)
            };
            groups.next().is_none()
                && leaving.stage == LeavingStage::Draining
                && leaving.group.members.iter().all(|member| up(&member.name))
        })
    }

    fn restart(&mut self, service: Option<ServiceName>, caller: &Caller) -> Result<Started, Refused> {
        self.check_lock()?;
        let (serving, manifest) = self.serving_manifest()?;
        if service.as_ref().is_some_and(|service| !manifest.services.contains_key(service)) {
            return Err(no_service(manifest.services.keys()));
        }
        let task = self.task("restart", Course::Restart { service, instances: None }, serving, false)?;
        self.begin(task, manifest, caller, BTreeMap::new())
    }

    fn scale(&mut self, scale: Scale, caller: &Caller) -> Result<Started, Refused> {
        self.check_lock()?;
        let (serving, manifest) = self.serving_manifest()?;
        if !manifest.services.contains_key(&scale.service) {
            return Err(no_service(manifest.services.keys()));
        }
        if !(1..=INSTANCES_MAX).contains(&scale.instances) {
            let explain = Explain::new("bad-scale", format!("a service has 1 to {INSTANCES_MAX} instances"))
                .caused_by(format!("{} were asked for", scale.instances))
                .help(format!("like `mainstay scale {}=2`; `mainstay down` stops all of it", scale.service));
            return Err(Refused::new(RefusedKind::Plan, explain));
        }
        if scale.instances > 1 && is_never_two(&manifest, &scale.service) {
            let message = format!("{} has `overlap = \"never\"`: one of it runs", scale.service);
            let explain = Explain::new("bad-scale", message)
                .caused_by(format!("{} were asked for", scale.instances))
                .help("if it bears several, deploy it without `overlap`");
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

    fn migrate(&mut self, verb: MigrateVerb, caller: &Caller) -> Result<Started, Refused> {
        self.check_lock()?;
        let state = self.at.books.read();
        let held = state.held_migration();
        if let Some(held) =
            held.filter(|held| verb == MigrateVerb::Contract || down_from_contract(held, verb))
        {
            return Err(Refused::new(RefusedKind::Conflict, held.explain.clone()));
        }
        let held = held.map(|held| held.release);
        // The way down from what serves needs no failed way up: it is what makes a rollback possible.
        let of_serving = state.serving.filter(|_| verb != MigrateVerb::Retry);
        let Some(release) = held.or(of_serving) else {
            let explain = Explain::new("nothing-held", format!("no migration of {} is held", self.at.site))
                .help("`mainstay migrate status` shows the schema and what is held");
            return Err(Refused::new(RefusedKind::Conflict, explain));
        };
        let manifest = self.at.manifest(release).map_err(Refused::failed)?;
        if held.is_none() {
            let way = match verb {
                MigrateVerb::Contract => migrate::may_contract(&self.at, release),
                MigrateVerb::Retry | MigrateVerb::Down => migrate::way_down(&manifest, release, state.schema),
            };
            way.map_err(|explain| Refused::new(RefusedKind::Conflict, explain))?;
        }
        let task = self.task("migrate", Course::Migrate { verb }, release, false)?;
        self.begin(task, manifest, caller, BTreeMap::new())
    }
}
