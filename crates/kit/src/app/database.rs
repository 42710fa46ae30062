//! A database that is migrated, fits the code, and says so: opened in one step.

use std::{
    io,
    path::{Path, PathBuf},
};

use rusqlite::ErrorCode;

use super::Kit;
use crate::{
    health::{Check, Weight, resources},
    migrations::{MigrateError, Migrations},
    sqlite::{Database, DbError, open_writer},
};

/// Why a database could not be opened; each names the place, and the remedy where there is one.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its folder.
    #[error("the folder {} cannot be made: {cause}", folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// The kernel's word.
        cause: io::Error,
    },
    /// A file that is no database, or no whole one, is left as it is: a person decides what becomes of it.
    #[error("{} cannot be used: {cause}{}", path.display(), remedy(cause))]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// SQLite's word.
        cause: DbError,
    },
    /// A step failed, or the database knows other steps.
    #[error("the database cannot be migrated: {0}")]
    Migrate(MigrateError),
}

impl OpenError {
    /// For programs that open the file themselves.
    pub fn unusable(path: &Path, cause: DbError) -> Self {
        Self::Unusable { path: path.to_owned(), cause }
    }
}

fn remedy(cause: &DbError) -> &'static str {
    let code = if let DbError::Sqlite(error) = cause { error.sqlite_error_code() } else { None };
    match code {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            "; it was left as it is. Put a backup in its place, or move it away with its -wal and -shm files to begin anew"
        }
        Some(ErrorCode::DiskFull) => "; make room on its disk, nothing that was written is lost",
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            "; it must be readable and writable, and its folder too, for the account that runs this"
        }
        _ => "",
    }
}

/// Opens the database at `path`; makes it and its folder where they are missing. `migrates`: whether this process applies
/// what is missing; else whoever deploys does. A database that this code does not fit is opened all the same, and nothing
/// is written to it.
///
/// # Errors
/// The folder or the file cannot be used, or a step of the migration failed.
pub async fn open(path: &Path, migrations: Migrations, migrates: bool) -> Result<Database, OpenError> {
    make_folder_of(path)?;
    if migrates {
        migrate(path, migrations)?;
    }
    let db = Database::open(path).map_err(|cause| OpenError::unusable(path, cause))?;
    if let Err(error) = admitted(&db, migrations).await {
        tracing::error!(error, "this release does not fit the database");
    }
    Ok(db)
}

impl Kit {
    /// [`open`]s the database and watches it: checks `database` and `schema`, which decide readiness, and `disk`. Writes
    /// are taken as soon as the code fits.
    ///
    /// # Errors
    /// Those of [`open`].
    pub async fn database(
        &self,
        path: &Path,
        migrations: Migrations,
        migrates: bool,
    ) -> Result<Database, OpenError> {
        let db = open(path, migrations, migrates).await?;
        self.watch_database(&db, migrations);
        self.check(resources::disk(folder_of(path).to_owned()));
        Ok(db)
    }

    fn watch_database(&self, db: &Database, migrations: Migrations) {
        let (reads, fits, counted) = (db.clone(), db.clone(), db.clone());
        self.check(Check::new("database", Weight::Ready, move || {
            let db = reads.clone();
            async move { db.ping().await.map_err(|error| error.to_string()) }
        }));
        self.check(Check::new("schema", Weight::Ready, move || {
            let db = fits.clone();
            async move { admitted(&db, migrations).await }
        }));
        let help = "Readers of the database that are at work";
        self.metrics.asked("database_connections_active", help, move || {
            i64::try_from(counted.readers_at_work()).ok()
        });
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the folder that a database's file lies in, where it is missing.
///
/// # Errors
/// [`OpenError::Folder`].
pub fn make_folder_of(path: &Path) -> Result<(), OpenError> {
    let folder = folder_of(path);
    std::fs::create_dir_all(folder).map_err(|cause| OpenError::Folder { folder: folder.to_owned(), cause })
}

fn migrate(path: &Path, migrations: Migrations) -> Result<(), OpenError> {
    let applied = open_writer(path)
        .map_err(MigrateError::from)
        .and_then(|mut connection| migrations.up(&mut connection));
    match applied {
        Ok(applied) if applied.is_empty() => {}
        Ok(applied) => tracing::info!(?applied, "the database was migrated"),
        // Rolled back to this release while the database is ahead: the contract decides.
        Err(MigrateError::Future { .. }) => {}
        Err(MigrateError::Db(cause)) => return Err(OpenError::unusable(path, cause)),
        Err(error) => return Err(OpenError::Migrate(error)),
    }
    Ok(())
}

/// Whether this code may run on the database as it is now. Writes are refused while it may not.
async fn admitted(db: &Database, migrations: Migrations) -> Result<(), String> {
    let state = db
        .read(move |connection| migrations.state(connection))
        .await
        .map_err(|error: DbError| error.to_string())?;
    let admitted = migrations.admit(state).map_err(|error| error.to_string());
    db.refuse_writes(admitted.is_err());
    admitted
}
