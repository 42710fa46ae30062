//! How long what people write is kept, by kind, where the operator says so. Off by default.

use kit::clock;
use rusqlite::{Transaction, params};
use serde::Serialize;

use crate::{
    attachments::{store::Store, upload},
    error::Result,
};

/// Days; `None`: until somebody deletes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Retention {
    /// Of entries, since they were written.
    pub(crate) journal: Option<u64>,
    /// Of tasks, since they were done. Open ones stay.
    pub(crate) tasks: Option<u64>,
    /// Of conversations, since somebody said something in them.
    pub(crate) conversations: Option<u64>,
    /// Of what was done, with its undo.
    pub(crate) history: Option<u64>,
}

impl Retention {
    /// What was done repeats what it was about, so it is kept no longer than anything else.
    fn of_history(self) -> Option<u64> {
        [self.history, self.journal, self.tasks, self.conversations].into_iter().flatten().min()
    }

    /// Deletes what has had its time, at most about `most` rows of each kind. Returns how many of the kind that had most.
    ///
    /// # Errors
    /// The database's or the disk's.
    pub(crate) fn clear(self, tx: &Transaction<'_>, store: &Store, most: u32) -> Result<usize> {
        let mut cleared = 0;
        if let Some(days) = self.journal {
            cleared = cleared.max(entries(tx, store, before(days), most)?);
        }
        if let Some(days) = self.tasks {
            let sql = "DELETE FROM tasks WHERE rowid IN (SELECT rowid FROM tasks WHERE state = 'done' AND done_at < ?1 LIMIT ?2)";
            cleared = cleared.max(tx.execute(sql, params![before(days), most])?);
        }
        if let Some(days) = self.conversations {
            cleared = cleared.max(conversations(tx, before(days), most)?);
        }
        if let Some(days) = self.of_history() {
            let sql = "DELETE FROM commands WHERE n IN (SELECT n FROM commands WHERE at < ?1 LIMIT ?2)";
            cleared = cleared.max(tx.execute(sql, params![before(days), most])?);
            let sql = "DELETE FROM answers WHERE rowid IN (SELECT rowid FROM answers WHERE at < ?1 LIMIT ?2)";
            cleared = cleared.max(tx.execute(sql, params![before(days), most])?);
        }
        Ok(cleared)
    }
}

fn before(days: u64) -> i64 {
    clock::now_ms() - i64::try_from(days).unwrap_or(i64::MAX).saturating_mul(24 * 3_600 * 1_000)
}

/// Entries, with their files.
fn entries(tx: &Transaction<'_>, store: &Store, before: i64, most: u32) -> Result<usize> {
    let sql = "DELETE FROM journal_entries WHERE n IN (SELECT n FROM journal_entries WHERE created_at < ?1 LIMIT ?2) RETURNING account_id, id";
    let gone = pairs(tx, sql, before, most)?;
    for (account, entry) in &gone {
        let mut query =
            tx.prepare_cached("SELECT id FROM attachments WHERE account_id = ?1 AND entry_id = ?2")?;
        let files = query.query_map([account, entry], |row| row.get(0))?;
        for file in files.collect::<std::result::Result<Vec<String>, _>>()? {
            upload::remove(tx, store, account, &file)?;
        }
    }
    Ok(gone.len())
}

/// Conversations, with their messages and the logs of their answers. One in which an answer goes on stays.
fn conversations(tx: &Transaction<'_>, before: i64, most: u32) -> Result<usize> {
    let sql = "SELECT account_id, id FROM conversations c WHERE updated_at < ?1
               AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.conversation_id = c.id AND m.status IN ('waiting', 'running')) LIMIT ?2";
    let old = pairs(tx, sql, before, most)?;
    for (_, conversation) in &old {
        let messages = "(SELECT id FROM messages WHERE conversation_id = ?1)";
        tx.execute(&format!("DELETE FROM stream_chunks WHERE stream IN {messages}"), [conversation])?;
        tx.execute(&format!("DELETE FROM jobs WHERE subject IN {messages}"), [conversation])?;
        tx.execute("DELETE FROM conversations WHERE id = ?1", [conversation])?;
    }
    Ok(old.len())
}

fn pairs(tx: &Transaction<'_>, sql: &str, before: i64, most: u32) -> Result<Vec<(String, String)>> {
    let mut query = tx.prepare(sql)?;
    let rows = query.query_map(params![before, most], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<std::result::Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_goes_after_its_days_and_nothing_before_somebody_says_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::new(folder.path());
        let mut db = kit::sqlite::open_writer(&folder.path().join("t.db")).expect("opens");
        crate::schema::MIGRATIONS.up(&mut db).expect("migrates");
        let (day, now) = (24 * 3_600 * 1_000, clock::now_ms());
        let (old, new) = (now - 31 * day, now - 29 * day);
        db.execute_batch(&format!(
            "INSERT INTO accounts (id, name, password, zone, created_at) VALUES ('a', 'ana', '', 'UTC', 0);
             INSERT INTO journal_entries (id, account_id, day, text, created_at, rev) VALUES
                ('old', 'a', '2026-01-01', 'x', {old}, 1), ('new', 'a', '2026-01-01', 'x', {new}, 1);
             INSERT INTO attachments (id, account_id, entry_id, name, size, media, digest, created_at) VALUES
                ('old', 'a', 'old', 'x', 1, 'text/plain', 'd1', {old}), ('new', 'a', 'new', 'x', 1, 'text/plain', 'd2', {new});
             INSERT INTO tasks (id, account_id, title, state, created_at, done_at, rev) VALUES
                ('old', 'a', 'x', 'done', 0, {old}, 1), ('new', 'a', 'x', 'done', 0, {new}, 1), ('open', 'a', 'x', 'open', 0, NULL, 1);
             INSERT INTO conversations (id, account_id, title, created_at, updated_at) VALUES
                ('old', 'a', '', 0, {old}), ('new', 'a', '', 0, {new}), ('goes on', 'a', '', 0, {old});
             INSERT INTO messages (id, conversation_id, account_id, role, text, status, created_at) VALUES
                ('old', 'old', 'a', 'user', 'x', 'done', 0), ('goes on', 'goes on', 'a', 'assistant', '', 'running', 0);
             INSERT INTO stream_chunks (stream, attempt, seq, kind, data) VALUES ('old', 1, 0, 'text', '{{}}');
             INSERT INTO commands (id, account_id, at, command, understood, reply, inverse) VALUES
                ('old', 'a', {old}, '', '', '', ''), ('new', 'a', {new}, '', '', '', '')"
        ))
        .expect("fills");
        let left = |db: &rusqlite::Connection, table: &str| -> String {
            let sql = format!("SELECT group_concat(id, ',') FROM (SELECT id FROM {table} ORDER BY id)");
            db.query_row(&sql, [], |row| row.get(0)).expect("asks")
        };
        let clear = |db: &mut rusqlite::Connection, retention: Retention| {
            let tx = db.transaction().expect("begins");
            let cleared = retention.clear(&tx, &store, 100).expect("clears");
            tx.commit().expect("commits");
            cleared
        };
        assert_eq!(clear(&mut db, Retention::default()), 0);
        assert_eq!(clear(&mut db, Retention { tasks: Some(30), ..Retention::default() }), 1);
        assert_eq!(left(&db, "tasks"), "new,open");
        assert_eq!(left(&db, "commands"), "new", "it told the task's title");
        assert_eq!(
            (left(&db, "journal_entries"), left(&db, "attachments")),
            ("new,old".to_owned(), "new,old".to_owned())
        );
        let rest = Retention { journal: Some(30), conversations: Some(30), ..Retention::default() };
        clear(&mut db, rest);
        assert_eq!(
            (left(&db, "journal_entries"), left(&db, "attachments")),
            ("new".to_owned(), "new".to_owned())
        );
        assert_eq!(
            (left(&db, "conversations"), left(&db, "messages")),
            ("goes on,new".to_owned(), "goes on".to_owned())
        );
        let logs: i64 =
            db.query_row("SELECT count(*) FROM stream_chunks", [], |row| row.get(0)).expect("asks");
        assert_eq!(logs, 0);
    }
}
