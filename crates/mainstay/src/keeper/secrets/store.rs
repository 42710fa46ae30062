//! What `mainstay secrets` changes: a value in the source of a site, the one before it beside the source, and who did it
//! when. Both files are as the source is: mode 600, or encrypted by age. Never tells a value.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::SystemTime,
};

use api::secrets::{Change, Changed, Secret as Told, Secrets};
use machine::fs::{make_dirs_durably, write_atomic};
use model::{Explain, Secret, Site, manifest::Manifest};
use serde::{Deserialize, Serialize};

use super::{Values, all, described, digests};
use crate::{
    config::{
        machine::SecretSource,
        secret_age,
        secret_file::{self, TEXT_BYTES_MAX, Unread},
        secret_lines::{self, replaced},
    },
    keeper::{ground::Ground, instances::rfc3339},
};

/// Bound: of one value.
const VALUE_BYTES_MAX: usize = 64 << 10;

/// Of what serves.
pub(crate) struct Serving {
    pub manifest: Manifest,
    /// Digests of the values that it was started with, as people compare them.
    pub digests: BTreeMap<String, String>,
}

/// When each was changed by us, and by whom; `<site>/secrets.json`.
#[derive(Default, Serialize, Deserialize)]
struct Memory {
    format: u32,
    changed: BTreeMap<String, Mark>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Versioned {
    format: u32,
}

#[derive(Clone, Serialize, Deserialize)]
struct Mark {
    at: String,
    by: String,
}

/// What stood before the last change of any secret, until the next one; in memory alone, for it holds values.
pub(crate) struct LastChange {
    site: Site,
    name: String,
    value: Option<Secret>,
    former: Option<Secret>,
    mark: Option<Mark>,
}

impl LastChange {
    fn is_of(&self, site: &Site, name: &str) -> bool {
        self.site == *site && self.name == name
    }
}

pub(crate) const FORMAT: u32 = 1;

/// A source that can be written.
struct Store {
    path: PathBuf,
    identity: Option<PathBuf>,
}

impl Store {
    /// # Errors
    /// The source belongs to somebody else.
    fn of(source: &SecretSource) -> Result<Self, Explain> {
        let elsewhere = |remedy: &str| {
            Explain::new("secrets-elsewhere", format!("the secrets stand in {}", described(source)))
                .now("nothing was changed")
                .help(remedy)
        };
        match source {
            SecretSource::File(path) => Ok(Self { path: path.clone(), identity: None }),
            SecretSource::Age { file, identity } => {
                Ok(Self { path: file.clone(), identity: Some(identity.clone()) })
            }
            SecretSource::Command(_) => {
                Err(elsewhere("change it where the command takes it from, then `mainstay restart`"))
            }
            SecretSource::Env => Err(elsewhere(
                "start Mainstay with another value; or name a file in machine.toml, which can be changed while it runs",
            )),
        }
    }

    /// The values before the last change of each.
    fn former(&self) -> Self {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".former");
        Self { path: self.path.with_file_name(name), identity: self.identity.clone() }
    }

    /// Nothing, where there is no file yet.
    fn text(&self) -> Result<String, Explain> {
        if !self.path.exists() {
            return Ok(String::new());
        }
        let read = match &self.identity {
            None => secret_file::text(&self.path),
            Some(identity) => secret_age::text(&self.path, identity),
        };
        read.map_err(|unread| unread.explain)
    }

    fn values(&self) -> Result<(String, Values), Explain> {
        let text = self.text()?;
        let values = secret_file::parse(&text, &self.path).map_err(|unread: Unread| unread.explain)?;
        Ok((text, values))
    }

    fn write(&self, text: &str) -> Result<(), Explain> {
        if text.len() > TEXT_BYTES_MAX {
            let message = format!("{} would be longer than 256 KiB", self.path.display());
            return Err(Explain::new("secrets-too-long", message).help("take out what nobody uses any more"));
        }
        let bytes = match &self.identity {
            None => text.as_bytes().to_vec(),
            Some(identity) => secret_age::seal(text, identity).map_err(|unread| unread.explain)?,
        };
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let written = make_dirs_durably(folder).and_then(|()| write_atomic(&self.path, &bytes, 0o600));
        written.map_err(|error| {
            Explain::new("secrets-unwritable", format!("cannot write {}", self.path.display()))
                .because(&error)
                .now("the values are as they were")
                .help("is the disk full, or the folder read-only for the user that runs Mainstay?")
        })
    }
}

/// Changes one value. The next start of a process has it.
/// # Errors
/// The source cannot be written or read; there is nothing to undo; the value is none that a process can be given.
pub(crate) fn change(
    ground: &Ground,
    site: &Site,
    name: &str,
    change: Change,
    by: &str,
) -> Result<bool, Explain> {
    let mut last = ground.secrets_change.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    check_name(name)?;
    let store = Store::of(&ground.machine.secrets_of(site, &ground.folders))?;
    let former = store.former();
    let (text, values) = store.values()?;
    let (old_text, old) = former.values()?;
    let memory = memory_path(ground, site);
    let is_withdrawal = matches!(change, Change::Withdraw);
    let taken_back = last.take().filter(|last| is_withdrawal && last.is_of(site, name));
    let was = LastChange {
        site: site.clone(),
        name: name.to_owned(),
        value: values.get(name).cloned(),
        former: old.get(name).cloned(),
        mark: marked(&memory, name),
    };
    let now = Mark { at: rfc3339(SystemTime::now()), by: by.to_owned() };
    let mark = match (change, taken_back) {
        (Change::Set { value }, _) => {
            check_value(name, &value)?;
            // Crash: with the same value twice nothing is lost, and nothing has changed.
            former.write(&replaced(&old_text, name, was.value.as_ref()))?;
            store.write(&replaced(&text, name, Some(&Secret::new(value))))?;
            Some(now)
        }
        (Change::Withdraw, Some(before)) => {
            store.write(&replaced(&text, name, before.value.as_ref()))?;
            former.write(&replaced(&old_text, name, before.former.as_ref()))?;
            before.mark
        }
        (Change::Undo | Change::Withdraw, _) => {
            let Some(before) = &was.former else { return Err(nothing_before(name)) };
            store.write(&replaced(&text, name, Some(before)))?;
            former.write(&replaced(&old_text, name, None))?;
            Some(now)
        }
    };
    *last = (!is_withdrawal).then_some(was);
    tracing::info!(%site, secret = name, operator = by, "A secret was changed.");
    remember(&memory, site, name, mark);
    Ok(values.contains_key(name))
}

fn nothing_before(name: &str) -> Explain {
    Explain::new("secret-no-former", format!("no value of {name} from before its last change is kept"))
        .now("nothing was changed")
        .help(format!("put the right one in: `mainstay secrets set {name}`"))
}

fn check_name(name: &str) -> Result<(), Explain> {
    if secret_lines::is_name(name) {
        return Ok(());
    }
    let message = format!("`{name}` cannot be the name of a secret");
    Err(Explain::new("bad-secret-name", message)
        .help("letters, digits and `_`, and no digit first: it becomes a variable"))
}

fn check_value(name: &str, value: &str) -> Result<(), Explain> {
    let why = match value {
        "" => "it is empty",
        value if value.contains('\0') => "it has a zero byte, which no variable can hold",
        value if value.len() > VALUE_BYTES_MAX => "it is longer than 64 KiB",
        _ => return Ok(()),
    };
    Err(Explain::new("bad-secret-value", format!("{name} cannot have this value"))
        .caused_by(why)
        .now("nothing was changed")
        .help(format!("pipe the value in, `mainstay secrets set {name} < FILE`; put bytes in as base64")))
}

fn memory_path(ground: &Ground, site: &Site) -> PathBuf {
    ground.folders.of_site(site).join("secrets.json")
}

/// `None`: a newer version wrote it, and this one must not write over it.
fn memory(path: &Path) -> Option<Memory> {
    let bytes = std::fs::read(path).unwrap_or_default();
    let said: Versioned = serde_json::from_slice(&bytes).unwrap_or_default();
    let is_known = said.format <= machine::formats::current(FORMAT);
    is_known.then(|| serde_json::from_slice(&bytes).unwrap_or_default())
}

fn marked(path: &Path, name: &str) -> Option<Mark> {
    memory(path)?.changed.remove(name)
}

/// For people alone: the value has changed, whether this can be written or not.
fn remember(path: &Path, site: &Site, name: &str, mark: Option<Mark>) {
    let Some(mut memory) = memory(path) else {
        tracing::warn!(%site, file = %path.display(), "A newer Mainstay keeps when secrets were changed; it is not written down.");
        return;
    };
    memory.format = machine::formats::current(FORMAT);
    match mark {
        Some(mark) => memory.changed.insert(name.to_owned(), mark),
        None => memory.changed.remove(name),
    };
    let written = serde_json::to_vec_pretty(&memory).map_err(std::io::Error::other).and_then(|bytes| {
        make_dirs_durably(path.parent().unwrap_or(Path::new("/")))?;
        write_atomic(path, &bytes, 0o600)
    });
    if let Err(error) = written {
        tracing::warn!(%site, %error, "When the secret was changed is not written down.");
    }
}

/// The services of what serves that hold a secret, and so must be restarted to get another value.
pub(crate) fn changed(serving: Option<&Serving>, name: &str, replaced: bool) -> Changed {
    let services = serving.iter().flat_map(|serving| &serving.manifest.services);
    let uses = services.filter(|(_, service)| service.env_secrets.iter().any(|secret| secret == name));
    Changed { used_by: uses.map(|(service, _)| service.clone()).collect(), replaced }
}

/// Which there are: those of the source and those that what serves asks for.
/// # Errors
/// The source cannot be read.
pub(crate) async fn list(
    ground: &Ground,
    site: &Site,
    serving: Option<&Serving>,
) -> Result<Secrets, Explain> {
    let source = ground.machine.secrets_of(site, &ground.folders);
    let (values, former) = match Store::of(&source) {
        Ok(store) => (store.values()?.1, store.former().values()?.1),
        Err(_) => (all(ground, site, &source).await?, Values::new()),
    };
    let digests = digests(&ground.salt, &values);
    let memory = memory(&memory_path(ground, site)).unwrap_or_default();
    let mut names: Vec<&String> = values.keys().collect();
    let asked = || serving.into_iter().flat_map(|serving| serving.manifest.secrets_by_user());
    names.extend(asked().flat_map(|(_, names)| names));
    names.sort();
    names.dedup();
    let told = |name: &String| {
        let mut used_by: Vec<String> =
            asked().filter(|(_, names)| names.contains(name)).map(|(user, _)| user.to_owned()).collect();
        used_by.dedup();
        let now = digests.get(name).map(|digest| release::digest_word(digest));
        let started = serving.and_then(|serving| serving.digests.get(name));
        Told {
            name: name.clone(),
            is_set: values.contains_key(name),
            used_by,
            waits_for_restart: started.is_some() && started != now.as_ref(),
            changed: memory.changed.get(name).map(|mark| mark.at.clone()),
            changed_by: memory.changed.get(name).map(|mark| mark.by.clone()),
            has_former: former.contains_key(name),
        }
    };
    Ok(Secrets { source: described(&source), secrets: names.into_iter().map(told).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMORY: &str = include_str!("../../../tests/recorded/v1/secrets.json");

    #[test]
    fn a_memory_of_version_1_is_read_and_a_newer_one_is_not_written_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("secrets.json");
        std::fs::write(&file, MEMORY).expect("written");
        let read = memory(&file).expect("it is known");
        assert_eq!(read.changed.get("API_KEY").map(|mark| mark.by.as_str()), Some("root"));
        let again = serde_json::to_value(&read).expect("written");
        assert_eq!(again, serde_json::from_str::<serde_json::Value>(MEMORY).expect("JSON"));
        let newer = r#"{"format": 2, "changed": ["in another shape"]}"#;
        std::fs::write(&file, newer).expect("written");
        let mark = || Some(Mark { at: "2026-01-01T00:00:00Z".to_owned(), by: "root".to_owned() });
        remember(&file, &"shop/production".parse().expect("a site"), "API_KEY", mark());
        assert_eq!(std::fs::read_to_string(&file).expect("there"), newer);
        std::fs::remove_file(&file).expect("removed");
        remember(&file, &"shop/production".parse().expect("a site"), "API_KEY", mark());
        assert!(memory(&file).expect("it is known").changed.contains_key("API_KEY"), "else it is");
    }
}
