//! Names: of apps, environments, services, instances and rate limits. All of them stand in paths, URLs and labels, so their
//! alphabet is narrow and checked once, here.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::ids::ReleaseNumber;

/// Longest name: it stands in cgroup paths, user names (`mainstay-<app>`, at most 32 bytes on Linux) and DNS labels.
pub const NAME_BYTES_MAX: usize = 23;

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("a name must not be empty")]
    Empty,
    #[error("`{0}` is longer than {NAME_BYTES_MAX} characters")]
    TooLong(String),
    #[error("`{0}` must start with a letter a-z")]
    BadStart(String),
    #[error("`{0}` is Mainstay's own name: an app that is called so would share its account")]
    Reserved(String),
    #[error("`{name}` holds `{bad}`: only a-z, 0-9 and single inner `-` may stand in a name")]
    BadCharacter { name: String, bad: char },
}

fn check(text: &str) -> Result<(), NameError> {
    let Some(first) = text.chars().next() else { return Err(NameError::Empty) };
    if text.len() > NAME_BYTES_MAX {
        return Err(NameError::TooLong(text.to_owned()));
    }
    if !first.is_ascii_lowercase() {
        return Err(NameError::BadStart(text.to_owned()));
    }
    let bad = |bad| Err(NameError::BadCharacter { name: text.to_owned(), bad });
    if let Some(c) = text.chars().find(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-')) {
        return bad(c);
    }
    if text.ends_with('-') || text.contains("--") {
        return bad('-');
    }
    Ok(())
}

/// An app has the account `mainstay-<app>`, and the edge has one of that form too.
fn check_app(text: &str) -> Result<(), NameError> {
    check(text)?;
    if Some(text) == crate::accounts::EDGE.strip_prefix("mainstay-") {
        return Err(NameError::Reserved(text.to_owned()));
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                $check(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                $check(&text)?;
                Ok(Self(text))
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    };
}

name!(
    /// An app on a machine: `assistant`.
    AppName, check_app
);
name!(
    /// An environment of an app: `production`, `staging`.
    EnvName, check
);
name!(
    /// A service of an app: `web`, `worker`.
    ServiceName, check
);
name!(
    /// A rate limit of a site: `login`.
    LimitName, check
);

impl EnvName {
    /// The environment that a command means when none is said.
    pub const DEFAULT: &str = "production";

    pub fn production() -> Self {
        Self(Self::DEFAULT.to_owned())
    }

    /// Production refuses what other environments only warn of.
    pub fn is_production(&self) -> bool {
        self.0 == Self::DEFAULT
    }
}

/// An app in one environment: the unit of locks, retention, data, release numbers. Written `app/environment`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Site {
    pub app: AppName,
    pub env: EnvName,
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.app, self.env)
    }
}

/// Why a text names no site or instance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathNameError {
    #[error("`{0}` is not of the form app/environment")]
    NotASite(String),
    #[error("`{0}` is not of the form service.release.n, like web.42.1")]
    NotAnInstance(String),
    #[error(transparent)]
    Name(#[from] NameError),
}

impl FromStr for Site {
    type Err = PathNameError;
    fn from_str(text: &str) -> Result<Self, PathNameError> {
        let (app, env) = text.split_once('/').ok_or_else(|| PathNameError::NotASite(text.to_owned()))?;
        Ok(Self { app: app.parse()?, env: env.parse()? })
    }
}

/// One instance of a service: `web.42.1` is the first of release 42. `n` counts from 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InstanceName {
    pub service: ServiceName,
    pub release: ReleaseNumber,
    pub n: u32,
}

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{}.{}", self.service, self.release, self.n))
    }
}

impl FromStr for InstanceName {
    type Err = PathNameError;
    fn from_str(text: &str) -> Result<Self, PathNameError> {
        let bad = || PathNameError::NotAnInstance(text.to_owned());
        let mut parts = text.split('.');
        let (Some(service), Some(release), Some(n), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(bad());
        };
        Ok(Self {
            service: service.parse()?,
            release: release.parse().map_err(|_| bad())?,
            n: n.parse().map_err(|_| bad())?,
        })
    }
}

impl TryFrom<String> for InstanceName {
    type Error = PathNameError;
    fn try_from(text: String) -> Result<Self, PathNameError> {
        text.parse()
    }
}

impl From<InstanceName> for String {
    fn from(name: InstanceName) -> String {
        name.to_string()
    }
}
