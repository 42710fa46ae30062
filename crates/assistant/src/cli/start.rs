//! What every long command starts with: runtime, database, schema, health, the runner of answers.

use std::{path::Path, sync::Arc, time::Duration};

use kit::{
    Drain,
    health::{Check, Health, Weight},
    jobs::runner::Runner,
    metrics::Metrics,
    migrations::MigrateError,
    sqlite::{Database, DbError, open_writer},
};
use rusqlite::ErrorCode;
use tokio::{runtime::Runtime, sync::Notify};

use super::Failed;
use crate::{
    answer::{Answers, figures},
    chat, ids,
    model::Model,
    schema::MIGRATIONS,
    settings::Settings,
};

/// Bound: answers that one process writes at once.
const ANSWERS_AT_ONCE: usize = 64;

/// Of the checks of models, in the order in which they are asked.
const NAMES: [&str; 6] = ["model", "model_2", "model_3", "model_4", "model_5", "model_6"];

pub(super) fn runtime() -> Result<Runtime, Failed> {
    let built = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(16)
        .enable_all()
        .build();
    built.map_err(|error| Failed::to("the runtime cannot start", error))
}

/// Opens the database, migrating it first where this process may.
pub(super) async fn database(settings: &Settings) -> Result<Database, Failed> {
    let path = settings.database();
    std::fs::create_dir_all(&settings.data).map_err(|error| {
        Failed::to(&format!("the folder {} cannot be made", settings.data.display()), error)
    })?;
    if settings.migrates {
        let migrate = || -> Result<Vec<u64>, MigrateError> { MIGRATIONS.up(&mut open_writer(&path)?) };
        match migrate() {
            Ok(applied) if applied.is_empty() => {}
            Ok(applied) => tracing::info!(?applied, "the database was migrated"),
            // Rolled back to this release while the database is ahead: the contract below decides.
            Err(MigrateError::Future { .. }) => {}
            Err(MigrateError::Db(error)) => return Err(unreadable(&path, error)),
            Err(error) => return Err(Failed::to("the database cannot be migrated", error)),
        }
    }
    let db = Database::open(&path).map_err(|error| unreadable(&path, error))?;
    if let Err(error) = admitted(&db).await {
        // Started all the same: it shows why it is not ready, and becomes so when the database is migrated.
        tracing::error!(error, "this release does not fit the database");
    }
    Ok(db)
}

/// A file that is no database, or no whole one, is left as it is: a person decides what becomes of it.
pub(super) fn unreadable(path: &Path, error: DbError) -> Failed {
    let code = if let DbError::Sqlite(error) = &error { error.sqlite_error_code() } else { None };
    let remedy = match code {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            "; it was left as it is. Put a backup in its place, or move it away with its -wal and -shm files to begin anew"
        }
        Some(ErrorCode::DiskFull) => "; make room on its disk, nothing that was written is lost",
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            "; it must be readable and writable, and its folder too, for the account that runs this"
        }
        _ => "",
    };
    Failed::to(&format!("{} cannot be used", path.display()), format!("{error}{remedy}"))
}

/// Whether this code may run on the database as it is now. Writes are refused while it may not.
async fn admitted(db: &Database) -> Result<(), String> {
    let state = db
        .read(|connection| MIGRATIONS.state(connection))
        .await
        .map_err(|error: DbError| error.to_string())?;
    let admitted = MIGRATIONS.admit(state).map_err(|error| error.to_string());
    db.refuse_writes(admitted.is_err());
    admitted
}

/// Health of what this process owns, and of the models beside it.
pub(super) fn health(db: &Database, models: &[Model], drain: &Drain) -> Health {
    let health = Health::new(drain.clone());
    let (reads, fits) = (db.clone(), db.clone());
    health.watch(Check::new("database", Weight::Ready, move || {
        let db = reads.clone();
        async move {
            db.read(|connection| {
                Ok::<_, DbError>(connection.query_row(
                    "SELECT count(*) FROM sqlite_schema",
                    [],
                    |_| Ok(()),
                )?)
            })
            .await
            .map_err(|error| error.to_string())
        }
    }));
    health.watch(Check::new("schema", Weight::Ready, move || {
        let db = fits.clone();
        async move { admitted(&db).await }
    }));
    for (name, model) in NAMES.into_iter().zip(models) {
        let model = model.clone();
        let check = Check::new(name, Weight::Detail, move || {
            let model = model.clone();
            async move { model.ping().await }
        });
        health.watch(check.within(Duration::from_secs(6)).every(Duration::from_secs(30)));
    }
    health
}

/// The figures of this process.
pub(super) fn metrics() -> Metrics {
    let metrics = Metrics::for_http();
    figures::declare(&metrics);
    metrics
}

/// The models that are set, in the order in which they are asked.
pub(super) fn models(settings: &Settings) -> Vec<Model> {
    settings.models.iter().cloned().map(Model::new).collect()
}

/// Runs answers in this process.
pub(super) fn answers(
    db: &Database,
    settings: &Settings,
    parts: (Vec<Model>, Metrics),
    wake: &Arc<Notify>,
    drain: &Drain,
) {
    let (models, metrics) = parts;
    let (budget, pace) = (settings.budget, settings.builtin_pace);
    let work = Answers { db: db.clone(), models, budget, metrics, pace };
    let owner = format!("{} {}", settings.instance.as_deref().unwrap_or("assistant"), ids::new_id());
    Runner { db: db.clone(), queue: chat::QUEUE, owner, at_once: ANSWERS_AT_ONCE, work }
        .start(Arc::clone(wake), drain);
}

/// The drain of this process, listening for its signals.
pub(super) fn drain(settings: &Settings) -> Result<Drain, Failed> {
    let drain = Drain::new(settings.drain_limit);
    drain.watch_signals().map_err(|error| Failed::to("signals cannot be listened for", error))?;
    Ok(drain)
}
