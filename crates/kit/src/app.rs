//! The parts put together as most apps want them: one handle that is started first and serves last.
//!
//! Decides nothing that the parts do not; an app that needs another order uses them by themselves. [`Kit::start`] is for
//! `main`, [`Kit::new`] for tests and for apps with logs or signals of their own.
//!
//! ```no_run
//! # use std::time::Duration;
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let kit = kit::Kit::start("hello", "info", Duration::from_secs(25))?;
//! let router = axum::Router::new().route("/", axum::routing::get(|| async { "hello" }));
//! kit.serve(&"tcp:127.0.0.1:3000".parse()?, router).await?;
//! # Ok(())
//! # }
//! ```

use std::{io, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    Drain,
    health::{
        Check, Health,
        dialect::{About, Dialect, Figures, Reporter},
    },
    logs::{self, Level},
    metrics::{CONTENT_TYPE, Metrics, came_directly},
    serve::{Bound, Listen, ListenError, serve},
};

#[cfg(feature = "migrations")]
pub mod database;
pub mod observe;

#[cfg(test)]
mod tests;

/// One process of an app; clones are the same.
#[derive(Clone)]
pub struct Kit {
    name: String,
    drain: Drain,
    health: Health,
    metrics: Metrics,
}

/// Why [`Kit::serve`] ended badly.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Nothing was served.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The listener broke.
    #[error("serving: {0}")]
    Serve(io::Error),
}

impl Kit {
    /// Starts logging and listening for signals: SIGTERM and SIGINT stop, SIGUSR1 asks for no new long work, SIGUSR2
    /// changes between `level` and `debug`. `limit`: from SIGTERM to the end of the process at the latest; below what the
    /// supervisor waits. Needs a running tokio.
    ///
    /// # Errors
    /// The kernel refuses a handler.
    pub fn start(name: &str, level: &str, limit: Duration) -> io::Result<Self> {
        let handle = logs::start(name, level);
        let drain = Drain::new(limit);
        drain.watch_signals()?;
        change_level_when_asked(handle, level.to_owned())?;
        Ok(Self::new(name, drain))
    }

    /// Touches neither logs nor signals. Needs a running tokio.
    pub fn new(name: &str, drain: Drain) -> Self {
        let health = Health::new(drain.clone());
        let metrics = Metrics::for_http();
        let asked = health.clone();
        metrics.asked("database_health_status", "1 while the database answers, else 0", move || {
            let checks = asked.snapshot().checks;
            let database = checks.iter().find(|check| check.name == "database")?;
            Some(i64::from(database.status == "ok"))
        });
        Self { name: name.to_owned(), drain, health, metrics }
    }

    /// Names this process in what several processes share, such as the table of jobs; else it is the app's name.
    #[must_use]
    pub fn named(mut self, instance: &str) -> Self {
        instance.clone_into(&mut self.name);
        self
    }

    /// The stop of this process.
    pub fn drain(&self) -> &Drain {
        &self.drain
    }

    /// The checks of this process.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// The figures of this process.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Adds a check and starts running it.
    pub fn check(&self, check: Check) {
        self.health.watch(check);
    }

    /// Tells health in `dialect`, with the figures of [`Kit::metrics`].
    pub fn reporter(&self, dialect: Dialect, about: About) -> Reporter {
        let metrics = self.metrics.clone();
        let figures = move || {
            let sums = metrics.sums();
            Figures {
                text: metrics.render(),
                answered: sums.answered,
                failed: sums.failed,
                refused: sums.refused,
                seconds: sums.took.as_secs_f64(),
            }
        };
        let figures = Some(std::sync::Arc::new(figures) as std::sync::Arc<dyn Fn() -> Figures + Send + Sync>);
        Reporter::new(self.health.clone(), dialect, About { figures, ..about })
    }

    /// Runs jobs of `queue` in this process until the drain hint, `at_once` at a time, and counts them in
    /// `jobs_total{queue,outcome}` and `jobs_running`. Poke what it returns when this process stored a job, so that it
    /// looks at once.
    #[cfg(feature = "jobs")]
    pub fn jobs<W: crate::jobs::runner::Work>(
        &self,
        db: &crate::sqlite::Database,
        queue: &'static str,
        at_once: usize,
        work: W,
    ) -> std::sync::Arc<tokio::sync::Notify> {
        let wake = std::sync::Arc::new(tokio::sync::Notify::new());
        self.metrics.counter("jobs_total", "Runs of jobs that ended in this process", &["queue", "outcome"]);
        self.metrics.gauge("jobs_running", "Jobs that run in this process");
        let metrics = self.metrics.clone();
        let owner = format!("{} {}", self.name, observe::new_id());
        crate::jobs::runner::Runner::new(db.clone(), queue, owner, at_once, work)
            .watched(move |moment| match moment {
                crate::jobs::runner::Moment::Began => metrics.shift("jobs_running", 1),
                crate::jobs::runner::Moment::Ended(outcome) => {
                    metrics.shift("jobs_running", -1);
                    metrics.add("jobs_total", &[queue, outcome.word()]);
                }
            })
            .start(std::sync::Arc::clone(&wake), &self.drain);
        wake
    }

    /// `/health/live`, `/health/ready`, `/api/health` and `/metrics`. What the last two show beyond a status is only for
    /// who comes directly, not through a proxy.
    pub fn routes<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        let reporter = self.reporter(Dialect::Plain, About::default());
        Router::new()
            .route("/metrics", get(scrape))
            .with_state(self.metrics.clone())
            .merge(reporter.routes(is_direct))
    }

    /// Serves `router` and [`Kit::routes`] at `listen` until the drain ends it; each request gets an id, a line in the log
    /// and its place in the metrics.
    ///
    /// # Errors
    /// It cannot listen, or the listener broke.
    pub async fn serve(&self, listen: &Listen, router: Router) -> Result<(), ServeError> {
        let bound = Bound::bind(listen).await?;
        let router = observe::observe(router.merge(self.routes()), &self.metrics);
        self.serve_as_it_is(bound, router).await.map_err(ServeError::Serve)
    }

    /// Serves a router that has all of its routes, until the drain ends it. Tells the supervisor that this is ready.
    ///
    /// # Errors
    /// The listener broke.
    pub async fn serve_as_it_is(&self, bound: Bound, router: Router) -> io::Result<()> {
        tracing::info!(place = bound.place(), "serving");
        self.tell_ready();
        serve(bound, router, &self.drain).await?;
        tracing::info!("stopped");
        Ok(())
    }

    /// For a process that listens nowhere: tells the supervisor that it is ready, and returns when the drain has ended
    /// what ran.
    pub async fn work(&self) {
        tracing::info!("working");
        self.tell_ready();
        self.drain.stopping().await;
        if !self.drain.finished().await {
            tracing::warn!("work was still running at the limit");
        }
        tracing::info!("stopped");
    }

    fn tell_ready(&self) {
        if let Err(error) = crate::notify::ready() {
            tracing::warn!(%error, "the supervisor could not be told that this is ready");
        }
    }
}

fn is_direct(headers: &HeaderMap) -> bool {
    came_directly(headers.keys().map(header::HeaderName::as_str))
}

async fn scrape(State(metrics): State<Metrics>, headers: HeaderMap) -> Response {
    if !is_direct(&headers) {
        return StatusCode::NOT_FOUND.into_response();
    }
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], metrics.render()).into_response()
}

fn change_level_when_asked(level: Level, usual: String) -> io::Result<()> {
    let mut asked = signal(SignalKind::user_defined2())?;
    tokio::spawn(async move {
        let mut is_usual = true;
        while asked.recv().await.is_some() {
            is_usual = !is_usual;
            level.set(if is_usual { &usual } else { "debug" });
        }
    });
    Ok(())
}
