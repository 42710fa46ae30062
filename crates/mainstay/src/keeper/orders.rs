//! From what the deploy machine wants started to what the supervisor is told.

use std::{collections::BTreeMap, os::fd::OwnedFd, path::PathBuf, sync::Arc, time::Duration};

use model::{
    Explain, InstanceName, ServiceName, Site,
    manifest::{Logs, Manifest, Service},
};
use release::world::{JobKind, JobOrder, StartOrder};
use supervisor::{
    Enclosure, Inherited, Kind, LogTo, Order, Program, Spec, StopPlan, logs,
    order::signal_number,
    slot::{Asking, Orders, SlotSettings},
};

use super::{data_plane::SYSTEM, ground::Ground, instances::PublicBind, jobs, oneoff, secrets};

/// The label that a job's process carries: the id that the deploy's journal knows it by.
pub(crate) const JOB: &str = "job";
/// The label of an instance: the id that its deploy's journal announced it by.
const JOURNALLED: &str = "journalled";
/// The label of an instance whose secrets are not from their source: the file that they are kept in.
pub(crate) const KEPT_SECRETS: &str = "kept-secrets";
/// The label of a run that a schedule began.
pub(crate) const SCHEDULED: &str = "scheduled";
/// How a job is stopped whose service does not say it.
const STOP: StopPlan = StopPlan { signal: 15, grace: Duration::from_secs(10) };
/// The label that says when its time is over, as the monotonic clock of this boot counts milliseconds.
pub(crate) const UNTIL: &str = "until-monotonic-ms";

/// How an instance is cared for that is to start now: what it lacks is an error now.
/// # Errors
/// No such service in the manifest; secrets that do not resolve; no account; no folders.
pub(crate) async fn slot(ground: &Ground, order: &StartOrder) -> Result<SlotSettings, Explain> {
    let process = instance(ground, order).await?;
    settings(order, process.into())
}

/// How an instance is cared for that has served: it lives on without what only its next process needs, and is never
/// given up for want of it.
/// # Errors
/// No such service in the manifest.
pub(crate) fn kept_slot(ground: &Arc<Ground>, order: &StartOrder) -> Result<SlotSettings, Explain> {
    let (asked, of) = (Arc::clone(ground), order.clone());
    let ask = move || -> Asking {
        let (ground, order) = (Arc::clone(&asked), of.clone());
        Box::pin(async move { instance(&ground, &order).await.map_err(|error| error.to_string()) })
    };
    settings(order, Orders::Asked(Arc::new(ask)))
}

fn settings(order: &StartOrder, process: Orders) -> Result<SlotSettings, Explain> {
    let service = service_of(&order.manifest, &order.name.service)?;
    Ok(SlotSettings {
        order: process,
        restart: service.restart,
        startup: service.probes.startup.clone(),
        liveness: service.probes.liveness.clone(),
        host: order.manifest.host_of(&order.name.service).unwrap_or("localhost").to_owned(),
        min_healthy_time: order.manifest.deploy.min_healthy_time.0,
    })
}

/// The process of an instance, its folders made.
async fn instance(ground: &Ground, order: &StartOrder) -> Result<Order, Explain> {
    let name = &order.name;
    let service = service_of(&order.manifest, &name.service)?;
    let user = ground.user(&order.site)?;
    let secrets =
        secrets::resolve(ground, &order.site, &service.env_secrets, order.kept_secrets.as_deref()).await?;
    jobs::enclose(ground, &order.site)?;
    jobs::give(ground, &order.site, &order.shared_dir)?;
    Ok(Order {
        site: Some(order.site.clone()),
        name: name.to_string(),
        kind: Kind::Instance,
        release: Some(name.release),
        labels: instance_labels(order),
        program: match &service.files {
            None => Program::Command(service.command.clone()),
            Some(files) => Program::Own(files::arguments(files)),
        },
        cwd: order.release_dir.clone(),
        shared_dir: Some(order.shared_dir.clone()),
        user,
        env: service.env.clone(),
        secrets,
        told: BTreeMap::new(),
        redact: Vec::new(),
        listen: service.listen,
        notify: service.listen.is_none(),
        fds: Vec::new(),
        limits: service.limits,
        sandbox: Some(enclosure(order, service)),
        stop: StopPlan { signal: signal_number(service.stop_signal), grace: service.stop_timeout.0 },
        log: LogTo {
            path: logs::path(&ground.folders.data, &order.site, name),
            limits: order.manifest.logs.clone(),
        },
    })
}

/// What serves files reads those of its release and writes nothing.
fn enclosure(order: &StartOrder, service: &Service) -> Enclosure {
    let sandbox = order.manifest.sandbox_of(&order.name.service);
    match &service.files {
        None => Enclosure::of_app(sandbox, vec![order.shared_dir.clone()]),
        Some(_) => {
            let system = SYSTEM.iter().map(PathBuf::from);
            let read = system.chain([order.release_dir.clone()]).collect();
            Enclosure { sandbox, read: Some(read), write: Vec::new(), offline: false }
        }
    }
}

fn service_of<'a>(manifest: &'a Manifest, name: &ServiceName) -> Result<&'a Service, Explain> {
    manifest.services.get(name).ok_or_else(|| {
        Explain::new("no-such-service", format!("the manifest has no service {name}"))
            .help("deploy again: its instances are then those of the new manifest")
    })
}

/// What listening on all interfaces means for this instance.
pub(crate) fn public_bind(manifest: &Manifest, instance: &InstanceName) -> PublicBind {
    let allowed = manifest.services.get(&instance.service).is_some_and(|service| service.allow_public_bind);
    match (allowed, manifest.env.is_production()) {
        (true, _) => PublicBind::Allowed,
        (false, true) => PublicBind::Refused,
        (false, false) => PublicBind::Warned,
    }
}

/// A process that ends by itself.
/// # Errors
/// Secrets that do not resolve, no account, no file for its stdin.
pub(crate) async fn job(ground: &Ground, order: &JobOrder) -> Result<Order, Explain> {
    let name = job_name(order);
    let secrets =
        secrets::resolve(ground, &order.site, &order.env_secrets, order.kept_secrets.as_deref()).await?;
    let mut fds = Vec::new();
    if let Some(path) = &order.stdin {
        let file = std::fs::File::open(path).map_err(|error| {
            Explain::new("artifact-unreadable", format!("cannot open {}", path.display()))
                .because(&error)
                .help("deploy again: it is sent anew where it is gone")
        })?;
        fds.push(Inherited {
            name: supervisor::console::STDIN.to_owned(),
            fd: Arc::new(OwnedFd::from(file)),
        });
    }
    let program = match order.is_own {
        true => Program::Own(order.argv.clone()),
        false => Program::Command(order.argv.clone()),
    };
    let scheduled = order.scheduled.as_ref();
    let stop = scheduled
        .map_or(STOP, |own| StopPlan { signal: signal_number(own.stop_signal), grace: own.stop_timeout });
    Ok(Order {
        site: Some(order.site.clone()),
        name: name.to_owned(),
        kind: Kind::Job,
        release: Some(order.release),
        labels: job_labels(order),
        program,
        cwd: order.cwd.clone(),
        shared_dir: Some(order.shared_dir.clone()),
        user: ground.user(&order.site)?,
        env: order.env.clone(),
        secrets,
        told: order.told.clone(),
        redact: Vec::new(),
        listen: None,
        notify: false,
        fds,
        limits: order.limits,
        sandbox: Some(Enclosure {
            offline: order.offline,
            ..Enclosure::of_app(order.sandbox.clone(), order.writable.clone())
        }),
        stop,
        log: LogTo {
            path: logs::job_path(&ground.folders.data, &order.site, name),
            limits: scheduled.map(|own| own.logs.clone()).unwrap_or_default(),
        },
    })
}

fn instance_labels(order: &StartOrder) -> BTreeMap<String, String> {
    let kept = order.kept_secrets.as_ref().map(|file| (KEPT_SECRETS.to_owned(), file.display().to_string()));
    kept.into_iter().chain([(JOURNALLED.to_owned(), order.process.to_string())]).collect()
}

fn job_labels(order: &JobOrder) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([
        (JOB.to_owned(), order.process.to_string()),
        (UNTIL.to_owned(), until_monotonic_ms(order.timeout).to_string()),
    ]);
    if let Some(own) = &order.scheduled {
        labels.insert(SCHEDULED.to_owned(), String::new());
        labels.insert(oneoff::SERVICE.to_owned(), own.service.to_string());
        labels.insert(oneoff::OPERATOR.to_owned(), "schedule".to_owned());
    }
    labels
}

fn until_monotonic_ms(timeout: Duration) -> u64 {
    let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
    machine::clock::monotonic_ms().saturating_add(timeout_ms)
}

/// How long a job that was found may still take. One without the label has no time left: nobody can say how long.
pub(crate) fn time_left(spec: &Spec) -> Duration {
    let until_ms: u64 = spec.labels.get(UNTIL).and_then(|until| until.parse().ok()).unwrap_or_default();
    Duration::from_millis(until_ms.saturating_sub(machine::clock::monotonic_ms()))
}

/// A scheduled run logs under its service's name.
pub(crate) fn job_name(order: &JobOrder) -> &str {
    match order.kind {
        JobKind::Unpack => "unpack",
        JobKind::Build => "build",
        JobKind::Migrate => "migrate",
        JobKind::MigrateDown => "migrate-down",
        JobKind::MigrateContract => "migrate-contract",
        JobKind::SchemaStatus => "schema-status",
        JobKind::PreDeploy => "pre-deploy",
        JobKind::PostDeploy => "post-deploy",
        JobKind::OnRollback => "on-rollback",
        JobKind::Scheduled => order.scheduled.as_ref().map_or("scheduled", |own| own.service.as_str()),
    }
}

pub(crate) fn job_log(ground: &Ground, site: &Site, name: &str) -> LogTo {
    LogTo { path: logs::job_path(&ground.folders.data, site, name), limits: Logs::default() }
}
