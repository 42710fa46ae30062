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
    /// The database's or the disk's.
    pub(crate) async fn once(&self) -> Result<()> {
        let again = erase::replay(&self.db, &self.store, &self.list).await?;
        if again > 0 {
            tracing::warn!(
                accounts = again,
                "accounts that had been erased came back with an older database; they were erased again"
            );
        }
        erase::run_due(&self.db, &self.store, &self.list).await?;
        self.clear().await?;
        self.sweep().await?;
        erase::scrub::run(&self.db).await?;
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
