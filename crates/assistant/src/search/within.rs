//! What an index of words cannot find: a sign, and scripts that put no blanks between their words. Looked for in the texts
//! themselves, of one account at a time.

use rusqlite::{Connection, params};

use super::{Hit, Kind, MARKS, hit};
use crate::error::Result;

/// Bound: parts of one query.
const PARTS_MAX: usize = 20;
/// Characters of a snippet before and behind what was found.
const AROUND: (usize, usize) = (40, 120);

/// The parts of a query that has such characters, in small letters; `None`: the index of words has it.
pub(crate) fn parts(query: &str) -> Option<Vec<String>> {
    let parts = || query.split_whitespace().take(PARTS_MAX).map(str::to_ascii_lowercase).collect();
    query.chars().any(is_not_indexed).then(parts)
}

/// Kana, Han, Hangul, Thai, Lao, Khmer and Myanmar, whose words stand side by side; arrows, dingbats and emoji.
fn is_not_indexed(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{2190}'..='\u{2bff}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}'
        | '\u{f900}'..='\u{faff}' | '\u{1f000}'..='\u{1faff}' | '\u{20000}'..='\u{3ffff}')
}

/// The newest rows of `account` that have all `parts`, wherever in their texts.
///
/// # Errors
/// The database's.
pub(super) fn find(
    db: &Connection,
    account: &str,
    parts: &[String],
    kind: Option<Kind>,
    (limit, offset): (u32, u32),
) -> Result<Vec<Hit>> {
    let sql = "SELECT r.kind, r.id, r.parent_id, r.at, r.text,
               (SELECT day FROM journal_entries e WHERE e.id = iif(r.kind = 'attachment', r.parent_id, r.id)) AS day
               FROM search_rows r WHERE r.account_id = ?1 AND (?2 IS NULL OR r.kind = ?2)
               AND NOT EXISTS (SELECT 1 FROM json_each(?3) WHERE instr(lower(r.text), value) = 0)
               AND (r.kind NOT IN ('conversation', 'message') OR EXISTS (
                   SELECT 1 FROM conversations c WHERE c.id = iif(r.kind = 'message', r.parent_id, r.id) AND c.deleted_at IS NULL))
               AND (r.kind <> 'attachment' OR EXISTS (SELECT 1 FROM journal_entries e WHERE e.id = r.parent_id))
               ORDER BY r.n DESC LIMIT ?4 OFFSET ?5";
    let wanted = serde_json::json!(parts).to_string();
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(params![account, kind.map(Kind::word), wanted, limit, offset], |row| {
        hit(row, &snippet(&row.get::<_, String>("text")?, parts))
    })?;
    let hits = rows.collect::<std::result::Result<Vec<_>, _>>()?;
    Ok(hits.into_iter().flatten().collect())
}

/// The text around the first part, with all that was found between [`MARKS`].
fn snippet(text: &str, parts: &[String]) -> String {
    // As long as the text, byte for byte.
    let low = text.to_ascii_lowercase();
    let at = parts.iter().filter_map(|part| low.find(part.as_str())).min().unwrap_or(0);
    let start = text[..at].char_indices().rev().nth(AROUND.0 - 1).map_or(0, |(start, _)| start);
    let end = text[at..].char_indices().nth(AROUND.1).map_or(text.len(), |(length, _)| at + length);
    let mut shown = text[start..end].to_owned();
    for part in parts {
        let marked = |found: &str| format!("{}{found}{}", MARKS[0], MARKS[1]);
        let (mut from, mut next) = (0, String::new());
        while let Some(found) = shown[from..].to_ascii_lowercase().find(part.as_str()) {
            let (begin, over) = (from + found, from + found + part.len());
            next.push_str(&shown[from..begin]);
            next.push_str(&marked(&shown[begin..over]));
            from = over;
        }
        next.push_str(&shown[from..]);
        shown = next;
    }
    let (before, behind) = (if start > 0 { "…" } else { "" }, if end < text.len() { "…" } else { "" });
    format!("{before}{shown}{behind}")
}
