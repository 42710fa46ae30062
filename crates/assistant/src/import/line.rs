//! One line of `everything.jsonl` as one row: checked as if a person had written it, with new ids.

use std::collections::{HashMap, HashSet};

use jiff::{civil, tz::TimeZone};
use rusqlite::{
    Transaction,
    ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE},
    params_from_iter,
    types::Value as Cell,
};
use serde_json::{Map, Value};

use super::{Imported, archive::Held};
use crate::{
    accounts::{Account, is_unseen},
    attachments,
    chat::sources::{self, IMPORT},
    error::{Error, Result},
    export::{
        VERSION,
        rows::{self, KINDS, Kind},
    },
    ids, journal,
    recurrence::{self, Recurrence},
    reminders,
    tasks::{self, tags},
};

/// Bound: any text that has no narrower one.
const TEXT_CHARS_MAX: usize = 1_000_000;
/// The last millisecond of the year 9999.
const LAST_MS: i64 = 253_402_300_799_999;

/// Stores lines, one after the other.
pub(super) struct Writer<'a> {
    tx: &'a Transaction<'a>,
    who: &'a Account,
    files: &'a HashMap<String, Held>,
    /// Ids of the export, and what they are here.
    ids: HashMap<String, String>,
    columns: HashMap<&'static str, HashSet<String>>,
    imported: Imported,
    /// Paths of files that have rows now.
    placed: Vec<String>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(tx: &'a Transaction<'a>, who: &'a Account, files: &'a HashMap<String, Held>) -> Self {
        Self {
            tx,
            who,
            files,
            ids: HashMap::new(),
            columns: HashMap::new(),
            imported: Imported::default(),
            placed: Vec::new(),
        }
    }

    pub(super) fn end(self) -> (Imported, Vec<String>) {
        (self.imported, self.placed)
    }

    /// # Errors
    /// The line does not fit; [`Error::Invalid`] says why, without the line's number.
    pub(super) fn take(&mut self, n: usize, line: &Value) -> Result<()> {
        let object = line.as_object().ok_or_else(|| invalid("no object"))?;
        let word = object.get("kind").and_then(Value::as_str).unwrap_or_default();
        if n == 1 {
            return is_ours(object, word);
        }
        let kind = KINDS.iter().find(|kind| kind.word == word);
        let kind = kind.ok_or_else(|| Error::Invalid(format!("this release knows no \"{word}\"")))?;
        let Some(row) = self.checked(kind, object)? else { return Ok(()) };
        let id = text(&row, "id").to_owned();
        self.insert(kind, row)?;
        match kind.table {
            "tasks" => {
                reminders::plan(self.tx, &tasks::get(self.tx, &self.who.id, &id)?)?;
                sources::mark(self.tx, &self.who.id, "task", &id, IMPORT)?;
            }
            "journal_entries" => sources::mark(self.tx, &self.who.id, "journal", &id, IMPORT)?,
            _ => {}
        }
        let counted = match word {
            "task" => &mut self.imported.tasks,
            "entry" => &mut self.imported.entries,
            "conversation" => &mut self.imported.conversations,
            "message" => &mut self.imported.messages,
            // Counted with its message.
            "source" => return Ok(()),
            "attachment" => &mut self.imported.attachments,
            _ => &mut self.imported.commands,
        };
        *counted += 1;
        Ok(())
    }

    /// `None`: a file whose bytes the export did not find.
    fn checked(&mut self, kind: &Kind, line: &Map<String, Value>) -> Result<Option<Map<String, Value>>> {
        let mut row: Map<String, Value> =
            line.iter().filter(|(name, _)| *name != "kind").map(|(k, v)| (k.clone(), v.clone())).collect();
        let known = self.columns(kind)?;
        if let Some(name) = row.keys().find(|name| !known.contains(*name)) {
            return Err(Error::Invalid(format!("this release knows no \"{name}\"")));
        }
        match kind.word {
            "task" => check_task(&row)?,
            "entry" => check_entry(&row)?,
            "message" if matches!(text(&row, "status"), "waiting" | "running") => {
                row.insert("status".to_owned(), "stopped".into());
            }
            "command" => {
                // Shown, never undone: what it touched is somewhere else.
                row.insert("command".to_owned(), "{}".into());
                row.insert("inverse".to_owned(), "{}".into());
            }
            "attachment" => {
                let path = match row.remove("file") {
                    Some(Value::String(path)) => path,
                    // Its bytes were lost before the export.
                    Some(Value::Null) => return Ok(None),
                    _ => return Err(invalid("it names no file")),
                };
                // Taken before such characters were refused.
                let name: String = text(&row, "name").chars().filter(|c| !is_unseen(*c)).collect();
                row.insert("name".to_owned(), attachments::clean_name(&name)?.into());
                let missing = || Error::Invalid(format!("{path} is not in the archive, or is no plain file"));
                let held = self.files.get(&path).ok_or_else(missing)?;
                if row.get("digest").and_then(Value::as_str).is_some_and(|digest| digest != held.digest()) {
                    return Err(Error::Invalid(format!("{path} has other bytes than its digest says")));
                }
                row.insert("digest".to_owned(), held.digest().into());
                row.insert("media".to_owned(), held.media().into());
                row.insert("size".to_owned(), held.size.into());
                self.placed.push(path);
            }
            _ => {}
        }
        for (name, value) in &mut row {
            if name == "id" {
                let old = value.as_str().ok_or_else(|| invalid("its id is no text"))?;
                let new = self.ids.entry(old.to_owned()).or_insert_with(ids::new_id);
                *value = new.as_str().into();
            } else if name == "parent_id" && value.as_str().is_some_and(str::is_empty) {
                // The first of its conversation.
            } else if name.ends_with("_id") {
                let old = value.as_str().unwrap_or_default();
                let new = self.ids.get(old);
                let new = new.ok_or_else(|| Error::Invalid(format!("its {name} is of no line before it")))?;
                *value = new.as_str().into();
            }
        }
        Ok(Some(row))
    }

    /// What a line of this kind may name; the rest never gets near a statement.
    fn columns(&mut self, kind: &Kind) -> Result<&HashSet<String>> {
        if !self.columns.contains_key(kind.word) {
            let mut query = self.tx.prepare("SELECT name FROM pragma_table_info(?1)")?;
            let names = query.query_map([kind.table], |row| row.get::<_, String>(0))?;
            let mut known: HashSet<String> = names.collect::<std::result::Result<_, _>>()?;
            known.retain(|name| rows::is_carried(kind, name));
            known.extend((kind.word == "attachment").then(|| "file".to_owned()));
            self.columns.insert(kind.word, known);
        }
        self.columns.get(kind.word).ok_or_else(|| invalid("its kind has no table"))
    }

    fn insert(&self, kind: &Kind, row: Map<String, Value>) -> Result<()> {
        let mut columns = vec!["account_id".to_owned()];
        let mut cells = vec![Cell::Text(self.who.id.clone())];
        for (name, value) in row {
            cells.push(cell(&name, value)?);
            columns.push(name);
        }
        let places = vec!["?"; columns.len()].join(", ");
        let sql = format!("INSERT INTO {} ({}) VALUES ({places})", kind.table, columns.join(", "));
        let stored =
            self.tx.prepare_cached(&sql).and_then(|mut insert| insert.execute(params_from_iter(cells)));
        stored.map(|_| ()).map_err(|error| match &error {
            rusqlite::Error::SqliteFailure(failure, _) if IS_THERE.contains(&failure.extended_code) => {
                invalid("a line before it has the same id")
            }
            // A value that its table does not take: the line's mistake, not ours.
            rusqlite::Error::SqliteFailure(failure, Some(what))
                if matches!(
                    failure.code,
                    rusqlite::ErrorCode::ConstraintViolation | rusqlite::ErrorCode::TypeMismatch
                ) =>
            {
                tracing::debug!(what = what.as_str(), "a line of an import does not fit its table");
                invalid("one of its values is none that this release takes")
            }
            _ => error.into(),
        })
    }
}

/// What SQLite says of a row whose key another one has.
const IS_THERE: [i32; 2] = [SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE];

fn invalid(what: &str) -> Error {
    Error::Invalid(what.to_owned())
}

fn is_ours(head: &Map<String, Value>, word: &str) -> Result<()> {
    let version = head.get("version").and_then(Value::as_u64);
    match (word, version) {
        ("export", Some(VERSION)) => Ok(()),
        ("export", Some(other)) => Err(Error::Invalid(format!(
            "the export is of version {other}, this release reads version {VERSION}"
        ))),
        _ => Err(invalid("the first line does not say that this is an export")),
    }
}

fn text<'a>(row: &'a Map<String, Value>, name: &str) -> &'a str {
    row.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn check_task(row: &Map<String, Value>) -> Result<()> {
    let title = text(row, "title");
    if tasks::clean_title(title)? != title {
        return Err(invalid("its title has characters that no screen shows"));
    }
    let fits = |name: &str, is: &dyn Fn(&str) -> bool| match text(row, name) {
        "" => Ok(()),
        value if is(value) => Ok(()),
        _ => Err(Error::Invalid(format!("its {name} does not fit"))),
    };
    fits("due_day", &|value| value.parse::<civil::Date>().is_ok())?;
    fits("due_time", &|value| value.parse::<civil::Time>().is_ok())?;
    fits("zone", &|value| TimeZone::get(value).is_ok())?;
    fits("tags", &|value| {
        let tags: Option<Vec<String>> = serde_json::from_str(value).ok();
        tags.is_some_and(|tags| tags::clean(&tags).is_ok_and(|clean| clean == tags))
    })?;
    fits("recurrence", &|value| {
        let read: Option<Recurrence> = serde_json::from_str(value).ok();
        read.is_some_and(|read| recurrence::check(&read.rule, read.mode).is_ok_and(|rule| rule == read.rule))
    })
}

fn check_entry(row: &Map<String, Value>) -> Result<()> {
    journal::clean_text(text(row, "text"))?;
    match text(row, "day").parse::<civil::Date>() {
        Ok(_) => Ok(()),
        Err(_) => Err(invalid("its day does not fit")),
    }
}

fn cell(name: &str, value: Value) -> Result<Cell> {
    let wrong = || Error::Invalid(format!("its {name} does not fit"));
    match value {
        Value::Null => Ok(Cell::Null),
        Value::Number(number) => {
            let number = number.as_i64().ok_or_else(wrong)?;
            let is_time = name == "at" || name.ends_with("_at");
            if is_time && !(0..=LAST_MS).contains(&number) { Err(wrong()) } else { Ok(Cell::Integer(number)) }
        }
        Value::String(text) if text.chars().count() <= TEXT_CHARS_MAX => Ok(Cell::Text(text)),
        Value::String(_) | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(wrong()),
    }
}
