//! What all recognisers need: bounded reading, names that are names, what the sources and `.env.example` tell.

use std::path::Path;

use super::{
    Guess, GuessedService,
    env::{self, Place, looks_secret},
    guess::Target,
};
use crate::{commands::packages, config::manifest::is_plain};

/// Bound: a file that describes an app is smaller.
const FILE_BYTES_MAX: u64 = 512 << 10;
/// Bound: source files that are looked at for the app and for its health path.
const FILES_MAX: usize = 300;
/// Bound: folders below each other.
const DEPTH_MAX: usize = 4;
const NOT_SOURCES: [&str; 12] = [
    "node_modules",
    "target",
    "vendor",
    "dist",
    "build",
    "venv",
    "env",
    "__pycache__",
    "test",
    "tests",
    "docs",
    "coverage",
];

/// Paths that people give their readiness, the most telling first.
const READY_PATHS: [&str; 10] = [
    "/health/ready",
    "/api/health/ready",
    "/readyz",
    "/ready",
    "/api/ready",
    "/api/health",
    "/healthz",
    "/health",
    "/up",
    "/ping",
];

/// A text file of reasonable size.
pub(super) fn read(path: &Path) -> Option<String> {
    let metadata = std::fs::metadata(path).ok()?;
    if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
        return None;
    }
    std::fs::read_to_string(path).ok()
}

/// Names of the folders in `dir`, sorted.
pub(super) fn folders(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

/// Source files by extension, sorted, bounded, with their texts.
fn sources<'a>(dir: &Path, extensions: &'a [&'a str]) -> impl Iterator<Item = (String, String)> + 'a {
    let root = dir.to_owned();
    ignore::WalkBuilder::new(dir)
        .max_depth(Some(DEPTH_MAX))
        .filter_entry(|entry| {
            entry.depth() == 0 || !NOT_SOURCES.iter().any(|name| entry.file_name() == *name)
        })
        .sort_by_file_name(Ord::cmp)
        .build()
        .flatten()
        .filter(|entry| {
            entry.path().extension().is_some_and(|end| extensions.iter().any(|wanted| end == *wanted))
        })
        .take(FILES_MAX)
        .filter_map(move |entry| {
            let name = entry.path().strip_prefix(&root).ok()?.to_str()?.to_owned();
            Some((name, read(entry.path())?))
        })
}

/// `package.module:variable` of the first Python file that makes an app.
pub(super) fn python_app(dir: &Path, markers: &[&str]) -> Option<String> {
    let made = |(file, text): (String, String)| Some((file, python_variable(&text, markers)?));
    let (file, variable) = sources(dir, &["py"]).find_map(made)?;
    // A project that is installed by its pyproject.toml is imported without its `src`.
    let installed = dir.join("pyproject.toml").is_file();
    let file = file.strip_prefix("src/").filter(|_| installed).unwrap_or(&file);
    let module = file.strip_suffix(".py")?.replace('/', ".");
    let module = module.strip_suffix(".__init__").map_or(module.clone(), str::to_owned);
    Some(format!("{module}:{variable}"))
}

/// Whether a folder is a package that makes a program of Go.
pub(super) fn go_main(folder: &Path) -> bool {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().take(FILES_MAX);
    files
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "go"))
        .any(|path| read(&path).is_some_and(|text| text.lines().any(|line| line.trim() == "package main")))
}

pub(super) fn go_imports(dir: &Path, name: &str) -> bool {
    let quoted = format!("\"{name}");
    sources(dir, &["go"]).any(|(_, text)| text.contains(&quoted))
}

/// The variable that a Python file's app is put into.
pub(super) fn python_variable(text: &str, markers: &[&str]) -> Option<String> {
    let line =
        text.lines().find(|line| markers.iter().any(|marker| line.contains(marker)) && line.contains('='))?;
    let variable = line.split(['=', ':']).next()?.trim().to_owned();
    let plain = !variable.is_empty() && variable.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (plain && !line.starts_with(' ')).then_some(variable)
}

/// What its package manager makes of the folder, where nobody has said it yet.
pub(super) fn build(dir: &Path, guess: &mut Guess) {
    let Some(found) = packages::of(dir).filter(|_| guess.build.is_none()) else { return };
    let Some(build) = found.release else { return };
    guess.because.push(format!("{} says how it is built: on the server, in the release", found.file));
    guess.because.extend(build.because.iter().cloned());
    guess.build = Some(build);
}

/// Most examples listen on a port of every address; production refuses that, and the remedy is one word.
pub(super) fn node_host(dir: &Path, guess: &mut Guess) {
    let listens = |text: &str| text.contains(".listen(");
    let found: Vec<(String, String)> = sources(dir, &["js", "mjs", "cjs", "ts"]).collect();
    let knows_host = found.iter().any(|(_, text)| text.contains("HOST"));
    if let Some((file, _)) = found.iter().find(|(_, text)| listens(text)).filter(|_| !knows_host) {
        guess.because.push(format!("{file} listens without `process.env.HOST`, on all addresses: production refuses that; `listen(process.env.PORT, process.env.HOST)` mends it"));
    }
}

/// Fills in what no recogniser says.
pub(super) fn complete(dir: &Path, guess: &mut Guess) {
    others_without_a_route(guess);
    let mut names = std::collections::BTreeSet::new();
    guess.services.retain(|service| names.insert(service.name.clone()));
    commands(guess);
    let asks =
        |service: &GuessedService| service.web && service.files.is_none() && service.probe.path.is_none();
    if guess.services.iter().any(asks) {
        ready_path(dir, guess);
    }
    secrets(dir, guess);
    variables(guess);
    for name in ["data", "uploads", "storage", "media"] {
        let known = guess
            .shared_paths
            .iter()
            .any(|path| Path::new(path).starts_with(name) || Path::new(name).starts_with(path));
        if dir.join(name).is_dir() && !known {
            guess
                .because
                .push(format!("{name}/ looks like data: shared by all releases, never replaced by one"));
            guess.shared_paths.push(name.to_owned());
        }
    }
}

/// Who takes requests and has no route: where no file says hosts or paths, any host leads to the first alone.
fn others_without_a_route(guess: &mut Guess) {
    let is_led_to = |service: &GuessedService| {
        guess
            .routes
            .iter()
            .any(|route| matches!(&route.target, Target::Named(name, _) if *name == service.name))
    };
    let web = guess.services.iter().filter(|service| service.web);
    let others: Vec<String> = match guess.routes.is_empty() {
        true => web.skip(1).map(|service| service.name.clone()).collect(),
        false => web.filter(|service| !is_led_to(service)).map(|service| service.name.clone()).collect(),
    };
    guess.because.extend(others.iter().map(|name| {
        format!("{name} takes requests, and no route leads to it: write its [[route]], with hosts or a path that no other has")
    }));
}

/// A command that a manifest cannot say is left to the reader.
fn commands(guess: &mut Guess) {
    for service in &mut guess.services {
        if service.files.is_some() {
            continue;
        }
        let named = service.command.first().is_some_and(|program| !program.trim().is_empty());
        // Only who takes requests has an address, and it is a port.
        let has_address =
            |word: &String| word.contains("{socket}") || (word.contains("{port}") && !service.web);
        if !named || !service.command.iter().all(|word| is_plain(word) && !has_address(word)) {
            let said = service.command.join(" ");
            guess.because.push(format!(
                "`{said}` cannot stand in a manifest as it is: write the command of {} yourself",
                service.name
            ));
            service.command = vec!["./start".to_owned()];
        }
    }
}

fn ready_path(dir: &Path, guess: &mut Guess) {
    let quoted = |text: &str, path: &str| {
        ['"', '\'', '`'].iter().any(|quote| text.contains(&format!("{quote}{path}{quote}")))
    };
    let mut found: Option<(usize, String)> = None;
    for (file, text) in sources(dir, &["js", "mjs", "cjs", "ts", "py", "rs", "go", "rb"]) {
        let best = READY_PATHS.iter().position(|path| quoted(&text, path));
        if let Some(rank) = best.filter(|rank| found.as_ref().is_none_or(|(known, _)| rank < known)) {
            found = Some((rank, file));
        }
    }
    match found.and_then(|(rank, file)| Some((READY_PATHS.get(rank)?, file))) {
        Some((path, file)) => {
            guess.because.push(format!("{file} has {path}: the readiness probe asks for it"));
            guess.ready_path = Some((*path).to_owned());
        }
        None => guess.because.push(
            "no health path was found: the readiness probe asks for `/`; a path that checks what the app needs is better".to_owned(),
        ),
    }
}

/// What a file of another tool sets: secrets become names, what a manifest cannot say is told.
fn variables(guess: &mut Guess) {
    let (mut secrets, mut dropped) = (Vec::new(), Vec::new());
    for service in &mut guess.services {
        service.env.retain(|(name, value)| {
            let place = env::place(name, Some(value));
            match &place {
                Place::Env => {}
                Place::Secret => secrets.push(name.clone()),
                Place::Nowhere(why) => dropped.push(format!("`{name}` was left out: {why}")),
            }
            place == Place::Env
        });
    }
    for name in secrets {
        guess.because.push(format!(
            "{name} looks like a secret: its value was left out, put it where machine.toml says"
        ));
        if !guess.env_secrets.contains(&name) {
            guess.env_secrets.push(name);
        }
    }
    guess.because.append(&mut dropped);
}

/// Names of `.env.example` that look like secrets; their values are never read.
fn secrets(dir: &Path, guess: &mut Guess) {
    for file in [".env.example", ".env.production.example", ".env.sample"] {
        let Some(text) = read(&dir.join(file)) else { continue };
        for name in variable_names(&text).into_iter().filter(|name| looks_secret(name)) {
            let is_known = guess.services.iter().any(|service| service.env_secrets.contains(&name));
            if !is_known && !guess.env_secrets.contains(&name) {
                guess.env_secrets.push(name);
            }
        }
        if !guess.env_secrets.is_empty() {
            guess.because.push(format!("{file} names secrets: {}", guess.env_secrets.join(", ")));
            return;
        }
    }
}

/// The names in a file of `NAME=value` lines, in their order.
pub(super) fn variable_names(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for line in text.lines() {
        let name = line.trim().trim_start_matches("export ").split('=').next().unwrap_or_default().trim();
        let plain = !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        if plain && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// A name of a service that is one.
pub(super) fn service_name(wanted: &str) -> String {
    name_of(wanted).unwrap_or_else(|| "web".to_owned())
}

/// The app's name: what the files say, else the folder's.
pub(super) fn name(wanted: &str, dir: &Path) -> String {
    let folder = dir.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name_of(wanted).or_else(|| name_of(folder)).unwrap_or_else(|| "my-app".to_owned())
}

/// The nearest text that is a name: lower case, `-` for what may not stand in it, cut to its length.
fn name_of(wanted: &str) -> Option<String> {
    let mut name = String::new();
    for c in wanted.chars().flat_map(char::to_lowercase) {
        match c {
            'a'..='z' | '0'..='9' => name.push(c),
            _ if !name.is_empty() && !name.ends_with('-') => name.push('-'),
            _ => {}
        }
    }
    let name = name.trim_start_matches(|c: char| !c.is_ascii_lowercase());
    let cut: String = name.chars().take(model::names::NAME_BYTES_MAX).collect();
    let cut = cut.trim_end_matches('-');
    cut.parse::<model::AppName>().ok().map(|name| name.to_string())
}
