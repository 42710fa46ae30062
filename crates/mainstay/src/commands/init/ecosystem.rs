//! ecosystem.config.js of PM2: read, never run.
//!
//! It is JavaScript. Its object literals are read as far as they are literals; what is computed is passed over.

use std::{collections::BTreeMap, path::Path};

use super::{Guess, GuessedService, evidence, shell};

/// Bound: objects within objects.
const DEPTH_MAX: usize = 16;

pub(super) fn recognise(dir: &Path, guess: &mut Guess) -> bool {
    let names = ["ecosystem.config.js", "ecosystem.config.cjs", "ecosystem.config.mjs"];
    let Some((file, text)) = names.iter().find_map(|name| Some((*name, evidence::read(&dir.join(name))?)))
    else {
        return false;
    };
    let Some(at) = text.find("apps") else { return false };
    let after = text.get(at + "apps".len()..).unwrap_or_default();
    let mut reader = Reader { chars: after.chars().collect(), at: 0 };
    reader.space();
    // `apps: [` and `"apps": [`.
    while matches!(reader.peek(), Some('"' | '\'' | ':' | '=' | ' ')) {
        reader.at += 1;
        reader.space();
    }
    let Some(Value::List(apps)) = reader.value(0) else { return false };
    for app in apps {
        let Value::Object(app) = app else { continue };
        let Some(service) = service(&app) else { continue };
        guess.because.push(format!("{file} runs `{}` as {}", service.command.join(" "), service.name));
        guess.services.push(service);
    }
    // PM2 does not say who takes requests: the first is taken for it.
    if let Some(first) = guess.services.first_mut() {
        first.web = true;
        let name = first.name.clone();
        guess
            .because
            .push(format!("`{name}` is taken for the one with a route: it must listen on HOST and PORT"));
    }
    evidence::node_before(dir, guess);
    !guess.services.is_empty()
}

fn service(app: &BTreeMap<String, Value>) -> Option<GuessedService> {
    let text = |key: &str| match app.get(key) {
        Some(Value::Text(text)) => Some(text.clone()),
        _ => None,
    };
    let script = text("script")?;
    let mut command = match text("interpreter").as_deref() {
        Some("none") => vec![script.clone()],
        Some(interpreter) => vec![interpreter.to_owned(), script.clone()],
        None if script.ends_with(".js") || script.ends_with(".mjs") || script.ends_with(".cjs") => {
            vec!["node".to_owned(), script.clone()]
        }
        None => shell::command(&script),
    };
    match app.get("args") {
        Some(Value::Text(args)) => command.extend(shell::command(args)),
        Some(Value::List(args)) => command.extend(args.iter().filter_map(|arg| match arg {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        })),
        _ => {}
    }
    let instances = match app.get("instances") {
        Some(Value::Text(number)) => number.parse().ok().filter(|n| (1..=64).contains(n)).unwrap_or(2),
        _ => 1,
    };
    let mut env = Vec::new();
    for key in ["env", "env_production"] {
        let Some(Value::Object(table)) = app.get(key) else { continue };
        for (name, value) in table {
            if let Value::Text(value) = value
                && name != "PORT"
            {
                env.retain(|(known, _)| known != name);
                env.push((name.clone(), value.clone()));
            }
        }
    }
    let name = evidence::service_name(&text("name").unwrap_or_else(|| "web".to_owned()));
    Some(GuessedService { name, command, web: false, instances, env })
}

#[derive(Debug)]
enum Value {
    /// Texts, and numbers and words as they are written.
    Text(String),
    List(Vec<Value>),
    Object(BTreeMap<String, Value>),
    Computed,
}

struct Reader {
    chars: Vec<char>,
    at: usize,
}

impl Reader {
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

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > DEPTH_MAX {
            return None;
        }
        self.space();
        match self.peek()? {
            '{' => self.object(depth),
            '[' => self.list(depth),
            '"' | '\'' | '`' => self.text().map(Value::Text),
            _ => {
                let from = self.at;
                self.computed();
                let raw: String = self.chars.get(from..self.at)?.iter().collect();
                let raw = raw.trim();
                let plain = !raw.is_empty() && raw.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
                Some(if plain { Value::Text(raw.to_owned()) } else { Value::Computed })
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
        let mut map = BTreeMap::new();
        loop {
            self.space();
            let key = match self.peek()? {
                '}' => {
                    self.at += 1;
                    return Some(Value::Object(map));
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
            if self.peek()? == ':' {
                self.at += 1;
                let value = self.value(depth + 1)?;
                map.insert(key, value);
            }
        }
    }
}
