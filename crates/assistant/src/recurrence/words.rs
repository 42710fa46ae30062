//! Tells a rule in the words in which `phrase` reads it; what has no words is told as the rule itself.

use std::fmt::Write as _;

use jiff::civil::{Date, Time};

use super::{
    Mode, Recurrence, Repeats,
    phrase::days::{MONTHS, ORDINALS, WEEKDAYS},
    rule::without_until,
};
use crate::command::words::show_time;

/// `every 2 weeks on Friday`, without its time of day, which stands at the task's date.
pub(crate) fn show(recurrence: &Recurrence) -> String {
    pattern(&recurrence.rule, recurrence.mode, None)
}

/// The same with its time of day and its first day: a phrase that means this and nothing else.
pub(crate) fn tell(repeats: &Repeats) -> String {
    let mut said = pattern(&repeats.rule, repeats.mode, repeats.time);
    if let Some(from) = repeats.from {
        // Writing into a String cannot fail.
        let _ = write!(said, " starting {}", day(from));
    }
    said
}

fn pattern(rule: &str, mode: Mode, time: Option<Time>) -> String {
    let plain = without_until(rule);
    let until = part(rule, "UNTIL").map_or(Some(None), |until| last_day(until).map(Some));
    let said = match mode {
        Mode::Fixed => fixed(&plain),
        Mode::FromCompletion => {
            interval(&plain).map(|(number, unit)| format!("{} after I finish", counted(number, unit)))
        }
    };
    let at = time.map_or_else(String::new, |time| format!(" at {}", show_time(time)));
    match (said, until) {
        (Some(said), Some(None)) => format!("{said}{at}"),
        (Some(said), Some(Some(until))) => format!("{said}{at} until {}", day(until)),
        _ => format!("{rule}{at}"),
    }
}

/// `20261127T235959Z`: the whole of that day. Other ends have no words.
fn last_day(until: &str) -> Option<Date> {
    Date::strptime("%Y%m%d", until.strip_suffix("T235959Z")?).ok()
}

fn day(day: Date) -> String {
    day.strftime("%-d %B %Y").to_string()
}

fn part<'a>(rule: &'a str, name: &str) -> Option<&'a str> {
    rule.split(';').find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
}

fn interval(rule: &str) -> Option<(u16, &'static str)> {
    let unit = match part(rule, "FREQ")? {
        "DAILY" => "day",
        "WEEKLY" => "week",
        "MONTHLY" => "month",
        "YEARLY" => "year",
        _ => return None,
    };
    Some((part(rule, "INTERVAL").map_or(Some(1), |number| number.parse().ok())?, unit))
}

fn counted(number: u16, unit: &str) -> String {
    if number == 1 { format!("1 {unit}") } else { format!("{number} {unit}s") }
}

fn fixed(rule: &str) -> Option<String> {
    let known = ["FREQ", "INTERVAL", "BYDAY", "BYMONTH", "BYMONTHDAY", "BYSETPOS"];
    if !rule.split(';').all(|part| part.split_once('=').is_some_and(|(name, _)| known.contains(&name))) {
        return None;
    }
    let (number, unit) = interval(rule)?;
    let by = ["BYDAY", "BYMONTH", "BYMONTHDAY", "BYSETPOS"].map(|name| part(rule, name));
    let every = if number == 1 { format!("every {unit}") } else { format!("every {number} {unit}s") };
    Some(match (unit, by) {
        (_, [None, None, None, None]) => every,
        ("week", [Some(days), None, None, None]) if number == 1 => format!("every {}", weekdays(days)?),
        ("week", [Some(days), None, None, None]) => format!("{every} on {}", weekdays(days)?),
        ("month", [None, None, Some(days), None]) => format!("{every} on {}", days_of_month(days)?),
        ("month", [Some(days), None, None, None]) => format!("{every} on the {}", nth_weekdays(days)?),
        ("month", [Some("MO,TU,WE,TH,FR"), None, None, Some("1")]) => format!("{every} on the first weekday"),
        ("month", [Some("MO,TU,WE,TH,FR"), None, None, Some("-1")]) => format!("{every} on the last weekday"),
        ("year", [None, Some(month), Some("-1"), None]) => {
            format!("{every} on the last day of {}", month_name(month)?)
        }
        ("year", [None, Some("2"), Some("29"), None]) => format!("{every} on 29 February only"),
        ("year", [None, Some(month), Some(day), None]) => {
            format!("{every} on {} {}", day.parse::<u8>().ok()?, month_name(month)?)
        }
        _ => return None,
    })
}

fn listed<S: AsRef<str>>(names: &[S]) -> Option<String> {
    let (last, others) = names.split_last()?;
    let others: Vec<&str> = others.iter().map(AsRef::as_ref).collect();
    let last = last.as_ref();
    Some(if others.is_empty() { last.to_owned() } else { format!("{} and {last}", others.join(", ")) })
}

fn weekdays(codes: &str) -> Option<String> {
    match codes {
        "MO,TU,WE,TH,FR" => return Some("weekday".to_owned()),
        "SA,SU" => return Some("weekend".to_owned()),
        _ => {}
    }
    listed(&codes.split(',').map(weekday).collect::<Option<Vec<_>>>()?)
}

fn weekday(code: &str) -> Option<&'static str> {
    WEEKDAYS.iter().find(|(known, _)| *known == code).map(|(_, name)| *name)
}

/// `second and fourth Tuesday`, or each with its weekday where they differ.
fn nth_weekdays(days: &str) -> Option<String> {
    let nths: Vec<(&str, &str)> = days.split(',').map(nth_weekday).collect::<Option<_>>()?;
    let (_, weekday) = nths.first()?;
    if nths.iter().all(|(_, other)| other == weekday) {
        return Some(format!("{} {weekday}", listed(&nths.iter().map(|(nth, _)| *nth).collect::<Vec<_>>())?));
    }
    listed(&nths.iter().map(|(nth, weekday)| format!("{nth} {weekday}")).collect::<Vec<_>>())
}

fn nth_weekday(day: &str) -> Option<(&'static str, &'static str)> {
    let (nth, code) = day.split_at_checked(day.len().checked_sub(2)?)?;
    let nth = match nth {
        "-1" => "last",
        nth => ORDINALS.get(nth.parse::<usize>().ok()?.checked_sub(1)?)?,
    };
    Some((nth, weekday(code)?))
}

/// `the 1st and 15th`, `the 31st only`, `the 15th and the last day`.
fn days_of_month(days: &str) -> Option<String> {
    let days: Vec<&str> = days.split(',').collect();
    let numbers = days.iter().filter(|day| **day != "-1");
    let mut names = numbers.map(|day| day_of_month(day)).collect::<Option<Vec<_>>>()?;
    let scarce = days.iter().any(|day| day.parse::<u8>().is_ok_and(|day| day > 28));
    if days.contains(&"-1") {
        names.push(if names.is_empty() { "last day" } else { "the last day" }.to_owned());
    }
    Some(format!("the {}{}", listed(&names)?, if scarce { " only" } else { "" }))
}

fn day_of_month(day: &str) -> Option<String> {
    let day: u8 = day.parse().ok()?;
    let end = match day {
        1 | 21 | 31 => "st",
        2 | 22 => "nd",
        3 | 23 => "rd",
        _ => "th",
    };
    Some(format!("{day}{end}"))
}

fn month_name(month: &str) -> Option<&'static str> {
    MONTHS.get(month.parse::<usize>().ok()?.checked_sub(1)?).copied()
}
