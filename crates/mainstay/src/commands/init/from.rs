//! `--from FILE`: files of other tools, taken over as far as a manifest can say it.
//!
//! Each is read by the file of its kind, which says of every line what became of it. Here they become one app: who is
//! meant by a route, and what the folder itself tells.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use model::Explain;

use super::{
    Guess, GuessedRoute, GuessedService, account::Source, compose, container, ecosystem, evidence, guess,
    kamal, nginx, procfile,
};
use crate::cli::Globals;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// ecosystem.config.js of PM2, or the same as JSON
    Pm2,
    /// Procfile of Heroku, foreman and others
    Procfile,
    /// compose.yaml of Docker Compose
    Compose,
    /// nginx.conf, or a file of its sites
    Nginx,
    /// config/deploy.yml of Kamal
    Kamal,
}

/// Reads the files, in their order, for the app in `dir`. Errors: one cannot be read, or is of no kind that is known.
pub(super) fn guess_from(
    dir: &Path,
    files: &[PathBuf],
    kind: Option<Kind>,
    globals: &Globals,
) -> Result<Guess, Explain> {
    let mut guess = Guess { dir: ".".to_owned(), ..Guess::default() };
    for file in files {
        read(file, kind, dir, &mut guess)?;
    }
    let said = guess.services.iter().any(|service| service.files.is_none());
    let asks = |route: &GuessedRoute| route.target != guess::Target::Any && !leads_to_files(&guess, route);
    let is_needed = guess.services.is_empty() || guess.routes.is_empty() || guess.routes.iter().any(asks);
    if !said && is_needed {
        of_the_folder(dir, &mut guess, globals);
    }
    evidence::build(dir, &mut guess);
    settle(&mut guess);
    evidence::complete(dir, &mut guess);
    not_both(&mut guess);
    let mut said = std::collections::BTreeSet::new();
    guess.because.retain(|why| said.insert(why.clone()));
    let order = |note: &super::account::Note| {
        (files.iter().position(|file| file.display().to_string() == note.file), *note.lines.start())
    };
    for notes in [&mut guess.account.taken, &mut guess.account.left] {
        notes.sort_by_key(order);
        // What several places lead to was told for each.
        notes.dedup();
    }
    guess.name = match globals.app() {
        Some(app) => app.to_string(),
        None => evidence::name(&guess.name, dir),
    };
    Ok(guess)
}

fn read(file: &Path, kind: Option<Kind>, dir: &Path, guess: &mut Guess) -> Result<(), Explain> {
    let name = file.display().to_string();
    let Some(text) = evidence::read(file) else {
        let cause = match std::fs::metadata(file) {
            Err(error) => error.to_string(),
            Ok(found) if !found.is_file() => "it is no file".to_owned(),
            Ok(_) => "it is no text, or longer than 512 KiB".to_owned(),
        };
        return Err(Explain::new("no-source", format!("cannot read {name}"))
            .caused_by(cause)
            .now("nothing was written")
            .help("name a file that is there, from the current folder"));
    };
    let source = Source { file: name, text };
    match kind.or_else(|| recognised(file, &source.text)) {
        Some(Kind::Pm2) => ecosystem::read(&source, dir, guess),
        Some(Kind::Procfile) => procfile::read(&source, guess),
        Some(Kind::Compose) => compose::read(&source, dir, guess),
        Some(Kind::Nginx) => nginx::read(&source, dir, guess),
        Some(Kind::Kamal) => kamal::read(&source, dir, guess),
        None => Err(Explain::new("unknown-source", format!("{} is of no kind that is known", source.file))
            .caused_by("neither its name nor what is in it says which tool reads it")
            .now("nothing was written")
            .help("say it: `--kind pm2`, `procfile`, `compose`, `nginx` or `kamal`")),
    }
}

/// By its name, else by what is in it.
fn recognised(file: &Path, text: &str) -> Option<Kind> {
    let name = file.file_name()?.to_str()?.to_ascii_lowercase();
    let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    let line = |start: &str| text.lines().any(|line| line.starts_with(start));
    let is_yaml = ends(&[".yml", ".yaml"]);
    if name.starts_with("procfile") {
        Some(Kind::Procfile)
    } else if name.contains("compose") && is_yaml {
        Some(Kind::Compose)
    } else if is_yaml && line("service:") && (line("servers:") || line("image:")) {
        Some(Kind::Kamal)
    } else if is_yaml && line("services:") {
        Some(Kind::Compose)
    } else if ends(&[".js", ".cjs", ".mjs", ".json"]) && text.contains("apps") && text.contains("script") {
        Some(Kind::Pm2)
    } else if name == "nginx.conf"
        || ["server {", "server{", "upstream "].iter().any(|word| text.contains(word)) && text.contains(';')
    {
        Some(Kind::Nginx)
    } else {
        None
    }
}

fn leads_to_files(guess: &Guess, route: &GuessedRoute) -> bool {
    let guess::Target::Named(name, _) = &route.target else { return false };
    guess.services.iter().any(|service| service.files.is_some() && service.name == *name)
}

/// None of the files says what runs: what the folder itself tells.
fn of_the_folder(dir: &Path, guess: &mut Guess, globals: &Globals) {
    let found = super::guess(dir, globals);
    let taken = |name: &str| guess.services.iter().any(|service| service.name == name);
    let services: Vec<GuessedService> =
        found.services.into_iter().filter(|service| !taken(&service.name)).collect();
    guess.services.extend(services);
    guess.because.extend(found.because);
    guess.build = guess.build.take().or(found.build);
    guess.account.taken.extend(found.account.taken);
    guess.account.left.extend(found.account.left);
    guess.migrate = guess.migrate.take().or(found.migrate);
    guess.ready_path = guess.ready_path.take().or(found.ready_path);
    if guess.dir == "." {
        guess.dir = found.dir;
    }
    if guess.name.is_empty() {
        guess.name = found.name;
    }
}

/// What is shared outlives every release already.
fn not_both(guess: &mut Guess) {
    let Guess { asset_paths, shared_paths, because, .. } = guess;
    asset_paths.retain(|path| {
        let nested =
            |other: &String| Path::new(path).starts_with(other) || Path::new(other).starts_with(path);
        let is_shared = shared_paths.iter().any(nested);
        if is_shared {
            because.push(format!(
                "{path} lies in what is shared, or the other way round: it is not named in asset_paths"
            ));
        }
        !is_shared
    });
}

/// Finds the service of each route; one that leads to nobody known gets a service to fill in.
fn settle(guess: &mut Guess) {
    let mut routes = std::mem::take(&mut guess.routes);
    // The one of `/` is the app, where a folder tells of only one.
    let mut by_length: Vec<&mut GuessedRoute> = routes.iter_mut().collect();
    by_length.sort_by_key(|route| route.path_prefix.len());
    for route in by_length {
        let name = match found(&guess.services, &route.target) {
            Some(name) => name,
            None => filled_in(guess, route),
        };
        let counted =
            guess.instances.iter().find(|(target, _)| *target == route.target).map(|(_, number)| *number);
        if let Some(service) = guess.services.iter_mut().find(|service| service.name == name) {
            service.web = true;
            service.single = false;
            if let Some(number) = counted.filter(|number| *number > 1 && service.instances == 1) {
                service.instances = number.min(64);
            }
            if let guess::Target::Ports(ports) = &route.target {
                service.ports.extend(ports);
            }
            container::bind(service);
        }
        route.target = guess::Target::Named(name, None);
    }
    guess.routes = routes;
    // A second file may have said the same of some path.
    let mut claimed: Vec<(String, String)> = Vec::new();
    let mut twice = Vec::new();
    guess.routes.retain(|route| {
        let any = ["*".to_owned()];
        let hosts = if route.hosts.is_empty() { &any[..] } else { &route.hosts };
        let keys: Vec<_> = hosts.iter().map(|host| (host.clone(), route.path_prefix.clone())).collect();
        let is_new = !keys.iter().any(|key| claimed.contains(key));
        match is_new {
            true => claimed.extend(keys),
            false => twice.push((route.file.clone(), route.lines.clone(), route.path_prefix.clone())),
        }
        is_new
    });
    for (file, lines, path) in twice {
        let source = Source { file, text: String::new() };
        guess.account.of(&source).left(
            lines.unwrap_or(1..=1),
            path,
            "a route of another file claims this path of these hosts",
        );
    }
}

/// Whom a target means among services: by name, by port, or because there is only one that no port tells apart.
fn found(services: &[GuessedService], target: &guess::Target) -> Option<String> {
    let services: Vec<&GuessedService> =
        services.iter().filter(|service| service.schedule.is_none()).collect();
    let by_port = |port: &u16| services.iter().find(|service| service.ports.contains(port));
    let web = || {
        let mut all = services.iter().filter(|service| service.web && service.files.is_none());
        all.next().filter(|_| all.next().is_none())
    };
    let unnamed = || web().filter(|service| service.ports.is_empty());
    let service = match target {
        guess::Target::Any => services.iter().find(|service| service.web),
        guess::Target::Named(name, port) => {
            let own = evidence::service_name(name);
            let by_name = services.iter().find(|service| service.name == *name || service.name == own);
            by_name.or_else(|| port.as_ref().and_then(by_port)).or_else(unnamed)
        }
        guess::Target::Ports(ports) => ports.iter().find_map(by_port).or_else(unnamed),
    };
    service.map(|service| service.name.clone())
}

/// A service for a route whose app no file describes.
fn filled_in(guess: &mut Guess, route: &GuessedRoute) -> String {
    let (name, ports) = match &route.target {
        guess::Target::Named(name, port) => (evidence::service_name(name), port.iter().copied().collect()),
        guess::Target::Ports(ports) => {
            (ports.first().map_or("web".to_owned(), |port| format!("app-{port}")), ports.clone())
        }
        guess::Target::Any => ("web".to_owned(), Vec::new()),
    };
    // A worker of this name turns out to take requests; a job cannot.
    let known = guess.services.iter().find(|service| service.name == name);
    let name = match known.map(|service| service.schedule.is_some()) {
        Some(false) => return name,
        Some(true) => format!("{name}-web"),
        None => name,
    };
    let command = vec!["./start".to_owned(), "--port".to_owned(), "{port}".to_owned()];
    guess.services.push(GuessedService { web: true, ports, ..GuessedService::of(name.clone(), command) });
    let source = Source { file: route.file.clone(), text: String::new() };
    guess.account.of(&source).left(
        route.lines.clone().unwrap_or(1..=1),
        format!("route {}", route.path_prefix),
        format!("nothing says what runs there: write the command of [service.{name}] yourself"),
    );
    name
}

#[cfg(test)]
mod tests;
