//! The words of an order with their placeholders filled, and the whole environment of its process. Pure.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::SpawnError;
use model::{Address, manifest::PATH};

use crate::{Order, Program};

/// What an order may set otherwise.
const MAY_REPLACE: [&str; 4] = ["PATH", "LANG", "TZ", "HOME"];
/// What only Mainstay may say.
const OURS: [&str; 3] = ["MAINSTAY_", "LISTEN_", "NOTIFY_"];

/// What is known of one spawn.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) order: &'a Order,
    pub(super) address: Option<&'a Address>,
    /// The process's private folder for temporary files.
    pub(super) tmp: &'a Path,
    pub(super) notify: Option<&'a Path>,
    /// `HOME` of an order without a user.
    pub(super) own_home: &'a Path,
}

impl Place<'_> {
    pub(super) fn argv(&self) -> Result<Vec<String>, SpawnError> {
        match &self.order.program {
            Program::Own(args) => {
                Ok(std::iter::once("mainstay".to_owned()).chain(args.iter().cloned()).collect())
            }
            Program::Command(words) | Program::Verbatim(words)
                if words.first().is_none_or(String::is_empty) =>
            {
                Err(SpawnError::NoCommand)
            }
            Program::Verbatim(words) => Ok(words.clone()),
            Program::Command(words) => words.iter().map(|word| self.fill(word)).collect(),
        }
    }

    /// Everything that the process finds in its environment but the `LISTEN_` variables, which the shim adds.
    pub(super) fn env(&self) -> Result<Vec<(String, String)>, SpawnError> {
        let mut env = self.always();
        for (name, value) in &self.order.env {
            self.may_set(name, &env)?;
            env.insert(name.clone(), self.fill(value)?);
        }
        for (name, secret) in &self.order.secrets {
            self.may_set(name, &env)?;
            env.insert(name.clone(), secret.reveal().to_owned());
        }
        match env.iter().find(|(_, value)| value.contains('\0')) {
            Some((name, _)) => Err(variable(name, "its value holds a NUL byte")),
            None => Ok(env.into_iter().collect()),
        }
    }

    fn always(&self) -> BTreeMap<String, String> {
        let order = self.order;
        let home = order.user.as_ref().map_or(self.own_home, |user| &user.home);
        let mut env = BTreeMap::from([
            ("PATH", PATH.to_owned()),
            ("HOME", text(home)),
            ("TMPDIR", text(self.tmp)),
            ("LANG", "C.UTF-8".to_owned()),
            ("TZ", "UTC".to_owned()),
            ("HOST", "127.0.0.1".to_owned()),
            ("HOSTNAME", "127.0.0.1".to_owned()),
            ("MAINSTAY_INSTANCE", order.name.clone()),
        ]);
        if let Some(user) = &order.user {
            env.insert("USER", user.name.clone());
            env.insert("LOGNAME", user.name.clone());
        }
        if let Some(Address::Tcp(address)) = self.address {
            env.insert("PORT", address.port().to_string());
        }
        if let Some(release) = order.release {
            env.insert("MAINSTAY_RELEASE", release.to_string());
        }
        if let Some(path) = self.notify {
            env.insert("NOTIFY_SOCKET", text(path));
        }
        let told = order.told.clone();
        env.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(told).collect()
    }

    fn may_set(&self, name: &str, always: &BTreeMap<String, String>) -> Result<(), SpawnError> {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(variable(name, "it is no name of a variable"));
        }
        let ours = OURS.iter().any(|prefix| name.starts_with(prefix));
        // What the order itself has set before is in `always` too: a secret of the same name is a mistake as well.
        if ours || (always.contains_key(name) && !MAY_REPLACE.contains(&name)) {
            return Err(variable(name, "Mainstay sets it, or it is set twice"));
        }
        Ok(())
    }

    /// Replaces `{name}`. Braces around anything but a lower-case word stay as they are: JSON passes.
    fn fill(&self, text: &str) -> Result<String, SpawnError> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            match after.split_once('}').filter(|(name, _)| is_word(name)) {
                Some((name, behind)) => {
                    out.push_str(&self.value(name)?);
                    rest = behind;
                }
                None => {
                    out.push('{');
                    rest = after;
                }
            }
        }
        out.push_str(rest);
        Ok(out)
    }

    fn value(&self, name: &str) -> Result<String, SpawnError> {
        let none = |why: &str| SpawnError::NoValue { name: name.to_owned(), why: why.to_owned() };
        match (name, self.address) {
            ("port", Some(Address::Tcp(address))) => Ok(address.port().to_string()),
            ("port", _) => Err(none("the service has no `listen = \"tcp\"`")),
            ("host", _) => Ok("127.0.0.1".to_owned()),
            ("socket", Some(Address::Unix(path))) => Ok(text(path)),
            ("socket", _) => Err(none("the service has no `listen = \"unix\"`")),
            ("release_dir", _) => Ok(text(&self.order.cwd)),
            ("shared_dir", _) => match &self.order.shared_dir {
                Some(dir) => Ok(text(dir)),
                None => Err(none("this process has no shared folder")),
            },
            ("instance", _) => Ok(self.order.name.clone()),
            _ => Err(SpawnError::Placeholder { name: name.to_owned() }),
        }
    }
}

fn is_word(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

fn variable(name: &str, why: &str) -> SpawnError {
    SpawnError::Variable { name: name.to_owned(), why: why.to_owned() }
}

fn text(path: &Path) -> String {
    PathBuf::from(path).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
