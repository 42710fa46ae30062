//! Reads days and times out of what people write: our own words and grammar on `jiff`, since no crate comes near
//! without finding Mondays in "monitor".
//!
//! Three rules keep titles whole. Only whole words count. Text in quotes is never read. Words that name things as well
//! ("Friday", "the 5th") are a date only where a date stands. What can mean two things is asked. What counts as which is
//! written down in `corpora/README.md`; begin at [`read`], then `grammar`.

use std::{iter, ops::Range};

use jiff::{
    Zoned,
    civil::{Date, Time},
    tz::Offset,
};

mod amounts;
mod bounds;
mod calendar;
mod clock;
mod days;
mod doubt;
mod elsewhere;
mod figures;
mod grammar;
mod habits;
mod impossible;
mod lexicon;
mod meaning;
mod neighbours;
mod periods;
mod place;
mod ranges;
pub(crate) mod said;
mod several;
mod steps;
mod words;

#[cfg(test)]
mod corpora;
#[cfg(test)]
mod tests;

pub(crate) use bounds::{DAYS, FAR};
pub(crate) use habits::{Habits, Lesson};
pub(crate) use meaning::shown_offset;
pub(crate) use neighbours::{is_deed, is_of_media};
pub(crate) use words::Sentence;

use self::{
    grammar::{Phrase, Says},
    place::Standing,
};

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
    pub(crate) habits: Habits,
    /// The day of a time that is said without one, where it is not the next such time.
    pub(crate) day: Option<Date>,
}

/// What was meant, as wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Day(Date),
    At(Moment),
    /// First and last day.
    Days(Date, Date),
}

/// A wall-clock time in the zone of whoever writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) day: Date,
    pub(crate) time: Time,
    /// Only where the clock shows this time twice: which of the two.
    pub(crate) offset: Option<Offset>,
}

/// Where something ends whose last day or hour was said: "from Monday to Wednesday", "3 to 5pm".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) day: Option<Date>,
    pub(crate) time: Option<Time>,
}

impl Meaning {
    pub(crate) fn first_day(self) -> Date {
        match self {
            Self::Day(day) | Self::At(Moment { day, .. }) | Self::Days(day, _) => day,
        }
    }

    pub(crate) fn last_day(self) -> Date {
        match self {
            Self::Day(day) | Self::At(Moment { day, .. }) | Self::Days(_, day) => day,
        }
    }

    pub(crate) fn time(self) -> Option<Time> {
        match self {
            Self::At(moment) => Some(moment.time),
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
    /// `None`: no date.
    pub(crate) meaning: Option<Meaning>,
    /// What choosing it says of the person, to be asked no more.
    pub(crate) lesson: Option<Lesson>,
}

impl Choice {
    /// A choice that is no date.
    pub(crate) fn of_words(label: impl Into<String>, instead: impl Into<String>) -> Self {
        Self { label: label.into(), instead: instead.into(), meaning: None, lesson: None }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// No date in it.
    Nothing,
    /// `spans`: bytes of the text that say it, their prepositions included, in their order; a day and its hour may stand
    /// apart.
    /// `names_day`: a day was said, or a length from now; else the time is the next such one. `end`: what `meaning` begins
    /// has an end, which was said.
    Found { meaning: Meaning, spans: Vec<Range<usize>>, names_day: bool, end: Option<End> },
    Ask {
        spans: Vec<Range<usize>>,
        /// The question.
        prompt: &'static str,
        /// Two or more, but for what is out of reach: [`read`] offers to keep the words, and [`read_due`] nothing.
        choices: Vec<Choice>,
    },
}

/// The button that leaves a title whole.
pub(crate) const KEEP: &str = "No date, keep the words";
const WHEN: &str = "When do you mean?";
pub(crate) const A_NAME: &str = "Is that a date, or part of the name?";

/// The date in a sentence, if there is one.
pub(crate) fn read(text: &str, context: &Context) -> Reading {
    let words = Sentence::of(text);
    let mut found: Vec<(Phrase, Standing)> = (0..words.len())
        .filter_map(|start| grammar::phrase(&words, start, context))
        .map(|phrase| (place::standing(&words, &phrase), phrase))
        .filter(|(standing, _)| *standing != Standing::No)
        .map(|(standing, phrase)| (phrase, standing))
        .collect();
    // A date that is written out is how a question is answered: no other word counts beside it.
    let is_written_out = found.iter().any(|(phrase, _)| phrase.is_written_out(&words));
    if is_written_out {
        found.retain(|(phrase, _)| phrase.is_written_out(&words));
    }
    if let Some(asked) = impossible::find(&words, context).filter(|_| !is_written_out) {
        let span = words.bytes(&asked.words);
        let choices = asked.near.into_iter().flat_map(|says| choices(says, context)).collect();
        return unsure(text, &span, choices, doubt::Doubt { span: span.clone(), prompt: asked.prompt });
    }
    // The longest; of two equal ones the later, since people end with the date.
    let Some((best, standing)) = found.iter().max_by_key(|(phrase, _)| (phrase.len(), phrase.end)) else {
        return Reading::Nothing;
    };
    let other = other_half(best, &found);
    let mut ranges: Vec<Range<usize>> =
        iter::once(best).chain(other.iter().map(|(_, other)| *other)).map(Phrase::range).collect();
    let span = words.bytes(&best.range());
    if !is_written_out && let Some(several) = in_a_row(&words, best, &found, context) {
        return one_of(text, &words, several, context);
    }
    let doubt = bounds::far_year(&words, best).or_else(|| doubt::about(&words, &ranges)).or_else(|| {
        (*standing == Standing::Doubtful).then(|| doubt::Doubt { span: span.clone(), prompt: A_NAME })
    });
    let second = other_dates(best, other.as_ref().map(|(_, phrase)| *phrase), &found);
    let doubt = doubt.or_else(|| {
        (has_another_time(best, &found) || !second.is_empty())
            .then(|| doubt::Doubt { span: span.clone(), prompt: doubt::UNCLEAR })
    });
    if let Some(doubt) = doubt {
        let mut all: Vec<&Phrase> = second.into_iter().chain(iter::once(best)).collect();
        all.sort_by_key(|phrase| phrase.start);
        let choices = all.into_iter().flat_map(|phrase| choices(phrase.says.clone(), context)).collect();
        return unsure(text, &span, choices, doubt);
    }
    ranges.sort_by_key(|range| range.start);
    let spans: Vec<_> = ranges.iter().map(|range| words.bytes(range)).collect();
    let says = other.map_or_else(|| best.says.clone(), |(both, _)| both);
    match checked(says, spans, is_written_out, context) {
        Reading::Ask { prompt, choices, .. } if matches!(prompt, bounds::IS_OVER | FAR) => {
            unsure(text, &span, choices, doubt::Doubt { span: span.clone(), prompt })
        }
        reading => reading,
    }
}

/// As [`told`], but for what is over or out of reach.
fn checked(says: Says, spans: Vec<Range<usize>>, is_written_out: bool, context: &Context) -> Reading {
    let has_hour = matches!(says, Says::Both(..));
    match told(says, spans, context) {
        Reading::Found { meaning, spans, names_day, end } => {
            match bounds::checked(meaning, spans, (end, has_hour, is_written_out), context) {
                Ok(spans) => Reading::Found { meaning, spans, names_day, end },
                Err(asked) => asked,
            }
        }
        reading => reading,
    }
}

fn choices(says: Says, context: &Context) -> Vec<Choice> {
    meaning::ways(says, context).into_iter().map(|way| meaning::choice(way, context)).collect()
}

fn in_a_row(
    words: &Sentence,
    best: &Phrase,
    found: &[(Phrase, Standing)],
    context: &Context,
) -> Option<several::Several> {
    let standing =
        found.iter().filter(|(_, standing)| *standing == Standing::Stands).map(|(phrase, _)| phrase);
    several::times(words, best, standing).or_else(|| several::days(words, best, context))
}

/// Each of them is offered, none is dropped.
fn one_of(text: &str, words: &Sentence, several: several::Several, context: &Context) -> Reading {
    let span = words.bytes(&several.words);
    let mut offered: Vec<Choice> = Vec::new();
    for choice in several.says.into_iter().flat_map(|says| choices(says, context)) {
        let new = Choice { lesson: None, ..choice };
        if !offered.contains(&new) {
            offered.push(new);
        }
    }
    unsure(text, &span, offered, doubt::Doubt { span: span.clone(), prompt: several.prompt })
}

/// "tomorrow call Anna at 5pm": the day stands here, the hour there.
fn other_half<'a>(best: &Phrase, found: &'a [(Phrase, Standing)]) -> Option<(Says, &'a Phrase)> {
    let apart = |other: &Phrase| other.end <= best.start || best.end <= other.start;
    let sure = found.iter().filter(|(other, standing)| apart(other) && *standing == Standing::Stands);
    let mut others = sure.filter_map(|(other, _)| match (&best.says, &other.says) {
        (Says::Date(date), Says::Time(time)) | (Says::Time(time), Says::Date(date))
            if date.takes_a_time() =>
        {
            Some((Says::Both(date.clone(), *time), other))
        }
        _ => None,
    });
    others.next()
}

/// "3 May or 5 May": dates beside the one that is read, and beside what is read with it.
fn other_dates<'a>(best: &Phrase, half: Option<&Phrase>, found: &'a [(Phrase, Standing)]) -> Vec<&'a Phrase> {
    let apart = |one: &Phrase, other: &Phrase| other.end <= one.start || one.end <= other.start;
    let dated = |phrase: &Phrase| match &phrase.says {
        Says::Date(date) | Says::Both(date, _) => !date.is_range(),
        Says::Time(_) | Says::Moment(_) => false,
    };
    let mut others: Vec<&Phrase> = Vec::new();
    for (other, standing) in found {
        let beside = apart(best, other) && half.is_none_or(|half| apart(half, other));
        let new = others.last().is_none_or(|last| apart(last, other));
        if *standing == Standing::Stands && dated(best) && dated(other) && beside && new {
            others.push(other);
        }
    }
    others
}

/// "at 8 and at 20": which of them?
fn has_another_time(best: &Phrase, found: &[(Phrase, Standing)]) -> bool {
    let apart = |other: &Phrase| other.end <= best.start || best.end <= other.start;
    let tells_time = |phrase: &Phrase| matches!(phrase.says, Says::Time(_) | Says::Both(..));
    tells_time(best)
        && found
            .iter()
            .any(|(other, standing)| *standing == Standing::Stands && apart(other) && tells_time(other))
}

/// One meaning is taken, several are asked about.
fn told(says: Says, spans: Vec<Range<usize>>, context: &Context) -> Reading {
    let names_day = !matches!(says, Says::Time(_));
    match meaning::ways(says, context).as_slice() {
        [] => Reading::Nothing,
        [way] => {
            let end = Some(way.end).filter(|end| *end != End::default());
            Reading::Found { meaning: way.meaning, spans, names_day, end }
        }
        ways => {
            let choices = ways.iter().map(|way| meaning::choice(*way, context)).collect();
            Reading::Ask { spans, prompt: WHEN, choices }
        }
    }
}

/// The date is offered, never taken, and so is keeping the words as they are.
fn unsure(text: &str, span: &Range<usize>, mut choices: Vec<Choice>, doubt: doubt::Doubt) -> Reading {
    let (first, last) = if doubt.span.start < span.start { (&doubt.span, span) } else { (span, &doubt.span) };
    let between = text.get(first.end..last.start).unwrap_or_default();
    let whole = first.start..first.end.max(last.end);
    let span = if between.trim().is_empty() { whole } else { span.clone() };
    let words = text.get(span.clone()).unwrap_or_default();
    choices.push(Choice::of_words(KEEP, format!("\"{words}\"")));
    Reading::Ask { spans: vec![span], prompt: doubt.prompt, choices }
}

/// Where the time of day ends that `text` says with its beginning, `start`: "every Monday 6 to 7pm".
pub(crate) fn end_of_time(text: &str, start: Time) -> Option<Time> {
    let words = Sentence::of(text);
    let until = (0..words.len()).find_map(|at| clock::time_part(&words, at)?.until)?;
    Some(clock::end_behind(start, until))
}

/// The whole text is a date, or nothing.
pub(crate) fn read_whole(text: &str, context: &Context) -> Reading {
    let words = Sentence::of(text);
    let all = 0..words.len();
    let spans = vec![words.bytes(&all)];
    if let Some(asked) = impossible::find(&words, context).filter(|asked| asked.words == all) {
        let choices = asked.near.into_iter().flat_map(|says| choices(says, context)).collect();
        return Reading::Ask { spans, prompt: asked.prompt, choices };
    }
    let whole = grammar::phrase(&words, 0, context).filter(|phrase| phrase.end == words.len());
    whole.map_or(Reading::Nothing, |phrase| told(phrase.says, spans, context))
}

/// As [`read_whole`], for when something is to be done: what is over is asked about, what is out of reach has no choices.
pub(crate) fn read_due(text: &str, context: &Context) -> Reading {
    let words = Sentence::of(text);
    let whole = grammar::phrase(&words, 0, context).or_else(|| grammar::hour(&words));
    let Some(phrase) = whole.filter(|phrase| phrase.end == words.len()) else {
        return asked_of_all(text, context);
    };
    let is_written_out = phrase.is_written_out(&words);
    checked(phrase.says, vec![words.bytes(&(0..words.len()))], is_written_out, context)
}

/// "At 8am and 8pm", "on 1 January 9999": all of the text is asked about, and there is no title to keep words in.
fn asked_of_all(text: &str, context: &Context) -> Reading {
    match read(text, context) {
        Reading::Ask { spans, prompt, choices } if without(text, &spans).is_empty() => {
            let choices = choices.into_iter().filter(|choice| choice.meaning.is_some()).collect();
            Reading::Ask { spans, prompt, choices }
        }
        _ => Reading::Nothing,
    }
}

/// The text without the bytes of `spans`, blanks and joining marks put right.
pub(crate) fn without(text: &str, spans: &[Range<usize>]) -> String {
    let joins = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '-' | '–' | ':');
    let mut kept = text.to_owned();
    for span in spans.iter().rev() {
        let (before, after) =
            (kept.get(..span.start).unwrap_or_default(), kept.get(span.end..).unwrap_or_default());
        let (mut before, mut after) = (before.trim_end_matches(joins), after.trim_start_matches(joins));
        // "call Anna (tomorrow)".
        if let (Some(open), Some(close)) = (before.strip_suffix('('), after.strip_prefix(')')) {
            (before, after) = (open, close);
        }
        kept = format!("{before} {after}");
    }
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text with the bytes of the first span said otherwise, and those of the others left out.
pub(crate) fn instead(text: &str, spans: &[Range<usize>], words: &str) -> String {
    let mut said = text.to_owned();
    for (index, span) in spans.iter().enumerate().rev() {
        let (before, after) =
            (said.get(..span.start).unwrap_or_default(), said.get(span.end..).unwrap_or_default());
        said = match index {
            0 => format!("{before}{words}{after}"),
            _ => format!("{} {}", before.trim_end(), after.trim_start()).trim_end().to_owned(),
        };
    }
    said
}
