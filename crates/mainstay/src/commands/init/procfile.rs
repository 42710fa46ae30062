//! Procfile: `name: command` lines, the plainest word about what runs.

use std::path::Path;

use super::{Guess, GuessedService, evidence, shell};

pub(super) fn recognise(dir: &Path, guess: &mut Guess) -> bool {
    let Some(text) = evidence::read(&dir.join("Procfile")) else { return false };
    for line in text.lines() {
        let Some((name, command)) = line.split_once(':') else { continue };
        let (name, command) = (name.trim(), command.trim());
        if name.starts_with('#') || command.is_empty() {
            continue;
        }
        let command = shell::command(command);
        if name == "release" {
            guess.because.push(
                "`release:` of the Procfile looks like a migration: see [migrate] in the file".to_owned(),
            );
            guess.migrate = Some(command);
            continue;
        }
        let web = name == "web";
        guess.because.push(format!(
            "Procfile runs `{name}`: a {}",
            if web { "service with a route" } else { "worker" }
        ));
        guess.services.push(GuessedService {
            name: evidence::service_name(name),
            command,
            web,
            instances: 1,
            env: Vec::new(),
        });
    }
    evidence::node_before(dir, guess);
    !guess.services.is_empty()
}
