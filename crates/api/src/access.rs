//! What a connection may ask for: all that its account may, or less.
//!
//! Whoever may open the keeper's socket administers this Mainstay, but for the account `mainstay_login`, which may nothing by
//! itself. `POST /v1/connection` takes rights away from the connection that it comes over, for as long as that lives: what is left
//! is what the named role may in the named site, and the key's name stands in every record in place of the account's. `mainstay
//! proxy --role` asks for it before it passes on a byte. A connection is narrowed once; nothing widens it again.
//!
//! | role | may, in its site |
//! |---|---|
//! | `read` | read status, releases, events, logs, checks, the effective manifest, the names of secrets |
//! | `deploy` | the same, and send artifacts, `plan`, `deploys`, `rollback`, `restart`, `scale`, `cancel`, `approve`, `maintenance` |
//!
//! No key approves a deploy that it has begun itself. Neither may run a command, change a secret, migrate by hand, resume after a pause, freeze deploys, destroy, or touch the machine. What is
//! refused for want of a right is 403 and is recorded.

use std::{fmt, str::FromStr};

use model::Site;
use serde::{Deserialize, Serialize};

/// Bound: characters of a key's name.
pub const KEY_NAME_MAX: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Read,
    Deploy,
}

impl Role {
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Deploy => "deploy",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a text is no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a role is `read` or `deploy`")]
pub struct NoRole;

impl FromStr for Role {
    type Err = NoRole;

    fn from_str(text: &str) -> Result<Self, NoRole> {
        [Self::Read, Self::Deploy].into_iter().find(|role| role.name() == text).ok_or(NoRole)
    }
}

/// By which a key is known in records and lists: 1 to 64 letters, digits, `-`, `_`, `.` and `@`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyName(String);

/// Why a text is no name of a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key's name has 1 to {KEY_NAME_MAX} letters, digits, `-`, `_`, `.` and `@`")]
pub struct NoKeyName;

impl KeyName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for KeyName {
    type Err = NoKeyName;

    fn from_str(text: &str) -> Result<Self, NoKeyName> {
        let is_known = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
        // One that begins with a dash would be an option of the command that it stands in.
        let is_name =
            (1..=KEY_NAME_MAX).contains(&text.len()) && !text.starts_with('-') && text.chars().all(is_known);
        is_name.then(|| Self(text.to_owned())).ok_or(NoKeyName)
    }
}

impl TryFrom<String> for KeyName {
    type Error = NoKeyName;

    fn try_from(text: String) -> Result<Self, NoKeyName> {
        text.parse()
    }
}

impl From<KeyName> for String {
    fn from(name: KeyName) -> Self {
        name.0
    }
}

/// All that a connection may from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    pub role: Role,
    pub site: Site,
    pub key: KeyName,
}

/// What an endpoint asks of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Anybody who may connect.
    Connection,
    /// To read what a site is and does; or what every client needs to know of the machine.
    Read,
    /// To change which release of a site serves, and how.
    Deploy,
    /// An administrator.
    Administration,
}

impl Grant {
    /// Whether it allows what `needs` says in `site`; `None`: the endpoint is of no site.
    pub fn allows(&self, needs: Needs, site: Option<(&str, &str)>) -> bool {
        let is_here =
            site.is_none_or(|(app, env)| app == self.site.app.as_str() && env == self.site.env.as_str());
        match (needs, self.role) {
            (Needs::Connection, _) => true,
            (Needs::Read, Role::Read | Role::Deploy) | (Needs::Deploy, Role::Deploy) => is_here,
            (Needs::Deploy, Role::Read) | (Needs::Administration, _) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_allows_its_site_alone_and_never_administration() {
        let grant = |role| Grant { role, site: "a/production".parse().unwrap(), key: "ci".parse().unwrap() };
        let (here, other, staging) =
            (Some(("a", "production")), Some(("b", "production")), Some(("a", "staging")));
        for role in [Role::Read, Role::Deploy] {
            let grant = grant(role);
            assert!(grant.allows(Needs::Read, here) && grant.allows(Needs::Read, None));
            assert_eq!(grant.allows(Needs::Deploy, here), role == Role::Deploy);
            for elsewhere in [other, staging] {
                assert!(!grant.allows(Needs::Read, elsewhere) && !grant.allows(Needs::Deploy, elsewhere));
            }
            assert!(!grant.allows(Needs::Administration, here) && !grant.allows(Needs::Administration, None));
        }
    }

    #[test]
    fn a_keys_name_can_stand_in_a_command() {
        for name in ["ci", "ana@laptop", "build-1.example_x"] {
            assert_eq!(name.parse::<KeyName>().unwrap().as_str(), name);
        }
        for name in ["", "-x", "two words", "a\"b", "a;b", "ü", &"k".repeat(65)] {
            assert!(name.parse::<KeyName>().is_err(), "{name}");
        }
    }
}
