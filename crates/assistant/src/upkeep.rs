//! What keeps the promises on people's data without anybody asking: accounts erased when their time has come, kinds kept
//! no longer than the operator says, uploads that were given up, files that no row names.
//!
//! Each process does it, at its start and then again and again; what one did the other finds done.

use std::{path::PathBuf, time::Duration};

use kit::{
    Drain,
    sqlite::{Database, Durability},
};
use rusqlite::OptionalExtension;

use crate::{
    attachments::{self, store::Store, upload},
    erase,
    error::{Error, Result},
    retention::Retention,
    settings::Settings,
};

const EVERY: Duration = Duration::from_secs(600);
/// After a run that failed.
const SOON: Duration = Duration::from_secs(60);
/// Bound: rows of a kind that one transaction takes, so that nobody's writing waits for it.
const ROWS_MAX: u32 = 1_000;
/// Files that no row names are left alone so long: they may be about to get one.
const LEFT_OVER: Duration = Duration::from_secs(24 * 3_600);

pub(crate) struct Upkeep {
    db: Database,
    store: Store,
    list: PathBuf,
    retention: Retention,
}

impl Upkeep {
    pub(crate) fn new(db: Database, settings: &Settings) -> Self {
        Self {
            db,
            store: Store::new(&settings.data),
            list: settings.data.join(erase::list::FILE),
            retention: settings.retention,
        }
    }

    pub(crate) async fn run(self, drain: Drain) {
        loop {
            let pause = match self.once().await {
                Ok(()) => EVERY,
                Err(error) => {
                    tracing::warn!(%error, "the upkeep of people's data failed; it will be tried again");
                    SOON
                }
            };
            tokio::select! {
                () = drain.stopping() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// # Errors
    /// The database's or the disk's. What can be done without the step that failed was done.
    pub(crate) async fn once(&self) -> Result<()> {
        let erased = self.erase().await;
        self.clear().await?;
        self.sweep().await?;
        erase::scrub::run(&self.db).await?;
        erased
    }

    async fn erase(&self) -> Result<()> {
        let again = erase::replay(&self.db, &self.store, &self.list).await?;
        if again > 0 {
            tracing::warn!(
                accounts = again,
                "accounts that had been erased came back with an older database; they were erased again"
            );
        }
        erase::run_due(&self.db, &self.store, &self.list).await?;
        Ok(())
    }

    async fn clear(&self) -> Result<()> {
        loop {
            let (store, retention) = (self.store.clone(), self.retention);
            let cleared = self
                .db
                .write(Durability::Process, move |tx| {
                    let overdue = attachments::overdue(tx, ROWS_MAX)?;
                    for (account, id) in &overdue {
                        upload::remove(tx, &store, account, id)?;
                    }
                    Ok::<_, Error>(overdue.len().max(retention.clear(tx, &store, ROWS_MAX)?))
                })
                .await?;
            // As many as fit: there may be more.
            if cleared < ROWS_MAX as usize {
                return Ok(());
            }
        }
    }

    /// Files whose row is gone, or was never committed.
    async fn sweep(&self) -> Result<()> {
        let store = self.store.clone();
        self.db
            .write(Durability::Process, move |tx| {
                for (account, name, coming) in
                    store.old(LEFT_OVER).map_err(attachments::store::StoreError::from)?
                {
                    let column = if coming { "id" } else { "digest" };
                    let sql = format!("SELECT 1 FROM attachments WHERE account_id = ?1 AND {column} = ?2");
                    if tx.query_row(&sql, [&account, &name], |_| Ok(())).optional()?.is_some() {
                        continue;
                    }
                    let removed =
                        if coming { store.discard(&account, &name) } else { store.remove(&account, &name) };
                    removed.map_err(attachments::store::StoreError::from)?;
                }
                for account in store.accounts().map_err(attachments::store::StoreError::from)? {
                    let sql = "SELECT 1 FROM accounts WHERE id = ?1";
                    if tx.query_row(sql, [&account], |_| Ok(())).optional()?.is_none() {
                        store.erase(&account).map_err(attachments::store::StoreError::from)?;
                    }
                }
                Ok(())
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File},
        path::Path,
        time::SystemTime,
    };

    use super::*;

    fn lay(path: &Path, age: Duration) {
        fs::create_dir_all(path.parent().expect("a folder")).expect("makes");
        let file = File::create_new(path).expect("makes");
        file.set_modified(SystemTime::now() - age).expect("ages");
    }

    fn migrated() -> (tempfile::TempDir, rusqlite::Connection) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut db = kit::sqlite::open_writer(&folder.path().join("assistant.db")).expect("opens");
        crate::schema::MIGRATIONS.up(&mut db).expect("migrates");
        (folder, db)
    }

    fn upkeep(folder: &Path, retention: Retention) -> Upkeep {
        Upkeep {
            db: Database::open(&folder.join("assistant.db")).expect("opens"),
            store: Store::new(folder),
            list: folder.join(erase::list::FILE),
            retention,
        }
    }

    #[tokio::test]
    async fn files_that_no_row_names_go_after_a_day_and_those_of_nobody_at_once() {
        let (folder, db) = migrated();
        db.execute_batch(
            "INSERT INTO accounts (id, name, password, zone, created_at) VALUES ('a', 'ana', '', 'UTC', 0);
             INSERT INTO journal_entries (id, account_id, day, text, created_at, rev) VALUES ('e', 'a', '2026-11-21', 'x', 0, 1);
             INSERT INTO attachments (id, account_id, entry_id, name, size, media, digest, created_at) VALUES
                ('f', 'a', 'e', 'x', 1, 'text/plain', 'needed', 0)",
        )
        .expect("fills");
        let files = folder.path().join("files");
        let day = LEFT_OVER + Duration::from_secs(60);
        for (name, age) in [
            ("a/needed", day),
            ("a/left over", day),
            ("a/just placed", Duration::ZERO),
            ("a/incoming/given up", day),
            ("a/incoming/comes", Duration::ZERO),
            ("of nobody/x", Duration::ZERO),
        ] {
            lay(&files.join(name), age);
        }
        let upkeep = upkeep(folder.path(), Retention::default());
        upkeep.once().await.expect("runs");
        let there = |name: &str| files.join(name).exists();
        assert!(there("a/needed") && there("a/just placed") && there("a/incoming/comes"));
        assert!(!there("a/left over") && !there("a/incoming/given up") && !there("of nobody"));
    }

    #[tokio::test]
    async fn a_list_that_cannot_be_read_erases_nobody_and_the_rest_goes_on() {
        let (folder, db) = migrated();
        db.execute_batch(
            "INSERT INTO accounts (id, name, password, zone, created_at) VALUES ('a', 'ana', '', 'UTC', 0);
             INSERT INTO erasures VALUES ('a', 0, 1);
             INSERT INTO tasks (id, account_id, title, state, created_at, done_at, rev) VALUES ('t', 'a', 'x', 'done', 0, 1, 1)",
        )
        .expect("fills");
        let list = folder.path().join(erase::list::FILE);
        fs::write(&list, "edited by hand\n").expect("writes");
        let upkeep = upkeep(folder.path(), Retention { tasks: Some(1), ..Retention::default() });
        assert!(upkeep.once().await.is_err_and(|error| error.to_string().contains("line 1")));
        let left = |db: &rusqlite::Connection, table: &str| -> i64 {
            db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).expect("asks")
        };
        assert_eq!((left(&db, "accounts"), left(&db, "tasks")), (1, 0));
        fs::remove_file(&list).expect("mended");
        upkeep.once().await.expect("runs");
        assert_eq!((left(&db, "accounts"), left(&db, "scrubs")), (0, 0));
        assert!(!fs::read_to_string(&list).expect("a list").is_empty());
    }
}
