//! The date of a phrase: "tomorrow", "next Friday", "this weekend", "3 December", `3/12`, "the 5th".

use jiff::{
    Span, ToSpan,
    civil::{Date, Weekday},
};

use super::{
    Context, Direction,
    grammar::PREPOSITIONS,
    words::{self, Word},
};

/// A date, and how many words said it.
pub(super) struct DatePart {
    pub(super) days: (Date, Date),
    /// "tonight", "tomorrow morning": the hour that it brings along.
    pub(super) hour: Option<i8>,
    pub(super) len: usize,
    pub(super) weak: bool,
    /// What it may mean as well: the other week for "next Friday", the other order for 3/4.
    pub(super) or: Option<Date>,
}

pub(super) fn plus(day: Date, span: Span) -> Date {
    day.saturating_add(span)
}

pub(super) fn date_part(words: &[Word], at: usize, context: &Context) -> Option<DatePart> {
    let mut part = named_day(words, at, context)
        .or_else(|| week_day(words, at, context))
        .or_else(|| weeks(words, at, context))
        .or_else(|| month_day(words, at, context))
        .or_else(|| written_date(words, at, context))
        .or_else(|| ordinal(words, at, context))?;
    // "tomorrow morning", "Friday evening".
    let after = words.get(at + part.len).and_then(|word| words::day_part(&word.low));
    if let (Some(hour), None) = (after, part.hour) {
        part.hour = Some(hour);
        part.len += 1;
    }
    Some(part)
}

fn day(day: Date, len: usize) -> DatePart {
    DatePart { days: (day, day), hour: None, len, weak: false, or: None }
}

fn named_day(words: &[Word], at: usize, context: &Context) -> Option<DatePart> {
    let low = |offset: usize| words.get(at + offset).map_or("", |word| word.low.as_str());
    let today = context.now.date();
    let article = usize::from(low(0) == "the");
    match (low(article), low(article + 1), low(article + 2)) {
        ("day", "after", "tomorrow") => return Some(day(plus(today, 2.days()), article + 3)),
        ("day", "before", "yesterday") => return Some(day(plus(today, -2.days()), article + 3)),
        _ => {}
    }
    match low(0) {
        "today" => Some(day(today, 1)),
        "tomorrow" => Some(day(plus(today, 1.day()), 1)),
        "yesterday" => Some(day(plus(today, -1.days()), 1)),
        "tonight" => Some(DatePart { hour: Some(20), ..day(today, 1) }),
        "this" if words::day_part(low(1)).is_some() => {
            Some(DatePart { hour: words::day_part(low(1)), ..day(today, 2) })
        }
        _ => None,
    }
}

fn week_day(words: &[Word], at: usize, context: &Context) -> Option<DatePart> {
    let low = |offset: usize| words.get(at + offset).map_or("", |word| word.low.as_str());
    let which = matches!(low(0), "next" | "this" | "last" | "coming").then(|| low(0));
    let offset = usize::from(which.is_some());
    let name = low(offset);
    let weekday = words::weekday(name).or_else(|| words::short_weekday(name))?;
    let weak = which.is_none() && words::weekday(name).is_none();
    let today = context.now.date();
    // "visit the Sun at 5", "buy a Sunday": a thing of that name.
    let article =
        at.checked_sub(1).is_some_and(|before| matches!(words[before].low.as_str(), "the" | "a" | "an"));
    if article && which.is_none() {
        return None;
    }
    let back = which == Some("last") || (which.is_none() && context.direction == Direction::Back);
    let found = if back { last(weekday, today) } else { coming(weekday, today) };
    if which.is_none()
        && let Some(part) = dated_week_day(words, at, (weekday, found), context)
    {
        return Some(part);
    }
    let mut part = DatePart { weak, ..day(found, offset + 1) };
    if which.is_none() && context.direction == Direction::Ahead && weekday == today.weekday() {
        // "on Sunday", said on a Sunday.
        part.or = Some(today);
    }
    if which == Some("next") && context.direction == Direction::Ahead {
        // Half of all people mean the one of next week. On the same weekday both halves agree.
        let of_next_week =
            plus(coming(Weekday::Monday, today), i64::from(weekday.to_monday_zero_offset()).days());
        part.or = (of_next_week != found).then_some(of_next_week);
    }
    Some(part)
}

/// "Friday 4 December", "Thu, 3 Dec", "Friday the 4th": one day said twice, or two that are asked about.
fn dated_week_day(
    words: &[Word],
    at: usize,
    (weekday, coming): (Weekday, Date),
    context: &Context,
) -> Option<DatePart> {
    // "Friday the 13th" by itself is a film.
    let behind = at.checked_sub(1).is_some_and(|before| PREPOSITIONS.contains(&words[before].low.as_str()));
    let part =
        month_day(words, at + 1, context).or_else(|| ordinal(words, at + 1, context).filter(|_| behind))?;
    let or = (part.days.0.weekday() != weekday).then_some(coming);
    Some(DatePart { weak: false, or, len: part.len + 1, ..part })
}

fn coming(weekday: Weekday, today: Date) -> Date {
    today.nth_weekday(1, weekday).unwrap_or(today)
}

fn last(weekday: Weekday, today: Date) -> Date {
    today.nth_weekday(-1, weekday).unwrap_or(today)
}

fn weeks(words: &[Word], at: usize, context: &Context) -> Option<DatePart> {
    let low = |offset: usize| words.get(at + offset).map_or("", |word| word.low.as_str());
    let today = context.now.date();
    let monday = plus(today, -i64::from(today.weekday().to_monday_zero_offset()).days());
    let (first, last) = match (low(0), low(1)) {
        ("this", "week") => (today, plus(monday, 6.days())),
        ("next", "week") => (plus(monday, 7.days()), plus(monday, 13.days())),
        ("last", "week") => (plus(monday, -7.days()), plus(monday, -1.days())),
        // On a Sunday the Saturday is over.
        ("this" | "the", "weekend") => (today.max(plus(monday, 5.days())), plus(monday, 6.days())),
        ("next", "weekend") => (plus(monday, 12.days()), plus(monday, 13.days())),
        ("next", "month") => {
            let first = plus(today.first_of_month(), 1.month());
            (first, first.last_of_month())
        }
        _ => return None,
    };
    Some(DatePart { days: (first, last), hour: None, len: 2, weak: false, or: None })
}

/// "3 December", "the 3rd of December 2026", "Dec 3rd, 2026".
fn month_day(words: &[Word], at: usize, context: &Context) -> Option<DatePart> {
    let low = |offset: usize| words.get(at + offset).map_or("", |word| word.low.as_str());
    let (number, month, mut len) = if let Some(month) = words::month(low(0)) {
        (words::day_of_month(low(1))?.0, month, 2)
    } else {
        let article = usize::from(low(0) == "the");
        let (number, _) = words::day_of_month(low(article))?;
        let of = usize::from(low(article + 1) == "of");
        (number, words::month(low(article + 1 + of))?, article + of + 2)
    };
    let year = low(len).parse::<i16>().ok().filter(|year| (1900..=2200).contains(year));
    len += usize::from(year.is_some());
    let found = match year {
        Some(year) => Date::new(year, month, number).ok()?,
        None => nearest_year(month, number, context)?,
    };
    Some(day(found, len))
}

fn nearest_year(month: i8, number: i8, context: &Context) -> Option<Date> {
    let today = context.now.date();
    let fits =
        |found: &Date| if context.direction == Direction::Ahead { *found >= today } else { *found <= today };
    // 29 February comes every fourth year, every eighth around 2100.
    let years: Box<dyn Iterator<Item = i16>> = if context.direction == Direction::Ahead {
        Box::new(today.year()..=today.year() + 8)
    } else {
        Box::new((today.year() - 8..=today.year()).rev())
    };
    years.filter_map(|year| Date::new(year, month, number).ok()).find(fits)
}

/// `2026-12-03`, `3/12`, `3/12/2026`, `3.12.2026`.
fn written_date(words: &[Word], at: usize, context: &Context) -> Option<DatePart> {
    let word = words.get(at)?.low.as_str();
    if let Ok(found) = word.parse::<Date>() {
        return (word.len() == 10 && word.as_bytes().get(4) == Some(&b'-')).then(|| day(found, 1));
    }
    let mark = if word.contains('/') { '/' } else { '.' };
    let numbers: Option<Vec<i16>> =
        word.split(mark).map(|part| part.parse().ok().filter(|_| part.len() <= 4)).collect();
    let numbers = numbers?;
    let (first, second, year) = match (numbers.as_slice(), mark) {
        ([first, second], '/') => (*first, *second, None),
        ([first, second, year], _) => {
            (*first, *second, Some(if *year < 100 { 2_000 + *year } else { *year }))
        }
        _ => return None,
    };
    let small = |number: i16| i8::try_from(number).ok();
    let (first, second) = (small(first)?, small(second)?);
    let date = |number: i8, month: i8| {
        year.map_or_else(|| nearest_year(month, number, context), |year| Date::new(year, month, number).ok())
    };
    // Points are written day first everywhere; slashes are not.
    let unclear = mark == '/' && first <= 12 && second <= 12 && first != second;
    let found = date(first, second).or_else(|| date(second, first))?;
    let other = if unclear { date(second, first) } else { None };
    Some(DatePart { weak: year.is_none(), or: other, ..day(found, 1) })
}

/// "the 5th": only behind a preposition, or titles of books would be dates.
fn ordinal(words: &[Word], at: usize, context: &Context) -> Option<DatePart> {
    let low = |offset: usize| words.get(at + offset).map_or("", |word| word.low.as_str());
    let article = usize::from(low(0) == "the");
    let (number, true) = words::day_of_month(low(article))? else { return None };
    let first = context.now.date().first_of_month();
    let fits = |found: &Date| *found >= context.now.date();
    let months = (0..12).map(|months: i64| plus(first, months.months()));
    let found = months.filter_map(|month| Date::new(month.year(), month.month(), number).ok()).find(fits)?;
    Some(DatePart { weak: true, ..day(found, article + 1) })
}
