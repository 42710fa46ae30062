//! Days as phrases name them, and the parts of a rule that mean the same.

use super::Scarce;

/// Weekdays of RFC 5545 with their English names.
pub(in crate::recurrence) const WEEKDAYS: [(&str, &str); 7] = [
    ("MO", "Monday"),
    ("TU", "Tuesday"),
    ("WE", "Wednesday"),
    ("TH", "Thursday"),
    ("FR", "Friday"),
    ("SA", "Saturday"),
    ("SU", "Sunday"),
];
pub(in crate::recurrence) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(in crate::recurrence) const ORDINALS: [&str; 4] = ["first", "second", "third", "fourth"];
/// Bound: what an interval may be said to be.
const NUMBER_MAX: u16 = 400;

pub(super) fn number(word: &str) -> Option<u16> {
    const NAMES: [&str; 12] =
        ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];
    let named = NAMES.iter().position(|name| *name == word).and_then(|at| u16::try_from(at + 1).ok());
    let digits = || word.parse().ok().filter(|number| (1..=NUMBER_MAX).contains(number));
    if matches!(word, "a" | "an") { Some(1) } else { named.or_else(digits) }
}

/// "monday", "mon", "mondays".
pub(super) fn weekday(word: &str) -> Option<&'static str> {
    let (code, _) = WEEKDAYS.iter().find(|(_, name)| {
        let name = name.to_lowercase();
        word.strip_suffix('s').unwrap_or(word) == name || (word.len() >= 3 && name.starts_with(word))
    })?;
    Some(code)
}

/// A list of weekdays: `BYDAY`'s value, and its words.
pub(super) fn weekdays(words: &[&str]) -> Option<(String, usize)> {
    match *words.first()? {
        "weekday" | "weekdays" | "workday" => return Some(("MO,TU,WE,TH,FR".to_owned(), 1)),
        "weekend" | "weekends" => return Some(("SA,SU".to_owned(), 1)),
        _ => {}
    }
    let mut codes = Vec::new();
    let mut len = 0;
    loop {
        let joined = usize::from(len > 0 && matches!(words.get(len), Some(&("and" | "or"))));
        let Some(code) = words.get(len + joined).and_then(|word| weekday(word)) else { break };
        codes.push(code);
        len += joined + 1;
    }
    let in_order: Vec<&str> =
        WEEKDAYS.iter().map(|(code, _)| *code).filter(|code| codes.contains(code)).collect();
    (!codes.is_empty()).then(|| (in_order.join(","), len))
}

pub(super) fn month(word: &str) -> Option<usize> {
    let is = |name: &&str| {
        let name = name.to_lowercase();
        name == word || (word.len() >= 3 && name.starts_with(word))
    };
    MONTHS.iter().position(is).map(|at| at + 1)
}

/// "31st", "31".
fn day_number(word: &str) -> Option<i8> {
    let digits = ["st", "nd", "rd", "th"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word);
    digits.parse().ok().filter(|day| (1..=31).contains(day))
}

/// "31st", "day 31", "last day", "first Monday", "last Friday": a part of a monthly rule.
pub(super) fn of_month(words: &[&str]) -> Option<(String, Scarce, usize)> {
    let nth = |word: &str| ORDINALS.iter().position(|name| *name == word).map(|at| (at + 1).to_string());
    match *words {
        ["last", "day", ..] => Some(("BYMONTHDAY=-1".to_owned(), Scarce::No, 2)),
        ["last", day, ..] => Some((format!("BYDAY=-1{}", weekday(day)?), Scarce::No, 2)),
        ["day", day, ..] => by_day(day).map(|(by, scarce)| (by, scarce, 2)),
        [first, day, ..] if nth(first).is_some() => {
            Some((format!("BYDAY={}{}", nth(first)?, weekday(day)?), Scarce::No, 2))
        }
        [day, ..] if day.ends_with(|c: char| c.is_ascii_alphabetic()) => {
            by_day(day).map(|(by, scarce)| (by, scarce, 1))
        }
        _ => None,
    }
}

fn by_day(word: &str) -> Option<(String, Scarce)> {
    let day = day_number(word)?;
    let scarce = if day > 28 { Scarce::OfMonth(day) } else { Scarce::No };
    Some((format!("BYMONTHDAY={day}"), scarce))
}

/// "3 May", "3rd of May", "May 3", "May 3rd": a part of a yearly rule.
pub(super) fn month_day(words: &[&str]) -> Option<(String, Scarce, usize)> {
    let (day, name, len) = match *words {
        [day, "of", name, ..] => (day_number(day)?, name, 3),
        [first, second, ..] if month(first).is_some() => (day_number(second)?, first, 2),
        [day, name, ..] => (day_number(day)?, name, 2),
        _ => return None,
    };
    let month = month(name)?;
    let longest = match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let scarce = if (month, day) == (2, 29) { Scarce::LeapDay } else { Scarce::No };
    (day <= longest).then(|| (format!("BYMONTH={month};BYMONTHDAY={day}"), scarce, len))
}
