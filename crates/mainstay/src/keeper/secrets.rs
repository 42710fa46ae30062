//! Secrets: from their source in machine.toml to values, and to digests that tell a change without telling a value.
//!
//! Every source has the grammar of [`secret_lines`].

mod command;
pub(crate) mod kept;
pub(crate) mod store;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use model::{Explain, Secret, Site};
use sha2::{Digest as _, Sha256};

use super::ground::Ground;
use crate::config::{machine::SecretSource, secret_age, secret_file};

const ENV_PREFIX: &str = "MAINSTAY_SECRET_";

type Values = BTreeMap<String, Secret>;

/// The values of `names` for a site: from what was kept of them in a file, else from their source.
/// # Errors
/// The source or the file cannot be read, or names that it does not hold; values are never in the words.
pub(crate) async fn resolve<'a>(
    ground: &Ground,
    site: &Site,
    names: impl IntoIterator<Item = &'a String>,
    kept: Option<&Path>,
) -> Result<Values, Explain> {
    let wanted: BTreeSet<&String> = names.into_iter().collect();
    if wanted.is_empty() {
        return Ok(Values::new());
    }
    if let Some(file) = kept {
        return kept::values(&ground.folders, file, &wanted);
    }
    let source = ground.machine.secrets_of(site, &ground.folders);
    let mut all = all(ground, site, &source).await?;

    let missing: Vec<&str> =
        wanted.iter().filter(|name| !all.contains_key(**name)).map(|name| name.as_str()).collect();
    if !missing.is_empty() {
        return Err(Explain::new(
            "secret-missing",
            format!("{site} asks for secrets that are not there: {}", missing.join(", ")),
        )
        .caused_by(format!("looked for in {}", described(&source)))
        .help(match &source {
            SecretSource::File(path) => {
                format!("{}, or add lines NAME=value to {}", set(&missing), path.display())
            }
            SecretSource::Age { .. } => set(&missing),
            SecretSource::Command(_) => "let the command print them as NAME=value lines".into(),
            SecretSource::Env => {
                format!("start Mainstay with {ENV_PREFIX}{} set", missing.join(&format!(", {ENV_PREFIX}")))
            }
        }));
    }
    all.retain(|name, _| wanted.contains(name));
    Ok(all)
}

/// The command that puts each of them in.
fn set(missing: &[&str]) -> String {
    format!("`mainstay secrets set {}` puts it there", missing.join("`, `mainstay secrets set "))
}

/// Everything that the source holds.
async fn all(ground: &Ground, site: &Site, source: &SecretSource) -> Result<Values, Explain> {
    Ok(match source {
        SecretSource::File(path) => secret_file::read(path).map_err(|unread| unread.explain)?,
        SecretSource::Age { file, identity } => {
            secret_age::read(file, identity).map_err(|unread| unread.explain)?
        }
        SecretSource::Command(argv) => command::values(ground, site, argv).await?,
        SecretSource::Env => from_env(),
    })
}

/// A salted digest of each value: equal digests on this machine mean equal values, and nothing else can be read off.
pub(crate) fn digests(salt: &[u8], values: &Values) -> BTreeMap<String, String> {
    let digest = |name: &str, value: &Secret| {
        let mut hash = Sha256::new();
        for part in [salt, name.as_bytes(), b"=", value.reveal().as_bytes()] {
            hash.update(part);
        }
        hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    };
    values.iter().map(|(name, value)| (name.clone(), digest(name, value))).collect()
}

pub(super) fn described(source: &SecretSource) -> String {
    match source {
        SecretSource::File(path) => path.display().to_string(),
        SecretSource::Age { file, .. } => format!("{} (age)", file.display()),
        SecretSource::Command(argv) => format!("what `{}` prints", argv.first().map_or("", String::as_str)),
        SecretSource::Env => format!("the keeper's own variables {ENV_PREFIX}*"),
    }
}

fn from_env() -> Values {
    let named =
        std::env::vars().filter_map(|(name, value)| Some((name.strip_prefix(ENV_PREFIX)?.to_owned(), value)));
    named.map(|(name, value)| (name, Secret::new(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_differ_by_salt_and_say_nothing_of_the_value() {
        let values = crate::config::secret_lines::parse("KEY=hunter2\n").expect("readable");
        let (one, other) = (digests(b"salt", &values), digests(b"pepper", &values));
        assert_ne!(one, other);
        assert_eq!(one, digests(b"salt", &values));
        assert!(!format!("{one:?}").contains("hunter2"));
    }
}
