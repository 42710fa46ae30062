//! What a person's answers taught: which half of the day "at 5" is of, and how they write 3/4.

use std::fmt;

/// One thing that an answer teaches. Written as `hour:5:pm` or `order:day`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lesson {
    /// A bare hour of 1 to 12 is before or after noon.
    Half { hour: i8, afternoon: bool },
    /// Dates with slashes are day first or month first.
    Order { day_first: bool },
}

impl Lesson {
    /// What it answers; a later lesson of the same subject takes its place.
    pub(crate) fn subject(self) -> String {
        match self {
            Self::Half { hour, .. } => format!("hour:{hour}"),
            Self::Order { .. } => "order".to_owned(),
        }
    }

    /// In words, for the settings.
    pub(crate) fn shown(self) -> String {
        match self {
            Self::Half { hour, afternoon } => {
                format!("“at {hour}” is {:02}:00", hour % 12 + if afternoon { 12 } else { 0 })
            }
            Self::Order { day_first: true } => "“3/4” is 3 April".to_owned(),
            Self::Order { day_first: false } => "“3/4” is 4 March".to_owned(),
        }
    }

    /// `None`: nothing that [`fmt::Display`] writes.
    pub(crate) fn parse(said: &str) -> Option<Self> {
        match *said.split(':').collect::<Vec<_>>().as_slice() {
            ["hour", hour, half @ ("am" | "pm")] => {
                let hour = hour.parse().ok().filter(|hour| (1..=12).contains(hour))?;
                Some(Self::Half { hour, afternoon: half == "pm" })
            }
            ["order", order @ ("day" | "month")] => Some(Self::Order { day_first: order == "day" }),
            _ => None,
        }
    }
}

impl fmt::Display for Lesson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Half { hour, afternoon } => {
                write!(f, "hour:{hour}:{}", if *afternoon { "pm" } else { "am" })
            }
            Self::Order { day_first } => write!(f, "order:{}", if *day_first { "day" } else { "month" }),
        }
    }
}

/// All that is known of one person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Habits {
    /// Hours of 1 to 12: before (`false`) or after noon.
    afternoons: [Option<bool>; 12],
    pub(super) day_first: Option<bool>,
}

impl Habits {
    pub(crate) fn learn(&mut self, lesson: Lesson) {
        match lesson {
            Lesson::Half { hour, afternoon } => {
                if let Some(known) = index(hour).and_then(|at| self.afternoons.get_mut(at)) {
                    *known = Some(afternoon);
                }
            }
            Lesson::Order { day_first } => self.day_first = Some(day_first),
        }
    }

    pub(super) fn afternoon(&self, hour: i8) -> Option<bool> {
        index(hour).and_then(|at| self.afternoons.get(at).copied().flatten())
    }
}

fn index(hour: i8) -> Option<usize> {
    usize::try_from(hour.checked_sub(1)?).ok()
}
