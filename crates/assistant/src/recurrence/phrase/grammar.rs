//! The phrases themselves: words in, a rule and how many words said it out.

use super::{
    Scarce, Word,
    days::{month, month_day, number, of_month, weekday, weekdays},
};
use crate::recurrence::Mode;

pub(super) struct Parsed {
    pub(super) rule: String,
    pub(super) mode: Mode,
    pub(super) scarce: Scarce,
    /// Words.
    pub(super) len: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Day,
    Week,
    Month,
    Year,
}

/// The phrase at the beginning of `words`.
pub(super) fn parse(words: &[Word<'_>]) -> Option<Parsed> {
    let low: Vec<&str> = words.iter().map(|word| word.low.as_str()).collect();
    let parsed =
        from_completion(&low).or_else(|| every(&low)).or_else(|| adverb(&low)).or_else(|| plural(&low))?;
    Some(skip_only(parsed, &low))
}

/// "every month on the 31st only": asked before, and answered.
fn skip_only(parsed: Parsed, low: &[&str]) -> Parsed {
    match low.get(parsed.len) {
        Some(&"only") if parsed.scarce != Scarce::No => {
            Parsed { scarce: Scarce::No, len: parsed.len + 1, ..parsed }
        }
        _ => parsed,
    }
}

fn fixed(rule: String, scarce: Scarce, len: usize) -> Parsed {
    Parsed { rule, mode: Mode::Fixed, scarce, len }
}

/// "3 days after I finish", "a week after completion", "every 3 days after it is done".
fn from_completion(low: &[&str]) -> Option<Parsed> {
    const ENDS: [&[&str]; 12] = [
        &["i", "finish", "it"],
        &["i", "complete", "it"],
        &["i", "did", "it"],
        &["i", "am", "done"],
        &["it", "is", "done"],
        &["i", "finish"],
        &["i", "finished"],
        &["i", "complete"],
        &["i'm", "done"],
        &["it's", "done"],
        &["finishing"],
        &["completion"],
    ];
    let every = usize::from(matches!(low.first(), Some(&"every" | &"each")));
    let amount = number(low.get(every)?)?;
    let unit = unit(low.get(every + 1)?)?;
    let rest = low.get(every + 2..)?.strip_prefix(&["after"])?;
    let end = ENDS.iter().find(|end| rest.starts_with(end))?;
    let rule = rule(unit, amount);
    Some(Parsed { rule, mode: Mode::FromCompletion, scarce: Scarce::No, len: every + 3 + end.len() })
}

fn every(low: &[&str]) -> Option<Parsed> {
    let rest = low.strip_prefix(&["every"]).or_else(|| low.strip_prefix(&["each"]))?;
    let shift = |parsed: Parsed| Parsed { len: parsed.len + 1, ..parsed };
    paced(rest).or_else(|| named(rest)).map(shift)
}

/// "day", "2 weeks on Friday", "other month on the 5th".
fn paced(rest: &[&str]) -> Option<Parsed> {
    let (interval, at) = match *rest.first()? {
        "other" | "second" => (2, 1),
        "third" => (3, 1),
        word => number(word).map_or((1, 0), |interval| (interval, 1)),
    };
    let unit = unit(rest.get(at)?)?;
    // "every year on 3 May", and never "every a week".
    let one = at == 1 && interval == 1;
    (!one).then(|| with_days(unit, interval, rest, at + 1))
}

/// "Monday and Friday", "weekday", "other Monday", "first Monday of the month", "31st", "last day of the month", "3 May".
fn named(rest: &[&str]) -> Option<Parsed> {
    if let Some((by, len)) = weekdays(rest) {
        return Some(fixed(format!("FREQ=WEEKLY;BYDAY={by}"), Scarce::No, len));
    }
    if let (Some(&("other" | "second")), Some((by, len))) = (rest.first(), weekdays(rest.get(1..)?))
        && !of_the_month(rest, 1 + len).1
    {
        return Some(fixed(format!("FREQ=WEEKLY;INTERVAL=2;BYDAY={by}"), Scarce::No, 1 + len));
    }
    if let Some((by, scarce, len)) = month_day(rest) {
        return Some(fixed(format!("FREQ=YEARLY;{by}"), scarce, len));
    }
    let (by, scarce, len) = of_month(rest)?;
    let (len, _) = of_the_month(rest, len);
    Some(fixed(format!("FREQ=MONTHLY;{by}"), scarce, len))
}

/// "of the month", "of every month" behind a day; whether it stood there.
fn of_the_month(rest: &[&str], at: usize) -> (usize, bool) {
    match rest.get(at..) {
        Some(["of" | "in", "the" | "every" | "each", "month", ..]) => (at + 3, true),
        _ => (at, false),
    }
}

/// "daily", "weekly on Monday", "monthly on the 31st".
fn adverb(low: &[&str]) -> Option<Parsed> {
    let (unit, interval) = match *low.first()? {
        "daily" => (Unit::Day, 1),
        "weekly" => (Unit::Week, 1),
        "fortnightly" => (Unit::Week, 2),
        "monthly" => (Unit::Month, 1),
        "quarterly" => (Unit::Month, 3),
        "yearly" | "annually" => (Unit::Year, 1),
        _ => return None,
    };
    Some(with_days(unit, interval, low, 1))
}

/// "on Mondays", "on Mondays and Thursdays".
fn plural(low: &[&str]) -> Option<Parsed> {
    let rest = low.strip_prefix(&["on"])?;
    let (by, len) = weekdays(rest)?;
    let all = rest[..len].iter().filter(|word| !matches!(**word, "and" | "or"));
    let plural = all.clone().all(|word| weekday(word).is_some() && word.ends_with("days"));
    plural.then(|| fixed(format!("FREQ=WEEKLY;BYDAY={by}"), Scarce::No, 1 + len))
}

/// The unit's days, where they are said behind it: `at` is the place after the unit.
fn with_days(unit: Unit, interval: u16, low: &[&str], at: usize) -> Parsed {
    let plain = rule(unit, interval);
    let bare = |len| fixed(plain.clone(), Scarce::No, len);
    let Some(rest) = low.get(at..).and_then(|rest| rest.strip_prefix(&["on"])) else { return bare(at) };
    let article = usize::from(rest.first() == Some(&"the"));
    let named = rest.get(article..).unwrap_or_default();
    let found = match unit {
        Unit::Day => None,
        Unit::Week => weekdays(rest).map(|(by, len)| (format!("BYDAY={by}"), Scarce::No, len)),
        Unit::Month => of_month(named).map(|(by, scarce, len)| (by, scarce, article + len)),
        Unit::Year => month_day(named)
            .or_else(|| last_of_month(named))
            .map(|(by, scarce, len)| (by, scarce, article + len)),
    };
    found.map_or_else(|| bare(at), |(by, scarce, len)| fixed(format!("{plain};{by}"), scarce, at + 1 + len))
}

/// "last day of February".
fn last_of_month(rest: &[&str]) -> Option<(String, Scarce, usize)> {
    let ["last", "day", "of" | "in", name, ..] = rest else { return None };
    Some((format!("BYMONTH={};BYMONTHDAY=-1", month(name)?), Scarce::No, 4))
}

fn rule(unit: Unit, interval: u16) -> String {
    let freq = match unit {
        Unit::Day => "DAILY",
        Unit::Week => "WEEKLY",
        Unit::Month => "MONTHLY",
        Unit::Year => "YEARLY",
    };
    if interval == 1 { format!("FREQ={freq}") } else { format!("FREQ={freq};INTERVAL={interval}") }
}

fn unit(word: &str) -> Option<Unit> {
    Some(match word {
        "day" | "days" => Unit::Day,
        "week" | "weeks" => Unit::Week,
        "month" | "months" => Unit::Month,
        "year" | "years" => Unit::Year,
        _ => return None,
    })
}
