//! Sockets and what stands on them for everyone: binding listeners, the one HTTP client, TLS set-up.
//!
//! Owns every time-out and cap of outbound calls. Never decides where traffic goes. Begin with [`client`] or
//! [`listen`].

pub mod client;
pub mod listen;
