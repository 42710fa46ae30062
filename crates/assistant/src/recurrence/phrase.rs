//! Reads recurrence out of what people write: "every Monday at 9", "on the 1st of every month", "3 days after I finish".
//!
//! As with dates only whole words count and quoted text is never read. `grammar` knows what a rule is called, `frame`
//! what stands around it (times, "until Friday"), `place` where it is one; here a phrase gets its meaning.

use std::{iter, ops::Range};

use jiff::{ToSpan, civil::Date};

use super::{Mode, Repeats, words};
use crate::when::{self, Choice, Context, Sentence};

pub(super) mod days;
mod frame;
mod grammar;
mod place;

use self::{
    days::Low,
    frame::Said,
    grammar::{Core, Kind},
    place::Place,
};

/// What was heard in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Nothing,
    /// `spans`: bytes of the text that say it, in their order.
    Found {
        repeats: Repeats,
        spans: Vec<Range<usize>>,
    },
    /// As [`when::Reading::Ask`].
    Ask {
        spans: Vec<Range<usize>>,
        prompt: &'static str,
        choices: Vec<Choice>,
    },
}

const SHORT_MONTHS: &str = "Some months are shorter. Which day do you mean?";
const HALF: &str = "In the morning, or in the afternoon?";
pub(crate) const ONCE_A_DAY: &str = "A task comes again once a day at most. Which time is this one's? Say the other one as a task of its own.";
const FINER: &str = "A task comes again once a day at most. What shall it be?";
const WHICH: &str = "Which do you mean?";
const TWO_RULES: &str =
    "A task comes again in one way. Which is this one's? Say the other one as a task of its own.";
const UNSURE: &str = "I am not sure how that comes again. What shall it be?";
/// Bound: buttons of one question.
const CHOICES_MAX: usize = 6;

/// The recurrence in a text, if there is one.
pub(crate) fn read(text: &str, context: &Context) -> Heard {
    let words = Sentence::of(text);
    let low = Low::of(text, &words);
    let found = (0..words.len()).filter_map(|start| frame::parse(&low, &words, start, context));
    let found = found.filter_map(|said| match place::of(&words, &said) {
        Place::Nowhere => None,
        place => Some((said, place)),
    });
    let found: Vec<_> = found.collect();
    let longest = found.iter().max_by_key(|(said, _)| (said.end - said.start, said.end));
    let Some((said, place)) = longest.cloned() else {
        return Heard::Nothing;
    };
    if let Some(other) = another(&said, &found) {
        return unsure(
            text,
            vec![words.bytes(&(said.start..said.end))],
            &Said { also: Some(Box::new(other)), ..said },
            context,
        );
    }
    let (said, apart) = frame::with_what_stands_apart(said, &words, context);
    let mut ranges: Vec<Range<usize>> = iter::once(said.start..said.end).chain(apart).collect();
    ranges.sort_by_key(|range| range.start);
    let spans = ranges.iter().map(|range| words.bytes(range)).collect();
    match place {
        Place::Sure => meaning(&said, spans, text, context),
        Place::Unsure | Place::Nowhere => unsure(text, spans, &said, context),
    }
}

/// "gym every Monday, pool every Tuesday": a second rule elsewhere in the sentence.
fn another(said: &Said, found: &[(Said, Place)]) -> Option<Said> {
    let apart = |other: &Said| other.end <= said.start || said.end <= other.start;
    let every =
        found.iter().map(|(other, _)| other).filter(|other| other.core.kind == Kind::Every && apart(other));
    every.max_by_key(|other| other.end - other.start).filter(|_| said.also.is_none()).cloned()
}

/// The whole text is a recurrence, or nothing.
pub(crate) fn read_whole(text: &str, context: &Context) -> Heard {
    let words = Sentence::of(text);
    match frame::parse(&Low::of(text, &words), &words, 0, context) {
        Some(said) if said.end == words.len() => {
            meaning(&said, vec![words.bytes(&(0..said.end))], text, context)
        }
        _ => Heard::Nothing,
    }
}

/// The question that a monthly rule needs which takes its day from its first date; `spans` are where the phrase stands.
pub(crate) fn doubt(repeats: &Repeats, first: Date, spans: &[Range<usize>]) -> Option<Heard> {
    let by_date = repeats.mode == Mode::Fixed && !repeats.rule.contains("BY");
    let monthly = repeats.rule.starts_with("FREQ=MONTHLY") && first.day() > 28;
    let yearly = repeats.rule.starts_with("FREQ=YEARLY") && (first.month(), first.day()) == (2, 29);
    let days = if monthly {
        [format!("BYMONTHDAY={}", first.day()), "BYMONTHDAY=-1".to_owned()]
    } else if yearly {
        ["BYMONTH=2;BYMONTHDAY=29".to_owned(), "BYMONTH=2;BYMONTHDAY=-1".to_owned()]
    } else {
        return None;
    };
    let choices =
        days.map(|days| choice(&Repeats { rule: format!("{};{days}", repeats.rule), ..repeats.clone() }));
    by_date.then(|| Heard::Ask { spans: spans.to_vec(), prompt: SHORT_MONTHS, choices: choices.to_vec() })
}

fn meaning(said: &Said, spans: Vec<Range<usize>>, text: &str, context: &Context) -> Heard {
    let mut ways = ways(said, context);
    if said.core.keeps {
        ways.truncate(CHOICES_MAX - 1);
        let choices = ways.iter().map(|way| way.choice.clone()).chain([kept(text, &spans)]).collect();
        return Heard::Ask { spans, prompt: prompt(said), choices };
    }
    ways.truncate(CHOICES_MAX);
    match ways.as_slice() {
        [] => Heard::Nothing,
        [one] => Heard::Found { repeats: one.repeats.clone(), spans },
        several => Heard::Ask {
            spans,
            prompt: prompt(said),
            choices: several.iter().map(|way| way.choice.clone()).collect(),
        },
    }
}

/// Offered, never taken: each answer says the phrase first and before a comma, where it is one without a doubt.
fn unsure(text: &str, spans: Vec<Range<usize>>, said: &Said, context: &Context) -> Heard {
    let rest = when::without(text, &spans);
    let mut choices: Vec<Choice> = ways(said, context)
        .into_iter()
        .map(|way| Choice { instead: format!("{}, {rest}", way.choice.instead), ..way.choice })
        .collect();
    choices.truncate(CHOICES_MAX - 1);
    let quoted = kept(text, &spans).instead;
    choices.push(Choice { instead: when::instead(text, &spans[..1], &quoted), ..kept(text, &spans) });
    Heard::Ask { spans: iter::once(0..text.len()).collect(), prompt: prompt(said), choices }
}

fn kept(text: &str, spans: &[Range<usize>]) -> Choice {
    let words = spans.first().and_then(|span| text.get(span.clone())).unwrap_or_default();
    Choice::of_words(when::KEEP, format!("\"{words}\""))
}

fn prompt(said: &Said) -> &'static str {
    let Core { rules, keeps, is_finer, is_scarce, .. } = &said.core;
    match said {
        _ if *is_finer => FINER,
        Said { also: Some(_), .. } => TWO_RULES,
        Said { times, .. } if times.len() > 1 => ONCE_A_DAY,
        _ if *is_scarce => SHORT_MONTHS,
        Said { times, .. } if times.iter().any(|time| time.len() > 1) => HALF,
        _ if !keeps && rules.len() > 1 || said.frame.until.len() > 1 || said.frame.from.len() > 1 => WHICH,
        _ => UNSURE,
    }
}

struct Way {
    repeats: Repeats,
    choice: Choice,
}

/// All that the words may mean: each rule at each time between each two days.
fn ways(said: &Said, context: &Context) -> Vec<Way> {
    let times: Vec<_> = match said.times.concat() {
        times if times.is_empty() => vec![(None, None)],
        times => times.into_iter().map(|(time, lesson)| (Some(time), lesson)).collect(),
    };
    // One time in two ways teaches; which of two times a task has does not.
    let teaches = said.times.len() == 1;
    let optional = |days: &[Date]| match days {
        [] => vec![None],
        days => days.iter().copied().map(Some).collect(),
    };
    let mut ways = Vec::new();
    for rule in &said.core.rules {
        for (time, lesson) in &times {
            for from in optional(&said.frame.from) {
                for until in optional(&until_of(said, from, context)) {
                    let until = until
                        .map_or_else(String::new, |day| format!(";UNTIL={}T235959Z", day.strftime("%Y%m%d")));
                    let repeats =
                        Repeats { rule: format!("{rule}{until}"), mode: said.core.mode, time: *time, from };
                    let choice = Choice { lesson: lesson.filter(|_| teaches), ..choice(&repeats) };
                    ways.push(Way { repeats, choice });
                }
            }
        }
    }
    if let Some(also) = &said.also {
        ways.extend(self::ways(also, context));
    }
    ways
}

/// The last day: said itself, or by how long it goes on.
fn until_of(said: &Said, from: Option<Date>, context: &Context) -> Vec<Date> {
    let first = from.unwrap_or(context.now.date());
    let counted =
        said.frame.length.and_then(|length| first.checked_add(length).ok()?.checked_sub(1.day()).ok());
    counted.map_or_else(|| said.frame.until.clone(), |last| vec![last])
}

fn choice(repeats: &Repeats) -> Choice {
    let said = words::tell(repeats);
    Choice::of_words(said.clone(), said)
}
