//! The built-in brain: a sentence becomes a command or a question, or it says that it does not know.
//!
//! Templates match the whole sentence, then their slots must resolve against the person's own things; only then is
//! anything done. One meaning is done (and can be undone), several are asked, none is admitted.

use std::{ops::Range, slice};

use jiff::{ToSpan, civil::Date, tz::Offset};
use serde::Deserialize;

use crate::{
    command::Command,
    recurrence::{
        Repeats,
        phrase::{self, Heard},
    },
    tasks::{Due, Task, tags},
    when::{self, Choice, Context, Direction, End, Habits, Meaning, Reading},
};

pub(crate) mod choice;
mod ends;
pub(crate) mod kept;
mod pick;
mod resolve;
pub(crate) mod say;
mod template;

#[cfg(test)]
mod tests;

/// Bound: a longer sentence is a text, not a command.
pub(crate) const SENTENCE_CHARS_MAX: usize = 2_000;

/// What becomes of a date in the words of a new task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Dates {
    #[default]
    Read,
    /// It is part of the title: the person said so.
    Keep,
}

/// What the reader may know.
pub(crate) struct Knowledge<'a> {
    pub(crate) now: jiff::Zoned,
    /// Open tasks, the nearest due first.
    pub(crate) open: &'a [Task],
    /// Tasks done lately.
    pub(crate) done: &'a [Task],
    /// What earlier answers taught.
    pub(crate) habits: &'a Habits,
    /// What to do with a date in the words of a task.
    pub(crate) dates: Dates,
}

/// What a sentence asks to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// What is due from a day to another; what was due before is carried over into it.
    Plan {
        from: Date,
        to: Date,
    },
    Tasks,
    Find {
        query: String,
    },
    /// Over everything.
    Search {
        query: String,
    },
    Entries {
        from: Date,
        to: Date,
    },
    /// Of a task to be done, deleted or moved. `is_done`: one of that name is done.
    NoSuchTask {
        name: String,
        is_done: bool,
    },
    /// What was due before today.
    Overdue,
    /// What was done lately.
    Completed,
    Undo,
    Help,
    Thanks,
    /// "never mind": nothing is to be done.
    Nevermind,
    Hello,
    Now,
    Count {
        to: u32,
        slowly: bool,
    },
}

/// How a sentence was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Understood {
    Do(Command),
    Tell(Question),
    /// Each choice's `instead` is a whole sentence that means one thing.
    Choose {
        prompt: String,
        choices: Vec<Choice>,
    },
    /// It cannot be done as it was said.
    Refuse {
        why: String,
    },
    Nothing {
        nearest: Vec<String>,
    },
}

/// Reads one sentence. Pure: looks at what it is given, does nothing.
pub(crate) fn understand(sentence: &str, knowledge: &Knowledge<'_>) -> Understood {
    let (plain, tags) = tags::take(sentence.trim());
    if tags.is_empty() {
        return understand_plain(sentence, knowledge);
    }
    // Tags are a task's; in any other sentence they are words.
    match understand_plain(&plain, knowledge) {
        Understood::Do(Command::AddTask(mut draft)) => {
            draft.tags = tags;
            Understood::Do(Command::AddTask(draft))
        }
        Understood::Choose { prompt, mut choices } => {
            choices.iter_mut().for_each(|choice| choice.instead.push_str(&tags::said(&tags)));
            Understood::Choose { prompt, choices }
        }
        Understood::Do(_) | Understood::Tell(_) | Understood::Refuse { .. } | Understood::Nothing { .. } => {
            understand_plain(sentence, knowledge)
        }
    }
}

/// "Could you please remind me …" is "remind me …", where it is nothing else.
fn understand_plain(sentence: &str, knowledge: &Knowledge<'_>) -> Understood {
    let understood = understand_bare(sentence, knowledge);
    let Understood::Nothing { .. } = understood else { return understood };
    let bare = template::without_courtesy(sentence).map(|bare| understand_bare(bare, knowledge));
    bare.filter(|bare| !matches!(bare, Understood::Nothing { .. })).unwrap_or(understood)
}

fn understand_bare(sentence: &str, knowledge: &Knowledge<'_>) -> Understood {
    let sentence = sentence.trim();
    if sentence.chars().count() > SENTENCE_CHARS_MAX {
        return Understood::Nothing { nearest: Vec::new() };
    }
    let mut read: Vec<(usize, Understood)> = Vec::new();
    let matches = template::matches(sentence);
    for found in &matches {
        let understood = resolve::resolve(sentence, found, knowledge);
        let new = understood.filter(|understood| !read.iter().any(|(_, other)| other == understood));
        read.extend(new.map(|understood| (found.literals, understood)));
    }
    // The template that names most of the words knows best what is meant; what it leaves open, a question settles.
    let best = read.iter().map(|(literals, _)| *literals).max();
    let mut best: Vec<Understood> = read
        .into_iter()
        .filter(|(literals, _)| Some(*literals) == best)
        .map(|(_, understood)| understood)
        .collect();
    match best.len() {
        0 => {
            let missing = matches.iter().find_map(|found| resolve::missing(sentence, found, knowledge));
            missing.unwrap_or_else(|| Understood::Nothing { nearest: template::nearest(sentence) })
        }
        _ => best.swap_remove(0),
    }
}

/// Takes the date out of a task's words: the rest, and when.
enum Dated {
    /// `names_day`: a day was said with it; else it is the next such time.
    Plain {
        rest: String,
        due: Option<Due>,
        names_day: bool,
        end: Option<End>,
    },
    Unclear(Open),
}

impl Dated {
    fn plain(text: &str) -> Self {
        Self::Plain { rest: unquote(text), due: None, names_day: false, end: None }
    }
}

/// How a task comes again, and what was said beside that.
struct Recurring {
    repeats: Repeats,
    /// Where in the sentence it was said.
    spans: Vec<Range<usize>>,
    /// The sentence's part without it.
    rest: String,
}

/// A question, and the whole sentences that answer it.
struct Open {
    prompt: &'static str,
    choices: Vec<Choice>,
}

impl Open {
    /// `choices` say otherwise what stands at `inner` of the part `span` of `sentence`.
    fn new(
        sentence: &str,
        span: &Range<usize>,
        inner: &[Range<usize>],
        prompt: &'static str,
        choices: Vec<Choice>,
    ) -> Self {
        let whole = within(span, inner);
        let choices = choices
            .into_iter()
            .map(|choice| Choice { instead: when::instead(sentence, &whole, &choice.instead), ..choice });
        Self { prompt, choices: choices.collect() }
    }
}

/// Bytes of the sentence that are `inner` of its part `span`.
fn within(span: &Range<usize>, inner: &[Range<usize>]) -> Vec<Range<usize>> {
    inner.iter().map(|inner| span.start + inner.start..span.start + inner.end).collect()
}

impl From<Open> for Understood {
    fn from(Open { prompt, choices }: Open) -> Self {
        if choices.is_empty() {
            return Self::Refuse { why: prompt.to_owned() };
        }
        Self::Choose { prompt: prompt.to_owned(), choices }
    }
}

impl Knowledge<'_> {
    fn context(&self, direction: Direction) -> Context {
        Context { now: self.now.clone(), direction, habits: self.habits.clone(), day: None }
    }

    fn today(&self) -> Date {
        self.now.date()
    }

    /// Of a range its first day, unless that is over: "this week" begins today.
    fn due_of(&self, meaning: Meaning) -> Due {
        let day = match meaning {
            Meaning::Days(first, last) => first.max(self.today()).min(last),
            Meaning::Day(_) | Meaning::At(_) => meaning.first_day(),
        };
        let offset = match meaning {
            Meaning::At(moment) => moment.offset,
            Meaning::Day(_) | Meaning::Days(..) => None,
        };
        Due { offset_seconds: offset.map(Offset::seconds), ..Due::new(day, meaning.time()) }
    }

    /// First and last day of what is asked for: "by Friday" begins today, "after Friday" has no end.
    fn days_of(&self, said: &str, meaning: Meaning) -> (Date, Date) {
        let (first, last) = (meaning.first_day(), meaning.last_day());
        let until = |last: Date| (self.today().min(last), last);
        match said.split_whitespace().next().unwrap_or_default().to_lowercase().as_str() {
            // What is to be done "before Friday" is due on Friday, so that is when it is asked for.
            "by" | "until" | "till" | "til" | "before" => until(last),
            "after" => (last.saturating_add(1.day()), *when::DAYS.end()),
            _ => (first, last),
        }
    }

    /// How the part `span` of `sentence` says that a task comes again; `whole`: that part says nothing else. `None`: it
    /// does not.
    fn take_recurrence(
        &self,
        sentence: &str,
        span: &Range<usize>,
        whole: bool,
    ) -> Option<Result<Recurring, Open>> {
        let text = sentence.get(span.clone()).unwrap_or_default();
        let context = self.context(Direction::Ahead);
        match if whole { phrase::read_whole(text, &context) } else { phrase::read(text, &context) } {
            Heard::Nothing => None,
            Heard::Found { repeats, spans: inner } => Some(Ok(Recurring {
                repeats,
                rest: when::without(text, &inner),
                spans: within(span, &inner),
            })),
            Heard::Ask { spans: inner, prompt, choices } => {
                let said: String = inner.iter().filter_map(|span| text.get(span.clone())).collect();
                let choices = choices.into_iter().map(|choice| ends::with_time_of(choice, &said)).collect();
                Some(Err(Open::new(sentence, span, &inner, prompt, choices)))
            }
        }
    }

    /// `text` is the part `span` of `sentence`; choices are whole sentences again.
    fn take_date(&self, sentence: &str, span: Range<usize>) -> Dated {
        let text = sentence.get(span.clone()).unwrap_or_default();
        if self.dates == Dates::Keep {
            return Dated::plain(text);
        }
        match when::read(text, &self.context(Direction::Ahead)) {
            Reading::Nothing => Dated::plain(text),
            Reading::Found { meaning, spans, names_day, end } => match when::without(text, &spans) {
                // "remind me to … tomorrow" with nothing else to do is no task.
                rest if rest.is_empty() => Dated::plain(text),
                rest => {
                    Dated::Plain { rest: unquote(&rest), due: Some(self.due_of(meaning)), names_day, end }
                }
            },
            Reading::Ask { spans: inner, prompt, choices } => {
                let mut open = Open::new(sentence, &span, &inner, prompt, choices);
                // Without a date means without that which stands beside it, too.
                if !text.contains(['"', '“', '”', '«']) {
                    let whole = when::instead(sentence, slice::from_ref(&span), &format!("\"{text}\""));
                    let keeps = open.choices.iter_mut().filter(|choice| choice.label == when::KEEP);
                    keeps.for_each(|choice| choice.instead.clone_from(&whole));
                }
                Dated::Unclear(open)
            }
        }
    }
}

/// `"Friday"` alone is Friday without its quotes; quotes inside a longer text stay.
fn unquote(text: &str) -> String {
    let text = text.trim().trim_end_matches(['.', '!']).trim();
    let pairs = [('"', '"'), ('“', '”'), ('«', '»')];
    let inner = pairs
        .iter()
        .find_map(|(open, close)| text.strip_prefix(*open)?.strip_suffix(*close))
        .filter(|inner| !inner.contains(['"', '“', '«']));
    inner.unwrap_or(text).trim().to_owned()
}
