//! What a wanted deploy depends on, looked at and planned. Changes nothing.

use std::{collections::BTreeMap, sync::Arc};

use api::deploy::Plan;
use model::{Explain, ReleaseNumber, manifest::Manifest};
use tokio::time::timeout;

use crate::{
    journal::Course,
    plan::{self, Seen, Side},
    preflight::{foresee, secret_names},
    request::{Refused, RefusedKind, Wanted, What},
    scene::Scene,
    state::{Fate, ReleaseRecord},
    world::World,
};

/// What a look at a wanted deploy found.
pub(crate) struct Looked {
    pub plan: Plan,
    pub manifest: Arc<Manifest>,
    pub course: Course,
    pub secrets: BTreeMap<String, String>,
}

/// Looks at everything that PLAN depends on, and plans. Changes nothing, and needs none of the artifact's bytes: whoever
/// begins a deploy looks whether they are here ([`unsent`]).
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
            errors.extend(at.artifacts.check_length(artifact).err());
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
        secrets: record.runs_with(),
    });
    let after = Side { manifest: &manifest, digest: &digest, secrets: &secrets };
    let mut plan = plan::plan(Seen { site: &at.site, state: &state, before, after, to, errors });
    if !plan::is_empty(&plan) {
        plan.warnings.extend(foresee(at, &manifest, &course, to));
        let served = serving.as_ref().is_some_and(|(serving, _)| serving.deploy.approval);
        let asks = served || state.approval || manifest.deploy.approval;
        plan.warnings.extend(asks.then(needs_approval));
    }
    Ok(Looked { plan, manifest, course, secrets })
}

fn needs_approval() -> Explain {
    Explain::new("needs-approval", "once staged, it waits for another operator (`deploy.approval`)")
        .help("`mainstay approve` with the deploy's id lets it go on; `mainstay status` names it")
}

/// Why the bytes of a new release cannot be taken.
pub(crate) fn unsent<W: World>(at: &Scene<W>, wanted: &Wanted) -> Option<Explain> {
    let What::New { artifact, .. } = &wanted.what else { return None };
    at.artifacts.find(artifact).err().map(|refused| refused.explain)
}

pub(crate) fn whole_release<W: World>(
    at: &Scene<W>,
    release: ReleaseNumber,
) -> Result<ReleaseRecord, Refused> {
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
