//! What tests stand on: an app that does what it is told, a running Mainstay, and the judge who watches both.
//!
//! Owns the clients and fakes of every journey. Never part of the product and never mocks one of its rooms. Begin with
//! [`judge`], the one client of every journey under load, and [`mainstay`], the real binary in a folder of its own.

pub mod binaries;
pub mod fakeapp;
pub mod hollow;
pub mod http;
pub mod judge;
pub mod mainstay;
pub mod model_server;
pub mod pebble;
pub mod receiver;
pub mod registry;
pub mod sshd;
pub mod wait;
pub mod worlds;

pub use judge::{Failure, Judge, Load, Report, Target};
pub use mainstay::{FakeApp, Mainstay};
pub use model_server::ModelServer;
pub use sshd::Sshd;
