//! `mainstay user`: the keys of those who may deploy or read one app, without an account on the machine.

mod keys;

use std::{
    io::{self, Read as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use api::access::{Grant, KeyName, Role};
use clap::{Args, Subcommand};
use model::{Explain, Site, accounts};

use self::keys::{Entry, File, PublicKey};
use crate::{
    cli::Globals,
    config::folders::{Folders, Kind, Surroundings},
    output::{json, line, table},
};

/// Bound: a public key of RSA with 16384 bits has 3 KB.
const KEY_BYTES_MAX: usize = 1 << 14;
/// Below the home of the login, as sshd looks for it.
const AUTHORIZED_KEYS: &str = ".ssh/authorized_keys";

/// Let somebody, or a CI, deploy or read one app by an ssh key of their own
///
/// Each key is a line of `authorized_keys` with a forced command: whoever has it gets no shell and no forwarding, and may what
/// its role says in the app that is named, from anywhere by `mainstay --host`. An account with a shell whose group is `mainstay`
/// administers everything instead, and needs no key here.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  mainstay user add-key --role deploy --app shop/production ci.pub\n  \
    ssh-keygen -y -f key | mainstay user add-key --role read --app shop/production --name ana -\n  \
    mainstay user list-keys\n  mainstay user remove-key ci")]
pub struct User {
    #[command(subcommand)]
    pub verb: Verb,

    /// The file of the keys, where it is not that of the login which `mainstay install` makes
    #[arg(long, global = true, value_name = "FILE")]
    pub authorized_keys: Option<PathBuf>,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// Add a public key with what it may; `--app APP/ENV` says where
    AddKey(AddKey),
    /// List the keys, what each may, and where
    ListKeys,
    /// Take a key away; connections that it has made live on until they end
    RemoveKey {
        /// As `list-keys` shows it
        name: KeyName,
    },
}

#[derive(Clone, Debug, Args)]
pub struct AddKey {
    /// read, or deploy (which reads, too)
    #[arg(long, value_name = "ROLE")]
    pub role: Role,

    /// How records and `list-keys` call it, instead of the key's own comment
    #[arg(long, value_name = "NAME")]
    pub name: Option<KeyName>,

    /// The public key as ssh-keygen wrote it (`id_ed25519.pub`), or `-` for standard input
    #[arg(value_name = "KEYFILE")]
    pub file: PathBuf,
}

impl User {
    pub fn run(self, globals: &Globals) -> Result<ExitCode, Explain> {
        let folders = Folders::to_reach(globals.data.as_deref(), &Surroundings::of_this_process());
        let file = File::of(self.authorized_keys.map_or_else(logins_file, Ok)?);
        match self.verb {
            Verb::AddKey(add) => add.run(globals, &folders, &file),
            Verb::ListKeys => list(globals, &file),
            Verb::RemoveKey { name } => remove(globals, &file, &name),
        }
    }
}

/// That of the account which `mainstay install` makes.
fn logins_file() -> Result<PathBuf, Explain> {
    let account = machine::users::by_name(accounts::LOGIN).map_err(|error| {
        Explain::new("accounts-unreadable", "the accounts of this machine cannot be read").because(&error)
    })?;
    let no_login = || {
        Explain::new("no-login", "this machine has no login for keys")
            .caused_by(format!("there is no account {}", accounts::LOGIN))
            .help("`mainstay install` makes it; for a Mainstay of your own, `--authorized-keys ~/.ssh/authorized_keys` lets keys in as you")
    };
    Ok(account.ok_or_else(no_login)?.home.join(AUTHORIZED_KEYS))
}

impl AddKey {
    fn run(self, globals: &Globals, folders: &Folders, file: &File) -> Result<ExitCode, Explain> {
        let site = site(globals)?;
        let (key, comment) = PublicKey::parse(&self.text()?)?;
        let name = match self.name {
            Some(name) => name,
            None => comment.parse().map_err(|error: api::access::NoKeyName| {
                Explain::new("no-key-name", "the key's own comment cannot be its name")
                    .because(&error)
                    .help("give it one by `--name`, like `--name ci`")
            })?,
        };
        let grant = Grant { role: self.role, site, key: name };
        let entry = Entry { grant, key };
        file.add(&entry, &program(folders)?)?;
        if globals.json {
            json(&entry.told());
        } else {
            let Entry { grant: Grant { role, site, key }, .. } = &entry;
            line(format!("The key {key} may {role} {site}: {}", entry.key.fingerprint()));
        }
        Ok(ExitCode::SUCCESS)
    }

    fn text(&self) -> Result<String, Explain> {
        if self.file != Path::new("-") {
            return machine::fs::read_text(&self.file, KEY_BYTES_MAX)
                .map_err(|error| crate::session::unreadable(&self.file, &error));
        }
        let mut text = String::new();
        let read = io::stdin().take(KEY_BYTES_MAX as u64).read_to_string(&mut text);
        read.map_err(|error| crate::session::unreadable(Path::new("standard input"), &error))?;
        Ok(text)
    }
}

/// A key is for one app in one environment, and nothing is guessed about which.
fn site(globals: &Globals) -> Result<Site, Explain> {
    let named = globals.app().cloned().zip(globals.env().cloned());
    let (app, env) = named.ok_or_else(|| {
        Explain::new("which-app", "a key is for one app in one environment, and none is named")
            .help("`--app shop/production`")
    })?;
    Ok(Site { app, env })
}

/// What the forced command begins with. The login of the service has the program for a shell, which asks the service alone.
fn program(folders: &Folders) -> Result<String, Explain> {
    if folders.kind == Kind::Service {
        return Ok("mainstay".to_owned());
    }
    let own = std::env::current_exe().map_err(|error| {
        Explain::new("no-executable", "cannot find this program's own file").because(&error)
    })?;
    let words = format!("{} --data {}", own.display(), folders.data.display());
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._- ".contains(c);
    let paths_are_words = ![&own, &folders.data].iter().any(|path| path.to_string_lossy().contains(' '));
    if paths_are_words && words.chars().all(is_plain) {
        return Ok(words);
    }
    Err(Explain::new("path-unusable", "a path cannot stand in a forced command")
        .caused_by(format!("the command would begin with `{words}`"))
        .help("program and data folder need paths of letters, digits, `/`, `.`, `_` and `-`"))
}

fn list(globals: &Globals, file: &File) -> Result<ExitCode, Explain> {
    let entries = file.entries()?;
    if globals.json {
        entries.iter().for_each(|entry| json(&entry.told()));
    } else if entries.is_empty() {
        line(format!("No key was added to {}.", file.path().display()));
    } else {
        let row = |entry: &Entry| {
            let Grant { role, site, key } = &entry.grant;
            vec![key.to_string(), role.to_string(), site.to_string(), entry.key.fingerprint()]
        };
        let rows: Vec<_> = entries.iter().map(row).collect();
        line(table(&["KEY", "ROLE", "APP", "FINGERPRINT"], &rows));
    }
    Ok(ExitCode::SUCCESS)
}

fn remove(globals: &Globals, file: &File, name: &KeyName) -> Result<ExitCode, Explain> {
    let removed = file.remove(name)?;
    if globals.json {
        json(&removed.told());
    } else {
        line(format!(
            "The key {name} leads here no more; a connection that it has made lives until it ends."
        ));
    }
    Ok(ExitCode::SUCCESS)
}
