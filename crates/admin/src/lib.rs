//! The admin API on its unix socket: who may ask, how a question becomes a call, how an answer becomes JSON.
//!
//! Owns the socket `<run>/api.sock`, its rights, the peer's identity and the mapping of [`api::paths`] to
//! [`Operations`]. Never decides anything: every verb is the keeper's. Begin with [`operations`], then [`routes`].

mod answer;
pub mod operations;
mod operator;
mod routes;
mod server;
mod upgrade;

pub use operations::{Operations, Refusal, Reply, Why};
pub use operator::Operator;
pub use server::{ServeError, Server};
