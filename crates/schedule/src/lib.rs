//! Schedules: when a job is due, which of its runs begin, and what became of each.
//!
//! Owns the cron grammar in its time zone ([`Timetable`]), the decision what a look at the clock means ([`plan`]), and
//! the record of every run, missed ones too ([`Logbook`]). Never starts anything itself and never asks what time it is:
//! who calls says so, and acts. Begin with `plan.rs`; `timetable.rs` holds the rules of daylight saving.

mod logbook;
mod plan;
#[cfg(test)]
mod tests;
mod timetable;

pub use logbook::{Book, Entry, FORMAT, Logbook, LogbookError, Outcome, Run};
pub use plan::{LATE_MAX, Plan, Unrun, Wanted, plan};
pub use timetable::{Timetable, TimetableError};
