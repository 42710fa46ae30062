//! What an app needs to live well under a supervisor: configuration that fails with every mistake at once, logs and
//! metrics, health that never lies, a stop that finishes what it began, and SQLite with migrations, leased jobs and a
//! resumable log of streamed answers.
//!
//! Knows no supervisor and no other room: it speaks signals, environment, descriptors, HTTP and JSON lines, so it runs
//! under anything and under nothing. Each part is a cargo feature of the same name, stands alone and has an example of
//! its own; an app takes the ones it wants.
//!
//! | part | for | example |
//! |---|---|---|
//! | [`app`] | all of it in one handle | `notes` |
//! | [`config`] | settings, all mistakes at once | `config` |
//! | [`logs`] | JSON lines | `logs` |
//! | [`metrics`] | figures for a scraper | `metrics` |
//! | [`health`] | live, ready, details, dialects | `health` |
//! | [`serve`], [`drain`] | sockets, and how a process ends | `serve` |
//! | [`sqlite`], [`migrations`] | the database and its versions | `sqlite`, `migrations` |
//! | [`jobs`] | work that outlives its process | `jobs` |
//! | [`stream`], [`live`] | answers that outlive a deploy, changes as they come | `stream`, `live` |
//!
//! Start at [`app`] and `docs/guide/kit.md`.

#![warn(missing_docs)]
// A part that is built alone cannot link to those that are not.
#![cfg_attr(not(feature = "app"), allow(rustdoc::broken_intra_doc_links))]

pub mod clock;
pub mod notify;
pub mod private;

#[cfg(feature = "app")]
pub mod app;
#[cfg(feature = "config")]
pub mod config;
#[cfg(feature = "drain")]
pub mod drain;
#[cfg(feature = "health")]
pub mod health;
#[cfg(feature = "jobs")]
pub mod jobs;
#[cfg(feature = "live")]
pub mod live;
#[cfg(feature = "logs")]
pub mod logs;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(feature = "migrations")]
pub mod migrations;
#[cfg(any(feature = "health", feature = "metrics"))]
pub mod process;
#[cfg(feature = "serve")]
pub mod serve;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(feature = "stream")]
pub mod stream;

#[cfg(feature = "app")]
pub use app::Kit;
#[cfg(feature = "drain")]
pub use drain::Drain;
pub use private::Private;

/// The page for authors of apps; its code is compiled with the tests.
#[cfg(all(
    doctest,
    feature = "app",
    feature = "config",
    feature = "migrations",
    feature = "jobs",
    feature = "stream"
))]
#[doc = include_str!("../../../docs/guide/kit.md")]
struct Guide;
