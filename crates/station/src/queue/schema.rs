//! The tables.

use std::path::Path;

use rusqlite::Connection;

/// Version of the file; a station reads this one and the one before.
pub const FORMAT: u32 = 1;

const TABLES: &str = "
    CREATE TABLE cursor (keeper TEXT NOT NULL, after INTEGER NOT NULL);
    CREATE TABLE known (id TEXT PRIMARY KEY, keeper TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE event (id TEXT PRIMARY KEY, name TEXT NOT NULL, site TEXT, body TEXT NOT NULL);
    CREATE TABLE delivery (
        seq INTEGER PRIMARY KEY, event TEXT NOT NULL REFERENCES event, hook TEXT NOT NULL,
        tries INTEGER NOT NULL, next_ms INTEGER NOT NULL, delay_ms INTEGER NOT NULL, UNIQUE (event, hook)
    );
    CREATE INDEX due ON delivery (hook, next_ms);
    CREATE TABLE hook (
        key TEXT PRIMARY KEY, delivered INTEGER NOT NULL DEFAULT 0, dead INTEGER NOT NULL DEFAULT 0,
        last_delivery TEXT, last_error TEXT
    );
    CREATE TABLE dead (seq INTEGER PRIMARY KEY, told TEXT NOT NULL);
";

/// Opens the file, made if it is not there.
pub(super) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let mut db = Connection::open(path)?;
    // One process has it open. Temporary tables stay in memory: there is no folder for them.
    db.execute_batch(
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         PRAGMA temp_store = MEMORY; PRAGMA cache_size = -512;",
    )?;
    let change = db.transaction()?;
    let own = machine::formats::current(FORMAT);
    let found: u32 = change.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match found {
        0 => {
            change.execute_batch(TABLES)?;
            change.pragma_update(None, "user_version", own)?;
        }
        known if known <= own => change.pragma_update(None, "user_version", own)?,
        newer => {
            let words = format!("the queue has the format {newer}; this station reads up to {own}");
            return Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(1), Some(words)));
        }
    }
    change.commit()?;
    Ok(db)
}
