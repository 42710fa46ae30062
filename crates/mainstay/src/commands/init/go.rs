//! go.mod: the binary's name. The release is the binary, not the sources.

use std::path::Path;

use super::{Guess, GuessedService, evidence};
use crate::commands::packages;

pub(super) fn recognise(dir: &Path, guess: &mut Guess) -> bool {
    let Some(text) = evidence::read(&dir.join("go.mod")) else { return false };
    let module = text.lines().find_map(|line| line.trim().strip_prefix("module ")).unwrap_or_default().trim();
    let is_main = |path: &Path| evidence::go_main(path);
    let named = |path: &str| {
        // The last part of a module may be its major version.
        let parts = path.rsplit('/').find(|part| !is_version(part));
        parts.unwrap_or("app").to_owned()
    };
    let in_cmd =
        || evidence::folders(&dir.join("cmd")).into_iter().find(|name| is_main(&dir.join("cmd").join(name)));
    let (package, binary) = match is_main(dir) {
        true => (".".to_owned(), named(module)),
        false => match in_cmd() {
            Some(name) => (format!("./cmd/{name}"), name),
            None => return false,
        },
    };
    guess.name = named(module);
    guess.dir = "dist".to_owned();
    guess.because.push(format!(
        "go.mod builds `{binary}`: the release is dist/ with the binary in it, not the sources"
    ));
    let build = packages::go_release(&package, &binary);
    guess.because.extend(build.because.iter().cloned());
    guess.build = Some(build);
    let server = ["net/http", "gin-gonic/gin", "labstack/echo", "gofiber/fiber"]
        .into_iter()
        .find(|name| text.contains(name) || evidence::go_imports(dir, name));
    match server {
        Some(server) => {
            guess.because.push(format!("it imports {server}: a service that must listen on HOST and PORT"));
        }
        None => guess.because.push("nothing in it takes requests: taken for a worker".to_owned()),
    }
    guess.services.push(GuessedService {
        web: server.is_some(),
        ..GuessedService::of(if server.is_some() { "web" } else { "worker" }, vec![format!("./{binary}")])
    });
    true
}

fn is_version(part: &str) -> bool {
    part.strip_prefix('v').is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit()))
}
