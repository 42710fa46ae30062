//! What the processes of a release are started with, kept with the release: its variables stand in its own manifest, of
//! its secrets the books know names and salted digests. Never holds a value of a secret.

use std::collections::BTreeMap;

use api::status::{Environment, Variables};
use model::{Explain, manifest::Manifest};

use crate::{
    journal::Course, plan::digest_word, preflight::secret_names, run::Run, state::ReleaseRecord, world::World,
};

/// Writes down which values the release is about to be started with, and says where they are others than it had.
/// # Errors
/// They do not resolve, or cannot be written down.
pub(crate) async fn take<W: World>(run: &Run<W>) -> Result<(), Explain> {
    let names = secret_names(&run.manifest);
    let digests = run.at.world.secret_digests(&run.at.site, &names).await?;
    if matches!(run.task.course, Course::Warm | Course::Recycle { .. } | Course::Migrate { .. }) {
        // Nothing of it is started, or one instance of several: they run with what they have.
        return Ok(());
    }
    let record = run.at.books.read().releases.get(&run.task.to).cloned();
    if let Some(line) = record.and_then(|record| differences(run, &record, &digests)) {
        run.log.note(line);
    }
    run.at.books.change(|state| {
        if let Some(record) = state.releases.get_mut(&run.task.to) {
            record.secrets = digests;
            record.secrets_taken = Some(run.at.stamp());
        }
    })
}

/// A release that comes back has its own variables, and the values that its secrets have today.
fn differences<W: World>(
    run: &Run<W>,
    record: &ReleaseRecord,
    today: &BTreeMap<String, String>,
) -> Option<String> {
    let since = record.secrets_taken.as_ref().filter(|_| run.task.course == Course::Existing)?;
    let changed = today.iter().filter(|(name, digest)| record.secrets.get(*name) != Some(digest));
    let changed: Vec<&str> = changed.map(|(name, _)| name.as_str()).collect();
    (!changed.is_empty()).then(|| {
        format!("release {} has other values than at {since} in {}", run.task.to, changed.join(", "))
    })
}

/// In the API's words.
pub(crate) fn told(record: &ReleaseRecord, manifest: &Manifest) -> Environment {
    let secret = |name: &String| (name.clone(), record.secrets.get(name).map(|digest| digest_word(digest)));
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
