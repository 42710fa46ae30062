//! "At 8am and 8pm": times in a row, of which a task has one.

use std::ops::Range;

use super::{
    clock::{Looks, TimePart, time_part},
    days::DatePart,
    grammar::{Phrase, Says},
    neighbours,
    words::Sentence,
};

pub(super) const ONE_TIME: &str =
    "A task has one time. Which is this one's? Say the other one as a task of its own.";

/// Times in a row, the day that is said with one of them, and the words of it all.
#[derive(Debug)]
pub(super) struct Several {
    pub(super) date: Option<DatePart>,
    pub(super) times: Vec<TimePart>,
    pub(super) words: Range<usize>,
}

/// The row of times that `best` is in, if there is a second one. `found`: all phrases that stand.
pub(super) fn times<'a>(
    words: &Sentence,
    best: &Phrase,
    found: impl Iterator<Item = &'a Phrase> + Clone,
) -> Option<Several> {
    let (mut date, time) = told(best)?;
    let (mut times, mut row) = (vec![time], best.range());
    while let Some(before) = found.clone().find(|other| is_joined(words, other.end, row.start)) {
        let Some((day, time)) = told(before) else { break };
        date = date.or(day);
        times.insert(0, time);
        row.start = before.start;
    }
    while let Some((time, end)) = next(words, row.end) {
        times.push(time);
        row.end = end;
    }
    (times.len() > 1).then_some(Several { date, times, words: row })
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
    end + 1 == start && words.is(end, &["and", "or"]) || end == start && comma
}

/// The next time of the row, and where it ends. A bare number is one where the sentence ends or goes on behind it.
fn next(words: &Sentence, at: usize) -> Option<(TimePart, usize)> {
    let joined = words.skip(at, &["and", "or"]);
    let comma = at.checked_sub(1).is_some_and(|last| words.words[last].break_after);
    let preposition = words.skip(at + joined, &["at", "@"]);
    let from = at + joined + preposition;
    let time = time_part(words, from).filter(|_| joined > 0 || comma)?;
    let end = from + time.len;
    let bare = time.looks == Looks::Number;
    let stands = joined > 0 && (words.ends_at(end) || neighbours::goes_on(words.low(end)));
    (!bare || stands).then_some((time, end))
}
