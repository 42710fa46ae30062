//! The time of day of a phrase: "5pm", "17:30", "half past three", "noon", "at 5" that can be two.

use jiff::civil::Time;

use super::words::{self, Word};

#[derive(Clone, Copy)]
pub(super) enum Clock {
    Sure(Time),
    /// "at 5": morning or afternoon.
    Either {
        hour: i8,
        minute: i8,
    },
}

pub(super) struct TimePart {
    pub(super) clock: Clock,
    pub(super) len: usize,
    pub(super) weak: bool,
}

pub(super) fn hour_of(hour: i8, minute: i8) -> Time {
    Time::new(hour, minute, 0, 0).unwrap_or(Time::MIN)
}

/// "tomorrow evening at 7" is not in the morning; "tonight at 1" stays open.
pub(super) fn half_by(clock: Clock, part_of_day: Option<i8>) -> Clock {
    match (clock, part_of_day) {
        (Clock::Either { hour: hour @ 4..=11, minute }, Some(..12)) => Clock::Sure(hour_of(hour, minute)),
        (Clock::Either { hour: hour @ 1..=6, minute }, Some(15)) => Clock::Sure(hour_of(hour + 12, minute)),
        (Clock::Either { hour: hour @ 5..=11, minute }, Some(16..)) => {
            Clock::Sure(hour_of(hour + 12, minute))
        }
        (clock, _) => clock,
    }
}

/// `after_at`: "at" or "by" stands before it, so a bare number is a time.
pub(super) fn time_part(words: &[Word], at: usize, after_at: bool) -> Option<TimePart> {
    let low = |offset: usize| words.get(at + offset).map_or("", |word| word.low.as_str());
    match low(0) {
        "noon" | "midday" => {
            return Some(TimePart { clock: Clock::Sure(hour_of(12, 0)), len: 1, weak: true });
        }
        "midnight" => return Some(TimePart { clock: Clock::Sure(Time::MIN), len: 1, weak: true }),
        _ => {}
    }
    // "in the evening", with a date before it.
    let article = usize::from(low(0) == "in" && low(1) == "the") * 2;
    if article == 2 {
        return words::day_part(low(2)).map(|hour| TimePart {
            clock: Clock::Sure(hour_of(hour, 0)),
            len: 3,
            weak: true,
        });
    }
    if let Some(part) = spoken(words, at).filter(|_| after_at) {
        return Some(part);
    }
    let (digits, glued) = split_half(low(0));
    let numbers = clock_numbers(digits, glued.is_some());
    let (hour, minute, has_minutes) = numbers.or_else(|| written_hour(words, at).filter(|_| after_at))?;
    let clock = usize::from(low(1) == "o'clock");
    let (half, extra) = if glued.is_some() { (glued, 0) } else { said_half(words, at + 1 + clock) };
    let len = 1 + clock + extra;
    let sure = |clock| Some(TimePart { clock: Clock::Sure(clock), len, weak: false });
    match half {
        Some(pm) if (1..=12).contains(&hour) => sure(hour_of(hour % 12 + if pm { 12 } else { 0 }, minute)),
        Some(_) => None,
        // "11:30" is written by whoever counts to 24, or means the morning: the same. "5:30" is said by both.
        None if has_minutes && (hour >= 8 || digits.starts_with('0')) => sure(hour_of(hour, minute)),
        None if after_at && digits.ends_with('h') => sure(hour_of(hour, minute)),
        None if has_minutes && after_at => {
            Some(TimePart { clock: Clock::Either { hour, minute }, len, weak: false })
        }
        None if after_at && (13..=23).contains(&hour) => sure(hour_of(hour, minute)),
        None if after_at && (1..=12).contains(&hour) => {
            Some(TimePart { clock: Clock::Either { hour, minute }, len, weak: false })
        }
        None => None,
    }
}

/// "half past 3", "a quarter to five pm", "ten past 4".
fn spoken(words: &[Word], at: usize) -> Option<TimePart> {
    let low = |offset: usize| words.get(at + offset).map_or("", |word| word.low.as_str());
    let article = usize::from(low(0) == "a" && low(1) == "quarter");
    let minutes = match low(article) {
        "half" => 30,
        "quarter" => 15,
        word => i8::try_from(words::number(word)?).ok().filter(|minutes| (1..=29).contains(minutes))?,
    };
    let said = article + 1 + usize::from(low(article + 1) == "minutes");
    let (digits, glued) = split_half(low(said + 1));
    let hour = words::number(digits).and_then(|hour| i8::try_from(hour).ok())?;
    let hour = Some(hour).filter(|hour| (1..=12).contains(hour))?;
    let (hour, minute) = match low(said) {
        "past" => (hour, minutes),
        "to" if minutes < 30 => ((hour + 10) % 12 + 1, 60 - minutes),
        _ => return None,
    };
    let (half, extra) = if glued.is_some() { (glued, 0) } else { said_half(words, at + said + 2) };
    let clock = match half {
        Some(pm) => Clock::Sure(hour_of(hour % 12 + if pm { 12 } else { 0 }, minute)),
        None => Clock::Either { hour, minute },
    };
    Some(TimePart { clock, len: said + 2 + extra, weak: false })
}

/// `5pm` → (`5`, afternoon).
fn split_half(word: &str) -> (&str, Option<bool>) {
    for (ending, pm) in [("am", false), ("a.m", false), ("pm", true), ("p.m", true)] {
        if let Some(digits) = word.strip_suffix(ending) {
            return (digits, Some(pm));
        }
    }
    (word, None)
}

/// "5 pm", "5 in the afternoon", "8 in the morning".
fn said_half(words: &[Word], at: usize) -> (Option<bool>, usize) {
    let low = |offset: usize| words.get(at + offset).map_or("", |word| word.low.as_str());
    match (low(0), low(1), low(2)) {
        ("am" | "a.m", _, _) => (Some(false), 1),
        ("pm" | "p.m", _, _) => (Some(true), 1),
        ("in", "the", "morning") => (Some(false), 3),
        ("in", "the", "afternoon" | "evening") => (Some(true), 3),
        ("at", "night", _) => (Some(true), 2),
        _ => (None, 0),
    }
}

/// "at seven", where nothing follows that could be seven of something.
fn written_hour(words: &[Word], at: usize) -> Option<(i8, i8, bool)> {
    let low = |offset: usize| words.get(at + offset).map_or("", |word| word.low.as_str());
    let ends = matches!(
        low(1),
        "" | "am" | "pm" | "a.m" | "p.m" | "o'clock" | "today" | "tomorrow" | "tonight" | "on"
    ) || (low(1) == "in" && low(2) == "the");
    let hour = words::number(low(0)).filter(|hour| low(0).len() > 2 && (1..=12).contains(hour))?;
    ends.then(|| i8::try_from(hour).ok().map(|hour| (hour, 0, false))).flatten()
}

/// `17:30` → (17, 30, true); `5` and `17h` → (5, 0, false). `5.30` only where "pm" is glued to it.
fn clock_numbers(digits: &str, has_half: bool) -> Option<(i8, i8, bool)> {
    let points = digits.split_once('.').filter(|_| has_half);
    let (hour, minute) = match digits.split_once(':').or(points) {
        Some((hour, minute)) => (hour, Some(minute)),
        None => (digits.strip_suffix('h').unwrap_or(digits), None),
    };
    let number = |text: &str, max: i8| {
        text.parse::<i8>().ok().filter(|number| text.len() <= 2 && (0..=max).contains(number))
    };
    let minutes = match minute {
        Some(minute) if minute.len() == 2 => number(minute, 59)?,
        Some(_) => return None,
        None => 0,
    };
    Some((number(hour, 23)?, minutes, minute.is_some()))
}
