//! `[app.NAME]` and `[app.NAME.ENV]`: what an app may not say of itself.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use model::{AppName, EnvName};
use serde::Serialize;

use crate::config::{decode::Section, problem::Problem};

/// One app's place on this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct App {
    /// The account that it runs as; `None`: `mainstay-<app>`, or the one user that there is.
    pub user: Option<String>,
    pub sites: BTreeMap<EnvName, Site>,
}

/// One environment of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Site {
    pub secrets: Option<SecretSource>,
}

/// Where the values of secrets come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretSource {
    /// `NAME=value` lines; readable by its owner alone.
    File(PathBuf),
    /// The same in a file that age has encrypted, and the identity that opens it.
    Age { file: PathBuf, identity: PathBuf },
    /// Run as the app's user; prints `NAME=value` lines.
    Command(Vec<String>),
    /// The keeper's own variables `MAINSTAY_SECRET_<NAME>`.
    Env,
}

pub(super) fn apps(top: &mut Section<'_, '_, '_>, base: &Path) -> BTreeMap<AppName, App> {
    let all = top.named_tables("app", |_: &AppName, section| Some(app(section, base))).unwrap_or_default();
    all.into_iter().map(|(name, at)| (name, at.value)).collect()
}

fn app(section: &mut Section<'_, '_, '_>, base: &Path) -> App {
    let user = section.string("user").and_then(|at| {
        if at.value == "root" || at.value == "0" {
            section.problem(
                Problem::new("root-refused", at.span, "an app cannot run as root")
                    .help("make an account of its own: `useradd --system --no-create-home my-app`"),
            );
            return None;
        }
        let plain = !at.value.is_empty()
            && at.value.len() <= 32
            && at.value.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
        if plain {
            return Some(at.value);
        }
        section.problem(
            Problem::new("bad-name", at.span, format!("`{}` is no name of an account", at.value))
                .help("letters, digits, `_`, `-` and `.`, at most 32: the name that `id` knows it by"),
        );
        None
    });
    let sites = section.other_tables(|_: &EnvName, section| Some(site(section, base)));
    App { user, sites: sites.into_iter().map(|(name, at)| (name, at.value)).collect() }
}

fn site(section: &mut Section<'_, '_, '_>, base: &Path) -> Site {
    Site { secrets: section.table("secrets", |section| source(section, base)) }
}

fn source(section: &mut Section<'_, '_, '_>, base: &Path) -> Option<SecretSource> {
    let file = section.string("file").map(|at| SecretSource::File(base.join(at.value)));
    let age = age(section, base);
    let command = section.strings("command").and_then(|at| {
        if at.value.first().is_some_and(|program| !program.value.is_empty()) {
            return Some(SecretSource::Command(at.value.into_iter().map(|word| word.value).collect()));
        }
        section.problem(
            Problem::new("empty-command", at.span, "`command` names no program")
                .help("write the program and its arguments: `command = [\"pass\", \"show\", \"chat\"]`"),
        );
        None
    });
    let env = section.boolean("env").filter(|yes| *yes).map(|_| SecretSource::Env);
    let mut named = [file, age, command, env].into_iter().flatten();
    let first = named.next();
    if named.next().is_some() || (first.is_none() && !section.has("command") && !section.has("age")) {
        let span = section.span();
        section.problem(
            Problem::new("one-source", span, format!("{} must name one source", section.called()))
                .help("`{ file = \"/etc/mainstay/chat.env\" }`, `{ age = \"/etc/mainstay/chat.age\", identity = \"/etc/mainstay/age.key\" }`, `{ command = [\"pass\", \"chat\"] }` or `{ env = true }`"),
        );
        return None;
    }
    first
}

/// Two files that mean nothing without each other.
fn age(section: &mut Section<'_, '_, '_>, base: &Path) -> Option<SecretSource> {
    let (file, identity) = (section.string("age"), section.string("identity"));
    match (file, identity) {
        (Some(file), Some(identity)) => {
            Some(SecretSource::Age { file: base.join(file.value), identity: base.join(identity.value) })
        }
        (None, None) => None,
        (file, identity) => {
            let (there, missing) = if file.is_some() { ("age", "identity") } else { ("identity", "age") };
            let span = file.or(identity).map_or_else(|| section.span(), |at| at.span);
            section.problem(
                Problem::new("age-half", span, format!("`{there}` needs `{missing}` beside it"))
                    .help("`age` is the encrypted file, `identity` the key that `age-keygen` made: `{ age = \"/etc/mainstay/chat.age\", identity = \"/etc/mainstay/age.key\" }`"),
            );
            None
        }
    }
}
