//! A rule with what stands around it: its times, the day from which and the day until which it holds.

use std::ops::Range;

use jiff::{
    Span,
    civil::{Date, Time},
};

use super::{
    days::Low,
    grammar::{self, Core},
};
use crate::when::{self, Context, Lesson, Sentence, said::SaidPart};

/// A phrase and all that it says.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) core: Core,
    /// Each time of day that was said, in the ways to mean it.
    pub(super) times: Vec<Vec<(Time, Option<Lesson>)>>,
    /// Last days that may be meant.
    pub(super) until: Vec<Date>,
    /// First days that may be meant.
    pub(super) from: Vec<Date>,
    /// How long it goes on.
    pub(super) length: Option<Span>,
    /// A second rule, joined by "and".
    pub(super) also: Option<Box<Self>>,
}

/// What is known while one goes over the words.
#[derive(Clone, Debug, Default)]
struct Frame {
    core: Option<Core>,
    parts: Vec<SaidPart>,
    /// Where each hour stands.
    hours: Vec<usize>,
    until: Vec<Date>,
    from: Vec<Date>,
    length: Option<Span>,
    is_evening: bool,
}

/// The longest phrase that begins at `start`.
pub(super) fn parse(low: &Low<'_>, words: &Sentence, start: usize, context: &Context) -> Option<Said> {
    let is_evening = low.words.iter().any(|word| is_of_the_evening(word));
    let mut frame = Frame { is_evening, ..Frame::default() };
    let mut at = start;
    while at < words.len() {
        let said = frame.core_at(low, at).or_else(|| frame.modifier(words, at, context));
        let Some(len) = said else { break };
        at += len;
    }
    let also = frame.core.as_ref().and_then(|_| second(low, words, at, context));
    let end = also.as_ref().map_or(at, |also| also.end);
    let times = frame.all_times(words, context);
    let Frame { core, until, from, length, .. } = frame;
    Some(Said { start, end, core: core?, times, until, from, length, also: also.map(Box::new) })
}

/// "and thursday at 10am", "and every Thursday at 10": a rule of its own behind one that has its time.
fn second(low: &Low<'_>, words: &Sentence, at: usize, context: &Context) -> Option<Said> {
    if !words.is(at, &["and", "or"]) {
        return None;
    }
    let next = at + 1;
    if let Some(said) = parse(low, words, next, context) {
        return Some(said);
    }
    let days = low.from(next).weekdays()?;
    let mut frame = Frame { core: Some(Core::weekly(&days)), ..Frame::default() };
    let mut end = next + days.len;
    while let Some(len) = frame.modifier(words, end, context) {
        end += len;
    }
    let times = frame.all_times(words, context);
    let Frame { core, until, from, length, .. } = frame;
    Some(Said { start: next, end, core: core?, times, until, from, length, also: None })
}

/// The phrase with "until Friday" and "starting Monday" that stand elsewhere in the sentence, and where they do.
pub(super) fn with_bounds_apart(
    mut said: Said,
    words: &Sentence,
    context: &Context,
) -> (Said, Vec<Range<usize>>) {
    let mut apart = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let mut frame = Frame { core: Some(said.core.clone()), ..Frame::default() };
        let beside = !(said.start..said.end).contains(&at);
        let len =
            Some(at).filter(|_| beside && words.is(at, &["until", "till", "til", "starting", "beginning"]));
        let Some(len) = len.and_then(|at| frame.bound(words, at, context)) else {
            at += 1;
            continue;
        };
        if said.until.is_empty() && said.length.is_none() {
            said.until = frame.until;
        }
        if said.from.is_empty() {
            said.from = frame.from;
        }
        apart.push(at..at + len);
        at += len;
    }
    (said, apart)
}

impl Frame {
    fn core_at(&mut self, low: &Low<'_>, at: usize) -> Option<usize> {
        if self.core.is_some() {
            return None;
        }
        let (core, len) = grammar::core(low.from(at))?;
        self.core = Some(core);
        Some(len)
    }

    fn modifier(&mut self, words: &Sentence, at: usize, context: &Context) -> Option<usize> {
        self.part(words, at)
            .or_else(|| self.time(words, at, context))
            .or_else(|| self.bound(words, at, context))
    }

    /// "morning" behind "every Monday", "in the mornings", "and evening".
    fn part(&mut self, words: &Sentence, at: usize) -> Option<usize> {
        let one_more = self.core.as_ref()?.part.is_some() || !self.parts.is_empty();
        let joined = if one_more { words.skip(at, &["and"]) } else { 0 };
        if one_more && joined == 0 {
            return None;
        }
        let in_the = words.says(at + joined, "in the").max(words.says(at + joined, "at"));
        let part = when::said::part_of(words.low(at + joined + in_the))?;
        // "at noon" is a time.
        if words.is(at + joined, &["at"]) && !words.is(at + joined + 1, &["night", "nights"]) {
            return None;
        }
        self.parts.push(part);
        Some(joined + in_the + 1)
    }

    /// "at 8", "8am and 8pm". Before the rule and without "at" only what is a time by itself.
    fn time(&mut self, words: &Sentence, at: usize, context: &Context) -> Option<usize> {
        let listed = !self.hours.is_empty();
        let joined = if listed { words.skip(at, &["and", "or"]) } else { 0 };
        let comma = at.checked_sub(1).is_some_and(|before| words.words[before].break_after);
        if listed && joined == 0 && !comma {
            return None;
        }
        let from = at + joined;
        let behind = words.skip(from, &["at", "@", "by", "around", "about", "from", "between"]);
        let hour = from + behind;
        let said = when::said::time(words, hour, self.known_part(), self.is_evening, context)?;
        let end = hour + said.len;
        let says_it = match () {
            () if !said.is_bare => true,
            () if words.is(from, &["from", "between"]) => said.len > 1,
            () if behind > 0 || self.known_part().is_some() => {
                !words.is(end, &["minutes", "minute", "mins", "min", "hours", "hour", "pages", "km", "miles"])
            }
            // "at 7 and 19".
            () => joined > 0 && words.ends_at(end),
        };
        if !says_it {
            return None;
        }
        self.hours.push(hour);
        Some(end - at)
    }

    /// "until Friday", "for 2 weeks", "starting Monday".
    fn bound(&mut self, words: &Sentence, at: usize, context: &Context) -> Option<usize> {
        match words.low(at) {
            "until" | "till" | "til" | "through" if self.until.is_empty() => {
                let (days, len) = when::said::days(words, at + 1, context)?;
                self.until = days.into_iter().map(|(_, last)| last).collect();
                Some(1 + len)
            }
            "for" if self.length.is_none() => {
                let next = 1 + words.says(at + 1, "the next");
                let (length, len) = when::said::length(words, at + next)?;
                // "every week for 2 days" is not over in two days.
                let days = length.get_months() * 30 + length.get_days();
                if self.core.as_ref().is_none_or(|core| days < core.pace_days() * 2) {
                    return None;
                }
                self.length = Some(length);
                Some(next + len)
            }
            "starting" | "beginning" | "from" if self.from.is_empty() => {
                let next = 1 + words.skip(at + 1, &["on", "from", "with"]);
                let (days, len) = when::said::days(words, at + next, context)?;
                self.from = days.iter().map(|(first, _)| *first).collect();
                // "from Monday until Friday".
                let is_range =
                    (at..at + next + len).any(|at| words.is(at, &["until", "till", "til", "to", "-"]));
                if is_range && self.until.is_empty() {
                    self.until = days.into_iter().map(|(_, last)| last).collect();
                }
                Some(next + len)
            }
            _ => None,
        }
    }

    fn known_part(&self) -> Option<SaidPart> {
        self.parts.last().copied().or_else(|| self.core.as_ref().and_then(|core| core.part))
    }

    /// A part of the day is a time where no hour is said; of an hour, also one before it, it says the half.
    fn all_times(&self, words: &Sentence, context: &Context) -> Vec<Vec<(Time, Option<Lesson>)>> {
        let core = self.core.as_ref().and_then(|core| core.part);
        let parts: Vec<SaidPart> = core.into_iter().chain(self.parts.iter().copied()).collect();
        if self.hours.is_empty() {
            return parts.iter().map(|part| vec![(part.time(), None)]).collect();
        }
        let parts = if parts.is_empty() { vec![None] } else { parts.into_iter().map(Some).collect() };
        let said = parts.iter().flat_map(|part| self.hours.iter().map(|hour| (*hour, *part)));
        said.filter_map(|(hour, part)| {
            Some(when::said::time(words, hour, part, self.is_evening, context)?.ways)
        })
        .collect()
    }
}

/// What is done in the evening: at 8 that is no morning.
fn is_of_the_evening(word: &str) -> bool {
    matches!(
        word,
        "dinner"
            | "supper"
            | "pub"
            | "party"
            | "bed"
            | "bedtime"
            | "cinema"
            | "theatre"
            | "theater"
            | "drinks"
            | "choir"
    )
}
