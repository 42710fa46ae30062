//! A small decoder over the spanned TOML tree. It collects every problem instead of stopping at the first.
//!
//! A [`Section`] is a table being read. Each getter marks its key as known; what was never asked for when the section
//! ends is an unknown key, and the asked ones are what it may have meant. So the list of keys can never differ from
//! what is read.

use std::{collections::BTreeMap, ops::Range, str::FromStr};

use model::{ByteSize, Span};
use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue};

use super::{
    problem::{PROBLEMS_MAX, Problem},
    syntax,
};

/// Names more alike than this are offered as what was meant.
const NEAR: f64 = 0.78;

/// A value and the bytes it was written with.
#[derive(Clone, Debug, PartialEq)]
pub struct At<T> {
    pub value: T,
    pub span: Range<usize>,
}

/// Problems so far, bounded.
#[derive(Debug, Default)]
pub struct Problems {
    list: Vec<Problem>,
    /// The keys of each table that was read.
    keys: BTreeMap<String, Vec<&'static str>>,
    /// Where an unknown key stands, and its name.
    unknown: Vec<(Range<usize>, String)>,
}

/// Bound: a key that more tables have says little of where it was meant.
const HOMES_MAX: usize = 3;

impl Problems {
    pub fn push(&mut self, problem: Problem) {
        // A mistake in the base is met again in every environment that is looked at: it is told once.
        if self.list.len() < PROBLEMS_MAX && !self.list.contains(&problem) {
            self.list.push(problem);
        }
    }

    /// Says of each unknown key where it belongs, by `all`: what was met while a text was read that has every table.
    pub fn place_unknown(&mut self, all: &Self) {
        for (span, name) in &self.unknown {
            let homes: Vec<String> = all
                .keys
                .iter()
                .filter(|(_, keys)| keys.contains(&name.as_str()))
                .map(|(path, _)| home(path))
                .collect();
            let is_it = |problem: &&mut Problem| problem.code == UNKNOWN && problem.span == *span;
            let Some(problem) = self.list.iter_mut().find(is_it) else { continue };
            if (1..=HOMES_MAX).contains(&homes.len()) {
                *problem = Problem::new(UNKNOWN, span.clone(), problem.message.clone())
                    .label("it belongs elsewhere")
                    .help(format!("`{name}` belongs {}", homes.join(" or ")));
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// In the order of the file.
    pub fn into_sorted(mut self) -> Vec<Problem> {
        self.list.sort_by_key(|problem| problem.span.start);
        self.list
    }
}

const UNKNOWN: &str = "unknown-key";

fn home(path: &str) -> String {
    if path.is_empty() {
        "at the top of the file, above the first [table]".to_owned()
    } else {
        format!("in [{path}]")
    }
}

/// A key that the design knows and this version does not, with the words that say so.
pub struct Later {
    pub key: &'static str,
    pub instead: &'static str,
}

/// A table that is being read.
pub struct Section<'a, 't, 'i> {
    /// As a person writes it: `service.web.probes`; empty at the top.
    path: String,
    span: Range<usize>,
    table: &'t DeTable<'i>,
    asked: Vec<&'static str>,
    /// Keys that are the user's own names.
    own: Vec<String>,
    later: &'static [Later],
    finished: bool,
    problems: &'a mut Problems,
}

impl<'a, 't, 'i> Section<'a, 't, 'i> {
    pub fn new(
        path: impl Into<String>,
        span: Range<usize>,
        table: &'t DeTable<'i>,
        problems: &'a mut Problems,
    ) -> Self {
        Self {
            path: path.into(),
            span,
            table,
            asked: Vec::new(),
            own: Vec::new(),
            later: &[],
            finished: false,
            problems,
        }
    }

    /// Keys that get words of their own instead of "unknown".
    pub fn later(&mut self, later: &'static [Later]) {
        self.later = later;
    }

    /// A key that is known and has no place here; told where it stands.
    pub fn refuse(&mut self, key: &'static str, code: &'static str, why: &str, help: &str) {
        if let Some((_, span)) = self.take(key) {
            let path = self.join(key);
            self.problem(Problem::new(code, span, format!("`{path}` {why}")).help(help));
        }
    }

    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Where a key's value stands; where it is absent, the section.
    pub fn span_of(&self, key: &str) -> Range<usize> {
        self.table.get(key).map_or_else(|| self.span(), Spanned::span)
    }

    /// Problems told so far, here and elsewhere.
    pub fn problem_count(&self) -> usize {
        self.problems.list.len()
    }

    /// `[service.web]`, or "the file" at the top.
    pub fn called(&self) -> String {
        if self.path.is_empty() { "the file".to_owned() } else { format!("[{}]", self.path) }
    }

    pub fn problem(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    fn join(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The raw value of a key; marks it as known.
    fn take(&mut self, key: &'static str) -> Option<(&'t Spanned<DeValue<'i>>, Range<usize>)> {
        self.asked.push(key);
        let (name, value) = self.table.get_key_value(key)?;
        Some((value, name.span()))
    }

    /// Whether the key is there, with a text as its value.
    pub fn is_text(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(|value| matches!(value.get_ref(), DeValue::String(_)))
    }

    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    fn wrong_type(&mut self, key: &str, found: &Spanned<DeValue<'i>>, wanted: &str) {
        let is = said_type(found.get_ref());
        let path = self.join(key);
        self.problem(
            Problem::new("wrong-type", found.span(), format!("`{path}` must be {wanted}"))
                .label(format!("this is {is}")),
        );
    }

    pub fn string(&mut self, key: &'static str) -> Option<At<String>> {
        let (value, _) = self.take(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some(At { value: text.to_string(), span: value.span() }),
            _ => {
                self.wrong_type(key, value, "a text in quotes");
                None
            }
        }
    }

    pub fn boolean(&mut self, key: &'static str) -> Option<bool> {
        let (value, _) = self.take(key)?;
        match value.get_ref() {
            DeValue::Boolean(yes) => Some(*yes),
            _ => {
                self.wrong_type(key, value, "`true` or `false`");
                None
            }
        }
    }

    /// A whole number within `range`.
    pub fn integer(&mut self, key: &'static str, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let (value, _) = self.take(key)?;
        let wanted = match *range.end() {
            u64::MAX => format!("a whole number from {}", range.start()),
            end => format!("a whole number from {} to {end}", range.start()),
        };
        let DeValue::Integer(number) = value.get_ref() else {
            self.wrong_type(key, value, &wanted);
            return None;
        };
        match u64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) if range.contains(&number) => Some(number),
            _ => {
                let path = self.join(key);
                self.problem(Problem::new(
                    "out-of-range",
                    value.span(),
                    format!("`{path}` must be {wanted}"),
                ));
                None
            }
        }
    }

    /// A number, whole or not, within `range`.
    pub fn number(&mut self, key: &'static str, range: std::ops::RangeInclusive<f64>) -> Option<f64> {
        let (value, _) = self.take(key)?;
        let wanted = format!("a number from {} to {}", range.start(), range.end());
        let number = match value.get_ref() {
            DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
            DeValue::Integer(number) => number.as_str().parse::<f64>().ok(),
            _ => {
                self.wrong_type(key, value, &wanted);
                return None;
            }
        };
        if let Some(number) = number.filter(|number| range.contains(number)) {
            return Some(number);
        }
        let path = self.join(key);
        self.problem(Problem::new("out-of-range", value.span(), format!("`{path}` must be {wanted}")));
        None
    }

    /// A text that `T` reads: a name, a quantity, an address.
    pub fn parsed<T: FromStr>(&mut self, key: &'static str, code: &'static str, wanted: &str) -> Option<At<T>>
    where
        T::Err: std::fmt::Display,
    {
        let (value, _) = self.take(key)?;
        let DeValue::String(text) = value.get_ref() else {
            self.wrong_type(key, value, wanted);
            return None;
        };
        match text.parse() {
            Ok(parsed) => Some(At { value: parsed, span: value.span() }),
            Err(error) => {
                let path = self.join(key);
                self.problem(
                    Problem::new(code, value.span(), format!("`{path}` must be {wanted}"))
                        .label(error.to_string()),
                );
                None
            }
        }
    }

    /// A duration with its unit.
    pub fn duration(&mut self, key: &'static str) -> Option<Span> {
        self.parsed(key, "bad-unit", "a duration in quotes, like `\"30s\"`").map(|at| at.value)
    }

    /// A number of bytes with its unit.
    pub fn size(&mut self, key: &'static str) -> Option<ByteSize> {
        self.parsed(key, "bad-unit", "a size in quotes, like `\"50MiB\"`").map(|at| at.value)
    }

    /// One of a few words.
    pub fn one_of<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let text = self.string(key)?;
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text.value) {
            return Some(*value);
        }
        let path = self.join(key);
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let mut problem =
            Problem::new("unknown-value", text.span, format!("`{path}` must be {}", or_list(&known)));
        if let Some(near) = nearest(&text.value, known.iter().copied()) {
            problem = problem.help(format!("did you mean `\"{near}\"`?"));
        }
        self.problem(problem);
        None
    }

    /// A list of texts.
    pub fn strings(&mut self, key: &'static str) -> Option<At<Vec<At<String>>>> {
        let (value, _) = self.take(key)?;
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong_type(key, value, "a list of texts, like `[\"a\", \"b\"]`");
            return None;
        };
        let mut texts = Vec::with_capacity(items.len());
        for item in items.iter() {
            match item.get_ref() {
                DeValue::String(text) => texts.push(At { value: text.to_string(), span: item.span() }),
                _ => self.wrong_type(key, item, "a list of texts only"),
            }
        }
        Some(At { value: texts, span: value.span() })
    }

    /// A table of texts with keys of the user's: variables of an environment.
    pub fn text_map(&mut self, key: &'static str) -> Option<BTreeMap<String, At<String>>> {
        let (value, _) = self.take(key)?;
        let DeValue::Table(table) = value.get_ref() else {
            self.wrong_type(key, value, "a table of texts, like `{ NODE_ENV = \"production\" }`");
            return None;
        };
        let mut map = BTreeMap::new();
        for (name, value) in table.iter() {
            match value.get_ref() {
                DeValue::String(text) => {
                    map.insert(
                        name.get_ref().to_string(),
                        At { value: text.to_string(), span: value.span() },
                    );
                }
                _ => {
                    let path = format!("{}.{}", self.join(key), name.get_ref());
                    self.problem(
                        Problem::new(
                            "wrong-type",
                            value.span(),
                            format!("`{path}` must be a text in quotes"),
                        )
                        .label(format!("this is {}", said_type(value.get_ref())))
                        .help("all values of this table are texts: write it in quotes"),
                    );
                }
            }
        }
        Some(map)
    }

    /// Reads a table by `read`, which sees a section of its own.
    pub fn table<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&mut Section<'_, 't, 'i>) -> Option<T>,
    ) -> Option<T> {
        let (value, at) = self.take(key)?;
        self.descend(key, key, at, value, read)
    }

    /// Reads each table of a list (`[[route]]`).
    pub fn tables<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Section<'_, 't, 'i>) -> Option<T>,
    ) -> Option<Vec<At<T>>> {
        let (value, _) = self.take(key)?;
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong_type(key, value, &format!("a list of tables: write `[[{}]]`", self.join(key)));
            return None;
        };
        let mut all = Vec::with_capacity(items.len());
        for item in items.iter() {
            let span = item.span();
            if let Some(value) = self.descend(key, key, span.clone(), item, &mut read) {
                all.push(At { value, span });
            }
        }
        Some(all)
    }

    /// Reads each table of a table whose keys are the user's names (`[service.NAME]`).
    pub fn named_tables<N: FromStr + Ord, T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&N, &mut Section<'_, 't, 'i>) -> Option<T>,
    ) -> Option<BTreeMap<N, At<T>>>
    where
        N::Err: std::fmt::Display,
    {
        let (value, _) = self.take(key)?;
        let DeValue::Table(table) = value.get_ref() else {
            self.wrong_type(key, value, &format!("tables with names: write `[{}.NAME]`", self.join(key)));
            return None;
        };
        let mut all = BTreeMap::new();
        for (name, value) in table.iter() {
            if let Some((name, value)) = self.named(key, name, value, &mut read) {
                all.insert(name, value);
            }
        }
        Some(all)
    }

    /// Reads the tables among this section's own keys that nobody asked for (`[app.NAME.ENV]`).
    pub fn other_tables<N: FromStr + Ord, T>(
        &mut self,
        mut read: impl FnMut(&N, &mut Section<'_, 't, 'i>) -> Option<T>,
    ) -> BTreeMap<N, At<T>>
    where
        N::Err: std::fmt::Display,
    {
        let mut all = BTreeMap::new();
        for (name, value) in self.table.iter() {
            if self.asked.contains(&name.get_ref().as_ref()) || !value.get_ref().is_table() {
                continue;
            }
            self.own.push(name.get_ref().to_string());
            if let Some((name, value)) = self.named("", name, value, &mut read) {
                all.insert(name, value);
            }
        }
        all
    }

    fn named<N: FromStr, T>(
        &mut self,
        key: &str,
        name: &Spanned<std::borrow::Cow<'i, str>>,
        value: &'t Spanned<DeValue<'i>>,
        read: &mut impl FnMut(&N, &mut Section<'_, 't, 'i>) -> Option<T>,
    ) -> Option<(N, At<T>)>
    where
        N::Err: std::fmt::Display,
    {
        let text = name.get_ref().as_ref();
        let parsed: Result<N, _> = text.parse();
        let path = if key.is_empty() { text.to_owned() } else { format!("{key}.{text}") };
        match parsed {
            Ok(parsed) => {
                let span = name.span();
                let read = |section: &mut Section<'_, 't, 'i>| read(&parsed, section);
                let value = self.descend(&path, text, span.clone(), value, read)?;
                Some((parsed, At { value, span }))
            }
            Err(error) => {
                self.problem(
                    Problem::new("bad-name", name.span(), error.to_string())
                        .help("names stand in paths, users and labels: a-z, 0-9 and single inner `-`"),
                );
                None
            }
        }
    }

    fn descend<T>(
        &mut self,
        path: &str,
        key: &str,
        at: Range<usize>,
        value: &'t Spanned<DeValue<'i>>,
        read: impl FnOnce(&mut Section<'_, 't, 'i>) -> Option<T>,
    ) -> Option<T> {
        let DeValue::Table(table) = value.get_ref() else {
            self.wrong_type(key, value, "a table");
            return None;
        };
        let mut inner = Section::new(self.join(path), at, table, self.problems);
        let read = read(&mut inner);
        inner.finish();
        read
    }

    /// Ends the reading: what nobody asked for is unknown. Ending twice tells nothing twice.
    pub fn finish(&mut self) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        self.problems.keys.insert(self.path.clone(), self.asked.clone());
        let unknown: Vec<_> = self
            .table
            .iter()
            .map(|(name, _)| (name.get_ref().to_string(), name.span()))
            .filter(|(name, _)| !self.asked.contains(&name.as_str()) && !self.own.contains(name))
            .collect();
        for (name, span) in unknown {
            let problem = self.unknown(&name, span.clone());
            self.problem(problem);
            self.problems.unknown.push((span, name));
        }
    }

    fn unknown(&self, name: &str, span: Range<usize>) -> Problem {
        if let Some(later) = self.later.iter().find(|later| later.key == name) {
            return Problem::new(
                "not-yet",
                span,
                format!("`{}` does not work in this version", self.join(name)),
            )
            .label("remove this key")
            .help(later.instead);
        }
        let problem = Problem::new(UNKNOWN, span, format!("`{name}` is no key of {}", self.called()));
        match nearest(name, self.asked.iter().copied()) {
            Some(near) => problem
                .label(format!("did you mean `{near}`?"))
                .help(format!("write `{near}`, or remove the key")),
            None => problem.help(format!("keys of {}: {}", self.called(), self.asked.join(", "))),
        }
    }

    /// Tells that a key is missing, with an example of it. Not where it is there with a slip in it: that is told as an
    /// unknown key.
    pub fn missing(&mut self, key: &str, example: &str) {
        let unknown = self
            .table
            .iter()
            .map(|(name, _)| name.get_ref().as_ref())
            .filter(|name| !self.asked.contains(name));
        if nearest(key, unknown).is_some() {
            return;
        }
        let problem =
            Problem::new("missing-key", self.span.clone(), format!("{} lacks `{key}`", self.called()))
                .help(format!("add `{example}`"));
        self.problem(problem);
    }
}

/// The word of `known` that is nearest to what was written, if any is near.
pub fn nearest<'k>(written: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let written = written.to_ascii_lowercase().replace('-', "_");
    known
        .map(|word| (word, likeness(&written, &word.replace('-', "_"))))
        .filter(|(_, score)| *score >= NEAR)
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(word, _)| word)
}

/// 0 to 1. One slip of a finger is near, however short the word.
fn likeness(a: &str, b: &str) -> f64 {
    let slip = strsim::damerau_levenshtein(a, b) <= 1 && a.len() >= 3;
    let floor = if slip { NEAR } else { 0.0 };
    strsim::jaro_winkler(a, b).max(floor)
}

/// "`a`, `b` or `c`"
pub fn or_list(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

fn said_type(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a truth value",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Parses `text`. Several syntax errors are collected; a broken file gives no tree.
pub fn parse<'i>(text: &'i str, problems: &mut Problems) -> Option<Spanned<DeTable<'i>>> {
    for error in syntax::mistakes(text) {
        problems.push(
            Problem::new("bad-syntax", error.span().unwrap_or(0..0), "this is not TOML")
                .label(error.message())
                .help("texts stand in quotes, tables in [brackets]; https://toml.io shows the language"),
        );
    }
    // One that lacks what was broken would tell of keys that are missing only because of that.
    DeTable::parse(text).ok()
}
