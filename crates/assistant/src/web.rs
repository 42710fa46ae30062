//! The HTTP side: pages for people, JSON for programs, one table of routes for both and for the description.
//!
//! Handlers read a request, call `command`, `chat` or `brain` in one transaction, and word the answer. They decide
//! nothing about the data.

use std::{path::PathBuf, sync::Arc};

use axum::{Router, middleware, routing::get};
use governor::DefaultDirectRateLimiter;
use kit::{
    Drain, Kit, Private,
    health::dialect::Reporter,
    live::Live,
    metrics::Metrics,
    sqlite::{Database, Durability},
};
use tokio::sync::{Notify, Semaphore};

use crate::{
    accounts::{Account, Accounts},
    attachments::{store::Store, upload::Uploads},
    error,
    once::{self, Key, Reply},
    retention::Retention,
    settings::{Budget, ModelSettings, Settings},
};

mod api;
mod assets;
mod guard;
pub(crate) mod json;
mod markdown;
pub(crate) mod openapi;
mod pages;
mod problem;
mod reports;
mod request;
mod routes;
mod session;
mod spool;

#[cfg(test)]
mod tests;

/// What handlers share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App {
    inner: Arc<Inner>,
}

struct Inner {
    db: Database,
    live: Live,
    drain: Drain,
    reporter: Reporter,
    metrics: Metrics,
    accounts: Accounts,
    /// Poked when a job was stored, so that this process looks at once.
    wake: Arc<Notify>,
    release: Option<u64>,
    instance: Option<String>,
    /// In the order in which they are asked.
    models: Vec<ModelSettings>,
    budget: Budget,
    metrics_token: Option<Private<String>>,
    reports: DefaultDirectRateLimiter,
    uploads: Uploads,
    exports: Semaphore,
    imports: Semaphore,
    /// The data folder.
    data: PathBuf,
    retention: Retention,
}

/// The parts that `cli::web` has started.
pub(crate) struct Parts {
    pub(crate) kit: Kit,
    pub(crate) db: Database,
    pub(crate) live: Live,
    pub(crate) reporter: Reporter,
    pub(crate) accounts: Accounts,
    pub(crate) wake: Arc<Notify>,
}

impl App {
    pub(crate) fn new(parts: Parts, settings: &Settings) -> Self {
        let Parts { kit, db, live, reporter, accounts, wake } = parts;
        let help = "Reports of browsers that something on a page was blocked";
        kit.metrics().counter(reports::REPORTS, help, &["directive"]);
        let uploads = Uploads::new(db.clone(), Store::new(&settings.data));
        let inner = Inner {
            db,
            live,
            drain: kit.drain().clone(),
            reporter,
            metrics: kit.metrics().clone(),
            accounts,
            wake,
            release: settings.release,
            instance: settings.instance.clone(),
            models: settings.models.clone(),
            budget: settings.budget,
            metrics_token: settings.metrics_token.clone(),
            reports: reports::limiter(),
            uploads,
            exports: Semaphore::new(api::data::EXPORTS_AT_ONCE),
            imports: Semaphore::new(api::data::IMPORTS_AT_ONCE),
            data: settings.data.clone(),
            retention: settings.retention,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Everything that this process answers.
    pub(crate) fn router(&self) -> Router {
        let health = self.inner.reporter.probes();
        let routes = routes::TABLE
            .iter()
            .fold(Router::new(), |router, route| router.route(route.path, (route.handler)()));
        let of_dialect = self.inner.reporter.dialect().paths().iter().map(|(path, _)| *path);
        let routes = of_dialect
            .filter(|path| routes::TABLE.iter().all(|route| route.path != *path))
            .fold(routes, |router, path| router.route(path, get(api::meta::health)));
        routes
            .merge(pages::routes())
            .merge(health)
            .fallback(problem::no_such_page)
            .method_not_allowed_fallback(problem::wrong_method)
            .layer(middleware::from_fn_with_state(self.clone(), guard::guard))
            .with_state(self.clone())
    }

    /// Runs `work` in one transaction for `who`, once for `key`.
    async fn change(
        &self,
        who: &Account,
        key: Option<Key>,
        work: impl FnOnce(&rusqlite::Transaction<'_>, &Account) -> error::Result<Reply> + Send + 'static,
    ) -> error::Result<Reply> {
        let who = who.clone();
        self.inner
            .db
            .write(Durability::Full, move |tx| once::once(tx, &who.id, key.as_ref(), || work(tx, &who)))
            .await
    }

    /// What was answered under `key` before, if it was.
    async fn answered(&self, who: &Account, key: Option<&Key>) -> error::Result<Option<Reply>> {
        let Some(key) = key.cloned() else { return Ok(None) };
        let account = who.id.clone();
        self.read(move |db| once::answered(db, &account, &key)).await
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&rusqlite::Connection) -> error::Result<T> + Send + 'static,
    ) -> error::Result<T> {
        self.inner.db.read(query).await
    }
}
