//! Migrations up and down, one transaction each, with checksums and a contract between code and data.
//!
//! The contract: the database's state is (version, floor), floor being the highest `compatible_with` applied; code runs
//! on it when `schema_min <= version` and `schema >= floor`. So an old release can still be told to keep away from a
//! database that it cannot know. Expand first, contract a release later.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use sha2::{Digest, Sha256};

use crate::sqlite::DbError;

#[cfg(test)]
mod tests;

/// One step. What was released is never edited: its checksum is in people's databases.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// From 1, each one more than the last.
    pub version: u64,
    /// For people.
    pub name: &'static str,
    /// SQL, each text any number of statements.
    pub up: &'static [&'static str],
    /// What goes back to the version before. Loses what only this version can hold.
    pub down: &'static [&'static str],
    /// Lowest code schema that still works after it; its own version when it breaks all older code.
    pub compatible_with: u64,
}

/// All steps that this code knows, from 1 without gaps.
#[derive(Clone, Copy, Debug)]
pub struct Migrations {
    /// In the order of their versions.
    pub steps: &'static [Migration],
    /// Lowest version that this code runs on.
    pub schema_min: u64,
}

/// What the database says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct State {
    /// 0: nothing was ever applied.
    pub version: u64,
    /// The lowest schema that code may have which runs on it.
    pub floor: u64,
}

/// Why the database is not at the version that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The file or the table of versions cannot be used.
    #[error(transparent)]
    Db(#[from] DbError),
    /// Steps before it stay.
    #[error("migration {version} ({name}) failed, nothing of it remains: {cause}")]
    Step {
        /// Its version.
        version: u64,
        /// Its name.
        name: &'static str,
        /// SQLite's word.
        cause: rusqlite::Error,
    },
    /// What was released is never edited.
    #[error("migration {0} was changed after it had been applied: its checksum is another")]
    Edited(u64),
    /// Its steps are not known here.
    #[error(
        "the database is at version {found}, made by a later release; this one knows {known}: run its own `migrate down` with that release"
    )]
    Future {
        /// The database's version.
        found: u64,
        /// The newest that this code knows.
        known: u64,
    },
    /// Nothing was done.
    #[error("there is no version {0} to go to")]
    NoSuchVersion(u64),
    /// Of [`Migrations::admit`]: the code is newer than it may be.
    #[error("the database is at version {found}, this program needs {needed}: run `migrate up`")]
    TooOld {
        /// The database's version.
        found: u64,
        /// [`Migrations::schema_min`].
        needed: u64,
    },
    /// Of [`Migrations::admit`]: the code is older than it may be.
    #[error("the database refuses code below schema {floor}, this program is {schema}: use a later release")]
    Refused {
        /// [`State::floor`].
        floor: u64,
        /// [`Migrations::schema`].
        schema: u64,
    },
}

const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL,
    compatible_with INTEGER NOT NULL, applied_at INTEGER NOT NULL) STRICT";

impl Migration {
    /// Hex of SHA-256 over the statements that go up.
    pub fn checksum(&self) -> String {
        let mut hash = Sha256::new();
        self.up.iter().for_each(|sql| hash.update(sql.as_bytes()));
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Migrations {
    /// The schema that this code was written for.
    pub fn schema(&self) -> u64 {
        self.steps.last().map_or(0, |step| step.version)
    }

    /// Reads the state; a database without migrations is version 0.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn state(&self, connection: &Connection) -> Result<State, DbError> {
        let known: Option<i64> = connection
            .query_row(
                "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'",
                [],
                |row| row.get(0),
            )
            .optional()?;
        if known.is_none() {
            return Ok(State::default());
        }
        let sql =
            "SELECT coalesce(max(version), 0), coalesce(max(compatible_with), 0) FROM schema_migrations";
        Ok(connection.query_row(sql, [], |row| {
            Ok(State {
                version: row.get::<_, i64>(0)?.cast_unsigned(),
                floor: row.get::<_, i64>(1)?.cast_unsigned(),
            })
        })?)
    }

    /// Whether this code may run on the database.
    ///
    /// # Errors
    /// [`MigrateError::TooOld`] or [`MigrateError::Refused`].
    pub fn admit(&self, state: State) -> Result<(), MigrateError> {
        if state.version < self.schema_min {
            return Err(MigrateError::TooOld { found: state.version, needed: self.schema_min });
        }
        if self.schema() < state.floor {
            return Err(MigrateError::Refused { floor: state.floor, schema: self.schema() });
        }
        Ok(())
    }

    /// Applies what is missing. Returns the versions applied. Several processes may call it at once: each step is
    /// taken by one of them.
    ///
    /// # Errors
    /// A step fails (steps before it stay), or the database knows other migrations than this code.
    pub fn up(&self, connection: &mut Connection) -> Result<Vec<u64>, MigrateError> {
        connection.execute_batch(TABLE).map_err(DbError::from)?;
        self.check_applied(connection)?;
        let mut applied = Vec::new();
        for step in self.steps {
            if self.apply(connection, step)? {
                applied.push(step.version);
            }
        }
        Ok(applied)
    }

    /// Goes back to `target` (0: empty), newest first. Returns the versions undone.
    ///
    /// # Errors
    /// A step fails (steps before it stay), or the database was made by a later release.
    pub fn down(&self, connection: &mut Connection, target: u64) -> Result<Vec<u64>, MigrateError> {
        connection.execute_batch(TABLE).map_err(DbError::from)?;
        let state = self.check_applied(connection)?;
        if target > state.version {
            return Err(MigrateError::NoSuchVersion(target));
        }
        let mut undone = Vec::new();
        for step in
            self.steps.iter().rev().filter(|step| step.version > target && step.version <= state.version)
        {
            self.undo(connection, step)?;
            undone.push(step.version);
        }
        Ok(undone)
    }

    fn apply(&self, connection: &mut Connection, step: &Migration) -> Result<bool, MigrateError> {
        let failed = |cause| MigrateError::Step { version: step.version, name: step.name, cause };
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let version = step.version.cast_signed();
        // Looked up again under the lock: another process may have been faster.
        let done: bool = tx
            .query_row("SELECT count(*) > 0 FROM schema_migrations WHERE version = ?1", [version], |row| {
                row.get(0)
            })
            .map_err(failed)?;
        if done {
            return Ok(false);
        }
        step.up.iter().try_for_each(|sql| tx.execute_batch(sql)).map_err(failed)?;
        let row = params![
            version,
            step.name,
            step.checksum(),
            step.compatible_with.cast_signed(),
            crate::clock::now_ms()
        ];
        tx.execute("INSERT INTO schema_migrations VALUES (?1, ?2, ?3, ?4, ?5)", row).map_err(failed)?;
        tx.commit().map_err(failed)?;
        Ok(true)
    }

    fn undo(&self, connection: &mut Connection, step: &Migration) -> Result<(), MigrateError> {
        let failed = |cause| MigrateError::Step { version: step.version, name: step.name, cause };
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        step.down.iter().try_for_each(|sql| tx.execute_batch(sql)).map_err(failed)?;
        tx.execute("DELETE FROM schema_migrations WHERE version = ?1", [step.version.cast_signed()])
            .map_err(failed)?;
        tx.commit().map_err(failed)
    }

    /// What is applied is what this code knows, word for word. A version beyond it is an error here, since neither up
    /// nor down can be done well without its text.
    fn check_applied(&self, connection: &Connection) -> Result<State, MigrateError> {
        let state = self.state(connection)?;
        if state.version > self.schema() {
            return Err(MigrateError::Future { found: state.version, known: self.schema() });
        }
        for step in self.steps.iter().filter(|step| step.version <= state.version) {
            let sql = "SELECT checksum FROM schema_migrations WHERE version = ?1";
            let found: Option<String> = connection
                .query_row(sql, [step.version.cast_signed()], |row| row.get(0))
                .optional()
                .map_err(DbError::from)?;
            if found.is_some_and(|found| found != step.checksum()) {
                return Err(MigrateError::Edited(step.version));
            }
        }
        Ok(state)
    }
}
