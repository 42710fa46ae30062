//! Which task the words of a sentence name: one, several that are asked about, or none that there is.

use std::{ops::Range, slice};

use jiff::{Timestamp, Zoned};

use super::{Understood, resolve::choose, unquote};
use crate::{
    command::{Command, words::show_due},
    tasks::Task,
    when::{self, Choice},
};

/// Bound: buttons of one question.
const CHOICES_MAX: usize = 5;
/// How much of its id tells a task from those of the same title.
const ID_CHARS: usize = 8;
/// Bound: words of what may be a task's name.
const NAME_WORDS_MAX: usize = 8;

/// One task, or several that the words fit.
pub(super) enum Picked {
    One(String),
    Several(Vec<Choice>),
}

pub(super) fn one(picked: Picked, command: impl FnOnce(String) -> Command) -> Option<Understood> {
    Some(match picked {
        Picked::One(id) => Understood::Do(command(id)),
        Picked::Several(choices) => choose("Which one?", choices),
    })
}

/// The task that the words name: the same title, else the only one that has all the words. Several of one title are told
/// apart by their days.
pub(super) fn pick(sentence: &str, span: Range<usize>, among: &[Task], now: &Zoned) -> Option<Picked> {
    let said = sentence.get(span.clone())?;
    if let Some(mark) = mark(said) {
        return among.iter().find(|task| task.id.ends_with(mark)).map(|task| Picked::One(task.id.clone()));
    }
    let words = content_words(&unquote(said));
    if is_nothing(&words) {
        return None;
    }
    let same: Vec<&Task> = among.iter().filter(|task| content_words(&task.title) == words).collect();
    let having = || among.iter().filter(|task| has_all(&content_words(&task.title), &words)).collect();
    let fitting: Vec<&Task> = if same.is_empty() { having() } else { same };
    match fitting.as_slice() {
        [] => None,
        [task] => Some(Picked::One(task.id.clone())),
        several => {
            let choices =
                several.iter().take(CHOICES_MAX).map(|task| choice(sentence, &span, task, several, now));
            Some(Picked::Several(choices.collect()))
        }
    }
}

/// A button for one of `several`: its title, and where that says too little its day, then when it was added.
fn choice(sentence: &str, span: &Range<usize>, task: &Task, several: &[&Task], now: &Zoned) -> Choice {
    let instead = |words: &str| when::instead(sentence, slice::from_ref(span), words);
    let same: Vec<&&Task> = several.iter().filter(|other| other.title == task.title).collect();
    if same.len() == 1 {
        return Choice::of_words(&task.title, instead(&format!("\"{}\"", task.title)));
    }
    let day = |task: &Task| {
        let due = task.due_in(now.time_zone());
        due.map_or_else(|| "no date".to_owned(), |due| show_due(due, now.date()))
    };
    let mut label = format!("{} · {}", task.title, day(task));
    if same.iter().filter(|other| day(other) == day(task)).count() > 1 {
        let added = Timestamp::from_millisecond(task.created_at).unwrap_or_default();
        let added = added.to_zoned(now.time_zone().clone()).strftime("%a %-d %b, %H:%M:%S").to_string();
        label = format!("{label}, added {added}");
    }
    let end = task.id.char_indices().rev().nth(ID_CHARS - 1).map_or(0, |(at, _)| at);
    Choice::of_words(
        label,
        instead(&format!("\"{}\" [{}]", task.title, task.id.get(end..).unwrap_or_default())),
    )
}

/// The end of an id behind a title, by which a question is answered: `"call Anna" [1f6e0c2b]`.
fn mark(said: &str) -> Option<&str> {
    let (title, mark) = said.trim().strip_suffix(']')?.rsplit_once(" [")?;
    (title.ends_with('"') && mark.len() >= 2 && mark.chars().all(char::is_alphanumeric)).then_some(mark)
}

/// "drop it", "delete everything": nobody's task is named.
fn is_nothing(words: &[String]) -> bool {
    const NOTHING: [&str; 10] =
        ["it", "that", "this", "them", "all", "everything", "me", "you", "something", "nothing"];
    words.iter().all(|word| NOTHING.contains(&word.as_str()))
}

/// What a sentence calls a task that is not there; `None`: it speaks of something else. Only the words for tasks ask
/// for one: "I did the dishes" is told, "done with the dishes" is said.
pub(super) fn nobodys<'s>(sentence: &str, name: &'s str) -> Option<&'s str> {
    const ASKED: &str = "done complete finish tick check mark delete remove drop cancel move push shift postpone reschedule \
                         snooze delay defer";
    let first = sentence.split_whitespace().find(|word| !word.eq_ignore_ascii_case("please"))?;
    let first = first.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let is_asked = ASKED.split(' ').any(|word| word == first);
    let name = name.trim().trim_end_matches(['.', '!']);
    let words = content_words(name);
    (is_asked && !is_nothing(&words) && words.len() <= NAME_WORDS_MAX).then_some(name)
}

/// Whether the words are its title.
pub(super) fn is_called(task: &Task, name: &str) -> bool {
    content_words(&task.title) == content_words(&unquote(name))
}

fn content_words(text: &str) -> Vec<String> {
    let words =
        text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase);
    words.filter(|word| !matches!(word.as_str(), "the" | "a" | "an" | "my" | "to")).collect()
}

fn has_all(title: &[String], words: &[String]) -> bool {
    words.iter().all(|word| title.iter().any(|of_title| of_title == word || same_stem(of_title, word)))
}

/// "calling Anna" is "call Anna", "bought" is not "buy": endings only.
fn same_stem(one: &str, other: &str) -> bool {
    let stem =
        |word: &str| word.trim_end_matches("ing").trim_end_matches("ed").trim_end_matches('s').to_owned();
    let (one, other) = (stem(one), stem(other));
    one.len() > 2 && one == other
}
