//! Where the value of a field may stand: its variable, another name for it, and for secrets a file that one of those
//! names or that the supervisor put into its folder of credentials.

use std::{collections::BTreeMap, fs, io::Read, path::Path};

use super::{Field, Table};

/// Bound: bytes of a secret's file.
const FILE_BYTES_MAX: u64 = 64 * 1_024;
/// Where systemd puts what `LoadCredential=` names (systemd.exec(5)).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// One place where a value was found.
#[derive(Debug)]
pub(super) struct Found {
    /// The variable, or the variable and its file.
    pub(super) source: String,
    /// What the field would hold.
    pub(super) value: String,
}

/// Everything that the environment says about `field`, its own variable first, and what could not be read.
pub(super) fn of(field: &Field, table: Table, vars: &BTreeMap<String, String>) -> (Vec<Found>, Vec<String>) {
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    let mut take = |result: Result<Option<Found>, String>| match result {
        Ok(one) => found.extend(one),
        Err(error) => errors.push(error),
    };
    let aliases = || table.aliases.iter().filter(|alias| alias.of == field.name);
    let own = aliases().find(|alias| alias.name == field.name).map(|alias| alias.translate);
    let others = aliases().filter(|alias| alias.name != field.name);
    let names =
        std::iter::once((field.name, own)).chain(others.map(|alias| (alias.name, Some(alias.translate))));
    for (name, translate) in names {
        let mut said = vec![Ok(set(vars, name).map(|value| (name.to_owned(), value.to_owned())))];
        if field.kind.is_private() {
            said.push(named_file(vars, name));
            said.push(credential(vars, name));
        }
        for one in said {
            take(one.and_then(|one| match (one, translate) {
                (None, _) => Ok(None),
                (Some((source, value)), None) => Ok(Some(Found { source, value })),
                (Some((source, value)), Some(translate)) => match translate(&value) {
                    Ok(value) => Ok(value.map(|value| Found { source, value })),
                    Err(rest) => Err(format!("{name} {rest}")),
                },
            }));
        }
    }
    (found, errors)
}

/// Names beside the fields' own that begin with an app's prefix and are settings all the same.
pub(super) fn is_file_of_a_secret(name: &str, table: Table) -> bool {
    name.strip_suffix("_FILE").is_some_and(|name| {
        let field = table.aliases.iter().find(|alias| alias.name == name).map_or(name, |alias| alias.of);
        table.fields.iter().any(|known| known.name == field && known.kind.is_private())
    })
}

/// Empty counts as unset.
fn set<'a>(vars: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    vars.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
}

fn named_file(vars: &BTreeMap<String, String>, name: &str) -> Result<Option<(String, String)>, String> {
    let variable = format!("{name}_FILE");
    let Some(path) = set(vars, &variable) else { return Ok(None) };
    let value =
        read(Path::new(path)).map_err(|cause| format!("{variable}: {path} cannot be used: {cause}"))?;
    Ok(Some((variable, value)))
}

fn credential(vars: &BTreeMap<String, String>, name: &str) -> Result<Option<(String, String)>, String> {
    let Some(folder) = set(vars, CREDENTIALS) else { return Ok(None) };
    let path = Path::new(folder).join(name);
    if !path.exists() {
        return Ok(None);
    }
    let source = format!("{CREDENTIALS}/{name}");
    let value = read(&path).map_err(|cause| format!("{source} cannot be used: {cause}"))?;
    Ok(Some((source, value)))
}

/// Also from a descriptor (`/dev/fd/3`) that the supervisor hands over. The end of the last line is not part of it.
fn read(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let file = fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    let value = text.trim();
    match value.len() as u64 {
        0 => Err("it is empty".to_owned()),
        length if length > FILE_BYTES_MAX => Err(format!("it has more than {FILE_BYTES_MAX} bytes")),
        _ => Ok(value.to_owned()),
    }
}
