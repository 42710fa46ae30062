//! Reads recurrence out of what people write: "every Monday at 9", "every 2 weeks on Friday", "3 days after I finish".
//!
//! As with dates only whole words count, quoted text is never read, and a phrase stands at an edge of the text. The
//! time of day behind it is read by `when`.

use std::ops::Range;

use jiff::{
    Zoned,
    civil::{Date, Time},
};

use super::{Mode, Repeats, words};
use crate::when::{self, Choice, Context, Direction, Habits, Meaning, Reading};

pub(super) mod days;
mod grammar;

/// What was heard in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Nothing,
    /// `span`: bytes of the text that say it.
    Found {
        repeats: Repeats,
        span: Range<usize>,
    },
    /// As [`Reading::Ask`].
    Ask {
        span: Range<usize>,
        prompt: &'static str,
        choices: Vec<Choice>,
    },
}

const SHORT_MONTHS: &str = "Some months are shorter. Which day do you mean?";
const HALF: &str = "In the morning, or in the afternoon?";

struct Word<'a> {
    text: &'a str,
    low: String,
    span: Range<usize>,
    quoted: bool,
}

/// Which day of a month or year a phrase named, if it may be missing from some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scarce {
    No,
    /// Some months are without it.
    OfMonth(i8),
    /// Some years are.
    LeapDay,
}

/// The recurrence in a text, if there is one.
pub(crate) fn read(text: &str, now: &Zoned) -> Heard {
    let all = split(text);
    let found = (0..all.len()).filter_map(|start| {
        let parsed = grammar::parse(&all[start..])?;
        let end = start + parsed.len + time_words(text, &all[start + parsed.len..], now);
        may_stand(&all, start, end).then_some((start, end))
    });
    let longest = found.max_by_key(|(start, end)| (end - start, *end));
    longest.map_or(Heard::Nothing, |(start, end)| meaning(text, &all[start..end], now))
}

/// The whole text is a recurrence, or nothing.
pub(crate) fn read_whole(text: &str, now: &Zoned) -> Heard {
    let all = split(text);
    match grammar::parse(&all) {
        Some(parsed) if parsed.len + time_words(text, &all[parsed.len..], now) == all.len() => {
            meaning(text, &all, now)
        }
        _ => Heard::Nothing,
    }
}

/// The question that a monthly rule needs which takes its day from its first date; `span` is where the phrase stands.
pub(crate) fn doubt(repeats: &Repeats, first: Date, span: &Range<usize>) -> Option<Heard> {
    let by_date = repeats.mode == Mode::Fixed && !repeats.rule.contains("BY");
    let monthly = repeats.rule.starts_with("FREQ=MONTHLY") && first.day() > 28;
    let yearly = repeats.rule.starts_with("FREQ=YEARLY") && (first.month(), first.day()) == (2, 29);
    let scarce = if monthly {
        Scarce::OfMonth(first.day())
    } else if yearly {
        Scarce::LeapDay
    } else {
        return None;
    };
    by_date.then(|| ask_day(repeats, scarce, span.clone()))
}

fn meaning(text: &str, said: &[Word<'_>], now: &Zoned) -> Heard {
    let (Some(first), Some(last), Some(parsed)) = (said.first(), said.last(), grammar::parse(said)) else {
        return Heard::Nothing;
    };
    let span = first.span.start..last.span.end;
    let repeats = |time| Repeats { rule: parsed.rule.clone(), mode: parsed.mode, time };
    let clock = said.get(parsed.len).map_or(Clock::None, |at| {
        let words = text.get(at.span.start..span.end).unwrap_or_default();
        clock(words, now).unwrap_or(Clock::None)
    });
    let (time, other) = match clock {
        Clock::None => (None, None),
        Clock::At(time) => (Some(time), None),
        Clock::Either(one, other) => (Some(one), Some(other)),
    };
    match (parsed.scarce, time, other) {
        (_, Some(one), Some(other)) => {
            let choices = [one, other].map(|time| choice(&repeats(Some(time))));
            Heard::Ask { span, prompt: HALF, choices: choices.to_vec() }
        }
        (Scarce::No, time, _) => Heard::Found { repeats: repeats(time), span },
        (scarce, time, _) => ask_day(&repeats(time), scarce, span),
    }
}

fn choice(repeats: &Repeats) -> Choice {
    let said = words::tell(repeats);
    Choice::of_words(said.clone(), said)
}

/// On that day only, or on the last one where it is missing.
fn ask_day(repeats: &Repeats, scarce: Scarce, span: Range<usize>) -> Heard {
    let base: String =
        repeats.rule.split(';').filter(|part| !part.starts_with("BY")).collect::<Vec<_>>().join(";");
    let (only, last) = match scarce {
        Scarce::OfMonth(day) => (format!("BYMONTHDAY={day}"), "BYMONTHDAY=-1".to_owned()),
        Scarce::LeapDay | Scarce::No => {
            ("BYMONTH=2;BYMONTHDAY=29".to_owned(), "BYMONTH=2;BYMONTHDAY=-1".to_owned())
        }
    };
    let choices =
        [only, last].map(|by| choice(&Repeats { rule: format!("{base};{by}"), ..repeats.clone() })).to_vec();
    Heard::Ask { span, prompt: SHORT_MONTHS, choices }
}

enum Clock {
    None,
    At(Time),
    Either(Time, Time),
}

/// How many of these words are a time of day.
fn time_words(text: &str, rest: &[Word<'_>], now: &Zoned) -> usize {
    let Some(first) = rest.first().filter(|word| word.low == "at") else { return 0 };
    let longest = (2..=rest.len().min(5)).rev().find(|len| {
        let words = text.get(first.span.start..rest[len - 1].span.end).unwrap_or_default();
        clock(words, now).is_some()
    });
    longest.unwrap_or(0)
}

/// `words` begin with "at" and are a time to their end.
fn clock(words: &str, now: &Zoned) -> Option<Clock> {
    let words = words.trim_end_matches(['.', ',', '!', '?']);
    if let Some((hour, minute)) = bare(words.strip_prefix("at ")?.trim()) {
        let at = |hour| Time::new(hour, minute, 0, 0).ok();
        // What comes again at 9 comes in the morning; at 5 it may be either.
        return match hour {
            7..=12 => at(hour).map(Clock::At),
            1..=6 => Some(Clock::Either(at(hour)?, at(hour + 12)?)),
            _ => None,
        };
    }
    match when::read_whole(
        words,
        &Context { now: now.clone(), direction: Direction::Ahead, habits: Habits::default() },
    ) {
        Reading::Found { meaning: Meaning::At(moment), .. } => Some(Clock::At(moment.time)),
        _ => None,
    }
}

/// "9", "5:30": without a half of the day. "09:00" is written by whoever counts to 24.
fn bare(text: &str) -> Option<(i8, i8)> {
    let (hour, minute) = text.split_once(':').unwrap_or((text, "0"));
    let digits = |text: &str| text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits(hour) && digits(minute) && !hour.starts_with('0');
    let (hour, minute) = (hour.parse().ok()?, minute.parse().ok()?);
    (plain && (1..=12).contains(&hour)).then_some((hour, minute))
}

fn may_stand(all: &[Word<'_>], start: usize, end: usize) -> bool {
    if all[start..end].iter().any(|word| word.quoted) {
        return false;
    }
    let capital = |word: &Word<'_>| word.text.chars().next().is_some_and(char::is_uppercase);
    if end == all.len() {
        // "watch The Daily", "Every Other Weekend": capitals that nobody writes but in titles.
        return start == 0 || !capital(&all[start]);
    }
    let next_is_plain = !capital(&all[end]);
    // "daily standup notes" is a title; "every day stretch" is none.
    start == 0 && next_is_plain && (end - start > 1 || all[end - 1].text.ends_with(','))
}

fn split(text: &str) -> Vec<Word<'_>> {
    let mut quoted = false;
    let mut words = Vec::new();
    let mut from = 0;
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = piece.trim();
        let start = from + (piece.len() - piece.trim_start().len());
        from += piece.len();
        if word.is_empty() {
            continue;
        }
        let marks = word.matches(['"', '“', '”', '«', '»']).count();
        let low = word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase().replace('’', "'");
        words.push(Word { text: word, low, span: start..start + word.len(), quoted: quoted || marks > 0 });
        quoted ^= marks % 2 == 1;
    }
    if let Some(last) = words.last_mut() {
        // The mark ends the sentence, not the phrase.
        last.span.end = last.span.start + last.text.trim_end_matches(['.', '!', '?']).len().max(1);
    }
    words
}
