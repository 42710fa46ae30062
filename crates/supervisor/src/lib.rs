//! The room `supervisor`: processes that outlive the keeper, and the keeper's hold on them.
//!
//! Owns the shim (`mainstay shim <dir>`), spawning, adopting, stopping, probing for life, restarting by policy, log
//! files, what processes are kept from, the descriptor store and the parent `mainstay up`. Never decides what should run: its callers hand it an
//! [`Order`] and get a [`Process`], or give a [`Slot`] the care of one instance. Never decides traffic: readiness is
//! the edge's.
//!
//! Begin with [`Supervisor::spawn`] for the way down (folder, shim, app), [`shim`] for what lives there, and
//! [`Supervisor::observe`] for what a new keeper finds. First start and restart are the same code with other lists.

pub mod adopt;
mod build;
pub mod console;
mod ctl;
mod dirs;
pub mod exit;
pub mod hung;
pub mod logs;
pub mod order;
mod payload;
pub mod process;
mod protocol;
pub mod restart;
pub mod sandbox;
pub mod shim;
pub mod slot;
pub mod spawn;
pub mod spec;
pub mod store;
mod strays;
pub mod up;

pub use adopt::{Found, ObserveError, has_processes, living, living_names};
pub use console::Console;
pub use exit::{Cause, Exit, Usage};
pub use order::{Inherited, LogTo, Order, Program, StopPlan, User};
pub use process::{Process, ProcessError};
pub use sandbox::Enclosure;
pub use slot::{Slot, SlotEvent, SlotSettings, SlotState};
pub use spawn::{Settings, SpawnError, Supervisor};
pub use spec::{Kind, Spec};
