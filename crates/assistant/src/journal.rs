//! The journal: entries of a day, and the search over them.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result, excess},
    search::{self, Kind, within},
    tasks::tags,
};

pub(crate) const TEXT_CHARS_MAX: usize = 50_000;
/// Bound: entries that are looked at for the tags in use.
const TAGGED_MAX: u32 = 1_000;
/// Bound: tags that are offered.
const TAGS_MAX: usize = 100;

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
    /// Without its `#`, in small letters.
    pub(crate) tag: Option<String>,
    pub(crate) from: Option<Date>,
    pub(crate) to: Option<Date>,
}

impl Filter {
    /// The index leads to the words of a tag; the text says whether they are one. The tag stands first, since the last
    /// word may be only begun.
    fn words(&self) -> Option<String> {
        match (&self.tag, &self.query) {
            (Some(tag), Some(query)) => Some(format!("{tag} {query}")),
            (one, other) => one.as_ref().or(other.as_ref()).cloned(),
        }
    }
}

pub(crate) fn clean_text(text: &str) -> Result<String> {
    let text = text.replace(|c: char| c.is_control() && !matches!(c, '\n' | '\t'), "");
    let text = text.trim();
    match text.chars().count() {
        0 => Err(Error::Invalid("an entry needs a text".to_owned())),
        chars if chars > TEXT_CHARS_MAX => {
            let excess = excess(chars, TEXT_CHARS_MAX);
            Err(Error::Invalid(format!("an entry has at most {TEXT_CHARS_MAX} characters{excess}")))
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
    let said = filter.words();
    let parts = said.as_deref().and_then(within::parts);
    let words = match (&parts, &said) {
        (Some(parts), _) => Some(serde_json::json!(parts).to_string()),
        (None, Some(words)) => match search::expression(account, Some(Kind::Entry), words) {
            Some(words) => Some(words),
            None => return Ok(Vec::new()),
        },
        (None, None) => None,
    };
    let matching = if parts.is_some() {
        "AND NOT EXISTS (SELECT 1 FROM json_each(?6) WHERE instr(lower(text), value) = 0)"
    } else if words.is_some() {
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
    let Some(tag) = &filter.tag else {
        let rows = query.query_map(params![account, limit, offset, from, to, words], Entry::from_row)?;
        return Ok(rows.collect::<std::result::Result<_, _>>()?);
    };
    let rows = query.query_map(params![account, -1, 0, from, to, words], Entry::from_row)?;
    let tagged =
        rows.filter(|row| row.as_ref().map_or(true, |entry| tags::in_text(&entry.text).contains(tag)));
    Ok(tagged.skip(offset as usize).take(limit as usize).collect::<std::result::Result<_, _>>()?)
}

/// How many entries of its day stand before the entry `id`, as [`list`] has them. None where there is no such entry.
pub(crate) fn place_in_day(db: &Connection, account: &str, id: &str) -> Result<u32> {
    let sql = "SELECT count(*) FROM journal_entries e JOIN journal_entries newer
               ON newer.account_id = e.account_id AND newer.day = e.day AND newer.n > e.n
               WHERE e.account_id = ?1 AND e.id = ?2";
    Ok(db.prepare_cached(sql)?.query_row([account, id], |row| row.get(0))?)
}

/// The tags of the last [`TAGGED_MAX`] entries, and how many bear each.
pub(crate) fn tags_in_use(db: &Connection, account: &str) -> Result<Vec<(String, u32)>> {
    let sql = "SELECT text FROM (SELECT text FROM journal_entries WHERE account_id = ?1 ORDER BY day DESC, n DESC LIMIT ?2)
               WHERE instr(text, '#') > 0";
    let mut query = db.prepare_cached(sql)?;
    let mut rows = query.query(params![account, TAGGED_MAX])?;
    let mut counts = BTreeMap::new();
    while let Some(row) = rows.next()? {
        for tag in tags::in_text(row.get_ref(0)?.as_str().unwrap_or_default()) {
            *counts.entry(tag).or_insert(0) += 1;
        }
    }
    Ok(counts.into_iter().take(TAGS_MAX).collect())
}

pub(crate) fn insert(tx: &Transaction<'_>, account: &str, entry: &Entry) -> Result<()> {
    let sql = "INSERT INTO journal_entries (id, account_id, day, text, created_at, rev) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    tx.execute(
        sql,
        params![entry.id, account, entry.day.to_string(), entry.text, entry.created_at, entry.rev],
    )?;
    Ok(())
}

/// Stores `entry` over the row that is at `rev`; the row's revision goes up by one. False: it is at another.
pub(crate) fn replace(tx: &Transaction<'_>, account: &str, entry: &Entry, rev: i64) -> Result<bool> {
    let sql = "UPDATE journal_entries SET day = ?3, text = ?4, rev = rev + 1 WHERE account_id = ?1 AND id = ?2 AND rev = ?5";
    Ok(tx.execute(sql, params![account, entry.id, entry.day.to_string(), entry.text, rev])? == 1)
}

/// False: it is at another revision, or gone.
pub(crate) fn delete(tx: &Transaction<'_>, account: &str, id: &str, rev: i64) -> Result<bool> {
    Ok(tx.execute(
        "DELETE FROM journal_entries WHERE account_id = ?1 AND id = ?2 AND rev = ?3",
        params![account, id, rev],
    )? == 1)
}
