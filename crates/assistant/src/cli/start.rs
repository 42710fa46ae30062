//! What every long command starts with: runtime, kit, database, model, the runner of answers.

use std::{sync::Arc, time::Duration};

use kit::{
    Kit,
    app::database::{self, OpenError},
    health::{Check, Weight, dialect::About, dialect::Reporter, resources},
    sqlite::{Database, DbError, Durability},
};
use rusqlite::Transaction;
use tokio::{runtime::Runtime, sync::Notify};

use super::Failed;
use crate::{
    answer::{Answers, figures},
    chat,
    day::{self, Days},
    model::Model,
    schema::MIGRATIONS,
    settings::Settings,
};

/// Bound: answers that one process writes at once.
const ANSWERS_AT_ONCE: usize = 64;
/// Of the checks of models, in the order in which they are asked.
const NAMES: [&str; 6] = ["model", "model_2", "model_3", "model_4", "model_5", "model_6"];
/// Bound: reminders and summaries; each is one short transaction.
const DAYS_AT_ONCE: usize = 4;

impl From<OpenError> for Failed {
    fn from(error: OpenError) -> Self {
        Self::Other(error.to_string())
    }
}

pub(super) fn runtime() -> Result<Runtime, Failed> {
    let built = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(16)
        .enable_all()
        .build();
    built.map_err(|error| Failed::to("the runtime cannot start", error))
}

/// Logs, signals, health, metrics.
pub(super) fn kit(settings: &Settings) -> Result<Kit, Failed> {
    let kit = Kit::start("assistant", &settings.log_level, settings.drain_limit)
        .map_err(|error| Failed::to("signals cannot be listened for", error))?;
    Ok(kit.named(settings.instance.as_deref().unwrap_or("assistant")))
}

/// The database for a command that ends by itself.
pub(super) async fn opened(settings: &Settings) -> Result<Database, Failed> {
    let db = database::open(&settings.database(), MIGRATIONS, settings.migrates).await?;
    overwrite_what_is_deleted(&db).await;
    Ok(db)
}

/// Opens the database, migrating it first where this process may, and watches it.
pub(super) async fn database(kit: &Kit, settings: &Settings) -> Result<Database, Failed> {
    let db = kit.database(&settings.database(), MIGRATIONS, settings.migrates).await?;
    overwrite_what_is_deleted(&db).await;
    Ok(db)
}

/// In every table, from here on.
async fn overwrite_what_is_deleted(db: &Database) {
    let overwrite = |tx: &Transaction<'_>| Ok::<_, DbError>(tx.pragma_update(None, "secure_delete", true)?);
    if let Err(error) = db.write(Durability::Process, overwrite).await {
        tracing::warn!(%error, "what is deleted until the next start is overwritten only when an account is erased");
    }
}

/// The models of the settings in the order in which they are asked.
pub(super) fn models(kit: &Kit, settings: &Settings) -> Vec<Model> {
    figures::declare(kit.metrics());
    settings.models.iter().cloned().map(Model::new).collect()
}

/// Beside what decides readiness.
pub(super) fn watch(kit: &Kit, models: &[Model]) {
    for (name, model) in NAMES.into_iter().zip(models) {
        let model = model.clone();
        let check = Check::new(name, Weight::Detail, move || {
            let model = model.clone();
            async move { model.ping().await }
        });
        kit.check(check.within(Duration::from_secs(6)).every(Duration::from_secs(30)));
    }
}

/// Tells health as the settings say.
pub(super) fn reporter(kit: &Kit, settings: &Settings) -> Reporter {
    kit.check(resources::memory());
    let about = About {
        version: env!("CARGO_PKG_VERSION"),
        environment: settings.environment.clone().unwrap_or_default(),
        // S3's third, gmailService, is a vendor's: it decides no readiness.
        services: &[("sessionService", "database"), ("authService", "database")],
        vendors: &[("google", "google"), ("openai", "model")],
        figures: None,
    };
    kit.reporter(settings.health, about)
}

/// Runs answers in this process. Poke what it returns when one was asked for.
pub(super) fn answers(kit: &Kit, db: &Database, settings: &Settings, models: Vec<Model>) -> Arc<Notify> {
    let metrics = kit.metrics().clone();
    let (budget, pace) = (settings.budget, settings.builtin_pace);
    let work = Answers { db: db.clone(), models, budget, metrics, pace };
    kit.jobs(db, chat::QUEUE, ANSWERS_AT_ONCE, work)
}

/// Tells reminders and makes summaries in this process, and plans once what is missing: where no schedule runs
/// `plan-day`, a restart does.
pub(super) fn days(kit: &Kit, db: &Database) {
    kit.jobs(db, day::QUEUE, DAYS_AT_ONCE, Days { db: db.clone() });
    let db = db.clone();
    tokio::spawn(async move {
        match day::plan(&db).await {
            Ok(planned) => tracing::debug!(planned.accounts, planned.moved, "the day is planned"),
            Err(error) => tracing::info!(%error, "the day could not be planned at start; `plan-day` does it"),
        }
    });
}
