//! The timetable against a brute force over every minute of a year, and the plan against rules told in another way.

mod plans;
mod years;

use jiff::Timestamp;

use crate::Timetable;

pub(crate) fn table(schedule: &str, zone: &str) -> Timetable {
    Timetable::parse(schedule, zone).unwrap()
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The next `count` moments after `from`, as their operator reads them.
pub(crate) fn coming(schedule: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
    let table = table(schedule, zone);
    let mut last = at(from);
    let mut all = Vec::new();
    for _ in 0..count {
        last = table.next_after(last).unwrap();
        all.push(table.told(last));
    }
    all
}
