//! The room `machine`: the seam to the operating system. The only room that may hold `unsafe`.
//!
//! Owns the clock, entropy, durable files, locks, memory files, descriptor passing, processes and what holds them, terminals, cgroups and users, each
//! as a small safe function. Never knows what Mainstay is: no names, no policy. Begin with [`child`] (how a process is
//! made) and [`fs`] (how a file survives a power cut).

pub mod access;
pub mod addresses;
pub mod cgroup;
pub mod child;
pub mod clock;
pub mod entropy;
pub mod failpoint;
pub mod fds;
pub mod formats;
pub mod fs;
pub mod lock;
pub mod memfd;
pub mod notify;
pub mod pidfd;
pub mod planted;
pub mod proc;
pub mod pulse;
pub mod sandbox;
pub mod signals;
pub mod sockets;
pub mod terminal;
pub mod users;
