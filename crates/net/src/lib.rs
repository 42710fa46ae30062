//! Sockets and what stands on them for everyone: binding listeners, the one HTTP client, TLS set-up.
//!
//! Owns every time-out and cap of outbound calls. Never decides where traffic goes. Begin with [`client`] for calls,
//! [`listen`] for sets of listeners, [`tls`] for how a server and a client encrypt, [`look`] for what somebody else shows.

pub mod client;
pub mod devcert;
pub mod leaf;
pub mod listen;
pub mod look;
pub mod resolve;
pub mod tickets;
pub mod tls;
