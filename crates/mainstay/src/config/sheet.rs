//! A configuration as text in its file's own grammar: every key with the value that holds, and where that comes from.
//!
//! Owns layout and origins; which keys there are is said by `manifest/render.rs` and `machine/render.rs`. What a
//! [`Sheet`] gives is read again by the same parser, to the same meaning.

use toml::{
    Value,
    de::{DeTable, DeValue},
};

/// Comments stand in one column unless values are longer than this, in characters.
const COLUMN_MAX: usize = 44;

/// What a file says itself, so that a value can be told from a default.
#[derive(Clone, Debug)]
pub struct Origins<'t> {
    text: &'t str,
    /// As it holds: with the environment merged over the rest.
    merged: DeTable<'t>,
    /// The environment's name and what it says.
    over: Option<(String, DeTable<'t>)>,
}

impl<'t> Origins<'t> {
    pub(super) fn new(text: &'t str, merged: DeTable<'t>, over: Option<(String, DeTable<'t>)>) -> Self {
        Self { text, merged, over }
    }

    /// `default`, `line 12`, `line 40, environment.staging`.
    fn of(&self, path: &[String]) -> String {
        let Some(place) = find(&self.merged, path) else { return "default".to_owned() };
        let before = self.text.get(..place).unwrap_or(self.text);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        match self.over.as_ref().filter(|(_, over)| find(over, path).is_some()) {
            Some((env, _)) => format!("line {line}, environment.{env}"),
            None => format!("line {line}"),
        }
    }
}

/// Where the value at `path` was written; a list is entered by number.
fn find(table: &DeTable<'_>, path: &[String]) -> Option<usize> {
    let (first, rest) = path.split_first()?;
    let mut value = table.get(first.as_str())?;
    for step in rest {
        value = match value.get_ref() {
            DeValue::Table(table) => table.get(step.as_str())?,
            DeValue::Array(items) => items.get(step.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(value.span().start)
}

/// A page that is being written, table by table.
pub struct Sheet<'o> {
    origins: Option<&'o Origins<'o>>,
    done: String,
    /// The table that is being written: `service.web.limits`.
    path: Vec<String>,
    /// Its lines, each with its comment.
    lines: Vec<(String, String)>,
}

impl<'o> Sheet<'o> {
    /// Begins with a comment. Without `origins` no value says where it comes from.
    pub fn new(head: &str, origins: Option<&'o Origins<'o>>) -> Self {
        Self { origins, done: format!("# {}\n", one_line(head)), path: Vec::new(), lines: Vec::new() }
    }

    /// Begins `[path]`. What stood before is done: TOML knows no way back to it.
    pub fn table(&mut self, path: &[&str]) {
        self.begin(path.iter().map(|step| (*step).to_owned()).collect(), &format!("[{}]", path.join(".")));
    }

    /// Begins the `n`th `[[path]]`.
    pub fn item(&mut self, path: &[&str], n: usize) {
        let steps = path.iter().map(|step| (*step).to_owned()).chain([n.to_string()]);
        self.begin(steps.collect(), &format!("[[{}]]", path.join(".")));
    }

    /// Begins the `m`th `[[outer.inner]]` of the `n`th `[[outer]]`.
    pub fn inner_item(&mut self, (outer, n): (&str, usize), (inner, m): (&str, usize)) {
        let steps = [outer.to_owned(), n.to_string(), inner.to_owned(), m.to_string()];
        self.begin(steps.into(), &format!("[[{outer}.{inner}]]"));
    }

    /// Begins `[outer.inner]` of the `n`th `[[outer]]`.
    pub fn inner_table(&mut self, (outer, n): (&str, usize), inner: &str) {
        let steps = [outer.to_owned(), n.to_string(), inner.to_owned()];
        self.begin(steps.into(), &format!("[{outer}.{inner}]"));
    }

    fn begin(&mut self, path: Vec<String>, head: &str) {
        self.flush();
        self.path = path;
        self.done.push_str(&format!("\n{head}\n"));
    }

    /// Writes a key of the table.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) {
        let mut path = self.path.clone();
        path.push(key.to_owned());
        let from = self.origins.map(|origins| origins.of(&path)).unwrap_or_default();
        self.lines.push((format!("{key} = {}", value.into()), from));
    }

    /// Writes a key, or, where it has no value, what that means.
    pub fn set_or(&mut self, key: &str, value: Option<impl Into<Value>>, absent: &str) {
        match value {
            Some(value) => self.set(key, value),
            None => self.absent(key, absent),
        }
    }

    /// Says what it means that a key, or a table, has no value.
    pub fn absent(&mut self, key: &str, meaning: &str) {
        self.lines.push((format!("# {key}: {}", one_line(meaning)), String::new()));
    }

    fn flush(&mut self) {
        let width = |line: &str| line.chars().count();
        let with_words = self.lines.iter().filter(|(_, from)| !from.is_empty());
        let widths = with_words.map(|(line, _)| width(line)).filter(|width| *width <= COLUMN_MAX);
        let column = widths.max().unwrap_or(0);
        for (line, from) in self.lines.drain(..) {
            self.done.push_str(&line);
            if !from.is_empty() {
                self.done.extend(std::iter::repeat_n(' ', column.saturating_sub(width(&line))));
                self.done.push_str(&format!("  # {from}"));
            }
            self.done.push('\n');
        }
    }

    pub fn text(mut self) -> String {
        self.flush();
        self.done
    }
}

/// A comment ends with its line, whatever a path in it is called.
fn one_line(words: &str) -> String {
    words.replace(char::is_control, " ")
}

/// The word that a file has for a value.
pub fn word_of<T: PartialEq>(words: &[(&'static str, T)], value: &T) -> &'static str {
    let found = words.iter().find(|(_, known)| known == value);
    found
        .map(|(word, _)| *word)
        .expect("every value of these enums stands in the list that the file is read by")
}

/// A number of the model's; those above are refused when a file is read.
pub fn number(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_says_where_it_was_written() {
        let text = "a = 1\n[t]\nb = \"two\"\n[[list]]\nc = 3\n";
        let tree = DeTable::parse(text).expect("TOML").into_inner();
        let over = DeTable::parse("[t]\nb = 1").expect("TOML").into_inner();
        let origins = Origins::new(text, tree, Some(("staging".to_owned(), over)));
        let mut sheet = Sheet::new("a\nhead", Some(&origins));
        sheet.set("a", 1);
        sheet.table(&["t"]);
        sheet.set("b", "two");
        sheet.set("lacks", true);
        sheet.item(&["list"], 0);
        sheet.set("c", 3);
        sheet.absent("d", "nothing");
        let wanted = "# a head\na = 1  # line 1\n\n[t]\nb = \"two\"     # line 3, environment.staging\n\
            lacks = true  # default\n\n[[list]]\nc = 3  # line 5\n# d: nothing\n";
        assert_eq!(sheet.text(), wanted);
    }
}
