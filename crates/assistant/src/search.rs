//! Search over everything that an account wrote: entries, tasks, conversations, messages, names of files.
//!
//! Triggers keep one index in step with the rows, whoever writes them. Here a query becomes an expression of FTS5
//! (<https://sqlite.org/fts5.html>), and its best rows become hits that say where they are shown.

use jiff::civil::Date;
use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};

use crate::error::Result;

pub(crate) mod within;

#[cfg(test)]
mod tests;

/// Bound: of the rows that have the words, so many of the newest are put in order; older ones need more words.
pub(crate) const RANKED_MAX: u32 = 1_000;
/// Bound: words of one query.
const WORDS_MAX: usize = 20;
/// Words of a snippet.
const SNIPPET_WORDS: u32 = 24;
/// Around what was found in a snippet. Entries and titles have none of them; a message that has some shows a wrong part.
const MARKS: [char; 2] = ['\u{2}', '\u{3}'];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Entry,
    Task,
    Conversation,
    Message,
    Attachment,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] =
        [Self::Entry, Self::Task, Self::Conversation, Self::Message, Self::Attachment];

    /// As rows and addresses have it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Entry => "entry",
            Self::Task => "task",
            Self::Conversation => "conversation",
            Self::Message => "message",
            Self::Attachment => "attachment",
        }
    }

    /// What one such row is called.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Entry => "Journal",
            Self::Task => "Task",
            Self::Conversation => "Conversation",
            Self::Message => "Message",
            Self::Attachment => "File",
        }
    }

    fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// A part of a snippet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Piece {
    pub(crate) text: String,
    /// It is what was looked for.
    pub(crate) found: bool,
}

/// A row that has all the words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) kind: Kind,
    pub(crate) id: String,
    /// When it was written, in milliseconds since 1970.
    pub(crate) at: i64,
    /// Of an entry, or of the entry that has the file.
    pub(crate) day: Option<Date>,
    /// The page that shows it.
    pub(crate) address: String,
    /// The part of its text with the most of what was looked for.
    pub(crate) snippet: Vec<Piece>,
}

impl Hit {
    pub(crate) fn text(&self) -> String {
        self.snippet.iter().map(|piece| piece.text.as_str()).collect()
    }
}

/// Rows of `account` with all words of `query`, accents aside, the last one perhaps only begun; the best first, by bm25.
/// Of more than [`RANKED_MAX`] the newest are ordered. A query with characters that the index has no words of is looked
/// for in the texts, the newest first.
///
/// # Errors
/// The database's.
pub(crate) fn find(
    db: &Connection,
    account: &str,
    query: &str,
    kind: Option<Kind>,
    (limit, offset): (u32, u32),
) -> Result<Vec<Hit>> {
    if let Some(parts) = within::parts(query) {
        return within::find(db, account, &parts, kind, (limit, offset));
    }
    let Some(expression) = expression(account, kind, query) else { return Ok(Vec::new()) };
    let best = best(db, account, &expression, (limit, offset))?;
    let Some(oldest) = best.iter().min() else { return Ok(Vec::new()) };
    // The plus keeps SQLite from asking the index anew for each row.
    let sql = "SELECT r.n, r.kind, r.id, r.parent_id, r.at, snippet(search, 1, ?4, ?5, '…', ?6) AS snippet,
               (SELECT day FROM journal_entries e WHERE e.id = iif(r.kind = 'attachment', r.parent_id, r.id)) AS day
               FROM search CROSS JOIN search_rows r ON r.n = search.rowid
               WHERE search MATCH ?1 AND search.rowid >= ?2 AND +search.rowid IN (SELECT value FROM json_each(?3))";
    let wanted = serde_json::json!(best).to_string();
    let [open, close] = MARKS.map(String::from);
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement
        .query_map(params![expression, oldest, wanted, open, close, SNIPPET_WORDS], |row| {
            Ok((row.get::<_, i64>("n")?, hit(row, &row.get::<_, String>("snippet")?)?))
        })?;
    let mut hits = rows.collect::<std::result::Result<Vec<_>, _>>()?;
    hits.sort_by_key(|(n, _)| best.iter().position(|one| one == n));
    Ok(hits.into_iter().filter_map(|(_, hit)| hit).collect())
}

/// Numbers of the best rows. What cannot be shown is no hit: a deleted conversation, a file that lost its entry.
fn best(db: &Connection, account: &str, expression: &str, (limit, offset): (u32, u32)) -> Result<Vec<i64>> {
    let sql = "SELECT n FROM (
                   SELECT r.n AS n, bm25(search, 0.0, 1.0) AS badness FROM search CROSS JOIN search_rows r ON r.n = search.rowid
                   WHERE search MATCH ?1 AND r.account_id = ?2
                   AND (r.kind NOT IN ('conversation', 'message') OR EXISTS (
                       SELECT 1 FROM conversations c WHERE c.id = iif(r.kind = 'message', r.parent_id, r.id) AND c.deleted_at IS NULL))
                   AND (r.kind <> 'attachment' OR EXISTS (SELECT 1 FROM journal_entries e WHERE e.id = r.parent_id))
                   ORDER BY search.rowid DESC LIMIT ?3)
               ORDER BY badness, n DESC LIMIT ?4 OFFSET ?5";
    let mut statement = db.prepare_cached(sql)?;
    let rows =
        statement.query_map(params![expression, account, RANKED_MAX, limit, offset], |row| row.get(0))?;
    Ok(rows.collect::<std::result::Result<_, _>>()?)
}

/// Each word quoted, so that nothing a person types is an operator; the last one as the beginning of a word. `None`:
/// there is no word in it.
pub(crate) fn expression(account: &str, kind: Option<Kind>, query: &str) -> Option<String> {
    let words: Vec<&str> = query
        .split(|c: char| !is_of_word(c))
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .take(WORDS_MAX)
        .collect();
    let last = words.last()?;
    // One letter begins too many words to look at.
    let begun = if last.chars().count() > 1 { "*" } else { "" };
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    let kind = kind.map_or_else(String::new, |kind| format!(" AND \"{}\"", kind.word()));
    Some(format!("{{scope}} : (\"{account}\"{kind}) AND {{text}} : ({}{begun})", quoted.join(" AND ")))
}

/// A letter, a digit, or an accent that stands behind its letter.
fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || ('\u{300}'..='\u{36f}').contains(&c)
}

/// `None`: a newer release knows its kind.
fn hit(row: &Row<'_>, snippet: &str) -> rusqlite::Result<Option<Hit>> {
    let (kind, id): (String, String) = (row.get("kind")?, row.get("id")?);
    let Some(kind) = Kind::of(&kind) else { return Ok(None) };
    let parent: String = row.get("parent_id")?;
    let day: Option<String> = row.get("day")?;
    let shown_on = day.as_deref().unwrap_or_default();
    let address = match kind {
        Kind::Entry => format!("/journal/{shown_on}?at={id}#e-{id}"),
        Kind::Attachment => format!("/journal/{shown_on}?at={parent}#e-{parent}"),
        Kind::Task => format!("/tasks/{id}"),
        Kind::Conversation => format!("/chat/{id}"),
        Kind::Message => format!("/chat/{parent}?at={id}#m-{id}"),
    };
    let day = day.and_then(|day| day.parse().ok());
    Ok(Some(Hit { kind, at: row.get("at")?, day, address, snippet: pieces(snippet), id }))
}

fn pieces(marked: &str) -> Vec<Piece> {
    let [open, close] = MARKS;
    let mut found = false;
    let mut pieces = Vec::new();
    for text in marked.split_inclusive([open, close]) {
        let plain = text.trim_end_matches([open, close]);
        if !plain.is_empty() {
            pieces.push(Piece { text: plain.to_owned(), found });
        }
        found = text.ends_with(open);
    }
    pieces
}
