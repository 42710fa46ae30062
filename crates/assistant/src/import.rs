//! What was exported, read into an account: the whole archive, or tasks and journal alone. All of it or nothing: one
//! transaction, and what does not fit is told with its line.
//!
//! Everything gets new ids, so an import never touches what is there, and what the ids belonged to does not matter.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
};

use jiff::civil::Date;
use kit::live;
use rusqlite::Transaction;
use serde::{Deserialize, Serialize};

use crate::{
    accounts::Account,
    attachments::store::{Store, StoreError},
    audit::{self, Action},
    chat::sources::{self, IMPORT},
    error::{Error, Result},
    export::{calendar, markdown},
    ids,
    journal::{self, Entry},
    tasks,
};

mod archive;
mod line;

pub(crate) use archive::Archive;

/// Bound: an archive.
pub(crate) const ARCHIVE_BYTES_MAX: u64 = 256 * 1_024 * 1_024;
/// Bound: a calendar or a text, which are read as a whole.
pub(crate) const TEXT_BYTES_MAX: u64 = 8 * 1_024 * 1_024;

/// What is imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Archive,
    Calendar,
    /// Of entries without a day of their own; none: today.
    Markdown(Option<Date>),
}

/// How much came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Imported {
    pub(crate) tasks: u64,
    pub(crate) entries: u64,
    pub(crate) conversations: u64,
    pub(crate) messages: u64,
    pub(crate) commands: u64,
    pub(crate) attachments: u64,
    /// Events of a calendar, which are not kept.
    pub(crate) left_out: u64,
}

/// What is ready to be stored: read, and its files on the disk.
pub(crate) enum Ready {
    Archive(Archive),
    Text(String, Form),
}

/// Reads `file` as far as is possible without the database. What it puts on the disk is removed when it is dropped.
///
/// # Errors
/// It is not what `form` says, or the disk's.
pub(crate) fn prepare(mut file: File, form: Form, store: &Store, who: &Account) -> Result<Ready> {
    if form == Form::Archive {
        return Archive::open(file, store, who).map(Ready::Archive);
    }
    file.rewind().map_err(StoreError::from)?;
    let mut text = String::new();
    let length = file.seek(SeekFrom::End(0)).map_err(StoreError::from)?;
    if length > TEXT_BYTES_MAX {
        return Err(Error::TooLarge("a calendar or a text has at most 8 MiB".to_owned()));
    }
    file.rewind().map_err(StoreError::from)?;
    file.read_to_string(&mut text).map_err(|_| Error::Invalid("this is no UTF-8 text".to_owned()))?;
    Ok(Ready::Text(text, form))
}

/// Stores what was read.
///
/// # Errors
/// Something of it does not fit; nothing was stored then.
pub(crate) fn store(tx: &Transaction<'_>, ready: &mut Ready, who: &Account) -> Result<Imported> {
    let imported = match ready {
        Ready::Archive(archive) => archive.store(tx, who)?,
        Ready::Text(text, Form::Calendar) => calendar_tasks(tx, text, who)?,
        Ready::Text(text, Form::Markdown(day)) => entries(tx, text, *day, who)?,
        Ready::Text(_, Form::Archive) => Imported::default(),
    };
    audit::record(tx, &who.id, Action::Imported)?;
    for kind in ["task", "journal", "conversation"] {
        live::tell(tx, &who.id, kind, "")?;
    }
    Ok(imported)
}

fn calendar_tasks(tx: &Transaction<'_>, text: &str, who: &Account) -> Result<Imported> {
    let (read, left_out) = calendar::read(text, who)?;
    for task in &read {
        tasks::insert(tx, &who.id, task)?;
        sources::mark(tx, &who.id, "task", &task.id, IMPORT)?;
    }
    Ok(Imported { tasks: read.len() as u64, left_out, ..Imported::default() })
}

fn entries(tx: &Transaction<'_>, text: &str, day: Option<Date>, who: &Account) -> Result<Imported> {
    let read = markdown::read(text);
    for (n, one) in read.iter().enumerate() {
        let text = journal::clean_text(&one.text)
            .map_err(|error| Error::Invalid(format!("entry {}: {error}", n + 1)))?;
        let day = one.day.or(day).unwrap_or_else(|| who.now().date());
        let created_at = markdown::written_at(one, day, who);
        let entry = Entry { id: ids::new_id(), day, text, created_at, rev: 1 };
        journal::insert(tx, &who.id, &entry)?;
        sources::mark(tx, &who.id, "journal", &entry.id, IMPORT)?;
    }
    if read.is_empty() {
        return Err(Error::Invalid("there is no text in this file".to_owned()));
    }
    Ok(Imported { entries: read.len() as u64, ..Imported::default() })
}
