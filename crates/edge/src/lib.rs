//! The edge: the one process that strangers' bytes reach. It accepts, decrypts, routes, balances, proxies, drains and
//! says what it does.
//!
//! Owns the listeners it inherits, the readiness of upstreams, the routing table that is being served, the access log
//! and the request metrics. Never starts or stops a process, never decides which release serves: the keeper writes
//! that as a [`table::Table`] and tells the edge by its control socket.
//!
//! Begin with [`table`] (what the keeper asks for), [`control`] (what the edge answers), then `run.rs` (how the process
//! is built) and `proxy.rs` (the way of one request).

mod access_log;
mod affinity;
mod balance;
mod body;
mod certificates;
mod challenge;
mod clock;
mod conn;
pub mod control;
mod csp;
mod director;
mod encode;
mod entry;
mod flight;
mod forward;
mod frames;
mod guard;
mod h1;
mod h2;
pub mod handback;
mod hash;
mod headers;
mod ids;
mod joined;
mod limit;
mod listeners;
mod matcher;
mod metrics;
mod no_request;
mod page;
mod pool;
mod private;
mod probe;
mod proxy;
mod proxy_header;
#[cfg(test)]
mod recorded;
mod request;
mod route;
mod rules;
mod run;
pub mod settings;
mod shared;
mod source;
mod stamp;
pub mod table;
mod timers;
mod traffic;
mod tunnel;
mod upstream;
mod websocket;
mod worker;

pub use listeners::ListenError;
pub use rules::{Redirected, Redirects};
pub use run::{RunError, main, serve};
pub use settings::Settings;
