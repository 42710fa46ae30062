//! compose.yaml of Docker Compose: its services that are programs of the app; what stands beside them is named.

mod labels;
mod service;

use std::path::Path;

use model::Explain;

use super::{
    Guess,
    account::Source,
    tree::{Entry, Node, Value},
    yaml,
};

pub(super) const KIND: &str = "a file of Docker Compose";

/// Takes its services over. Errors: no YAML, or nothing in it runs.
pub(super) fn read(source: &Source, dir: &Path, guess: &mut Guess) -> Result<(), Explain> {
    let root = yaml::parse(source, KIND)?;
    let Some(services) = root.get("services") else {
        return Err(source.mistake(KIND, 1, 1, "it has no `services:`"));
    };
    if services.entries().is_empty() {
        return Err(source.mistake(KIND, services.line, 1, "`services` names none"));
    }
    for entry in root.entries() {
        top(entry, source, guess);
    }
    let built: Vec<&str> = services
        .entries()
        .iter()
        .filter(|entry| entry.node.get("build").is_some())
        .filter_map(|entry| entry.node.text_of("image"))
        .collect();
    let volumes: Vec<&str> = root
        .get("volumes")
        .map(Node::entries)
        .unwrap_or_default()
        .iter()
        .map(|entry| entry.key.as_str())
        .collect();
    for entry in services.entries() {
        service::read(entry, &service::Around { source, dir, built: &built, volumes: &volumes }, guess);
    }
    Ok(())
}

/// What stands beside the services.
fn top(entry: &Entry, source: &Source, guess: &mut Guess) {
    let Entry { key, line, node } = entry;
    let mut scribe = guess.account.of(source);
    let at = *line..=node.end;
    match key.as_str() {
        "services" => scribe.took(*line..=*line, key, "each is told by itself"),
        "name" => {
            scribe.took(at, key, "the name of the app");
            if let Value::Text(name) = &node.value {
                guess.name.clone_from(name);
            }
        }
        "version" => scribe.took(at, key, "says nothing any more"),
        "volumes" => scribe.took(at, key, "where a service uses one, that is told there"),
        _ if key.starts_with("x-") => scribe.took(at, key, "counts where it is merged into a service"),
        "networks" => scribe.left(
            at,
            key,
            "apps of a machine reach each other on 127.0.0.1; what others may reach stands in machine.toml",
        ),
        "secrets" | "configs" => scribe.left(
            at,
            key,
            "values of secrets are put in by `mainstay secrets set NAME`, and reach an app as variables",
        ),
        "include" => scribe.left(at, key, "not followed: give that file by a `--from` of its own"),
        _ => scribe.left(at, key, "nothing here knows it"),
    }
}
