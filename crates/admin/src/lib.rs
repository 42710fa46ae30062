//! The admin API on its unix socket, and the station's questions on another: who may ask, how a question becomes a call, how an answer becomes JSON.
//!
//! Owns the socket `<run>/api.sock`, its rights, the peer's identity, what its connection may and the mapping of [`api::paths`] to
//! [`Operations`]. Never decides anything: every verb is the keeper's. Begin with [`operations`], then [`routes`].

mod answer;
mod asked;
mod connection;
mod guard;
pub mod operations;
mod operator;
mod routes;
mod server;
mod station;
mod upgrade;

pub use operations::{Operations, Refusal, Reply, StationOperations, Why};
pub use operator::{Asker, Operator};
pub use server::{Peers, ServeError, Server};
