//! Everything of an account as one archive (tar), and back again ([`crate::import`]).
//!
//! `everything.jsonl` is the whole: a line of JSON for each row, which the import reads. `journal/*.md` and `tasks.ics`
//! say the same for people and for other programs. The archive is written to an unnamed file first, of one moment of the
//! database, so a full disk or a slow reader is no half export.

use std::{
    fs::File,
    io::{self, BufWriter, Seek, SeekFrom, Write},
    path::Path,
};

use kit::clock;
use rusqlite::Connection;
use serde_json::{Value, json};
use tar::{Builder, Header};

use crate::{
    accounts::Account,
    attachments::store::{Store, StoreError},
    error::{Error, Result},
    journal::{self, Entry},
    tasks,
};

pub(crate) mod calendar;
pub(crate) mod markdown;
pub(crate) mod rows;

use calendar::zones::Zones;

/// Version of `everything.jsonl`; the import takes no other.
pub(crate) const VERSION: u64 = 1;
pub(crate) const EVERYTHING: &str = "everything.jsonl";
/// Rows that one question asks for.
const PAGE: u32 = 500;

const README: &str = "Everything that the assistant keeps of one account.

everything.jsonl   all of it, a line of JSON for each thing; the import of the settings page reads this
                   (times are milliseconds since 1970-01-01 UTC)
tasks.ics          the tasks, for calendars and to-do lists (iCalendar, RFC 5545)
journal/           the journal, a Markdown file for each day
attachments/       the files beside its entries
";

/// Writes the archive of `who` to an unnamed file in `folder`; returns it at its beginning, and its length in bytes.
///
/// # Errors
/// The database's or the disk's; nothing is left then.
pub(crate) fn write(db: &Connection, store: &Store, who: &Account, folder: &Path) -> Result<(File, u64)> {
    // One moment for all questions.
    let tx = db.unchecked_transaction()?;
    let file = tempfile::tempfile_in(folder).map_err(StoreError::from)?;
    let mut archive = Builder::new(file);
    add(&mut archive, "README.txt", |out| Ok(out.write_all(README.as_bytes()).map_err(StoreError::from)?))?;
    add(&mut archive, EVERYTHING, |out| everything(&tx, store, who, out))?;
    add(&mut archive, "tasks.ics", |out| all_tasks(&tx, who, out))?;
    journals(&mut archive, &tx, who)?;
    attachments(&mut archive, &tx, store, who)?;
    let mut file = archive.into_inner().map_err(StoreError::from)?;
    let length = file.seek(SeekFrom::End(0)).map_err(StoreError::from)?;
    file.rewind().map_err(StoreError::from)?;
    Ok((file, length))
}

fn header() -> Header {
    let mut header = Header::new_gnu();
    header.set_mode(0o600);
    header.set_mtime(clock::now_ms().unsigned_abs() / 1_000);
    header
}

/// A file of the archive whose length is known when it is written.
fn add(
    archive: &mut Builder<File>,
    path: &str,
    content: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    let mut header = header();
    let entry = archive.append_writer(&mut header, path).map_err(StoreError::from)?;
    let mut out = BufWriter::new(entry);
    content(&mut out)?;
    let entry = out.into_inner().map_err(|error| StoreError::Io(error.into_error()))?;
    Ok(entry.finish().map_err(StoreError::from)?)
}

fn everything(db: &Connection, store: &Store, who: &Account, out: &mut dyn Write) -> Result<()> {
    let mut line = |value: &Value| -> io::Result<()> { writeln!(out, "{value}") };
    let head = json!({"kind": "export", "version": VERSION, "exported_at": clock::rfc3339(clock::now_ms()),
        "name": who.name, "zone": who.zone});
    line(&head).map_err(StoreError::from)?;
    for kind in rows::KINDS {
        rows::each(db, kind, &who.id, |mut row| {
            // Whoever imports it need not look for bytes that are lost.
            let digest = row["digest"].as_str().filter(|_| kind.word == "attachment");
            if digest.is_some_and(|digest| !store.path(&who.id, digest).exists()) {
                row["file"] = Value::Null;
            }
            Ok(line(&row).map_err(StoreError::from)?)
        })?;
    }
    Ok(())
}

fn all_tasks(db: &Connection, who: &Account, out: &mut dyn Write) -> Result<()> {
    out.write_all(calendar::HEAD.as_bytes()).map_err(StoreError::from)?;
    let mut zones = Zones::default();
    for page in 0.. {
        let tasks = tasks::list(db, &who.id, None, PAGE, page * PAGE)?;
        for task in &tasks {
            zones.note(task);
            out.write_all(calendar::todo(task).as_bytes()).map_err(StoreError::from)?;
        }
        if tasks.len() < PAGE as usize {
            break;
        }
    }
    let end = [zones.write().as_str(), calendar::FOOT].concat();
    Ok(out.write_all(end.as_bytes()).map_err(StoreError::from)?)
}

fn journals(archive: &mut Builder<File>, db: &Connection, who: &Account) -> Result<()> {
    let mut query =
        db.prepare("SELECT DISTINCT day FROM journal_entries WHERE account_id = ?1 ORDER BY day")?;
    let days =
        query.query_map([&who.id], |row| row.get(0))?.collect::<std::result::Result<Vec<String>, _>>()?;
    for day in days.iter().filter_map(|day| day.parse().ok()) {
        add(archive, &format!("journal/{day}.md"), |out| {
            writeln!(out, "# {day}").map_err(StoreError::from)?;
            let filter = journal::Filter { from: Some(day), to: Some(day), ..journal::Filter::default() };
            // Bound: entries of one day; the oldest of them first.
            let mut entries: Vec<Entry> = journal::list(db, &who.id, &filter, u32::MAX, 0)?;
            entries.reverse();
            for entry in &entries {
                let section = markdown::section(entry, who);
                out.write_all(section.as_bytes()).map_err(StoreError::from)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn attachments(archive: &mut Builder<File>, db: &Connection, store: &Store, who: &Account) -> Result<()> {
    let Some(kind) = rows::KINDS.iter().find(|kind| kind.word == "attachment") else { return Ok(()) };
    rows::each(db, kind, &who.id, |row| {
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let bytes = match std::fs::read(store.path(&who.id, &text("digest"))) {
            Ok(bytes) => bytes,
            // Lost, as by a restored older folder: the rest is worth exporting all the same.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(StoreError::from(error).into()),
        };
        let mut header = header();
        header.set_size(bytes.len() as u64);
        archive
            .append_data(&mut header, rows::file(&row), bytes.as_slice())
            .map_err(|error| Error::Files(error.into()))
    })
}
