//! "At 8am and 8pm", "Mon, Wed and Fri": times or days in a row, of which a task has one.

use std::ops::Range;

use super::{
    Context,
    clock::{Looks, TimePart, time_part},
    days::{DatePart, Kind, single_day},
    grammar::{Phrase, Says},
    lexicon, neighbours,
    words::Sentence,
};

pub(super) const ONE_TIME: &str =
    "A task has one time. Which is this one's? Say the other one as a task of its own.";

pub(super) const ONE_DAY: &str =
    "A task has one day. Which is this one's? Say “every” to have it come again.";

/// Dates and times of which one is meant, and the words of them all.
#[derive(Debug)]
pub(super) struct Several {
    pub(super) prompt: &'static str,
    pub(super) says: Vec<Says>,
    pub(super) words: Range<usize>,
}

/// The row of times that `best` is in, if there is a second one. `found`: all phrases that stand.
pub(super) fn times<'a>(
    words: &Sentence,
    best: &Phrase,
    found: impl Iterator<Item = &'a Phrase> + Clone,
) -> Option<Several> {
    let first = told(best)?;
    let (mut date, mut times, mut row) = (first.0.clone(), vec![first], best.range());
    while let Some(before) = found.clone().find(|other| is_joined(words, other.end, row.start)) {
        let Some(said) = told(before) else { break };
        date = date.or_else(|| said.0.clone());
        times.insert(0, said);
        row.start = before.start;
    }
    while let Some((time, end)) = next(words, row.end) {
        times.push((None, time));
        row.end = end;
    }
    // "Tomorrow at 5pm or Friday at 6pm": a time has its own day, or the one that is said.
    let says = |(own, time): (Option<DatePart>, TimePart)| {
        own.or_else(|| date.clone()).map_or(Says::Time(time), |date| Says::Both(date, time))
    };
    (times.len() > 1 && !is_day(words, row.end)).then(|| Several {
        prompt: ONE_TIME,
        says: times.into_iter().map(says).collect(),
        words: row,
    })
}

/// The row of days that `best` is in, if there is a second one: weekdays, today, tomorrow.
pub(super) fn days(words: &Sentence, best: &Phrase, context: &Context) -> Option<Several> {
    let (date, time) = match &best.says {
        Says::Date(date) => (date, None),
        Says::Both(date, time) => (date, Some(*time)),
        Says::Time(_) | Says::Moment(_) => return None,
    };
    let by_number = date.kind == Kind::Ordinal;
    let first =
        best.range().find(|at| if by_number { is_numbered_day(words, *at) } else { is_day(words, *at) })?;
    date.one_day()?;
    let is_one = |at: usize| if by_number { is_numbered_day(words, at) } else { is_day(words, at) };
    let (mut all, mut row) = (vec![first], best.range());
    while let Some(before) = (row.start.saturating_sub(3)..row.start)
        .rev()
        .find(|at| is_one(*at) && is_listed(words, *at, row.start))
    {
        all.insert(0, before);
        row.start = before - usize::from(before > 0 && words.is(before - 1, &["on", "by"]));
    }
    while let Some(next) = (row.end..row.end + 4).find(|at| is_one(*at) && is_listed(words, row.end - 1, *at))
    {
        all.push(next);
        row.end = next + 1;
    }
    // "on Monday at 6 and Wednesday at 7": each has its own.
    if time.is_some() && row.end > best.end && words.is(row.end, &["at", "@"]) {
        return None;
    }
    let says = |at: &usize| {
        let date = single_day(words, *at, context)?;
        Some(time.map_or(Says::Date(date.clone()), |time| Says::Both(date, time)))
    };
    (all.len() > 1).then_some(Several {
        prompt: ONE_DAY,
        says: all.iter().map(says).collect::<Option<_>>()?,
        words: row,
    })
}

fn is_day(words: &Sentence, at: usize) -> bool {
    let low = words.low(at);
    lexicon::is_relative_day(low) || is_week_day(low)
}

/// "15th", of which a month is not said.
fn is_numbered_day(words: &Sentence, at: usize) -> bool {
    let low = words.low(at);
    let figures = low.starts_with(|c: char| c.is_ascii_digit());
    let of_month = words.is(at + 1, &["of"]) || lexicon::month(words.low(at + 1)).is_some();
    figures && lexicon::day_of_month(low).is_some_and(|(_, ordinal)| ordinal) && !of_month
}

fn is_week_day(low: &str) -> bool {
    lexicon::weekday(low).or_else(|| lexicon::short_weekday(low)).is_some()
}

/// Whether the days at `one` and `other` are of a list: "and", "or", a comma or nothing at all between them.
fn is_listed(words: &Sentence, one: usize, other: usize) -> bool {
    let between = one + 1..other;
    let joined = between.clone().any(|at| words.is(at, &["and", "or"]));
    let only = between.clone().all(|at| words.is(at, &["and", "or", "on", "by", "the"]));
    let comma = words.words.get(one).is_some_and(|word| word.break_after);
    let bare = between.is_empty() && is_week_day(words.low(one)) && is_week_day(words.low(other));
    only && (joined || comma || bare)
}

fn told(phrase: &Phrase) -> Option<(Option<DatePart>, TimePart)> {
    match &phrase.says {
        Says::Time(time) => Some((None, *time)),
        Says::Both(date, time) => Some((Some(date.clone()), *time)),
        Says::Date(_) | Says::Moment(_) => None,
    }
}

/// Nothing but "and", "or" or a comma stands between.
fn is_joined(words: &Sentence, end: usize, start: usize) -> bool {
    let comma = end.checked_sub(1).is_some_and(|last| words.words[last].break_after);
    let apposed = words.low(start).starts_with(|c: char| c.is_ascii_digit());
    end + 1 == start && words.is(end, &["and", "or"]) || end == start && (comma || apposed)
}

/// The next time of the row, and where it ends. A bare number is one where the sentence ends or goes on behind it.
fn next(words: &Sentence, at: usize) -> Option<(TimePart, usize)> {
    let joined = words.skip(at, &["and", "or"]);
    let comma = at.checked_sub(1).is_some_and(|last| words.words[last].break_after);
    let preposition = words.skip(at + joined, &["at", "@"]);
    let from = at + joined + preposition;
    let time = time_part(words, from)?;
    // "8am 8pm".
    let apposed = time.looks == Looks::Time && preposition == 0;
    if joined == 0 && !comma && !apposed {
        return None;
    }
    let end = from + time.len;
    let bare = time.looks == Looks::Number;
    let stands = joined > 0 && (words.ends_at(end) || neighbours::goes_on(words.low(end)));
    (!bare || stands).then_some((time, end))
}
