//! What the processes of a release are started with, kept with the release: its variables stand in its own manifest, of
//! its secrets the books know names and salted digests, and where the world keeps their values. Never holds a value of a
//! secret.

use std::{collections::BTreeMap, path::Path};

use api::status::{Environment, Variables};
use model::{Explain, ReleaseNumber, manifest::Manifest};
use tokio::time::timeout;

use crate::{
    journal::Course,
    plan::digest_word,
    preflight::secret_names,
    request::{Refused, RefusedKind},
    run::{Run, Task},
    scene::Scene,
    state::{ReleaseRecord, State},
    world::World,
};

/// Writes down which values the release is about to be started with, and says where they are others than it had.
/// # Errors
/// They do not resolve, or cannot be written down.
pub(crate) async fn take<W: World>(run: &Run<W>) -> Result<(), Explain> {
    let names = secret_names(&run.manifest);
    let (at, task) = (&run.at, &run.task);
    let digests = match run.kept_secrets() {
        Some(file) => at.world.kept_digests(&file, &names)?,
        None if starts(task) && !names.is_empty() => {
            let file = at.layout.kept_secrets(task.to, task.generation);
            at.world.keep_secrets(&at.site, &names, &file).await?
        }
        None => at.world.secret_digests(&at.site, &names).await?,
    };
    if !starts(task) {
        return Ok(());
    }
    let record = run.at.books.read().releases.get(&run.task.to).cloned();
    if let Some(line) = record.and_then(|record| differences(run, &record, &digests)) {
        run.log.note(line);
    }
    run.at.books.change(|state| {
        if let Some(record) = state.releases.get_mut(&run.task.to) {
            record.secrets = digests;
            if run.task.secrets_of.is_none() {
                record.secrets_taken = Some(run.at.stamp());
            }
        }
    })
}

/// Whether what a release is started with becomes another: not where nothing of it is started, or one instance of several.
fn starts(task: &Task) -> bool {
    !matches!(task.course, Course::Warm | Course::Recycle { .. } | Course::Migrate { .. } | Course::Nothing)
}

/// A run has come to its end well: what its processes were given is what the release comes back with.
pub(crate) fn settle(task: &Task, state: &mut State) {
    let Some(record) = state.releases.get_mut(&task.to).filter(|_| starts(task)) else { return };
    record.secrets_settled = Some(record.secrets.clone());
    record.secrets_of = task.secrets_of;
    if task.secrets_of.is_none() {
        record.secrets_kept = Some(task.generation);
    }
}

/// The generation whose kept values a release is to come back with; `None`: they are today's.
/// # Errors
/// They are not there, or cannot be opened.
pub(crate) async fn former<W: World>(
    at: &Scene<W>,
    release: ReleaseNumber,
    manifest: &Manifest,
) -> Result<Option<u64>, Refused> {
    let names = secret_names(manifest);
    if names.is_empty() {
        return Ok(None);
    }
    let kept = at.books.read().releases.get(&release).and_then(|record| record.secrets_kept);
    let Some(generation) = kept else {
        let message = format!("the values that release {release} was started with are not kept");
        let explain = Explain::new("secrets-not-kept", message)
            .caused_by(
                "it never came to the end of its bake, or did under a version of Mainstay that kept none",
            )
            .now("nothing was changed")
            .help(format!("put them in, `mainstay secrets set NAME`, then `mainstay rollback {release}`"));
        return Err(Refused::new(RefusedKind::Conflict, explain));
    };
    let digests = at.world.kept_digests(&at.layout.kept_secrets(release, generation), &names);
    let digests = digests.map_err(|error| Refused::new(RefusedKind::Conflict, error))?;
    let limit = at.settings.preflight_limit;
    let today = timeout(limit, at.world.secret_digests(&at.site, &names)).await;
    Ok(Some(generation).filter(|_| !matches!(today, Ok(Ok(today)) if today == digests)))
}

/// Removes the values of generations that nobody can come back to.
pub(crate) fn forget<W: World>(at: &Scene<W>) {
    let state = at.books.read();
    for (release, record) in &state.releases {
        let Some(kept) = record.secrets_kept else { continue };
        let used =
            |of: u64| record.secrets_of == Some(of) || state.groups().any(|g| g.secrets_of == Some(of));
        let Some(folder) = at.layout.kept_secrets(*release, kept).parent().map(Path::to_owned) else {
            continue;
        };
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let generation = entry.path().file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
            // Later ones are of a run that has not come to its end, or failed.
            if generation.is_some_and(|of| of < kept && !used(of))
                && let Err(error) = std::fs::remove_file(entry.path())
            {
                tracing::warn!(site = %at.site, %release, %error, "Kept values of secrets stay.");
            }
        }
    }
}

/// A release that comes back has its own variables, and the values that its secrets have today unless its own are asked for.
fn differences<W: World>(
    run: &Run<W>,
    record: &ReleaseRecord,
    today: &BTreeMap<String, String>,
) -> Option<String> {
    if run.task.secrets_of.is_some() {
        let since = record.secrets_taken.as_deref().unwrap_or("its last start");
        return Some(format!("release {} has the values of its secrets from {since}", run.task.to));
    }
    let since = record.secrets_taken.as_ref().filter(|_| run.task.course == Course::Existing)?;
    let changed = today.iter().filter(|(name, digest)| record.secrets.get(*name) != Some(digest));
    let changed: Vec<&str> = changed.map(|(name, _)| name.as_str()).collect();
    (!changed.is_empty()).then(|| {
        format!("release {} has other values than at {since} in {}", run.task.to, changed.join(", "))
    })
}

/// In the API's words.
pub(crate) fn told(record: &ReleaseRecord, manifest: &Manifest) -> Environment {
    let digests = record.runs_with();
    let secret = |name: &String| (name.clone(), digests.get(name).map(|digest| digest_word(digest)));
    let variables = |env: &BTreeMap<String, String>, secrets: &[String]| Variables {
        env: env.clone(),
        secrets: secrets.iter().map(secret).collect(),
    };
    let services = manifest.programs().map(|p| (p.service.clone(), variables(p.env, p.env_secrets)));
    Environment {
        taken: record.secrets_taken.clone(),
        services: services.collect(),
        migrate: manifest.migrate.as_ref().map(|m| variables(&m.env, &m.env_secrets)),
    }
}
