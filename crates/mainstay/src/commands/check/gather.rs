//! Gathers what the checks look at: both files, the secrets, this machine.

use std::{collections::BTreeMap, os::unix::fs::MetadataExt as _, path::Path};

use ::machine::users::{Account, by_name, by_uid, own_uid};
use api::checks::Finding;
use check::{Context, Secrets};
use model::{Secret, accounts::of_app, manifest::Manifest};

use crate::{
    config::{
        folders::{Folders, Kind},
        machine::{self, Machine, SecretSource, WantedNames, wanted_names},
        secret_age,
        secret_file::{self, Unread},
    },
    session::{ManifestFile, Session},
};

/// All findings that need nothing running. A manifest with mistakes is only that: the rest would be guessing.
/// With `checkout` nothing of this machine is looked at.
pub(super) fn before(session: &Session, file: &ManifestFile, checkout: bool) -> Vec<Finding> {
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
            let context = context(&manifest, file, &machine, &folders, running);
            findings.extend(if checkout { check::checkout(&context) } else { check::before(&context) });
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
    let files = machine.certificates.iter().flat_map(|certificate| certificate.names.clone());
    let by_acme = by_acme(machine, manifest);
    Context {
        manifest,
        folder: file.folder(),
        data: &machine.data,
        disk_reserve: machine.disk_reserve,
        ports: machine.ports.clone(),
        listen: machine.listen.http.iter().chain(&machine.listen.https).copied().collect(),
        running,
        account: account(manifest, machine, folders, running),
        certified: files.chain(by_acme.names).collect(),
        beyond: by_acme.beyond.into_iter().flat_map(|(_, hosts)| hosts).collect(),
        accounts: accounts.collect(),
        secrets: match machine.secrets_of(&manifest.site(), folders) {
            SecretSource::File(path) => from(secret_file::read(&path), &path),
            SecretSource::Age { file, identity } => from(secret_age::read(&file, &identity), &file),
            SecretSource::Command(_) => {
                Secrets::NotHere { why: "a command gives them, which only the keeper runs".to_owned() }
            }
            SecretSource::Env => {
                Secrets::NotHere { why: "they stand in the keeper's own variables".to_owned() }
            }
        },
    }
}

/// What the manifest gets by ACME once it is served, and what it gets none for.
fn by_acme(machine: &Machine, manifest: &Manifest) -> WantedNames {
    let sites = [(manifest.site(), manifest.routes.clone())];
    machine.acme.as_ref().map(|acme| wanted_names(acme, &sites, &machine.certificates)).unwrap_or_default()
}

/// Whom the app will run as: one account an app where the keeper is root, else the keeper's own.
fn account(manifest: &Manifest, machine: &Machine, folders: &Folders, running: bool) -> Account {
    let keeper = match std::fs::metadata(folders.api_socket()) {
        Ok(socket) if running => socket.uid(),
        _ if folders.kind == Kind::Service => 0,
        _ => own_uid(),
    };
    if keeper != 0 {
        return by_uid(keeper).ok().flatten().unwrap_or_else(|| stranger(format!("uid {keeper}"), keeper));
    }
    let name = machine.user_of(&manifest.app).map_or_else(|| of_app(&manifest.app), str::to_owned);
    by_name(&name).ok().flatten().unwrap_or_else(|| stranger(name, u32::MAX - 1))
}

/// An account that is in no group and owns nothing: what one is that is still to be made.
fn stranger(name: String, uid: u32) -> Account {
    Account { name, uid, gid: u32::MAX - 1, groups: Vec::new(), home: "/nonexistent".into() }
}

fn from(read: Result<BTreeMap<String, Secret>, Unread>, path: &Path) -> Secrets {
    match read {
        Ok(values) => Secrets::Read { from: path.display().to_string(), values },
        Err(unread) if unread.denied => Secrets::NotHere {
            why: format!(
                "{} is for its owner alone: run this as the user that runs Mainstay",
                path.display()
            ),
        },
        Err(unread) => Secrets::Broken(unread.explain),
    }
}
