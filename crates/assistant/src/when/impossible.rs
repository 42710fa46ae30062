//! Dates and times that are on no calendar and no clock: "31 April", `30/2`, `25:00`, "5:75pm"; and parts of a month that
//! have no first day, "early May". Nobody's day is made of them: they are asked about.

use std::ops::Range;

use jiff::{ToSpan, civil::Date};

use super::{
    Context, calendar,
    clock::{Clock, Looks, TimePart, in_half, time_of},
    days::{DatePart, Kind, year},
    doubt, figures,
    grammar::Says,
    lexicon, neighbours, periods,
    words::Sentence,
};

const NO_DAY: &str = "There is no such day. When shall it be?";
const NO_TIME: &str = "There is no such time. When shall it be?";
const BEFORE: [&str; 12] =
    ["on", "by", "until", "till", "til", "before", "after", "since", "from", "for", "at", "@"];

/// Words that say no date, and what may be meant.
pub(super) struct Impossible {
    pub(super) words: Range<usize>,
    pub(super) prompt: &'static str,
    pub(super) near: Vec<Says>,
}

/// The first of them in the sentence.
pub(super) fn find(words: &Sentence, context: &Context) -> Option<Impossible> {
    (0..words.len()).find_map(|at| {
        let (len, prompt, near) = by_name(words, at, context)
            .or_else(|| in_figures(words, at, context))
            .map(|(len, near)| (len, NO_DAY, near))
            .or_else(|| clock(words, at).map(|(len, near)| (len, NO_TIME, near)))
            .or_else(|| part_of_a_month(words, at, context))?;
        let start = at - usize::from(at > 0 && BEFORE.contains(&words.before(at)));
        Some(Impossible { words: start..at + len, prompt, near })
    })
}

fn days(days: impl IntoIterator<Item = Date>) -> Vec<Says> {
    days.into_iter().map(|day| Says::Date(DatePart::day(day, 1, Kind::Plain))).collect()
}

/// `31`, `31st`; the flag says that it is an ordinal.
fn figure(word: &str) -> Option<(i16, bool)> {
    let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let ending = word.get(digits.len()..).unwrap_or_default();
    let number = digits.parse().ok().filter(|_| digits.len() <= 2)?;
    matches!(ending, "" | "st" | "nd" | "rd" | "th").then_some((number, !ending.is_empty()))
}

/// "31 April", "June 31st", "29 Feb 2027", "0 March 2027".
fn by_name(words: &Sentence, at: usize, context: &Context) -> Option<(usize, Vec<Says>)> {
    let article = words.skip(at, &["the"]);
    let month_first = lexicon::month(words.low(at));
    let ((day, is_ordinal), month, len) = match month_first {
        Some(month) => {
            let article = words.skip(at + 1, &["the"]);
            (figure(words.low(at + 1 + article))?, month, 2 + article)
        }
        None => {
            let of = words.skip(at + article + 1, &["of"]);
            let month = lexicon::month(words.low(at + article + 1 + of))?;
            (figure(words.low(at + article))?, month, article + of + 2)
        }
    };
    let said = year(words, at + len);
    // In a year that is not said 29 February is the next one.
    let of_year = said.map_or(2_024, |(year, _)| year);
    if is_day(of_year, month, day) {
        return None;
    }
    let is_meant =
        said.is_some() || is_ordinal || words.ends_at(at + len) || BEFORE.contains(&words.before(at));
    // "March 40 miles", "31 May flowers".
    if !(is_meant || (29..=31).contains(&day)) {
        return None;
    }
    let len = len + said.map_or(0, |(_, more)| more);
    Some((len, days(near(said.map(|(year, _)| year), month, day, context))))
}

fn is_day(year: i16, month: i8, day: i16) -> bool {
    i8::try_from(day).is_ok_and(|day| Date::new(year, month, day).is_ok())
}

/// The last day of the month and the one after it; the first, where no day was said at all.
fn near(year: Option<i16>, month: i8, day: i16, context: &Context) -> Vec<Date> {
    let first = match year {
        Some(year) => Date::new(year, month, 1).ok(),
        None => {
            let today = context.now.date();
            let nearest = calendar::named_month(month, today, context.direction).map(|(first, _)| first);
            nearest.or_else(|| Date::new(today.year(), month, 1).ok())
        }
    };
    let Some(first) = first else { return Vec::new() };
    let last = first.last_of_month();
    if day == 0 { vec![first] } else { vec![last, calendar::plus(last, 1.day())] }
}

/// `30/2`, `31.04.2027`, `2027-02-30`.
fn in_figures(words: &Sentence, at: usize, context: &Context) -> Option<(usize, Vec<Says>)> {
    let said = words.low(at);
    if !said.starts_with(|c: char| c.is_ascii_digit()) || neighbours::is_numbered(words.before(at)) {
        return None;
    }
    let split = |mark: char| figures::numbers(said, mark);
    let is_long = said.rsplit(['.', '/']).next().is_some_and(|last| last.len() == 4);
    let stands = words.ends_at(at + 1) || BEFORE.contains(&words.before(at));
    let (year, one, other, is_year_first) =
        match (split('-').as_deref(), split('/').as_deref(), split('.').as_deref()) {
            (Some([year, month, day]), ..) if *year >= 1_900 => (Some(*year), *day, *month, true),
            (_, Some([one, other, year]), _) if is_long => (Some(*year), *one, *other, false),
            (_, _, Some([day, month, year])) if is_long => (Some(*year), *day, *month, true),
            (_, Some([one, other]), _) if stands && (29..=31).contains(one.max(other)) => {
                (None, *one, *other, false)
            }
            _ => return None,
        };
    let of_year = year.unwrap_or(2_024);
    let is = |day: i16, month: i16| i8::try_from(month).is_ok_and(|month| is_day(of_year, month, day));
    if is(one, other) || !is_year_first && is(other, one) {
        return None;
    }
    let (day, month) = if is_year_first || (1..=12).contains(&other) { (one, other) } else { (other, one) };
    let month = i8::try_from(month).ok().filter(|month| (1..=12).contains(month));
    // Neither is a month: `30/31` is a measure, with a year it is a slip.
    if month.is_none() && year.is_none() {
        return None;
    }
    Some((1, days(month.map_or_else(Vec::new, |month| near(year, month, day, context)))))
}

/// `25:00`, `5:75pm`, "13pm", "24:00".
fn clock(words: &Sentence, at: usize) -> Option<(usize, Vec<Says>)> {
    let low = words.low(at);
    let glued =
        [("am", false), ("pm", true)].iter().find_map(|(end, pm)| Some((low.strip_suffix(end)?, *pm)));
    let apart = match words.low(at + 1) {
        "am" => Some(false),
        "pm" => Some(true),
        _ => None,
    };
    let (figures, half, len) = match (glued, apart) {
        (Some((figures, pm)), _) => (figures, Some(pm), 1),
        (None, Some(pm)) => (low, Some(pm), 2),
        (None, None) => (low, None, 1),
    };
    let (hour, minute) = figures.split_once(':').unwrap_or((figures, "00"));
    let number = |text: &str, most: usize| {
        let is_figures = (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i8>().ok().filter(|_| is_figures)
    };
    let (hour, minute) = (number(hour, 2)?, number(minute, 2).filter(|_| minute.len() == 2)?);
    let behind_at =
        words.is(at.checked_sub(1)?, &["at", "@", "by", "before", "after", "until", "till", "from"]);
    let is_none = match half {
        // "0 am" and "13:30 pm" are of no clock.
        Some(_) => !(1..=12).contains(&hour) || minute > 59,
        None => figures.contains(':') && behind_at && (hour > 23 || minute > 59),
    };
    if !is_none {
        return None;
    }
    let minute = if minute > 59 { 0 } else { minute };
    let near = match half {
        Some(pm) if (1..=12).contains(&hour) => Some(Clock::Sure(in_half(hour, minute, pm))),
        _ if hour == 24 && minute == 0 => Some(Clock::Midnight),
        _ if hour <= 23 => Some(Clock::Sure(time_of(hour, minute))),
        _ => None,
    };
    let says = |clock| Says::Time(TimePart { clock, until: None, elsewhere: None, looks: Looks::Time, len });
    Some((len, near.map(says).into_iter().collect()))
}

/// "early May", "late in June": which of its days?
fn part_of_a_month(
    words: &Sentence,
    at: usize,
    context: &Context,
) -> Option<(usize, &'static str, Vec<Says>)> {
    let part = words.skip(at, &["early", "late", "mid"]);
    let within = words.skip(at + part, &["in"]);
    let month = at + part + within;
    let behind =
        within > 0 || matches!(words.before(at), "in" | "by" | "until" | "before" | "after" | "from");
    if part == 0 || !behind || lexicon::month(words.low(month)).is_none() {
        return None;
    }
    let (days, len) = periods::month(words, month, context)?;
    let says = vec![Says::Date(DatePart::days(days, len, Kind::Plain))];
    Some((part + within + len, doubt::UNCLEAR, says))
}
