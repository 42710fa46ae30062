//! What an app needs to live well under a supervisor: configuration that fails with every mistake at once, logs and
//! metrics, health that never lies, a stop that finishes what it began, and SQLite with migrations, leased jobs and a
//! resumable log of streamed answers.
//!
//! Knows no supervisor and no other room: it speaks signals, environment, descriptors, HTTP and JSON lines, so it runs
//! under anything and under nothing. Each part stands alone; an app takes the ones it wants.
//!
//! Start at [`config`] and [`serve`]; an app with a database goes on to [`sqlite`], [`jobs`] and [`stream`].

pub mod clock;
pub mod config;
pub mod drain;
pub mod logs;
pub mod metrics;
pub mod notify;
pub mod private;

#[cfg(feature = "http")]
pub mod health;
#[cfg(feature = "http")]
pub mod serve;

#[cfg(feature = "sqlite")]
pub mod jobs;
#[cfg(feature = "sqlite")]
pub mod live;
#[cfg(feature = "sqlite")]
pub mod migrations;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(feature = "sqlite")]
pub mod stream;

pub use drain::Drain;
pub use private::Private;
