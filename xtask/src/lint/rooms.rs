//! The layering: a room uses only rooms of a lower rank (`[workspace.metadata.rooms]` of the root Cargo.toml).

use std::collections::BTreeMap;

use serde_json::Value;

use super::Sources;
use crate::shell::{self, Doing, Result};

/// Where a room stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// Uses only rooms of a lower rank.
    Rank(u64),
    /// Tools and tests: use all, used by none, but in tests.
    Dev,
    /// Uses only the rooms that are named.
    Apart(Vec<String>),
}

pub(super) fn check(_: &Sources) -> Result<Vec<String>> {
    let text =
        shell::output(shell::cargo().args(["metadata", "--no-deps", "--format-version", "1", "--locked"]))?;
    let metadata: Value = serde_json::from_str(&text).doing("reading cargo metadata")?;
    Ok(findings(&metadata))
}

fn findings(metadata: &Value) -> Vec<String> {
    let places = places(&metadata["metadata"]["rooms"]);
    let mut found = Vec::new();
    for package in array(&metadata["packages"]) {
        let name = text(&package["name"]);
        let Some(place) = places.get(name) else {
            found.push(format!("{name} has no rank in [workspace.metadata.rooms]"));
            continue;
        };
        for dependency in array(&package["dependencies"]) {
            let (used, kind) = (text(&dependency["name"]), dependency["kind"].as_str());
            if let Some(of_used) = places.get(used)
                && dependency["path"].is_string()
                && let Some(why) = forbidden(place, used, of_used, kind == Some("dev"))
            {
                found.push(format!("{name} must not use {used}: {why}"));
            }
        }
    }
    found
}

/// Why a room at `place` may not use `used`; `None`: it may.
fn forbidden(place: &Place, used: &str, of_used: &Place, in_tests: bool) -> Option<String> {
    match (place, of_used) {
        (Place::Dev, _) => None,
        (_, Place::Dev) if in_tests => None,
        (_, Place::Dev) => Some("it is for tests and tools".into()),
        (Place::Rank(own), Place::Rank(other)) if other < own => None,
        (Place::Rank(own), Place::Rank(other)) => Some(format!("rank {other} is not below {own}")),
        (Place::Rank(_), Place::Apart(_)) => Some("it stands apart".into()),
        (Place::Apart(named), _) if named.iter().any(|name| name == used) => None,
        (Place::Apart(_), _) => Some("a room that stands apart uses only those it names".into()),
    }
}

fn places(rooms: &Value) -> BTreeMap<String, Place> {
    let rooms = rooms.as_object().cloned().unwrap_or_default();
    rooms.into_iter().filter_map(|(name, value)| Some((name, place(&value)?))).collect()
}

fn place(value: &Value) -> Option<Place> {
    if let Some(rank) = value.as_u64() {
        return Some(Place::Rank(rank));
    }
    match value.as_str()?.split_once(':').unwrap_or((value.as_str()?, "")) {
        ("dev", _) => Some(Place::Dev),
        ("apart", named) => Some(Place::Apart(named.split(',').map(|name| name.trim().to_owned()).collect())),
        _ => None,
    }
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn uses(name: &str, used: &str, kind: Option<&str>) -> Vec<String> {
        findings(&json!({
            "metadata": { "rooms": { "model": 0, "edge": 3, "supervisor": 3, "release": 4, "testkit": "dev", "kit": "apart", "assistant": "apart: kit" } },
            "packages": [{ "name": name, "dependencies": [{ "name": used, "path": "/x", "kind": kind }] }],
        }))
    }

    #[test]
    fn a_room_may_use_what_is_below_it_and_nothing_else() {
        assert_eq!(uses("release", "edge", None), Vec::<String>::new());
        assert_eq!(uses("edge", "supervisor", None), ["edge must not use supervisor: rank 3 is not below 3"]);
        assert_eq!(uses("edge", "release", None).len(), 1);
        assert_eq!(uses("edge", "testkit", None).len(), 1);
        assert_eq!(uses("edge", "testkit", Some("dev")), Vec::<String>::new());
    }

    #[test]
    fn rooms_that_stand_apart_use_only_what_they_name() {
        assert_eq!(uses("assistant", "kit", None), Vec::<String>::new());
        assert_eq!(uses("assistant", "model", None).len(), 1);
        assert_eq!(uses("release", "kit", None).len(), 1);
        assert_eq!(uses("nobody", "kit", None), ["nobody has no rank in [workspace.metadata.rooms]"]);
    }
}
