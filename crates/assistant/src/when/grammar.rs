//! The grammar: what a run of words beginning at one of them means.
//!
//! A phrase is a date part, a time part, or both in either order. Each parser takes the words from an index on and says
//! how far it got; the longest wins.

use jiff::{
    Span, ToSpan,
    civil::{Date, Time},
};

use super::{
    Choice, Context, Direction, Meaning, Reading,
    clock::{Clock, TimePart, half_by, hour_of, time_part},
    days::{DatePart, date_part, plus},
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

pub(super) const PREPOSITIONS: [&str; 10] =
    ["on", "at", "by", "until", "till", "before", "for", "from", "in", "@"];

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
