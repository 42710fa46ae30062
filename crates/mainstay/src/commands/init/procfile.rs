//! Procfile: `name: command` lines, the plainest word about what runs.

use std::path::Path;

use model::Explain;

use super::{Guess, GuessedService, account::Source, container, evidence, shell, tree::brief};

/// Where nothing else was asked for, a Procfile that names no process is none.
pub(super) fn recognise(dir: &Path, guess: &mut Guess) -> bool {
    let Some(text) = evidence::read(&dir.join("Procfile")) else { return false };
    let found = read(&Source { file: "Procfile".to_owned(), text }, guess).is_ok();
    evidence::build(dir, guess);
    found
}

/// Takes its processes over. Errors: none is in it.
pub(super) fn read(source: &Source, guess: &mut Guess) -> Result<(), Explain> {
    let before = guess.services.len();
    let mut seen = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        let at = index + 1..=index + 1;
        let mut scribe = guess.account.of(source);
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let split = line.split_once(':').map(|(name, command)| (name.trim(), command.trim()));
        let is_name = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        };
        let Some((name, said)) = split.filter(|(name, said)| is_name(name) && !said.is_empty()) else {
            scribe.left(at, brief(line), "no `name: command`");
            continue;
        };
        let command = shell::command(said);
        if name == "release" {
            scribe.took(at, name, "looks like a migration: see [migrate] in the file");
            guess.migrate = Some(command);
            continue;
        }
        let mut service = GuessedService::of(evidence::service_name(name), command);
        if seen.contains(&service.name) {
            scribe.left(at, name, format!("a service `{}` was named before", service.name));
            continue;
        }
        seen.push(service.name.clone());
        service.web = name == "web";
        container::bind(&mut service);
        service.single = container::is_single(&service);
        let what = match (service.web, service.single) {
            (true, _) => "a service with a route",
            (_, true) => "a worker that never runs twice, by its name",
            _ => "a worker",
        };
        scribe.took(at, name, format!("{what}: `{}`", brief(&service.command.join(" "))));
        guess.services.push(service);
    }
    if guess.services.len() > before {
        return Ok(());
    }
    Err(source
        .mistake("a Procfile", 1, 1, "it names no process")
        .help("each line is `name: command`, like `web: node server.js`"))
}
