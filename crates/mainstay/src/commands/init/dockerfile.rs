//! Dockerfile: what its last stage runs, and which port it names.

use std::path::Path;

use super::{Guess, GuessedService, evidence, shell};

/// What the last stage runs.
pub(super) struct Image {
    pub command: Vec<String>,
    pub port: Option<u16>,
    /// Where its program starts.
    pub workdir: Option<String>,
}

/// `None` if it runs nothing.
pub(super) fn parse(text: &str) -> Option<Image> {
    let (mut entrypoint, mut cmd, mut port, mut workdir) = (None, None, None, None);
    for line in joined(text) {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((&line, ""));
        match word.to_ascii_uppercase().as_str() {
            // A new stage: what an earlier one ran is not what runs.
            "FROM" => (entrypoint, cmd, port) = (None, None, None),
            "WORKDIR" => workdir = Some(rest.trim().trim_matches('"').to_owned()),
            "ENTRYPOINT" => entrypoint = Some(command(rest)),
            "CMD" => cmd = Some(command(rest)),
            "EXPOSE" => port = rest.split(['/', ' ']).next().and_then(|port| port.parse::<u16>().ok()),
            _ => {}
        }
    }
    let mut words: Vec<String> = entrypoint.unwrap_or_default();
    words.extend(cmd.unwrap_or_default());
    (!words.is_empty()).then_some(Image { command: words, port, workdir })
}

pub(super) fn recognise(dir: &Path, guess: &mut Guess) -> bool {
    let Some(Image { command: words, port, .. }) =
        evidence::read(&dir.join("Dockerfile")).and_then(|text| parse(&text))
    else {
        return false;
    };
    guess.because.push(format!("Dockerfile runs `{}`", words.join(" ")));
    guess.because.push(
        "a release has no image around it: the program must be in the folder or on this machine".to_owned(),
    );
    if let Some(port) = port {
        guess.because.push(format!(
            "Dockerfile exposes {port}: the app must listen on PORT instead, each instance has its own"
        ));
    }
    guess.services.push(GuessedService {
        name: if port.is_some() { "web" } else { "worker" }.to_owned(),
        command: words,
        web: port.is_some(),
        instances: 1,
        ..GuessedService::default()
    });
    true
}

/// Lines with their continuations, without comments.
fn joined(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        match line.strip_suffix('\\') {
            Some(part) => {
                open.push_str(part);
                open.push(' ');
            }
            None => {
                open.push_str(line);
                lines.push(std::mem::take(&mut open));
            }
        }
    }
    lines.retain(|line| !line.is_empty());
    lines
}

/// `["node", "server.js"]` or `node server.js`.
fn command(text: &str) -> Vec<String> {
    serde_json::from_str::<Vec<String>>(text.trim()).unwrap_or_else(|_| shell::command(text))
}
