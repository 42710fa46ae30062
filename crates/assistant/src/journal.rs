//! The journal: entries of a day, and the search over them.

use jiff::civil::Date;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    search::{self, Kind},
};

pub(crate) const TEXT_CHARS_MAX: usize = 50_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) day: Date,
    pub(crate) text: String,
    pub(crate) created_at: i64,
    pub(crate) rev: i64,
}

impl Entry {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let day: String = row.get("day")?;
        let day = day.parse().unwrap_or(Date::ZERO);
        Ok(Self {
            id: row.get("id")?,
            day,
            text: row.get("text")?,
            created_at: row.get("created_at")?,
            rev: row.get("rev")?,
        })
    }
}

/// Which entries to list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) query: Option<String>,
    pub(crate) from: Option<Date>,
    pub(crate) to: Option<Date>,
}

pub(crate) fn clean_text(text: &str) -> Result<String> {
    let text = text.replace(|c: char| c.is_control() && !matches!(c, '\n' | '\t'), "");
    let text = text.trim();
    match text.chars().count() {
        0 => Err(Error::Invalid("an entry needs a text".to_owned())),
        chars if chars > TEXT_CHARS_MAX => {
            Err(Error::Invalid(format!("an entry has at most {TEXT_CHARS_MAX} characters")))
        }
        _ => Ok(text.to_owned()),
    }
}

pub(crate) fn get(db: &Connection, account: &str, id: &str) -> Result<Entry> {
    let sql = "SELECT * FROM journal_entries WHERE account_id = ?1 AND id = ?2";
    db.query_row(sql, [account, id], Entry::from_row).optional()?.ok_or(Error::NotFound("entry"))
}

/// Newest first.
pub(crate) fn list(
    db: &Connection,
    account: &str,
    filter: &Filter,
    limit: u32,
    offset: u32,
) -> Result<Vec<Entry>> {
    let words = match filter.query.as_deref() {
        Some(query) => match search::expression(account, Some(Kind::Entry), query) {
            Some(words) => Some(words),
            None => return Ok(Vec::new()),
        },
        None => None,
    };
    let matching = if words.is_some() {
        "AND id IN (SELECT r.id FROM search CROSS JOIN search_rows r ON r.n = search.rowid WHERE search MATCH ?6)"
    } else {
        "AND ?6 IS NULL"
    };
    let sql = format!(
        "SELECT * FROM journal_entries WHERE account_id = ?1 AND day >= ?4 AND day <= ?5 {matching} ORDER BY day DESC, n DESC LIMIT ?2 OFFSET ?3"
    );
    let from = filter.from.unwrap_or(Date::MIN).to_string();
    let from = if filter.from.is_none() { String::new() } else { from };
    let to = filter.to.map_or_else(|| "9999-12-31".to_owned(), |to| to.to_string());
    let mut query = db.prepare_cached(&sql)?;
    let rows = query.query_map(params![account, limit, offset, from, to, words], Entry::from_row)?;
    Ok(rows.collect::<std::result::Result<_, _>>()?)
}

pub(crate) fn insert(tx: &Transaction<'_>, account: &str, entry: &Entry) -> Result<()> {
    let sql = "INSERT INTO journal_entries (id, account_id, day, text, created_at, rev) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    tx.execute(
        sql,
        params![entry.id, account, entry.day.to_string(), entry.text, entry.created_at, entry.rev],
    )?;
    Ok(())
}

/// False: it is at another revision, or gone.
pub(crate) fn delete(tx: &Transaction<'_>, account: &str, id: &str, rev: i64) -> Result<bool> {
    Ok(tx.execute(
        "DELETE FROM journal_entries WHERE account_id = ?1 AND id = ?2 AND rev = ?3",
        params![account, id, rev],
    )? == 1)
}
