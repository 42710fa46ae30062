//! What tests stand on: an app that does what it is told, a running Mainstay, and the judge who watches both.
//!
//! Owns the clients and fakes of every journey. Never part of the product and never mocks one of its rooms. Begin with
//! [`judge`], the one client of every journey under load.

pub mod fakeapp;
pub mod judge;
