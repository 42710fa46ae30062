//! Cargo.toml: the binary's name. The release is the binary, not the sources.

use std::path::Path;

use super::{Guess, GuessedService, evidence};
use crate::commands::packages;

/// Crates that take requests.
const SERVERS: [&str; 12] = [
    "axum",
    "actix-web",
    "rocket",
    "warp",
    "hyper",
    "poem",
    "salvo",
    "tide",
    "ntex",
    "trillium",
    "rouille",
    "tiny_http",
];

pub(super) fn recognise(dir: &Path, guess: &mut Guess) -> bool {
    let Some(table) =
        evidence::read(&dir.join("Cargo.toml")).and_then(|text| text.parse::<toml::Table>().ok())
    else {
        return false;
    };
    let Some(package) =
        table.get("package").and_then(|package| package.get("name")).and_then(toml::Value::as_str)
    else {
        return false;
    };
    let bins = table.get("bin").and_then(toml::Value::as_array);
    let first = bins.and_then(|bins| bins.first()?.get("name")?.as_str());
    if first.is_none() && !dir.join("src/main.rs").is_file() {
        return false;
    }
    let binary = first.unwrap_or(package);
    guess.name = package.to_owned();
    guess.dir = "dist".to_owned();
    let build = packages::cargo_release(dir, binary);
    guess.because.extend(build.because.iter().cloned());
    guess.build = Some(build);
    guess.because.push(format!(
        "Cargo.toml builds `{binary}`: the release is dist/ with the binary in it, not the sources"
    ));
    let depends = |name: &str| table.get("dependencies").is_some_and(|all| all.get(name).is_some());
    let server = SERVERS.into_iter().find(|name| depends(name));
    match server {
        Some(server) => {
            guess.because.push(format!("it depends on {server}: a service that must listen on HOST and PORT"))
        }
        None => guess.because.push("no web framework among its dependencies: taken for a worker".to_owned()),
    }
    guess.services.push(GuessedService {
        name: if server.is_some() { "web" } else { "worker" }.to_owned(),
        command: vec![format!("./{binary}")],
        web: server.is_some(),
        instances: 1,
        ..GuessedService::default()
    });
    true
}
