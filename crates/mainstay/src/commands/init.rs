//! `mainstay init`: writes a manifest for the app in this folder, and says what it guessed and why.
//!
//! One file per kind of evidence. The first that names a process wins, in the order of how plainly its author said what
//! runs in production; the others are told as seen.

mod cargo;
mod dockerfile;
mod ecosystem;
mod evidence;
mod package_json;
mod procfile;
mod python;
mod render;
mod runtime;
mod script;
mod shell;
#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use model::Explain;
use serde::Serialize;

use crate::{
    cli::Globals,
    commands::generated,
    output::{json, line},
    session::MANIFEST,
};

/// Write a mainstay.toml for the app in this folder
///
/// It looks at Procfile, ecosystem.config.js, package.json, pyproject.toml and requirements.txt, Cargo.toml and
/// Dockerfile, else at a program in one file (server.py, app.py, main.py, server.js, index.js), and says what it took from them and why. The file is commented: read it, it is short. Nothing else is
/// written, and nothing is started.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  mainstay init\n  mainstay init ./backend --print")]
pub struct Init {
    /// The app's folder
    #[arg(default_value = ".", value_name = "DIR")]
    pub dir: PathBuf,

    /// Replace a mainstay.toml that is there
    #[arg(long)]
    pub force: bool,

    /// Print the file instead of writing it
    #[arg(long, conflicts_with = "force")]
    pub print: bool,
}

/// What is believed of the app.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Guess {
    pub name: String,
    /// Folder of the release, relative to the manifest.
    pub dir: String,
    /// What to do before a deploy so that the folder is complete.
    pub before: Vec<String>,
    pub services: Vec<GuessedService>,
    /// A command that looks like a migration, for a comment.
    pub migrate: Option<Vec<String>>,
    pub shared_paths: Vec<String>,
    pub env_secrets: Vec<String>,
    pub ready_path: Option<String>,
    /// Sentences: what, and why.
    pub because: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct GuessedService {
    pub name: String,
    pub command: Vec<String>,
    /// Takes requests.
    pub web: bool,
    pub instances: u32,
    pub env: Vec<(String, String)>,
}

impl Init {
    pub fn run(self, globals: &Globals) -> Result<ExitCode, Explain> {
        let dir = self.dir.canonicalize().map_err(|error| {
            Explain::new("no-folder", format!("cannot open {}", self.dir.display()))
                .caused_by(error.to_string())
        })?;
        let mut guess = guess(&dir, globals);
        runtime::complete(&mut guess, &std::env::var("PATH").unwrap_or_default());
        let text = render::render(&guess);
        let path = dir.join(MANIFEST);
        if !self.print {
            write(&path, &text, self.force)?;
        }
        if globals.json {
            json(&serde_json::json!({ "file": path, "written": !self.print, "guess": guess, "text": text }));
            return Ok(ExitCode::SUCCESS);
        }
        if self.print {
            line(text.trim_end());
            return Ok(ExitCode::SUCCESS);
        }
        line(format!("Wrote {}", path.display()));
        guess.because.iter().for_each(|why| line(format!("  {why}")));
        line("Next: read it, then `mainstay check`, `mainstay up` and `mainstay deploy`.");
        Ok(ExitCode::SUCCESS)
    }
}

fn write(path: &Path, text: &str, force: bool) -> Result<(), Explain> {
    use std::io::Write as _;
    let opened = if force { std::fs::File::create(path) } else { std::fs::File::create_new(path) };
    opened.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => generated::already_there(path),
        _ => generated::cannot_write(path, &error).now("nothing was changed"),
    })
}

type Recogniser = fn(&Path, &mut Guess) -> bool;

const RECOGNISERS: [(&str, Recogniser); 6] = [
    ("Procfile", procfile::recognise),
    ("ecosystem.config.js", ecosystem::recognise),
    ("package.json", package_json::recognise),
    ("Python", python::recognise),
    ("Cargo.toml", cargo::recognise),
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
        guess.services.push(GuessedService {
            name: "web".to_owned(),
            command,
            web: true,
            instances: 1,
            env: Vec::new(),
        });
    }
    evidence::complete(dir, &mut guess);
    guess.name = match globals.app() {
        Some(app) => app.to_string(),
        None => evidence::name(&guess.name, dir),
    };
    guess
}
