//! PLAN, pure: what a deploy would change, what speaks against it.

use std::collections::BTreeMap;

use api::deploy::{Change, Plan};
use model::{Explain, ReleaseNumber, Site, manifest::Manifest};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{artifact::hex, recess::foretold, state::State};

/// One side of the comparison.
#[derive(Clone, Copy)]
pub(crate) struct Side<'a> {
    pub manifest: &'a Manifest,
    /// Of the artifact.
    pub digest: &'a str,
    pub secrets: &'a BTreeMap<String, String>,
}

/// Everything that the plan depends on.
pub(crate) struct Seen<'a> {
    pub site: &'a Site,
    pub state: &'a State,
    /// What serves now.
    pub before: Option<Side<'a>>,
    pub after: Side<'a>,
    pub to: ReleaseNumber,
    /// Reasons against it that were found while looking: taken routes, missing secrets, a missing artifact.
    pub errors: Vec<Explain>,
}

pub(crate) fn plan(seen: Seen<'_>) -> Plan {
    let mut changes = Vec::new();
    let before = seen.before;
    if before.map(|side| side.digest) != Some(seen.after.digest) {
        changes.push(change("artifact", before.map(|s| short(s.digest)), Some(short(seen.after.digest))));
    }
    manifest_changes(before.map(|side| side.manifest), seen.after.manifest, &mut changes);
    secret_changes(before.map(|side| side.secrets), seen.after.secrets, &mut changes);
    schema_change(&seen, &mut changes);
    Plan {
        site: seen.site.clone(),
        from: seen.state.serving,
        to: seen.to,
        changes,
        warnings: warnings(&seen),
        errors: seen.errors,
        closed: None,
    }
}

/// Whether a deploy of this plan has nothing to do.
pub(crate) fn is_empty(plan: &Plan) -> bool {
    plan.from.is_some() && plan.changes.is_empty()
}

fn change(subject: impl Into<String>, before: Option<String>, after: Option<String>) -> Change {
    Change { subject: subject.into(), before, after }
}

fn short(digest: &str) -> String {
    digest.chars().take("sha256:".len() + 12).collect()
}

fn schema_change(seen: &Seen<'_>, changes: &mut Vec<Change>) {
    let Some(code) = seen.after.manifest.migrate.as_ref().map(|m| m.code) else { return };
    let version = seen.state.schema.map(|data| data.version);
    if version.is_none_or(|version| version < code.schema) {
        changes.push(change("schema", version.map(|v| v.to_string()), Some(code.schema.to_string())));
    }
}

fn secret_changes(
    before: Option<&BTreeMap<String, String>>,
    after: &BTreeMap<String, String>,
    changes: &mut Vec<Change>,
) {
    let none = BTreeMap::new();
    let before = before.unwrap_or(&none);
    for name in before.keys().chain(after.keys()).collect::<std::collections::BTreeSet<_>>() {
        let (old, new) = (before.get(name), after.get(name));
        if old != new {
            let tell = |digest: &String| digest_word(digest);
            changes.push(change(format!("secret {name}"), old.map(tell), new.map(tell)));
        }
    }
}

/// Digests as people compare them: equal ones have equal words.
pub fn digest_word(text: &str) -> String {
    let digest = hex(&Sha256::digest(text.as_bytes()));
    format!("digest {}", digest.chars().take(8).collect::<String>())
}

/// Leaf by leaf, under the names that the file uses.
fn manifest_changes(before: Option<&Manifest>, after: &Manifest, changes: &mut Vec<Change>) {
    let (old, new) = (before.map(leaves).unwrap_or_default(), leaves(after));
    if before.is_none() {
        // A first deploy would list every default: the services and routes say enough.
        let told = new.iter().filter(|(key, _)| told_at_first(key));
        changes.extend(told.map(|(key, value)| change(key, None, Some(value.clone()))));
        return;
    }
    for key in old.keys().chain(new.keys()).collect::<std::collections::BTreeSet<_>>() {
        let (was, is) = (old.get(key), new.get(key));
        if was != is {
            changes.push(change(key, was.cloned(), is.cloned()));
        }
    }
}

fn told_at_first(key: &str) -> bool {
    key.ends_with(".instances") || key.ends_with(".schedule") || key.starts_with("route ")
}

fn leaves(manifest: &Manifest) -> BTreeMap<String, String> {
    let mut leaves = BTreeMap::new();
    let Ok(Value::Object(tree)) = serde_json::to_value(manifest) else { return leaves };
    for (key, value) in &tree {
        match key.as_str() {
            // Where the bytes come from is the client's matter; that they changed stands under `artifact`.
            "format" | "app" | "env" | "routes" => {}
            "services" | "cron" => walk("service", value, &mut leaves),
            key => walk(key, value, &mut leaves),
        }
    }
    leaves.retain(|key, _| !key.starts_with("release.source"));
    for route in &manifest.routes {
        let hosts = if route.hosts.is_empty() { vec!["*".to_owned()] } else { route.hosts.clone() };
        let Ok(Value::Object(mut tree)) = serde_json::to_value(route) else { continue };
        tree.remove("hosts");
        tree.remove("path_prefix");
        for host in hosts {
            leaves.insert(
                format!("route {host}{}", route.path_prefix),
                Value::Object(tree.clone()).to_string(),
            );
        }
    }
    leaves
}

fn walk(path: &str, value: &Value, leaves: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(tree) => {
            let named = |key: &String| match (path, key.as_str()) {
                // As the file has it.
                ("release.build", "place") => "where".to_owned(),
                _ => key.clone(),
            };
            tree.iter().for_each(|(key, value)| walk(&format!("{path}.{}", named(key)), value, leaves));
        }
        Value::Null => {}
        Value::String(text) if path.contains(".env.") => {
            // Values of variables are the app's matter; that they changed is enough.
            leaves.insert(path.to_owned(), digest_word(text));
        }
        Value::String(text) => drop(leaves.insert(path.to_owned(), text.clone())),
        other => drop(leaves.insert(path.to_owned(), other.to_string())),
    }
}

fn warnings(seen: &Seen<'_>) -> Vec<Explain> {
    let ended = |(service, scale): (&model::ServiceName, &crate::state::Scale)| {
        let own = seen.after.manifest.services.get(service)?.instances;
        if own == scale.manifest {
            return None;
        }
        let message = format!("`mainstay scale {service} {}` ends with this deploy", scale.instances);
        Some(Explain::new("scale-ends", message).caused_by(format!("the manifest now says {own} instances")))
    };
    let downtime = seen.state.serving.zip(seen.before).filter(|_| seen.after.manifest.recreates());
    let downtime = downtime.map(|(from, old)| foretold(from, seen.to, old.manifest, seen.state.last_recess));
    downtime.into_iter().chain(seen.state.scale.iter().filter_map(ended)).collect()
}
