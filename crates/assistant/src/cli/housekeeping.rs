//! Clears away what has had its time: old sessions, remembered answers to repeated requests, logs of finished answers.

use std::time::Duration;

use kit::{
    Drain, clock,
    sqlite::{Database, Durability},
};
use rusqlite::{Transaction, params};

use crate::{accounts, brain::kept, day, error, once};

const EVERY: Duration = Duration::from_secs(600);
/// Logs of finished answers stay so long for readers that come back; the text stays in the message.
const LOGS_KEPT_MS: i64 = 24 * 3_600 * 1_000;
/// Deleted conversations can be brought back for so long.
const DELETED_KEPT_MS: i64 = 30 * 24 * 3_600 * 1_000;
const CHANGES_KEPT_MS: i64 = 3_600 * 1_000;
const DAYS_KEPT_MS: i64 = 30 * 24 * 3_600 * 1_000;
/// Bound: rows that one transaction deletes, so that nobody's writing waits for it.
const ROWS_MAX: i64 = 2_000;

pub(super) async fn run(db: Database, drain: Drain) {
    loop {
        match db.write(Durability::Process, clear).await {
            // As many as fit: there may be more.
            Ok(cleared) if cleared >= ROWS_MAX as usize => continue,
            Ok(cleared) => tracing::debug!(cleared, "housekeeping"),
            Err(error) => tracing::warn!(%error, "housekeeping failed; it will be tried again"),
        }
        tokio::select! {
            () = drain.stopping() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

fn clear(tx: &Transaction<'_>) -> error::Result<usize> {
    let now = clock::now_ms();
    let old = |table: &str, column: &str, kept_ms: i64| -> error::Result<usize> {
        let sql = format!(
            "DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} WHERE {column} < ?1 LIMIT ?2)"
        );
        Ok(tx.execute(&sql, params![now - kept_ms, ROWS_MAX])?)
    };
    let mut most = old("sessions", "seen_at", accounts::IDLE_MS)?;
    most = most.max(old("sign_up_links", "expires_at", 0)?);
    most = most.max(old("answered", "at", once::KEPT_MS)?);
    most = most.max(old("answers", "at", kept::KEPT_MS)?);
    most = most.max(old("changes", "at", CHANGES_KEPT_MS)?);
    most = most.max(old("reminders", "seen_at", DAYS_KEPT_MS)?);
    most = most.max(old("summaries", "made_at", DAYS_KEPT_MS)?);
    let days = "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE queue = ?3 AND state = 'done' AND finished_at < ?1 LIMIT ?2)";
    most = most.max(tx.execute(days, params![now - LOGS_KEPT_MS, ROWS_MAX, day::QUEUE])?);
    most = most.max(old("conversations", "deleted_at", DELETED_KEPT_MS)?);
    // Days are text, and such text sorts as days do.
    let spent = "DELETE FROM model_spending WHERE rowid IN (SELECT rowid FROM model_spending WHERE day < date(?1 / 1000, 'unixepoch', '-40 days') LIMIT ?2)";
    most = most.max(tx.execute(spent, params![now, ROWS_MAX])?);
    let logs = "DELETE FROM stream_chunks WHERE id IN (SELECT c.id FROM stream_chunks c JOIN jobs j ON j.queue = 'answer' AND j.subject = c.stream
                WHERE j.finished_at < ?1 LIMIT ?2)";
    Ok(most.max(tx.execute(logs, params![now - LOGS_KEPT_MS, ROWS_MAX])?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_old_is_cleared() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut db = kit::sqlite::open_writer(&folder.path().join("t.db")).expect("opens");
        crate::schema::MIGRATIONS.up(&mut db).expect("migrates");
        let now = clock::now_ms();
        db.execute_batch(&format!(
            "INSERT INTO accounts VALUES ('a', 'ana', '', 'UTC', 0);
             INSERT INTO sessions (token_hash, account_id, created_at, seen_at) VALUES ('old', 'a', 0, 0), ('new', 'a', {now}, {now});
             INSERT INTO sign_up_links VALUES ('old', 1), ('new', {now} + 60000);
             INSERT INTO answered VALUES ('a', 'old', '', 200, '{{}}', 0), ('a', 'new', '', 200, '{{}}', {now});
             INSERT INTO answers VALUES ('old', 'a', '', '', '', 0, NULL), ('new', 'a', '', '', '', {now}, NULL);
             INSERT INTO conversations (id, account_id, title, created_at, updated_at, deleted_at) VALUES
                ('old', 'a', '', 0, 0, 1), ('new', 'a', '', 0, 0, {now}), ('open', 'a', '', 0, 0, NULL);
             INSERT INTO model_spending VALUES ('old', 'a', '2020-01-01', 'm', 1, 1, 1), ('new', 'a', date('now'), 'm', 1, 1, 1);
             INSERT INTO jobs (id, queue, subject, state, attempts_max, created_at, finished_at) VALUES
                ('4', 'day', 'task old', 'done', 5, 0, 1), ('5', 'day', 'task new', 'done', 5, 0, {now}),
                ('1', 'answer', 'old', 'done', 5, 0, 1), ('2', 'answer', 'new', 'done', 5, 0, {now}), ('3', 'answer', 'open', 'running', 5, 0, NULL);
             INSERT INTO reminders VALUES ('old', 'a', 't', '', 1, 1, 1, 1), ('unseen', 'a', 't', '', 2, 1, 1, NULL), ('new', 'a', 't', '', 3, 1, 1, {now});
             INSERT INTO summaries VALUES ('a', '1970-01-01', '', 0), ('a', '2026-11-21', '', {now});
             INSERT INTO stream_chunks (stream, attempt, seq, kind, data) VALUES
                ('old', 1, 0, 'text', '{{}}'), ('new', 1, 0, 'text', '{{}}'), ('open', 1, 0, 'text', '{{}}')"
        ))
        .expect("fills");
        let tx = db.transaction().expect("begins");
        clear(&tx).expect("clears");
        tx.commit().expect("commits");
        let left = |sql: &str| -> String { db.query_row(sql, [], |row| row.get(0)).expect("asks") };
        assert_eq!(left("SELECT group_concat(token_hash) FROM sessions"), "new");
        assert_eq!(left("SELECT group_concat(token_hash) FROM sign_up_links"), "new");
        assert_eq!(left("SELECT group_concat(key) FROM answered"), "new");
        assert_eq!(left("SELECT group_concat(id) FROM answers"), "new");
        assert_eq!(left("SELECT group_concat(id) FROM conversations"), "new,open");
        assert_eq!(left("SELECT group_concat(id) FROM model_spending"), "new");
        assert_eq!(left("SELECT group_concat(stream) FROM stream_chunks"), "new,open");
        assert_eq!(left("SELECT group_concat(id ORDER BY id) FROM reminders"), "new,unseen");
        assert_eq!(left("SELECT group_concat(day) FROM summaries"), "2026-11-21");
        assert_eq!(left("SELECT group_concat(subject) FROM jobs WHERE queue = 'day'"), "task new");
    }
}
