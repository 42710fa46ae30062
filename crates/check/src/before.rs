//! What can be known before anything runs: from the manifest, its folder, this machine and the secrets.

mod accounts;
mod artifact;
mod cleartext;
mod command;
mod cors;
mod data_in_release;
mod debug_flags;
mod disk_space;
mod env_files;
mod inodes;
mod listen_addresses;
mod node_env;
mod one_instance;
mod placeholder_hosts;
mod placeholder_secrets;
mod ports;
mod public_bind;
mod public_variables;
mod rate_limits;
mod route_tls;
mod sandbox_paths;
mod secret_strength;
mod secrets_resolve;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use api::checks::{Finding, Severity, State};
use machine::users::Account;
use model::{
    AppName, ByteSize, Explain, Secret,
    manifest::{Manifest, Source},
};

use crate::finding::{Check, Looks, not_run};

/// What the checks look at; the command gathers it.
pub struct Context<'a> {
    pub manifest: &'a Manifest,
    /// Of the manifest: what its paths are relative to.
    pub folder: &'a Path,
    /// Of this machine's Mainstay; need not exist yet.
    pub data: &'a Path,
    pub disk_reserve: ByteSize,
    /// That instances get.
    pub ports: RangeInclusive<u16>,
    /// Of the edge, plain and TLS.
    pub listen: Vec<SocketAddr>,
    /// A keeper answers: then it holds the addresses.
    pub running: bool,
    /// Hosts that certificates of machine.toml are for.
    pub certified: Vec<String>,
    /// Hosts of the manifest that get no certificate because there are so many of them.
    pub beyond: Vec<String>,
    /// That the app will run as; made when it is needed, it may not be there yet.
    pub account: Account,
    /// Accounts that machine.toml names.
    pub accounts: Vec<(AppName, String)>,
    pub secrets: Secrets,
}

/// The values of the secrets that the manifest names, as far as this user may see them.
pub enum Secrets {
    /// What was looked at, and what was there.
    Read { from: String, values: BTreeMap<String, Secret> },
    /// They cannot be read from here, which says nothing about the keeper.
    NotHere { why: String },
    /// They can be read by nobody: no such file, wrong lines, rights that are too wide.
    Broken(Explain),
}

impl Context<'_> {
    /// Names of secrets that anything of the manifest asks for, sorted.
    fn secret_names(&self) -> Vec<&str> {
        let asked = self.manifest.secrets_by_user().flat_map(|(_, names)| names);
        let mut names: Vec<&str> = asked.map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Values that could be read.
    fn secret_values(&self) -> Vec<(&str, &Secret)> {
        let Secrets::Read { values, .. } = &self.secrets else { return Vec::new() };
        self.secret_names().into_iter().filter_map(|name| Some((name, values.get(name)?))).collect()
    }

    /// Why no secret can be looked at, if so.
    fn secrets_unseen(&self) -> Option<State> {
        if self.secret_names().is_empty() {
            return Some(State::Passed { seen: "the manifest names no secret".to_owned() });
        }
        match &self.secrets {
            Secrets::Read { .. } => None,
            Secrets::NotHere { why } => Some(State::NotRun { why: why.clone() }),
            Secrets::Broken(explain) => {
                Some(State::NotRun { why: format!("the secrets cannot be read: {}", explain.message) })
            }
        }
    }

    /// Every variable that is written in the manifest: service, name, value.
    fn variables(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.manifest.programs().flat_map(|program| {
            let service = program.service.as_str();
            program.env.iter().map(move |(name, value)| (service, name.as_str(), value.as_str()))
        })
    }

    /// The folder that becomes the release, if it is one.
    fn release_dir(&self) -> Option<PathBuf> {
        match &self.manifest.release.source {
            Source::Dir(dir) => Some(below(self.folder, dir)),
            Source::Artifact(_) => None,
        }
    }
}

/// As people write it: a folder that is `.` is this one.
pub(crate) fn below(folder: &Path, dir: &str) -> PathBuf {
    folder.join(dir).components().collect()
}

pub(crate) const CHECKS: [&Check<Before>; 23] = [
    &artifact::CHECK,
    &command::CHECK,
    &env_files::CHECK,
    &data_in_release::CHECK,
    &secrets_resolve::CHECK,
    &placeholder_secrets::CHECK,
    &secret_strength::CHECK,
    &cleartext::CHECK,
    &debug_flags::CHECK,
    &node_env::CHECK,
    &cors::CHECK,
    &public_variables::CHECK,
    &public_bind::CHECK,
    &placeholder_hosts::CHECK,
    &route_tls::CHECK,
    &rate_limits::CHECK,
    &one_instance::CHECK,
    &accounts::CHECK,
    &sandbox_paths::CHECK,
    &ports::CHECK,
    &listen_addresses::CHECK,
    &disk_space::CHECK,
    &inodes::CHECK,
];

/// The kind of checks that look at a [`Context`].
pub(crate) struct Before;

impl Looks for Before {
    type At<'a> = Context<'a>;
}

/// Of the findings of the manifest itself.
pub(crate) const MANIFEST: &str = "manifest";

pub(crate) fn ids() -> impl Iterator<Item = &'static str> {
    CHECKS.iter().map(|check| check.id)
}

/// All checks that need nothing running.
pub fn before(context: &Context<'_>) -> Vec<Finding> {
    CHECKS.iter().map(|check| check.find(context)).collect()
}

/// Those that look at the machine, its accounts or its secrets.
const OF_MACHINE: [&str; 10] = [
    "accounts",
    "command",
    "disk-space",
    "inodes",
    "listen-addresses",
    "placeholder-secrets",
    "ports",
    "sandbox-paths",
    "secret-strength",
    "secrets-resolve",
];

/// Those of the files alone, where the app does not run; the others have not been looked at.
pub fn checkout(context: &Context<'_>) -> Vec<Finding> {
    let find = |check: &&Check<Before>| match OF_MACHINE.contains(&check.id) {
        true => {
            check.with(not_run("it is of the machine that the app runs on: `mainstay check` there looks"))
        }
        false => check.find(context),
    };
    CHECKS.iter().map(find).collect()
}

/// The manifest's own findings: one per mistake or warning, or that it has none.
pub fn manifest(mistakes: Vec<Explain>, warnings: Vec<Explain>) -> Vec<Finding> {
    let finding = |severity, state| Finding {
        id: MANIFEST.to_owned(),
        title: "the manifest is understood, all of it".to_owned(),
        severity,
        sources: ["CFGV-01", "CFGV-09", "W-F3", "W-F5", "W-D17"].map(str::to_owned).to_vec(),
        state,
    };
    let all = mistakes
        .into_iter()
        .map(|explain| finding(Severity::Error, State::Found { explain }))
        .chain(warnings.into_iter().map(|explain| finding(Severity::Warning, State::Found { explain })));
    let mut all: Vec<Finding> = all.collect();
    if all.is_empty() {
        all.push(finding(Severity::Error, State::Passed { seen: "no mistakes".to_owned() }));
    }
    all
}
