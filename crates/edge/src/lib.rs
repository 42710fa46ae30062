//! The edge: the one process that strangers' bytes reach. It accepts, decrypts, routes, balances, proxies, drains and
//! says what it does.
//!
//! Owns the listeners it inherits, the readiness of upstreams, the routing table that is being served, the access log
//! and the request metrics. Never starts or stops a process, never decides which release serves: the keeper writes
//! that as a [`table::Table`] and tells the edge by its control socket.
//!
//! Begin with [`table`] (what the keeper asks for), [`control`] (what the edge answers), then `run.rs` (how the process
//! is built) and `proxy.rs` (the way of one request).

pub mod control;
mod files;
pub mod settings;
pub mod table;

pub use settings::Settings;
