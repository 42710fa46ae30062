//! The grammar: what a run of words beginning at one of them means.
//!
//! A phrase is a date part, a time part, or both in either order. Each parser takes the words from an index on and says
//! how far it got; the longest wins.

use jiff::{
    Span, ToSpan,
    civil::{Date, Time, Weekday},
};

use super::{
    Choice, Context, Direction, Meaning, Reading,
    words::{self, Word},
};

/// A run of words that means a time.
#[derive(Clone, Debug)]
pub(super) struct Parsed {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) has_preposition: bool,
    /// So easily something else that only a preposition makes it a date: `3/4`, `sun`, `noon`.
    pub(super) weak: bool,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Sure(Meaning),
    Ask(Vec<Choice>),
}

impl Parsed {
    pub(super) fn into_reading(self, words: &[Word]) -> Reading {
        let span = words[self.start].start..words[self.end - 1].end;
        match self.what {
            What::Sure(meaning) => Reading::Found { meaning, span },
            What::Ask(choices) => Reading::Ask { span, prompt: "When do you mean?", choices },
        }
    }
}

/// A date, and how many words said it.
struct DatePart {
    days: (Date, Date),
    /// "tonight", "tomorrow morning": the hour that it brings along.
    hour: Option<i8>,
    len: usize,
    weak: bool,
    /// What it may mean as well: the other week for "next Friday", the other order for 3/4.
    or: Option<Date>,
}

#[derive(Clone, Copy)]
enum Clock {
    Sure(Time),
    /// "at 5": morning or afternoon.
    Either {
        hour: i8,
        minute: i8,
    },
}

struct TimePart {
    clock: Clock,
    len: usize,
    weak: bool,
}

const PREPOSITIONS: [&str; 10] = ["on", "at", "by", "until", "till", "before", "for", "from", "in", "@"];

/// The longest phrase that begins at `start`.
pub(super) fn parse(words: &[Word], start: usize, context: &Context) -> Option<Parsed> {
    if let Some(parsed) = parse_relative(words, start, context) {
        return Some(parsed);
    }
    let is = |at: usize, any: &[&str]| words.get(at).is_some_and(|word| any.contains(&word.low.as_str()));
    let prepositions = usize::from(is(start, &PREPOSITIONS));
    if let Some(hour) = part_of_the_day(words, start) {
        let time = hour_of(hour, 0);
        let what = What::Sure(Meaning::At(next_day_of(time, context), time));
        return Some(Parsed { start, end: start + 3, has_preposition: true, weak: false, what });
    }
    let first = start
        + prepositions
        + usize::from(
            prepositions == 1 && is(start, &["by", "until", "before"]) && is(start + 1, &["on", "at"]),
        );
    let (date, time, end) = parts(words, first, context)?;
    // "for 10" is a number of people, "in 5" the beginning of something else, "from 5" a price.
    if date.is_none() && prepositions == 1 && is(start, &["for", "in", "from", "on"]) {
        return None;
    }
    // A bare number is a time only where "at" says so.
    let bare_number = |time: &TimePart| matches!(time.clock, Clock::Either { .. }) && date.is_none();
    if time.as_ref().is_some_and(bare_number)
        && !is(first - prepositions.min(first), &["at", "by", "@", "before", "until", "till"])
    {
        return None;
    }
    let weak = date
        .as_ref()
        .map_or_else(|| time.as_ref().is_some_and(|time| time.weak), |date| date.weak && time.is_none());
    Some(Parsed { start, end, has_preposition: prepositions > 0, weak, what: meaning(date, time, context) })
}

/// "call the bank in the morning", at the end: "in the morning light" is none.
fn part_of_the_day(words: &[Word], start: usize) -> Option<i8> {
    let rest = words.get(start..).filter(|rest| rest.len() == 3)?;
    let said = rest[0].low == "in" && rest[1].low == "the";
    said.then(|| words::day_part(&rest[2].low)).flatten()
}

/// Date then time, or time then date, with their joining words.
fn parts(
    words: &[Word],
    first: usize,
    context: &Context,
) -> Option<(Option<DatePart>, Option<TimePart>, usize)> {
    if let Some(date) = date_part(words, first, context) {
        let after = first + date.len;
        let time_at = after + joining(words, after, &["at", "by", "from", "@"]);
        return Some(match time_part(words, time_at, time_at > after) {
            Some(time) => {
                let end = time_at + time.len;
                let end = end + until(words, end);
                (Some(date), Some(time), end)
            }
            None => (Some(date), None, after),
        });
    }
    let time = time_part(words, first, true)?;
    let after = first + time.len;
    let after = after + until(words, after);
    let date_at = after + joining(words, after, &["on"]);
    Some(match date_part(words, date_at, context) {
        Some(date) => {
            let end = date_at + date.len;
            (Some(date), Some(time), end)
        }
        None => (None, Some(time), after),
    })
}

/// "… to 6pm": how many words say the end of a time that has begun. What is kept is when it begins.
fn until(words: &[Word], at: usize) -> usize {
    let joined = joining(words, at, &["to", "till", "until"]);
    let end = time_part(words, at + joined, true).filter(|time| matches!(time.clock, Clock::Sure(_)));
    end.filter(|_| joined == 1).map_or(0, |time| 1 + time.len)
}

fn joining(words: &[Word], at: usize, any: &[&str]) -> usize {
    usize::from(words.get(at).is_some_and(|word| any.contains(&word.low.as_str())))
}

fn meaning(date: Option<DatePart>, time: Option<TimePart>, context: &Context) -> What {
    let part_of_day = date.as_ref().and_then(|date| date.hour);
    let clock = time
        .map(|time| half_by(time.clock, part_of_day))
        .or_else(|| date.as_ref().and_then(|date| date.hour).map(|hour| Clock::Sure(hour_of(hour, 0))));
    let sure = |clock| if let Clock::Sure(time) = clock { Some(time) } else { None };
    if let Some(DatePart { days: (day, _), or: Some(other), .. }) = &date {
        let time = clock.and_then(sure);
        // "on Sunday at 9", said on a Sunday at 10, is the next one.
        let over =
            |day: &Date| *day == context.now.date() && time.is_some_and(|time| time <= context.now.time());
        let mut days = [*day, *other];
        days.sort_unstable();
        let days = days.into_iter().filter(|day| !over(day));
        let choices: Vec<Choice> = days.map(|day| choice(day, time)).collect();
        if choices.len() > 1 {
            return What::Ask(choices);
        }
    }
    match (date, clock) {
        (Some(date), None) if date.days.0 == date.days.1 => What::Sure(Meaning::Day(date.days.0)),
        (Some(date), None) => What::Sure(Meaning::Days(date.days.0, date.days.1)),
        (Some(date), Some(Clock::Sure(time))) => What::Sure(Meaning::At(date.days.0, time)),
        (None, Some(Clock::Sure(time))) => What::Sure(Meaning::At(next_day_of(time, context), time)),
        (date, Some(Clock::Either { hour, minute })) => {
            ask_half(date.map(|date| date.days.0), hour, minute, context)
        }
        // A phrase has a date or a time.
        (None, None) => What::Ask(Vec::new()),
    }
}

/// "tomorrow evening at 7" is not in the morning; "tonight at 1" stays open.
fn half_by(clock: Clock, part_of_day: Option<i8>) -> Clock {
    match (clock, part_of_day) {
        (Clock::Either { hour: hour @ 4..=11, minute }, Some(..12)) => Clock::Sure(hour_of(hour, minute)),
        (Clock::Either { hour: hour @ 1..=6, minute }, Some(15)) => Clock::Sure(hour_of(hour + 12, minute)),
        (Clock::Either { hour: hour @ 5..=11, minute }, Some(16..)) => {
            Clock::Sure(hour_of(hour + 12, minute))
        }
        (clock, _) => clock,
    }
}

/// A time without a day is the next one that comes.
fn next_day_of(time: Time, context: &Context) -> Date {
    let today = context.now.date();
    if time > context.now.time() || context.direction == Direction::Back {
        today
    } else {
        plus(today, 1.day())
    }
}

/// "at 5" is asked, with the day written out, so that the answer cannot be misread again.
fn ask_half(day: Option<Date>, hour: i8, minute: i8, context: &Context) -> What {
    let halves = [hour_of(hour % 12, minute), hour_of(hour % 12 + 12, minute)];
    What::Ask(
        halves
            .into_iter()
            .map(|time| choice(day.unwrap_or_else(|| next_day_of(time, context)), Some(time)))
            .collect(),
    )
}

/// A button for one reading, which says it unmistakably.
pub(super) fn choice(day: Date, time: Option<Time>) -> Choice {
    let shown = day.strftime("%a %-d %b");
    match time.map(|time| time.strftime("%H:%M").to_string()) {
        Some(time) => Choice { label: format!("{shown}, {time}"), instead: format!("on {day} at {time}") },
        None => Choice { label: shown.to_string(), instead: format!("on {day}") },
    }
}

fn hour_of(hour: i8, minute: i8) -> Time {
    Time::new(hour, minute, 0, 0).unwrap_or(Time::MIN)
}

fn plus(day: Date, span: Span) -> Date {
    day.saturating_add(span)
}

/// "in 2 hours", "in half an hour", "3 days ago", "in a week".
fn parse_relative(words: &[Word], start: usize, context: &Context) -> Option<Parsed> {
    let low = |at: usize| words.get(at).map(|word| word.low.as_str());
    let ahead = low(start) == Some("in");
    let at = start + usize::from(ahead);
    let (amount, unit_at, half) = match (low(at), low(at + 1)) {
        (Some("half"), Some("an" | "a")) => (1, at + 2, true),
        (Some(word), _) => (words::number(word)?, at + 1, false),
        _ => return None,
    };
    let unit = low(unit_at)?;
    let ago = low(unit_at + 1) == Some("ago");
    if ahead == ago {
        return None;
    }
    let (end, sign) = if ago { (unit_at + 2, -1) } else { (unit_at + 1, 1) };
    let span = match (unit.trim_end_matches('s'), half) {
        ("hour", true) => Span::new().minutes(30),
        (_, true) => return None,
        ("minute" | "min", _) => Span::new().minutes(sign * amount),
        ("hour" | "hr", _) => Span::new().hours(sign * amount),
        ("day", _) => Span::new().days(sign * amount),
        ("week", _) => Span::new().weeks(sign * amount),
        ("month", _) => Span::new().months(sign * amount),
        ("year", _) => Span::new().years(sign * amount),
        _ => return None,
    };
    let then = context.now.checked_add(span).ok()?;
    let exact = matches!(unit.trim_end_matches('s'), "minute" | "min" | "hour" | "hr");
    let meaning = if exact {
        Meaning::At(then.date(), hour_of(then.hour(), then.minute()))
    } else {
        Meaning::Day(then.date())
    };
    let parsed = Parsed { start, end, has_preposition: true, weak: false, what: What::Sure(meaning) };
    Some(with_time(words, parsed, context))
}

/// "in 3 days at 9am".
fn with_time(words: &[Word], parsed: Parsed, context: &Context) -> Parsed {
    let What::Sure(Meaning::Day(day)) = parsed.what else { return parsed };
    let at = parsed.end + joining(words, parsed.end, &["at"]);
    let Some(time) = time_part(words, at, at > parsed.end) else { return parsed };
    let what = match time.clock {
        Clock::Sure(clock) => What::Sure(Meaning::At(day, clock)),
        Clock::Either { hour, minute } => ask_half(Some(day), hour, minute, context),
    };
    Parsed { end: at + time.len, what, ..parsed }
}

fn date_part(words: &[Word], at: usize, context: &Context) -> Option<DatePart> {
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

/// `after_at`: "at" or "by" stands before it, so a bare number is a time.
fn time_part(words: &[Word], at: usize, after_at: bool) -> Option<TimePart> {
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
