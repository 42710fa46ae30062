//! The journeys that need a machine of their own, each in a guest of its own: `cargo xtask vm NAME`.
//!
//! A guest is Debian 12 with systemd on user-mode Linux, with a disk that outlives its power. Begin with [`guest::Guest`].

mod console;
mod guest;
mod service;

mod clock;
mod disks;
mod limits;
mod minutes;
mod network;
mod packages;
mod power;
mod units;
