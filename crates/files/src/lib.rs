//! Serves a folder of a release by HTTP, as the app's user: a service of `type = "static"`.
//!
//! Owns which file answers which request, and what caches are told of it. Never opens what lies outside of the folder, or
//! whose name begins with a dot, and never writes anything. Knows of no route and no deploy: it is a process like an app's,
//! and the edge is in front of it.
//!
//! Begin with [`Site`] (what is served), then `answer.rs` (the way of one request) and `beneath.rs` (how files are opened).

mod answer;
mod beneath;
mod hashed;
mod serve;

use std::{ffi::OsString, path::PathBuf, process::ExitCode};

use model::manifest::Files;

/// What is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The release's folder; `files.root` lies in it.
    pub release: PathBuf,
    pub files: Files,
}

/// The arguments of the process, its verb first.
pub fn arguments(files: &Files) -> Vec<String> {
    let mut words = vec!["static".to_owned(), "--root".into(), files.root.clone()];
    words.extend(files.fallback.iter().flat_map(|page| ["--fallback".to_owned(), page.clone()]));
    words.extend(files.immutable.iter().flat_map(|path| ["--immutable".to_owned(), path.clone()]));
    words
}

/// The verb `static`: serves, in the release's folder, on the socket that it was started with until SIGTERM comes.
/// `arguments` are those after the verb.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let Some(files) = parse(arguments) else {
        eprintln!("usage: mainstay static --root DIR [--fallback FILE] [--immutable PREFIX]...");
        return ExitCode::FAILURE;
    };
    let socket = machine::fds::inherited(1).pop().flatten();
    let ended = std::env::current_dir()
        .map_err(|source| serve::ServeError::NoRoot { root: ".".into(), source })
        .and_then(|release| serve::serve(Site { release, files }, socket));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let cause =
                std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            eprintln!("{error}{cause}");
            ExitCode::FAILURE
        }
    }
}

fn parse(words: impl IntoIterator<Item = OsString>) -> Option<Files> {
    let (mut root, mut fallback, mut immutable) = (None, None, Vec::new());
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let value = words.next()?.into_string().ok()?;
        match word.to_str()? {
            "--root" => root = Some(value),
            "--fallback" => fallback = Some(value),
            "--immutable" => immutable.push(value),
            _ => return None,
        }
    }
    Some(Files { root: root?, fallback, immutable })
}

#[cfg(test)]
mod tests;
