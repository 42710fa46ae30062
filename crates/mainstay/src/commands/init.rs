//! `mainstay init`: writes a manifest for the app in this folder, and says what it guessed and why.
//!
//! One file per kind of evidence. The first that names a process wins, in the order of how plainly its author said what
//! runs in production; the others are told as seen.

mod account;
mod cargo;
mod compose;
mod container;
mod dockerfile;
mod ecosystem;
mod env;
mod evidence;
mod from;
mod go;
mod guess;
mod javascript;
mod kamal;
mod nginx;
mod package_json;
mod procfile;
mod python;
mod render;
mod runtime;
mod script;
mod shell;
#[cfg(test)]
mod tests;
mod tree;
mod yaml;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use model::Explain;

use self::guess::Target;
pub(crate) use self::guess::{Guess, GuessedRoute, GuessedService};
use crate::{
    cli::Globals,
    commands::{deploy::IGNORE_FILE, generated},
    config::manifest::is_host,
    output::{count, json, line},
    report::Report,
    session::MANIFEST,
};

/// Write a mainstay.toml for the app in this folder
///
/// It looks at Procfile, ecosystem.config.js, package.json, pyproject.toml and requirements.txt, Cargo.toml, go.mod and
/// Dockerfile, and at the lock files of package managers, else at a program in one file (server.py, app.py, main.py, server.js, index.js), and says what it took from them and why. The file is commented: read it, it is short. Where a release is built
/// on the server and there is no .mainstayignore, that is written too: what the build makes is not sent. Nothing is started.
///
/// With `--from` it takes over what another tool was told: an ecosystem.config.js of PM2, a Procfile, a compose.yaml, an nginx.conf, a
/// config/deploy.yml of Kamal. It says of each line what became of it, or why nothing did. Values that look like secrets are left out, and their names kept.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  mainstay init\n  mainstay init --domain shop.example.com\n  mainstay init ./backend --print\n  mainstay init --from compose.yaml --from /etc/nginx/sites-enabled/shop"
)]
pub struct Init {
    /// The app's folder
    #[arg(default_value = ".", value_name = "DIR")]
    pub dir: PathBuf,

    /// The app's public name; plain HTTP is sent to HTTPS then. May be given several times
    #[arg(long, value_name = "NAME", conflicts_with = "from")]
    pub domain: Vec<String>,

    /// Take over what this file of another tool says; may be given several times
    #[arg(long, value_name = "FILE")]
    pub from: Vec<PathBuf>,

    /// What the files of `--from` are, where neither name nor content says it
    #[arg(long, value_enum, requires = "from")]
    pub kind: Option<from::Kind>,

    /// Replace a mainstay.toml that is there
    #[arg(long)]
    pub force: bool,

    /// Print the file instead of writing it
    #[arg(long, conflicts_with = "force")]
    pub print: bool,
}

impl Init {
    pub fn run(self, globals: &Globals) -> Result<ExitCode, Explain> {
        let dir = self.dir.canonicalize().map_err(|error| {
            Explain::new("no-folder", format!("cannot open {}", self.dir.display()))
                .caused_by(error.to_string())
        })?;
        let mut guess = match self.from.is_empty() {
            true => guess(&dir, globals),
            false => from::guess_from(&dir, &self.from, self.kind, globals)?,
        };
        name_public(&mut guess, &self.domain)?;
        runtime::complete(&mut guess, &std::env::var("PATH").unwrap_or_default());
        let text = render::render(&guess);
        let path = dir.join(MANIFEST);
        if !self.print {
            write(&path, &text, self.force)?;
        }
        let ignored = ignored(&dir, &guess, self.print);
        if globals.json {
            json(&serde_json::json!({ "file": path, "written": !self.print, "guess": guess, "text": text }));
            return Ok(ExitCode::SUCCESS);
        }
        let said = said(&guess, !self.from.is_empty());
        if self.print {
            // Standard output is the file alone.
            line(text.trim_end());
            let report = Report::new(globals.color, globals.json);
            said.iter().for_each(|sentence| report.note(sentence));
            return Ok(ExitCode::SUCCESS);
        }
        line(format!("Wrote {}", path.display()));
        ignored.iter().for_each(line);
        said.iter().for_each(line);
        line("Next: read it, then `mainstay check`, `mainstay up` and `mainstay deploy`.");
        Ok(ExitCode::SUCCESS)
    }
}

/// Gives the service that takes requests its public names.
///
/// # Errors
/// One cannot be a name; nothing here takes requests.
fn name_public(guess: &mut Guess, domains: &[String]) -> Result<(), Explain> {
    if domains.is_empty() {
        return Ok(());
    }
    let hosts: Vec<String> = domains.iter().map(|name| name.to_ascii_lowercase()).collect();
    if let Some(wrong) = hosts.iter().find(|host| !is_host(host)) {
        return Err(Explain::new("bad-host", format!("`{wrong}` is no host name"))
            .now("nothing was written")
            .help("write the name alone, like `--domain shop.example.com`"));
    }
    let Some(service) = guess.services.iter().find(|service| service.web) else {
        return Err(Explain::new("no-web-service", "no service here takes requests")
            .now("nothing was written")
            .help("leave `--domain` out; write its `[[route]]` when there is one"));
    };
    let target = Target::Named(service.name.clone(), None);
    let (path_prefix, tls_required) = ("/".to_owned(), true);
    guess.routes = vec![GuessedRoute { hosts, path_prefix, target, tls_required, ..GuessedRoute::default() }];
    Ok(())
}

/// What was guessed and why, and what became of lines of other tools' files, each on a line.
fn said(guess: &Guess, of_files: bool) -> Vec<String> {
    let mut said: Vec<String> = guess.because.iter().map(|why| format!("  {why}")).collect();
    for (title, notes) in [("Taken over:", &guess.account.taken), ("Not taken over:", &guess.account.left)] {
        if !notes.is_empty() {
            said.push(title.to_owned());
            said.extend(notes.iter().map(|note| format!("  {}", note.render())));
        }
    }
    let services = guess.services.iter().flat_map(|service| &service.env_secrets);
    let secrets: BTreeSet<&String> = services.chain(&guess.env_secrets).collect();
    if let Some(first) = secrets.first().filter(|_| of_files) {
        let all = count(secrets.len() as u64, "secret");
        said.push(format!("Named, and without a value until you put it in: {all}. `mainstay secrets set {first}` asks for one."));
    }
    said
}

fn write(path: &Path, text: &str, force: bool) -> Result<(), Explain> {
    use std::io::Write as _;
    let opened = if force { std::fs::File::create(path) } else { std::fs::File::create_new(path) };
    opened.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => generated::already_there(path),
        _ => generated::cannot_write(path, &error).now("nothing was changed"),
    })
}

/// What a build makes on the server is not sent: a virtual environment of this machine would be refused there. A sentence about it.
fn ignored(dir: &Path, guess: &Guess, print: bool) -> Option<String> {
    let made = guess.build.as_ref()?.makes?;
    let path = dir.join(IGNORE_FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) if text.lines().any(|line| line.trim().trim_matches('/') == made) => None,
        Ok(_) => Some(format!("  {IGNORE_FILE} does not name {made}: add it, the build makes its own")),
        Err(_) if print => None,
        Err(_) => match std::fs::write(&path, format!("{made}/\n")) {
            Ok(()) => Some(format!("Wrote {}: {made} is made by the build, and not sent", path.display())),
            Err(error) => Some(format!("  {IGNORE_FILE} cannot be written ({error}): name {made} in it")),
        },
    }
}

type Recogniser = fn(&Path, &mut Guess) -> bool;

const RECOGNISERS: [(&str, Recogniser); 7] = [
    ("Procfile", procfile::recognise),
    ("ecosystem.config.js", ecosystem::recognise),
    ("package.json", package_json::recognise),
    ("Python", python::recognise),
    ("Cargo.toml", cargo::recognise),
    ("go.mod", go::recognise),
    ("Dockerfile", dockerfile::recognise),
];

pub(crate) fn guess(dir: &Path, globals: &Globals) -> Guess {
    let mut guess = Guess { dir: ".".to_owned(), ..Guess::default() };
    let mut taken = None;
    for (name, recognise) in RECOGNISERS {
        let mut candidate = Guess { name: guess.name.clone(), dir: ".".to_owned(), ..Guess::default() };
        if !recognise(dir, &mut candidate) {
            continue;
        }
        match taken {
            None => {
                taken = Some(name);
                guess = candidate;
            }
            Some(first) => {
                guess.because.push(format!("{name} was seen too; {first} says more plainly what runs"))
            }
        }
    }
    // Beside any of those a file of such a name is no news.
    if taken.is_none() && !script::recognise(dir, &mut guess) {
        guess
            .because
            .push("nothing here says what to run: write the command of the service yourself".to_owned());
        let command = vec!["./start".to_owned(), "--port".to_owned(), "{port}".to_owned()];
        guess.services.push(GuessedService { web: true, ..GuessedService::of("web", command) });
    }
    evidence::complete(dir, &mut guess);
    guess.name = match globals.app() {
        Some(app) => app.to_string(),
        None => evidence::name(&guess.name, dir),
    };
    guess
}
