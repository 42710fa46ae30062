//! Object literals of JavaScript, read as far as they are literals and never run.

use super::tree::{Entry, Node, Value};

/// Bound: objects within objects.
const DEPTH_MAX: usize = 16;

pub(super) struct Reader {
    chars: Vec<char>,
    at: usize,
    /// The line of `at`, as far as it was counted, and up to where.
    line: usize,
    counted: usize,
}

impl Reader {
    pub(super) fn new(text: &str) -> Self {
        Self { chars: text.chars().collect(), at: 0, line: 1, counted: 0 }
    }

    /// Goes behind the key `name` and what joins it to its value. False if there is no such key.
    pub(super) fn seek(&mut self, name: &str) -> bool {
        let wanted: Vec<char> = name.chars().collect();
        let is_word = |c: Option<&char>| c.is_some_and(|c| c.is_alphanumeric() || *c == '_');
        while self.at < self.chars.len() {
            self.space();
            let end = self.at + wanted.len();
            let starts = self.chars.get(self.at..end) == Some(&wanted[..]);
            let whole = !is_word(self.chars.get(end))
                && !is_word(self.at.checked_sub(1).and_then(|n| self.chars.get(n)));
            if starts && whole {
                self.at = end;
                let from = self.at;
                self.space();
                while matches!(self.peek(), Some('"' | '\'' | ':' | '=')) {
                    self.at += 1;
                    self.space();
                }
                if self.at > from {
                    return true;
                }
            }
            self.at += 1;
        }
        false
    }

    /// The line of the next character, from 1.
    pub(super) fn line(&mut self) -> usize {
        let passed = self.chars.get(self.counted..self.at).unwrap_or_default();
        self.line += passed.iter().filter(|c| **c == '\n').count();
        self.counted = self.counted.max(self.at);
        self.line
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    /// Passes over space and comments.
    fn space(&mut self) {
        while let Some(c) = self.peek() {
            match (c, self.chars.get(self.at + 1)) {
                ('/', Some('/')) => self.until(|c| c == '\n'),
                ('/', Some('*')) => {
                    self.at += 2;
                    while self.at < self.chars.len()
                        && (self.peek() != Some('*') || self.chars.get(self.at + 1) != Some(&'/'))
                    {
                        self.at += 1;
                    }
                    self.at += 2;
                }
                (c, _) if c.is_whitespace() => self.at += 1,
                _ => return,
            }
        }
    }

    fn until(&mut self, end: impl Fn(char) -> bool) {
        while self.peek().is_some_and(|c| !end(c)) {
            self.at += 1;
        }
    }

    /// What comes next. `None` where that is no value of any kind.
    pub(super) fn value(&mut self, depth: usize) -> Option<Node> {
        if depth > DEPTH_MAX {
            return None;
        }
        self.space();
        let line = self.line();
        let value = self.bare(depth)?;
        Some(Node { line, end: self.line(), value })
    }

    fn bare(&mut self, depth: usize) -> Option<Value> {
        match self.peek()? {
            '{' => self.object(depth),
            '[' => self.list(depth),
            _ => {
                let from = self.at;
                let text = match self.peek()? {
                    '"' | '\'' => self.text(),
                    _ => None,
                };
                self.space();
                // `'a' + b` is computed, and so is a template.
                if let Some(text) = text.filter(|_| matches!(self.peek(), None | Some(',' | '}' | ']'))) {
                    return Some(Value::Text(text));
                }
                self.computed();
                let raw: String = self.chars.get(from..self.at)?.iter().collect();
                let raw = raw.trim();
                let plain =
                    !raw.is_empty() && raw.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.');
                Some(match raw {
                    "null" | "undefined" => Value::Null,
                    _ if plain => Value::Text(raw.to_owned()),
                    _ => Value::Computed,
                })
            }
        }
    }

    /// An expression, to the comma or bracket that ends it.
    fn computed(&mut self) {
        let mut open = 0usize;
        while let Some(c) = self.peek() {
            match c {
                '"' | '\'' | '`' => {
                    let before = self.at;
                    if self.text().is_none() {
                        self.at = before + 1;
                    }
                    continue;
                }
                '(' | '[' | '{' => open += 1,
                ')' | ']' | '}' if open == 0 => return,
                ')' | ']' | '}' => open -= 1,
                ',' if open == 0 => return,
                _ => {}
            }
            self.at += 1;
        }
    }

    fn text(&mut self) -> Option<String> {
        let quote = self.peek()?;
        self.at += 1;
        let mut text = String::new();
        loop {
            let c = self.peek()?;
            self.at += 1;
            match c {
                '\\' => {
                    text.push(self.peek()?);
                    self.at += 1;
                }
                c if c == quote => return Some(text),
                c => text.push(c),
            }
        }
    }

    fn list(&mut self, depth: usize) -> Option<Value> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.space();
            match self.peek()? {
                ']' => {
                    self.at += 1;
                    return Some(Value::List(items));
                }
                ',' => self.at += 1,
                _ => {
                    let before = self.at;
                    items.push(self.value(depth + 1)?);
                    if self.at == before {
                        return None;
                    }
                }
            }
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        self.at += 1;
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            self.space();
            let line = self.line();
            let key = match self.peek()? {
                '}' => {
                    self.at += 1;
                    return Some(Value::Map(entries));
                }
                ',' => {
                    self.at += 1;
                    continue;
                }
                '"' | '\'' => self.text()?,
                _ => {
                    let from = self.at;
                    self.until(|c| c == ':' || c == ',' || c == '}');
                    self.chars.get(from..self.at)?.iter().collect::<String>().trim().to_owned()
                }
            };
            self.space();
            let node = if self.peek()? == ':' {
                self.at += 1;
                self.value(depth + 1)?
            } else {
                // `...defaults`, or a name that stands for its own value.
                Node { line, end: self.line(), value: Value::Computed }
            };
            // The last of a name counts.
            entries.retain(|known| known.key != key);
            entries.push(Entry { key, line, node });
        }
    }
}
