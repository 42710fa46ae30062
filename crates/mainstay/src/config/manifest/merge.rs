//! `[environment.NAME]` over the rest: tables key by key, all else replaced whole.
//!
//! The merged tree keeps the spans of what was written, so a mistake in an override is shown where it stands.

use model::EnvName;
use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::{decode::Problems, problem::Problem};

const KEY: &str = "environment";

/// The environments that the file names. Tells names that are none, and keys that no environment may change.
pub(super) fn environments(tree: &Spanned<DeTable<'_>>, problems: &mut Problems) -> Vec<EnvName> {
    let Some((key, value)) = tree.get_ref().get_key_value(KEY) else { return Vec::new() };
    let DeValue::Table(table) = value.get_ref() else {
        problems.push(
            Problem::new("wrong-type", key.span(), "`environment` must be tables with names")
                .help("write `[environment.staging]`"),
        );
        return Vec::new();
    };
    let mut names = Vec::new();
    for (name, overrides) in table.iter() {
        match name.get_ref().parse::<EnvName>() {
            Ok(env) => names.push(env),
            Err(error) => problems.push(
                Problem::new("bad-name", name.span(), error.to_string())
                    .help("names stand in paths and labels: a-z, 0-9 and single inner `-`"),
            ),
        }
        check_overrides(name, overrides, problems);
    }
    names
}

fn check_overrides(
    name: &Spanned<std::borrow::Cow<'_, str>>,
    overrides: &Spanned<DeValue<'_>>,
    problems: &mut Problems,
) {
    let DeValue::Table(table) = overrides.get_ref() else {
        problems.push(
            Problem::new(
                "wrong-type",
                overrides.span(),
                format!("`environment.{}` must be a table", name.get_ref()),
            )
            .help("write `[environment.staging]`"),
        );
        return;
    };
    for fixed in ["manifest", "app", KEY] {
        if let Some((key, _)) = table.get_key_value(fixed) {
            problems.push(
                Problem::new("fixed-key", key.span(), format!("an environment cannot change `{fixed}`"))
                    .help("it is the same in all environments: write it at the top"),
            );
        }
    }
}

/// The tree as it stands for `env`, without `environment`.
pub(super) fn merged<'i>(tree: &DeTable<'i>, env: &str) -> DeTable<'i> {
    let mut merged = tree.clone();
    merged.remove(KEY);
    if let Some(overrides) = overrides(tree, env) {
        merge(&mut merged, overrides);
    }
    merged
}

/// What the file says for `env` alone, without what no environment can change.
pub(super) fn overrides<'i>(tree: &DeTable<'i>, env: &str) -> Option<DeTable<'i>> {
    let DeValue::Table(environments) = tree.get(KEY)?.get_ref() else { return None };
    let DeValue::Table(mut overrides) = environments.get(env)?.get_ref().clone() else { return None };
    for fixed in ["manifest", "app", KEY] {
        overrides.remove(fixed);
    }
    Some(overrides)
}

// Bound: the depth is that of the text, which the TOML parser limits.
fn merge<'i>(base: &mut DeTable<'i>, over: DeTable<'i>) {
    for (key, value) in over {
        let below = base.get_mut(key.get_ref().as_ref()).map(Spanned::get_mut);
        match (below, value.get_ref()) {
            (Some(DeValue::Table(below)), DeValue::Table(_)) => {
                if let DeValue::Table(above) = value.into_inner() {
                    merge(below, above);
                }
            }
            _ => {
                // Remove first: `insert` would keep the old key, and with it the span of the wrong place.
                base.remove(key.get_ref().as_ref());
                base.insert(key, value);
            }
        }
    }
}

/// The tree without its spans.
pub(super) fn plain(table: DeTable<'_>) -> toml::Table {
    table
        .into_iter()
        .map(|(key, value)| (key.into_inner().into_owned(), plain_value(value.into_inner())))
        .collect()
}

fn plain_value(value: DeValue<'_>) -> toml::Value {
    match value {
        DeValue::String(text) => toml::Value::String(text.into_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| toml::Value::String(number.to_string()), toml::Value::Integer),
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .map_or_else(|_| toml::Value::String(number.to_string()), toml::Value::Float),
        DeValue::Boolean(yes) => toml::Value::Boolean(yes),
        DeValue::Datetime(at) => toml::Value::Datetime(at),
        DeValue::Array(items) => {
            toml::Value::Array(items.into_iter().map(|item| plain_value(item.into_inner())).collect())
        }
        DeValue::Table(table) => toml::Value::Table(plain(table)),
    }
}
