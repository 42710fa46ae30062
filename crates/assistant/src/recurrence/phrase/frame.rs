//! A rule with what stands around it: its times, the day from which and the day until which it holds.

use std::ops::Range;

use jiff::{
    Span,
    civil::{Date, Time},
};

use super::{
    days::Low,
    grammar::{self, Core, Kind},
};
use crate::when::{self, Context, Lesson, Sentence, said::SaidPart};

/// A phrase and all that it says.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) core: Core,
    pub(super) frame: Frame,
    /// Each time of day that was said, in the ways to mean it.
    pub(super) times: Vec<Vec<(Time, Option<Lesson>)>>,
    /// A second rule.
    pub(super) also: Option<Box<Self>>,
}

/// What stands around a rule.
#[derive(Clone, Debug, Default)]
pub(super) struct Frame {
    core: Option<Core>,
    parts: Vec<SaidPart>,
    /// Where each hour stands.
    hours: Vec<usize>,
    /// Last days that may be meant.
    pub(super) until: Vec<Date>,
    /// First days that may be meant.
    pub(super) from: Vec<Date>,
    /// How long it goes on.
    pub(super) length: Option<Span>,
    is_evening: bool,
}

impl Said {
    /// `None`: there is no rule in it.
    fn new(range: Range<usize>, frame: Frame, words: &Sentence, context: &Context) -> Option<Self> {
        let core = frame.core.clone()?;
        let times = frame.all_times(words, context);
        let fits = frame.length.is_none_or(|length| goes_on(length, &core));
        fits.then_some(Self { start: range.start, end: range.end, core, frame, times, also: None })
    }
}

/// "every week for 2 days" is not over in two days.
fn goes_on(length: Span, core: &Core) -> bool {
    length.get_months() * 30 + length.get_days() >= core.pace_days() * 2
}

/// The longest phrase that begins at `start`.
pub(super) fn parse(low: &Low<'_>, words: &Sentence, start: usize, context: &Context) -> Option<Said> {
    let is_evening = low.words.iter().any(|word| is_of_the_evening(word));
    let mut frame = Frame { is_evening, ..Frame::default() };
    let mut at = start;
    while at < words.len() {
        let said = frame.core_at(low, at).or_else(|| frame.modifier(words, at, context));
        let Some(len) = said.or_else(|| frame.without(low, at)) else { break };
        at += len;
    }
    let also = Some(at).filter(|_| frame.may_be_one_of_two()).and_then(|at| second(low, words, at, context));
    let end = also.as_ref().map_or(at, |also| also.end);
    Some(Said { also: also.map(Box::new), ..Said::new(start..end, frame, words, context)? })
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
    Said::new(next..end, frame, words, context)
}

/// The phrase with "until Friday", "starting Monday" and "at 8" that stand elsewhere in the sentence, and where they do.
pub(super) fn with_what_stands_apart(
    mut said: Said,
    words: &Sentence,
    context: &Context,
) -> (Said, Vec<Range<usize>>) {
    const BOUNDS: [&str; 10] =
        ["until", "till", "til", "starting", "beginning", "this", "next", "in", "during", "over"];
    let (mut apart, mut at) = (Vec::new(), 0);
    let has_time = !said.times.is_empty() && said.frame.parts.is_empty() && said.core.part.is_none();
    while at < words.len() {
        let limited = matches!(words.before(at), "except" | "but" | "excluding" | "not");
        let beside = !(said.start..said.end).contains(&at) && !limited;
        let bound = Some(at).filter(|_| beside && words.is(at, &BOUNDS));
        let hour = || Some(at).filter(|_| beside && !has_time && words.is(at, &["at", "@"]));
        let len = bound.and_then(|at| said.frame.bound(words, at, context)).or_else(|| {
            let at = hour()?;
            let is_time = when::said::is_time(words, at, context);
            is_time.then(|| said.frame.times_in_a_row(words, at, context)).filter(|len| *len > 0)
        });
        match len {
            Some(len) => {
                apart.push(at..at + len);
                at += len;
            }
            None => at += 1,
        }
    }
    said.times = said.frame.all_times(words, context);
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

    /// A rule that ends here may be followed by another.
    fn may_be_one_of_two(&self) -> bool {
        self.core.as_ref().is_some_and(|core| core.kind == Kind::Every || !self.hours.is_empty())
    }

    /// "daily at 6am except Sundays".
    fn without(&mut self, low: &Low<'_>, at: usize) -> Option<usize> {
        let core = self.core.as_mut()?;
        let (others, len) = low.from(at).without_others(0)?;
        *core = core.without(&others)?;
        Some(len)
    }

    /// "at 8", "at 8 and at 20": how many words.
    fn times_in_a_row(&mut self, words: &Sentence, at: usize, context: &Context) -> usize {
        let mut end = at;
        while let Some(len) = self.time(words, end, context) {
            end += len;
        }
        end - at
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
        let says_it = if !said.is_bare {
            true
        } else if words.is(from, &["from", "between"]) {
            said.len > 1
        } else if behind > 0 || self.known_part().is_some() {
            !words.is(end, &["minutes", "minute", "mins", "min", "hours", "hour", "pages", "km", "miles"])
        } else {
            // "at 7 and 19".
            joined > 0 && words.ends_at(end)
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
            "until" | "till" | "til" | "through" if self.until.is_empty() && self.length.is_none() => {
                let (days, len) = when::said::days(words, at + 1, context)?;
                self.until = days.into_iter().map(|(_, last)| last).collect();
                Some(1 + len)
            }
            "for" if self.length.is_none() => {
                let next = 1 + words.says(at + 1, "the next");
                let (length, len) = when::said::length(words, at + next)?;
                if self.core.as_ref().is_some_and(|core| !goes_on(length, core)) {
                    return None;
                }
                self.length = Some(length);
                Some(next + len)
            }
            "from" if words.says(at, "from now on") > 0 => Some(3),
            "starting" | "beginning" | "from" if self.from.is_empty() => {
                let next = 1 + words.skip(at + 1, &["on", "from", "with", "in"]);
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
            "this" | "next" | "in" | "during" | "over" => self.period(words, at, context),
            _ => None,
        }
    }

    /// "this week", "next month", "in December": from its first day to its last, where the rule comes twice in it.
    fn period(&mut self, words: &Sentence, at: usize, context: &Context) -> Option<usize> {
        let pace = self.core.as_ref()?.pace_days();
        let preposition = words.skip(at, &["in", "during", "over"]);
        let (days, len) = when::said::days(words, at + preposition, context)?;
        let [(first, last)] = days.as_slice() else { return None };
        let lasts = first.until(*last).map_or(0, |span| span.get_days()) + 1;
        if lasts < pace * 2 || !self.from.is_empty() || !self.until.is_empty() || self.length.is_some() {
            return None;
        }
        if *first > context.now.date() {
            self.from = vec![*first];
        }
        self.until = vec![*last];
        Some(preposition + len)
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
