//! YAML with the lines of its values, with anchors and merge keys resolved.

use model::Explain;
use saphyr::{LoadableYamlNode as _, MarkedYaml, ScalarOwned, YamlData};

use super::{
    account::Source,
    tree::{Entry, Node, Value},
};

/// Bound: maps and lists within each other.
const DEPTH_MAX: usize = 32;

/// The first document of the file. Errors say the line and what the reader of YAML met there.
pub(super) fn parse(source: &Source, kind: &str) -> Result<Node, Explain> {
    // Bound: what nests deeper within one line would be a stack of as many frames.
    let deep = source.text.lines().position(|line| {
        line.split_whitespace().take_while(|word| ["-", "?", ":"].contains(word)).count() > DEPTH_MAX
    });
    if let Some(index) = deep {
        return Err(source.mistake(kind, index + 1, 1, format!("more than {DEPTH_MAX} lists in each other")));
    }
    let documents = MarkedYaml::load_from_str(&source.text).map_err(|error| {
        let at = error.marker();
        let told = source.mistake(kind, at.line(), at.col() + 1, error.info());
        match source.text.contains("<%") {
            true => told
                .help("it holds ERB (`<% … %>`): write what that gives in its place, in a copy of the file"),
            false => told,
        }
    })?;
    let Some(root) = documents.first() else {
        return Err(source.mistake(kind, 1, 1, "it is empty"));
    };
    if documents.len() > 1 {
        let line = documents.get(1).map_or(1, |second| second.span.start.line());
        return Err(source.mistake(kind, line, 1, "a second document begins here, and one is read"));
    }
    node(root, 0).ok_or_else(|| source.mistake(kind, 1, 1, format!("more than {DEPTH_MAX} levels")))
}

fn node(marked: &MarkedYaml<'_>, depth: usize) -> Option<Node> {
    if depth > DEPTH_MAX {
        return None;
    }
    let (line, mut end) = (marked.span.start.line(), marked.span.end.line());
    // The end of a map or a list is where the next thing begins.
    if marked.span.end.col() == 0 && end > line {
        end -= 1;
    }
    let value = match &marked.data {
        YamlData::Value(scalar) => scalar_value(scalar.clone().into_owned()),
        YamlData::Sequence(items) => {
            let items: Option<Vec<Node>> = items.iter().map(|item| node(item, depth + 1)).collect();
            let items = items?;
            end = items.last().map_or(end, |last| last.end).max(line);
            Value::List(items)
        }
        YamlData::Mapping(map) => {
            let mut entries: Vec<Entry> = Vec::new();
            let mut merged: Vec<Entry> = Vec::new();
            for (key, value) in map {
                let at = key.span.start.line();
                let Value::Text(key) = node(key, depth + 1)?.value else { continue };
                let value = node(value, depth + 1)?;
                match (key.as_str(), &value.value) {
                    ("<<", Value::List(all)) => {
                        merged.extend(all.iter().flat_map(|one| one.entries().iter().cloned()))
                    }
                    ("<<", _) => merged.extend(value.entries().iter().cloned()),
                    _ => entries.push(Entry { key, line: at, node: value }),
                }
            }
            for entry in merged {
                if !entries.iter().any(|known| known.key == entry.key) {
                    entries.push(entry);
                }
            }
            end =
                entries.iter().map(|entry| entry.node.end).filter(|last| *last >= line).max().unwrap_or(end);
            Value::Map(entries)
        }
        YamlData::Tagged(_, inner) => return node(inner, depth + 1),
        YamlData::Representation(text, ..) => Value::Text(text.to_string()),
        YamlData::Alias(_) | YamlData::BadValue => Value::Computed,
    };
    Some(Node { line, end, value })
}

fn scalar_value(scalar: ScalarOwned) -> Value {
    match scalar {
        ScalarOwned::Null => Value::Null,
        ScalarOwned::Boolean(is) => Value::Text(is.to_string()),
        ScalarOwned::Integer(number) => Value::Text(number.to_string()),
        ScalarOwned::FloatingPoint(number) => Value::Text(number.to_string()),
        ScalarOwned::String(text) => Value::Text(text),
    }
}
