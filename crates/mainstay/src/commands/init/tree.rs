//! What a file says, as texts, lists and maps with the lines on which they stand; YAML and JavaScript are read into it.

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    /// From 1.
    pub line: usize,
    /// The last line that belongs to it.
    pub end: usize,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Null,
    /// Texts, and numbers and words as they are written.
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// Something that only its own program knows.
    Computed,
}

/// A key with its value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub key: String,
    pub line: usize,
    pub node: Node,
}

impl Node {
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The entries of a map; none of anything else.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none of anything else.
    pub(super) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    pub(super) fn text_of(&self, key: &str) -> Option<&str> {
        self.get(key)?.text()
    }

    /// The texts of a list, or the one text that stands for a list of one.
    pub(super) fn texts(&self) -> Vec<String> {
        match &self.value {
            Value::Text(text) => vec![text.clone()],
            _ => self.items().iter().filter_map(Node::text).map(str::to_owned).collect(),
        }
    }

    pub(super) fn is_true(&self) -> bool {
        self.text() == Some("true")
    }

    pub(super) fn is_false(&self) -> bool {
        self.text() == Some("false")
    }

    /// In few words, for a note.
    pub(super) fn brief(&self) -> String {
        match &self.value {
            Value::Null => "empty".to_owned(),
            Value::Text(text) => brief(text),
            Value::List(items) => {
                let texts: Vec<String> = items.iter().filter_map(Node::text).map(str::to_owned).collect();
                if texts.len() == items.len() { brief(&texts.join(" ")) } else { "a list".to_owned() }
            }
            Value::Map(entries) => {
                let keys: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
                brief(&keys.join(", "))
            }
            Value::Computed => "computed".to_owned(),
        }
    }
}

/// Bound: characters of a source in a note.
const BRIEF_CHARS_MAX: usize = 60;

/// One line of a few words.
pub(super) fn brief(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(BRIEF_CHARS_MAX) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}
