//! Gathers what the checks look at: both files, the secrets, this machine.

use std::{io::ErrorKind, os::unix::fs::PermissionsExt as _, path::Path};

use api::checks::Finding;
use check::{Context, Secrets};
use model::{Explain, manifest::Manifest};

use crate::{
    config::{
        folders::Folders,
        machine::{self, Machine, SecretSource},
        secret_lines,
    },
    session::{ManifestFile, Session},
};

/// All findings that need nothing running. A manifest with mistakes is only that: the rest would be guessing.
pub(super) fn before(session: &Session, file: &ManifestFile) -> Vec<Finding> {
    let (folders, running) = session.folders_here();
    let (machine, mut mistakes) = match machine::load(&folders) {
        Ok(machine) => (machine, Vec::new()),
        Err(explain) => (Machine::default_in(&folders), vec![explain]),
    };
    match file.parse(&session.env()) {
        Err(errors) => {
            mistakes.extend(errors.explains());
            check::manifest(mistakes, Vec::new())
        }
        Ok((manifest, warnings)) => {
            let warnings = warnings.into_iter().map(|warning| warning.0).collect();
            let mut findings = check::manifest(mistakes, warnings);
            findings.extend(check::before(&context(&manifest, file, &machine, &folders, running)));
            findings
        }
    }
}

fn context<'a>(
    manifest: &'a Manifest,
    file: &'a ManifestFile,
    machine: &'a Machine,
    folders: &Folders,
    running: bool,
) -> Context<'a> {
    let accounts = machine.apps.iter().filter_map(|(app, said)| Some((app.clone(), said.user.clone()?)));
    Context {
        manifest,
        folder: file.folder(),
        data: &machine.data,
        disk_reserve: machine.disk_reserve,
        ports: machine.ports.clone(),
        listen: machine.listen.http.iter().chain(&machine.listen.https).copied().collect(),
        running,
        certified: machine.certificates.iter().flat_map(|certificate| certificate.names.clone()).collect(),
        accounts: accounts.collect(),
        secrets: match machine.secrets_of(&manifest.site(), folders) {
            SecretSource::File(path) => from_file(&path),
            SecretSource::Command(_) => {
                Secrets::NotHere { why: "a command gives them, which only the keeper runs".to_owned() }
            }
            SecretSource::Env => {
                Secrets::NotHere { why: "they stand in the keeper's own variables".to_owned() }
            }
        },
    }
}

fn from_file(path: &Path) -> Secrets {
    let shown = path.display();
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) => return unread(path, &error),
    };
    if metadata.permissions().mode() & 0o077 != 0 {
        return Secrets::Broken(
            Explain::new("secrets-open", format!("{shown} can be read by others than its owner"))
                .caused_by(format!("its mode is {:o}", metadata.permissions().mode() & 0o7777))
                .help(format!("chmod 600 {shown}")),
        );
    }
    match std::fs::read_to_string(path) {
        Err(error) => unread(path, &error),
        Ok(text) => match secret_lines::parse(&text) {
            Ok(values) => Secrets::Read { from: shown.to_string(), values },
            Err(line) => Secrets::Broken(
                Explain::new(
                    "secrets-unreadable",
                    format!("line {line} of {shown} is not of the form NAME=value"),
                )
                .help("a name is letters, digits and `_`; a comment begins its line with `#`"),
            ),
        },
    }
}

fn unread(path: &Path, error: &std::io::Error) -> Secrets {
    let shown = path.display();
    match error.kind() {
        ErrorKind::PermissionDenied => Secrets::NotHere {
            why: format!("{shown} is for its owner alone: run this as the user that runs Mainstay"),
        },
        ErrorKind::NotFound => Secrets::Broken(
            Explain::new("secrets-missing", format!("there is no {shown}"))
                .help("make it with mode 600 and lines NAME=value, or name another source in machine.toml"),
        ),
        _ => Secrets::Broken(
            Explain::new("secrets-unreadable", format!("{shown} cannot be read"))
                .caused_by(error.to_string()),
        ),
    }
}
