//! Reads days and times out of what people write: our own words and grammar on `jiff`, since no crate comes near
//! without finding Mondays in "monitor".
//!
//! Three rules keep titles whole. Only whole words count. Text in quotes is never read. A date stands at the edge of
//! the sentence or behind a preposition; anything else is part of the title. What can mean two things is asked.

use std::ops::Range;

use jiff::{
    Zoned,
    civil::{Date, Time},
};

mod clock;
mod days;
mod doubt;
mod grammar;
mod words;

#[cfg(test)]
mod tests;

/// Which way a bare weekday points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// "remind me on Monday".
    Ahead,
    /// "what did I do on Monday".
    Back,
}

/// What the reader knows of whoever writes.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) now: Zoned,
    pub(crate) direction: Direction,
}

/// What was meant, as wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Day(Date),
    At(Date, Time),
    /// First and last day.
    Days(Date, Date),
}

impl Meaning {
    pub(crate) fn first_day(self) -> Date {
        match self {
            Self::Day(day) | Self::At(day, _) | Self::Days(day, _) => day,
        }
    }

    pub(crate) fn last_day(self) -> Date {
        match self {
            Self::Day(day) | Self::At(day, _) | Self::Days(_, day) => day,
        }
    }

    pub(crate) fn time(self) -> Option<Time> {
        match self {
            Self::At(_, time) => Some(time),
            Self::Day(_) | Self::Days(..) => None,
        }
    }
}

/// One way to read what can be read in several: shown as a button that says it unmistakably.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) label: String,
    /// What stands instead of the ambiguous words.
    pub(crate) instead: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// No date in it.
    Nothing,
    /// `span`: bytes of the text that say it, its preposition included.
    Found { meaning: Meaning, span: Range<usize> },
    Ask {
        span: Range<usize>,
        /// The question.
        prompt: &'static str,
        choices: Vec<Choice>,
    },
}

/// The date in a sentence, if there is one.
pub(crate) fn read(text: &str, context: &Context) -> Reading {
    let words = words::split(text);
    // The longest reading that may stand where it stands; of two equal ones the later, since people end with the date.
    let candidates = (0..words.len())
        .filter_map(|start| grammar::parse(&words, start, context))
        .filter(|parsed| may_stand(&words, parsed));
    let best = candidates.max_by_key(|parsed| (parsed.end - parsed.start, parsed.end));
    let Some(parsed) = best else { return Reading::Nothing };
    let doubt = doubt::about(&words, parsed.start..parsed.end);
    let reading = parsed.into_reading(&words);
    doubt.map_or(reading.clone(), |doubt| unsure(text, reading, doubt))
}

/// The date is offered, never taken, and so is keeping the words as they are.
fn unsure(text: &str, reading: Reading, doubt: doubt::Doubt) -> Reading {
    let (span, mut choices) = match reading {
        Reading::Nothing => return Reading::Nothing,
        Reading::Found { meaning, span } => {
            (span, vec![grammar::choice(meaning.first_day(), meaning.time())])
        }
        Reading::Ask { span, choices, .. } => (span, choices),
    };
    let (first, last) =
        if doubt.span.start < span.start { (&doubt.span, &span) } else { (&span, &doubt.span) };
    let between = text.get(first.end..last.start).unwrap_or_default();
    let span = if between.trim().is_empty() { first.start..first.end.max(last.end) } else { span };
    let words = text.get(span.clone()).unwrap_or_default();
    choices.push(Choice { label: "No date, keep the words".to_owned(), instead: format!("\"{words}\"") });
    Reading::Ask { span, prompt: doubt.prompt, choices }
}

/// The whole text is a date, or nothing.
pub(crate) fn read_whole(text: &str, context: &Context) -> Reading {
    let words = words::split(text);
    let parsed = grammar::parse(&words, 0, context).filter(|parsed| parsed.end == words.len());
    parsed.map_or(Reading::Nothing, |parsed| parsed.into_reading(&words))
}

/// The text without the bytes of `span`, blanks and joining marks put right.
pub(crate) fn without(text: &str, span: &Range<usize>) -> String {
    let (before, after) =
        (text.get(..span.start).unwrap_or_default(), text.get(span.end..).unwrap_or_default());
    let joins = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '-' | '–' | ':');
    let joined = format!("{} {}", before.trim_end_matches(joins), after.trim_start_matches(joins));
    joined.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text with the bytes of `span` said otherwise.
pub(crate) fn instead(text: &str, span: &Range<usize>, words: &str) -> String {
    format!(
        "{}{words}{}",
        text.get(..span.start).unwrap_or_default(),
        text.get(span.end..).unwrap_or_default()
    )
}

/// Behind a preposition anywhere; bare only at the sentence's end, or at its beginning before a small letter or a comma
/// ("tomorrow call Anna", not "Tomorrow Never Dies").
fn may_stand(words: &[words::Word], parsed: &grammar::Parsed) -> bool {
    if words[parsed.start..parsed.end].iter().any(|word| word.quoted) {
        return false;
    }
    if parsed.has_preposition {
        return true;
    }
    if parsed.weak {
        return false;
    }
    let at_end = parsed.end == words.len();
    let before = parsed.start.checked_sub(1).and_then(|before| words.get(before));
    if at_end {
        return !before.is_some_and(|before| words::names_a_day(before) || words::is_of_a_title(before))
            && !looks_like_a_title(&words[parsed.start..parsed.end], parsed.start);
    }
    let next_is_plain = words[parsed.end].text.chars().next().is_some_and(char::is_lowercase);
    parsed.start == 0 && (words[parsed.end - 1].comma_after || next_is_plain)
}

/// "The Day After Tomorrow": capitals where nobody writes them but in titles.
fn looks_like_a_title(words: &[words::Word], start: usize) -> bool {
    let small_by_custom = |word: &&words::Word| words::written_small(&word.low);
    words
        .iter()
        .enumerate()
        .filter(|(index, _)| start + index > 0)
        .map(|(_, word)| word)
        .filter(small_by_custom)
        .any(|word| word.text.chars().next().is_some_and(char::is_uppercase))
}
