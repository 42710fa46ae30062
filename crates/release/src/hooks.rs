//! Hooks: commands of the app around a deploy, as jobs under its account. The one before it vetoes, those after it warn.
//! Each is begun at most once for a deploy, whichever keeper comes to it.

use api::deploy::Outcome;
use model::{Explain, ProcessId, manifest::Hook};
use ulid::Ulid;

use crate::{
    deploy::End,
    journal::{Course, Kind},
    run::{Halt, Run},
    world::{JobEnd, JobKind, JobOrder, World},
};

/// Before anything of the new release runs: an exit that is not 0 forbids the deploy. A way back waits for nobody.
pub(crate) async fn before<W: World>(run: &mut Run<W>) -> Result<(), Halt> {
    let Some(hook) = run.manifest.hooks.pre_deploy.clone().filter(|_| is_deploy(run)) else { return Ok(()) };
    let end = at_most_until_cancelled(run, JobKind::PreDeploy, &hook, None).await;
    run.check_going().map_err(|error| error.now(run.now_serving()))?;
    match end {
        Ok(end) if end.succeeded() => Ok(()),
        Ok(end) => {
            let explain = Explain::new(
                "hook-vetoed",
                format!("`hooks.pre_deploy` of release {} forbids it", run.task.to),
            )
            .caused_by(end.word())
            .help("its output says why; mend that and deploy again, or take the hook out of the manifest");
            Err(Halt::Abort(end.shown_in(explain).now(run.now_serving())))
        }
        Err(error) => Err(Halt::Abort(error.now(run.now_serving()))),
    }
}

/// After the end is decided and before it is told.
pub(crate) async fn after<W: World>(run: &mut Run<W>, end: &End) {
    let hooks = run.manifest.hooks.clone();
    let (kind, hook) = match end.outcome {
        Outcome::Served if is_deploy(run) => (JobKind::PostDeploy, hooks.post_deploy),
        Outcome::Served if run.task.verb == "rollback" => (JobKind::OnRollback, hooks.on_rollback),
        Outcome::RolledBack if is_deploy(run) => (JobKind::OnRollback, hooks.on_rollback),
        Outcome::Served | Outcome::Unchanged | Outcome::RolledBack | Outcome::Aborted | Outcome::Held => {
            return;
        }
    };
    let Some(hook) = hook.filter(|_| !run.hooks_begun.contains(&kind) && !run.site_ends()) else { return };
    let ended = at_most_until_cancelled(run, kind, &hook, Some(end.outcome)).await;
    let warning = match ended {
        Ok(end) if end.succeeded() => return,
        Ok(end) => {
            let message = format!("`hooks.{}` failed; the deploy is not touched by that", word(kind));
            end.shown_in(Explain::new("hook-failed", message).caused_by(end.word()))
                .help("its output says why; what it should have done is not done")
        }
        Err(error) => error,
    };
    run.log.warn(warning);
}

fn is_deploy<W: World>(run: &Run<W>) -> bool {
    run.task.verb == "deploy" && matches!(run.task.course, Course::New { .. } | Course::Existing)
}

fn word(kind: JobKind) -> &'static str {
    match kind {
        JobKind::PreDeploy => "pre_deploy",
        JobKind::PostDeploy => "post_deploy",
        JobKind::OnRollback => "on_rollback",
        JobKind::Unpack
        | JobKind::Build
        | JobKind::Migrate
        | JobKind::MigrateDown
        | JobKind::MigrateContract
        | JobKind::SchemaStatus
        | JobKind::Scheduled => "",
    }
}

/// A cancel ends the hook, too.
async fn at_most_until_cancelled<W: World>(
    run: &Run<W>,
    kind: JobKind,
    hook: &Hook,
    outcome: Option<Outcome>,
) -> Result<JobEnd, Explain> {
    let process = ProcessId(Ulid::generate());
    run.log.append(Kind::JobIntent { job: kind, process })?;
    machine::failpoint::hit(&format!("hook-{}", word(kind)));
    let began = tokio::time::Instant::now();
    let was_cancelled = run.cancel.is_cancelled();
    let end = tokio::select! {
        end = run.at.world.run_job(order(run, kind, process, hook, outcome)) => end,
        () = run.cancel.cancelled(), if !was_cancelled => {
            run.at.world.stop_job(&run.at.site, process).await?;
            Ok(JobEnd::default())
        }
    };
    let said = end.as_ref().map_or_else(|error| error.message.clone(), JobEnd::word);
    run.log.tell(Kind::JobDone { job: kind, process, end: said.clone() });
    run.log.note(format!("hook {}: {said} ({:.1} s)", word(kind), began.elapsed().as_secs_f64()));
    end
}

fn order<W: World>(
    run: &Run<W>,
    kind: JobKind,
    process: ProcessId,
    hook: &Hook,
    outcome: Option<Outcome>,
) -> JobOrder {
    let number = |release: Option<model::ReleaseNumber>| release.map(|r| r.to_string()).unwrap_or_default();
    let told = [
        ("MAINSTAY_HOOK", word(kind).to_owned()),
        ("MAINSTAY_DEPLOY", run.task.deploy.to_string()),
        ("MAINSTAY_FROM", number(run.task.from)),
        ("MAINSTAY_OPERATOR", run.operator.clone()),
        ("MAINSTAY_OUTCOME", outcome.map(|outcome| outcome.name().to_owned()).unwrap_or_default()),
    ];
    JobOrder {
        env: hook.env.clone(),
        told: told.map(|(name, value)| (name.to_owned(), value)).into(),
        env_secrets: hook.env_secrets.clone(),
        ..run.job_order(kind, process, hook.command.clone(), hook.timeout.0)
    }
}
