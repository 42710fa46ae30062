//! A program that is on the PATH of who runs `init` and not on the usual one (nvm, pyenv, rbenv): the manifest says where.

use std::{os::unix::fs::PermissionsExt as _, path::Path};

use model::manifest::{BuildPlace, PATH};

use super::Guess;
use crate::config::manifest::is_plain;

/// `path` is the PATH of this process.
pub(super) fn complete(guess: &mut Guess, path: &str) {
    for service in &mut guess.services {
        let Some(program) = service.command.first().filter(|program| !program.contains('/')) else {
            continue;
        };
        if service.env.iter().any(|(name, _)| name == "PATH") || holder(PATH, program).is_some() {
            continue;
        }
        let Some(folder) = holder(path, program).filter(|folder| is_plain(folder)) else {
            guess.because.push(format!("`{program}` is not on this machine: install it before the deploy"));
            continue;
        };
        guess.because.push(format!(
            "`{program}` is in {folder}, which is not on an app's usual PATH: the PATH of {} names it; the app's account must be able to read it",
            service.name
        ));
        service.env.push(("PATH".to_owned(), format!("{folder}:{PATH}")));
    }
    let given =
        guess.services.iter().flat_map(|service| &service.env).find(|(name, _)| name == "PATH").cloned();
    // What makes a release is found where what runs it is.
    if let Some(build) = guess.build.as_mut().filter(|build| build.place == BuildPlace::Server) {
        build.env.extend(given);
    }
}

/// The first folder of `path` that holds the program.
fn holder<'a>(path: &'a str, program: &str) -> Option<&'a str> {
    let runs = |folder: &&str| {
        let file = Path::new(folder).join(program);
        std::fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    path.split(':').filter(|folder| folder.starts_with('/')).find(runs)
}
