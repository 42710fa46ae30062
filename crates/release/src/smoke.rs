//! Smoke requests: the manifest's own, and the proof of which release answers.

use model::{
    Explain,
    manifest::{Manifest, Smoke},
};

use crate::{
    figures::measured,
    run::Run,
    state::Group,
    table::pool_for,
    world::{SmokeAnswer, SmokeOrder, World},
};

/// One thing to ask and how to judge the answer.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub smoke: Smoke,
    /// Key of the JSON answer that must hold the release's number.
    pub proof: Option<String>,
}

/// Everything that a green side is asked.
pub(crate) fn all(manifest: &Manifest) -> Vec<Question> {
    let own = manifest.deploy.smoke.iter().map(|smoke| Question { smoke: smoke.clone(), proof: None });
    let proof = manifest.release.proof.iter().map(|proof| Question {
        smoke: Smoke {
            get: proof.get.clone(),
            host: None,
            status: 200,
            contains: None,
            first_event_within: None,
        },
        proof: Some(proof.json.clone()),
    });
    own.chain(proof).collect()
}

/// Asks one of these groups' instances through the edge, by the routes of their own manifest.
/// # Errors
/// What was wrong with the answer.
pub(crate) async fn ask<W: World>(
    run: &Run<W>,
    manifest: &Manifest,
    groups: &[Group],
    question: &Question,
) -> Result<String, Explain> {
    let mut smoke = question.smoke.clone();
    let first_host = manifest.routes.iter().flat_map(|route| &route.hosts).next();
    let host = smoke.host.take().or_else(|| first_host.cloned()).unwrap_or_else(|| "localhost".into());
    let all = with_live(run, groups);
    let groups = all.as_slice();
    let Some(pool) = pool_for(manifest, groups, &host, &smoke.get) else {
        return Err(failed(&smoke, "no route of this manifest leads there".into()));
    };
    smoke.host = Some(host);
    let limit = smoke
        .first_event_within
        .map_or(run.at.settings.smoke_limit, |within| within.0.max(run.at.settings.smoke_limit));
    let order = SmokeOrder { site: run.at.site.clone(), pool, smoke: smoke.clone(), limit };
    let answer = tokio::time::timeout(limit * 2, run.at.world.smoke(order)).await;
    let answer = answer.unwrap_or_else(|_| {
        Err(Explain::new("smoke-silent", "the edge gave no answer")
            .help("`mainstay status --machine` says how the edge is"))
    });
    let answer = answer.map_err(|error| failed(&smoke, error.to_string()))?;
    judge(question, &smoke, &answer, run.task.to.0, groups)?;
    let by = answer.instance.map(|name| format!(" by {name}")).unwrap_or_default();
    Ok(format!("smoke GET {} answered {}{by}", smoke.get, answer.status))
}

/// A restart of one service is asked beside the services of its release that stay.
fn with_live<W: World>(run: &Run<W>, groups: &[Group]) -> Vec<Group> {
    let state = run.at.books.read();
    let same_release = |live: &&Group| groups.iter().any(|g| g.release == live.release);
    let stays = |live: &&Group| !groups.iter().any(|g| g.service == live.service);
    groups.iter().chain(state.live.iter().filter(same_release).filter(stays)).cloned().collect()
}

fn judge(
    question: &Question,
    smoke: &Smoke,
    answer: &SmokeAnswer,
    release: u64,
    groups: &[Group],
) -> Result<(), Explain> {
    let body = String::from_utf8_lossy(&answer.body);
    let wrong = |why: String| {
        let shown: String = body.chars().take(500).collect();
        let mut lines = answer.headers.clone();
        lines.push(String::new());
        lines.extend(shown.lines().map(str::to_owned));
        Err(failed(smoke, why).detail(format!("the answer ({})", answer.status), lines))
    };
    if answer.status != smoke.status {
        return wrong(format!("status {}, wanted {}", answer.status, smoke.status));
    }
    if let Some(name) = &answer.instance
        && !groups.iter().flat_map(|g| &g.members).any(|m| m.name == *name)
    {
        return wrong(format!("{name} answered, which is not of this release's new instances"));
    }
    if let Some(text) = &smoke.contains
        && !body.contains(text.as_str())
    {
        return wrong(format!("the answer does not contain `{text}`"));
    }
    if let Some(within) = smoke.first_event_within {
        match answer.first_event_after {
            Some(after) if after <= within.0 => {}
            Some(after) => {
                return wrong(format!("its first event came after {}, wanted {within}", measured(after)));
            }
            None => return wrong(format!("no event came within {within}")),
        }
    }
    let Some(key) = &question.proof else { return Ok(()) };
    let json: Option<serde_json::Value> = serde_json::from_slice(&answer.body).ok();
    let said = json.as_ref().and_then(|json| json.get(key)).map(|value| match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    match said {
        Some(said) if said == release.to_string() => Ok(()),
        Some(said) => wrong(format!("its `{key}` says `{said}`, but release {release} should answer")),
        None => wrong(format!("its answer has no `{key}` in JSON")),
    }
}

fn failed(smoke: &Smoke, why: String) -> Explain {
    let host = smoke.host.as_deref().unwrap_or("localhost");
    Explain::new("smoke-failed", format!("the smoke request GET {} (host {host}) failed", smoke.get))
        .caused_by(why)
        .help("ask the same by hand; `deploy.smoke` in mainstay.toml says what is asked")
}
