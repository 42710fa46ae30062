//! Slots against the person's own things. A template whose slots do not resolve was not meant.

use std::{ops::Range, slice};

use super::{
    Dated, Dates, Knowledge, Open, Question, Recurring, Understood,
    template::{Intent, Match, Slot},
    unquote,
};
use crate::{
    command::Command,
    recurrence::phrase::{self, Heard},
    tasks::{Draft, Due, Task},
    when::{self, Choice, Direction, Meaning, Reading},
};

/// Bound: a person waits a second for each number.
const COUNT_MAX: u32 = 3_600;

/// `None`: the template does not mean this sentence.
pub(super) fn resolve(sentence: &str, found: &Match, knowledge: &Knowledge<'_>) -> Option<Understood> {
    let slot =
        |wanted: Slot| found.slots.iter().find(|(slot, _)| *slot == wanted).map(|(_, span)| span.clone());
    let text = |wanted: Slot| slot(wanted).and_then(|span| sentence.get(span)).map(str::trim);
    let task = |wanted: Slot, among| pick(sentence, slot(wanted)?, among);
    match found.intent {
        Intent::Add => add(sentence, slot(Slot::What)?, slot(Slot::When), knowledge),
        Intent::Need => need(sentence, slot(Slot::What)?, knowledge),
        Intent::Complete => one(task(Slot::Task, knowledge.open)?, |id| Command::CompleteTask { id }),
        Intent::Reopen => one(task(Slot::Was, knowledge.done)?, |id| Command::ReopenTask { id }),
        Intent::Delete => one(task(Slot::Task, knowledge.open)?, |id| Command::DeleteTask { id }),
        Intent::Move => move_task(sentence, slot(Slot::Task)?, slot(Slot::When)?, knowledge),
        Intent::Journal => journal(text(Slot::Text)?, text(Slot::Past), knowledge),
        Intent::Find => Some(tell(Question::Find { query: unquote(text(Slot::Query)?) })),
        Intent::Search => Some(tell(Question::Search { query: unquote(text(Slot::Query)?) })),
        Intent::Entries => {
            let (from, to) = days_back(text(Slot::Past)?, knowledge)?;
            Some(tell(Question::Entries { from, to }))
        }
        Intent::Plan => plan(sentence, slot(Slot::When), knowledge),
        Intent::Tasks => Some(tell(Question::Tasks)),
        Intent::Undo => Some(tell(Question::Undo)),
        Intent::Help => Some(tell(Question::Help)),
        Intent::Hello => Some(tell(Question::Hello)),
        Intent::Now => Some(tell(Question::Now)),
        Intent::Count => {
            let to = text(Slot::Number)?.parse().ok().filter(|to| (1..=COUNT_MAX).contains(to))?;
            Some(tell(Question::Count { to, slowly: found.slowly }))
        }
    }
}

fn tell(question: Question) -> Understood {
    Understood::Tell(question)
}

fn add(
    sentence: &str,
    what: Range<usize>,
    when: Option<Range<usize>>,
    knowledge: &Knowledge<'_>,
) -> Option<Understood> {
    // Without its date "remind me tomorrow to …" is no sentence of this form.
    if when.is_some() && knowledge.dates == Dates::Keep {
        return None;
    }
    let dated = [Some(&what), when.as_ref()].into_iter().flatten();
    for span in dated.filter(|_| knowledge.dates == Dates::Read) {
        match knowledge.take_recurrence(sentence, span) {
            None => {}
            Some(Ok(recurring)) => return add_recurring(sentence, &what, span, &recurring, knowledge),
            Some(Err(open)) => return Some(open.into()),
        }
    }
    let said = match when.map(|span| read_when(sentence, span, knowledge)) {
        None => None,
        Some(Ok(meaning)) => Some(knowledge.due_of(meaning?)),
        Some(Err(open)) => return Some(open.into()),
    };
    match knowledge.take_date(sentence, what) {
        Dated::Plain { rest, due } => {
            let title = rest.trim().to_owned();
            // "remind me tomorrow to call Anna at 17:00": the day from one place, the time from the other.
            let due = match (said, due) {
                (Some(day), Some(Due { time: Some(time), .. })) if day.time.is_none() => {
                    Some(Due::new(day.day, Some(time)))
                }
                (said, due) => said.or(due),
            };
            let draft = Draft { title, due, ..Draft::default() };
            (!draft.title.is_empty()).then_some(Understood::Do(Command::AddTask(draft)))
        }
        Dated::Unclear(open) => Some(open.into()),
    }
}

/// `what` holds the title, `said` the recurrence: the same part of the sentence, or "remind me every Monday to …".
fn add_recurring(
    sentence: &str,
    what: &Range<usize>,
    said: &Range<usize>,
    recurring: &Recurring,
    knowledge: &Knowledge<'_>,
) -> Option<Understood> {
    let same = what == said;
    if !same && !recurring.rest.is_empty() {
        return None;
    }
    let text = if same { recurring.rest.as_str() } else { sentence.get(what.clone())? };
    let (rest, due) = match knowledge.take_date(text, 0..text.len()) {
        Dated::Plain { rest, due } => (rest, due),
        // Its choices are sentences without the recurrence, which is said again before it.
        Dated::Unclear(open) => {
            let phrase = sentence.get(recurring.span.clone())?;
            let again =
                |choice: Choice| Choice { instead: format!("task: {} {phrase}", choice.instead), ..choice };
            return Some(choose(open.prompt, open.choices.into_iter().map(again).collect()));
        }
    };
    let (day, time) = (
        due.map(|due| due.day).filter(|_| due.is_some_and(|due| names_day(due, knowledge))),
        due.and_then(|due| due.time),
    );
    let first = day.unwrap_or_else(|| knowledge.today());
    if let Some(Heard::Ask { span, prompt, choices }) =
        phrase::doubt(&recurring.repeats, first, &recurring.span)
    {
        return Some(Open::new(sentence, &(0..sentence.len()), &[span], prompt, choices).into());
    }
    let (recurrence, due) = recurring.repeats.starting(day, time, knowledge.now.datetime())?;
    let draft = Draft { title: rest, due: Some(due), recurrence: Some(recurrence), ..Draft::default() };
    (!draft.title.is_empty()).then_some(Understood::Do(Command::AddTask(draft)))
}

/// "at 9" alone is the next 9 o'clock: that names no day.
fn names_day(due: Due, knowledge: &Knowledge<'_>) -> bool {
    let days = knowledge.today().until(due.day).map_or(i32::MAX, |span| span.get_days());
    due.time.is_none() || days > 1
}

fn choose(prompt: &str, choices: Vec<Choice>) -> Understood {
    Understood::Choose { prompt: prompt.to_owned(), choices }
}

/// "I need to buy milk" is a task, "I have to say it was a great day" is talk.
fn need(sentence: &str, what: Range<usize>, knowledge: &Knowledge<'_>) -> Option<Understood> {
    const TALK: [&str; 10] =
        ["say", "admit", "confess", "think", "be", "know", "believe", "agree", "stress", "laugh"];
    let text = sentence.get(what.clone())?;
    let first = text.split_whitespace().next()?.to_lowercase();
    if !TALK.contains(&first.as_str()) {
        return add(sentence, what, None, knowledge);
    }
    let task = Choice::of_words("Add it as a task", format!("task: {text}"));
    let entry = Choice::of_words("Write it in the journal", format!("journal: {sentence}"));
    Some(choose("Is that a task?", vec![task, entry]))
}

/// `Err`: it can mean several times.
fn read_when(sentence: &str, span: Range<usize>, knowledge: &Knowledge<'_>) -> Result<Option<Meaning>, Open> {
    let text = sentence.get(span.clone()).unwrap_or_default();
    match when::read_whole(text, &knowledge.context(Direction::Ahead)) {
        Reading::Nothing => Ok(None),
        Reading::Found { meaning, .. } => Ok(Some(meaning)),
        Reading::Ask { spans: inner, prompt, choices } => {
            Err(Open::new(sentence, &span, &inner, prompt, choices))
        }
    }
}

/// `day`: "yesterday:" before the text. Without its mark it belongs to the text ("journal: yesterday it rained").
fn journal(text: &str, day: Option<&str>, knowledge: &Knowledge<'_>) -> Option<Understood> {
    let day = match day {
        Some(said) => {
            Some(days_back(said.strip_suffix([':', ','])?, knowledge).filter(|(from, to)| from == to)?.0)
        }
        None => None,
    };
    Some(Understood::Do(Command::AddEntry { text: text.to_owned(), day }))
}

fn plan(sentence: &str, when: Option<Range<usize>>, knowledge: &Knowledge<'_>) -> Option<Understood> {
    let (from, to) = match when.map(|span| read_when(sentence, span, knowledge)) {
        None => (knowledge.today(), knowledge.today()),
        Some(Ok(meaning)) => meaning.map(|meaning| (meaning.first_day(), meaning.last_day()))?,
        Some(Err(open)) => return Some(open.into()),
    };
    Some(tell(Question::Plan { from, to }))
}

fn days_back(text: &str, knowledge: &Knowledge<'_>) -> Option<(jiff::civil::Date, jiff::civil::Date)> {
    match when::read_whole(text, &knowledge.context(Direction::Back)) {
        Reading::Found { meaning, .. } => Some((meaning.first_day(), meaning.last_day())),
        Reading::Nothing | Reading::Ask { .. } => None,
    }
}

/// One task, or several that the words fit.
enum Picked {
    One(String),
    Several(Vec<Choice>),
}

fn one(picked: Picked, command: impl FnOnce(String) -> Command) -> Option<Understood> {
    Some(match picked {
        Picked::One(id) => Understood::Do(command(id)),
        Picked::Several(choices) => choose("Which one?", choices),
    })
}

/// The task that the words name: the same title, else the only one that has all the words.
fn pick(sentence: &str, span: Range<usize>, among: &[Task]) -> Option<Picked> {
    let said = unquote(sentence.get(span.clone())?);
    let words = content_words(&said);
    // "drop it", "delete everything": nobody's task is named.
    if words
        .iter()
        .all(|word| matches!(word.as_str(), "it" | "that" | "this" | "them" | "all" | "everything"))
    {
        return None;
    }
    let same: Vec<&Task> = among.iter().filter(|task| content_words(&task.title) == words).collect();
    let having = || among.iter().filter(|task| has_all(&content_words(&task.title), &words)).collect();
    let fitting: Vec<&Task> = if same.is_empty() { having() } else { same };
    match fitting.as_slice() {
        [] => None,
        [task] => Some(Picked::One(task.id.clone())),
        // The same title twice: the nearest due stands first, and doing it is what people mean.
        [first, rest @ ..] if rest.iter().all(|task| task.title == first.title) => {
            Some(Picked::One(first.id.clone()))
        }
        several => {
            let choice = |task: &&Task| {
                let quoted = format!("\"{}\"", task.title);
                Choice::of_words(&task.title, when::instead(sentence, slice::from_ref(&span), &quoted))
            };
            let mut choices: Vec<Choice> = Vec::new();
            for choice in several.iter().map(choice) {
                // Two buttons of one title would say the same.
                if !choices.contains(&choice) {
                    choices.push(choice);
                }
            }
            choices.truncate(5);
            Some(Picked::Several(choices))
        }
    }
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

fn move_task(
    sentence: &str,
    task: Range<usize>,
    when: Range<usize>,
    knowledge: &Knowledge<'_>,
) -> Option<Understood> {
    let picked = pick(sentence, task, knowledge.open)?;
    let meaning = match read_when(sentence, when, knowledge) {
        Ok(meaning) => meaning?,
        Err(open) => return Some(open.into()),
    };
    let mut due = knowledge.due_of(meaning);
    // "move call Anna to Friday" keeps its hour.
    if let (Picked::One(id), None) = (&picked, due.time) {
        due.time = knowledge
            .open
            .iter()
            .find(|task| task.id == *id)
            .and_then(|task| task.due_in(knowledge.now.time_zone()))
            .and_then(|due| due.time);
    }
    one(picked, |id| Command::MoveTask { id, due })
}
