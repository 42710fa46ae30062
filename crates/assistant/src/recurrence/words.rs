//! Tells a rule in the words in which `phrase` reads it; what has no words is told as the rule itself.

use std::fmt::Write as _;

use super::{
    Mode, Recurrence, Repeats,
    phrase::days::{MONTHS, ORDINALS, WEEKDAYS},
};
use crate::command::words::show_time;

/// `every 2 weeks on Friday`, without its time of day, which stands at the task's date.
pub(crate) fn show(recurrence: &Recurrence) -> String {
    pattern(&recurrence.rule, recurrence.mode)
}

/// The same with its time of day: a phrase that means this and nothing else.
pub(crate) fn tell(repeats: &Repeats) -> String {
    let mut said = pattern(&repeats.rule, repeats.mode);
    if let Some(time) = repeats.time {
        // Writing into a String cannot fail.
        let _ = write!(said, " at {}", show_time(time));
    }
    said
}

fn pattern(rule: &str, mode: Mode) -> String {
    let said = match mode {
        Mode::Fixed => fixed(rule),
        Mode::FromCompletion => {
            interval(rule).map(|(number, unit)| format!("{} after I finish", counted(number, unit)))
        }
    };
    said.unwrap_or_else(|| rule.to_owned())
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
    let known = ["FREQ", "INTERVAL", "BYDAY", "BYMONTH", "BYMONTHDAY"];
    if !rule.split(';').all(|part| part.split_once('=').is_some_and(|(name, _)| known.contains(&name))) {
        return None;
    }
    let (number, unit) = interval(rule)?;
    let (day, month, month_day) = (part(rule, "BYDAY"), part(rule, "BYMONTH"), part(rule, "BYMONTHDAY"));
    let every = if number == 1 { format!("every {unit}") } else { format!("every {number} {unit}s") };
    Some(match (unit, day, month, month_day) {
        (_, None, None, None) => every,
        ("week", Some(days), None, None) if number == 1 => format!("every {}", weekdays(days)?),
        ("week", Some(days), None, None) => format!("{every} on {}", weekdays(days)?),
        ("month", None, None, Some(day)) => format!("{every} on {}", day_of_month(day)?),
        ("month", Some(day), None, None) => format!("{every} on the {}", nth_weekday(day)?),
        ("year", None, Some(month), Some("-1")) => {
            format!("{every} on the last day of {}", month_name(month)?)
        }
        ("year", None, Some("2"), Some("29")) => format!("{every} on 29 February only"),
        ("year", None, Some(month), Some(day)) => {
            format!("{every} on {} {}", day.parse::<u8>().ok()?, month_name(month)?)
        }
        _ => return None,
    })
}

fn weekdays(codes: &str) -> Option<String> {
    match codes {
        "MO,TU,WE,TH,FR" => return Some("weekday".to_owned()),
        "SA,SU" => return Some("weekend".to_owned()),
        _ => {}
    }
    let names = codes.split(',').map(weekday).collect::<Option<Vec<_>>>()?;
    let (last, others) = names.split_last()?;
    Some(if others.is_empty() { (*last).to_owned() } else { format!("{} and {last}", others.join(", ")) })
}

fn weekday(code: &str) -> Option<&'static str> {
    WEEKDAYS.iter().find(|(known, _)| *known == code).map(|(_, name)| *name)
}

fn nth_weekday(day: &str) -> Option<String> {
    let (nth, code) = day.split_at_checked(day.len().checked_sub(2)?)?;
    let name = weekday(code)?;
    if nth == "-1" {
        return Some(format!("last {name}"));
    }
    Some(format!("{} {name}", ORDINALS.get(nth.parse::<usize>().ok()?.checked_sub(1)?)?))
}

fn day_of_month(day: &str) -> Option<String> {
    if day == "-1" {
        return Some("the last day".to_owned());
    }
    let day: u8 = day.parse().ok()?;
    let end = match day {
        1 | 21 | 31 => "st",
        2 | 22 => "nd",
        3 | 23 => "rd",
        _ => "th",
    };
    let only = if day > 28 { " only" } else { "" };
    Some(format!("the {day}{end}{only}"))
}

fn month_name(month: &str) -> Option<&'static str> {
    MONTHS.get(month.parse::<usize>().ok()?.checked_sub(1)?).copied()
}
