//! Slots against the person's own things. A template whose slots do not resolve was not meant.

use std::ops::Range;

use super::{
    Dated, Knowledge, Question, Understood, due_of,
    template::{Intent, Match, Slot},
    unquote,
};
use crate::{
    command::Command,
    tasks::{Due, Task},
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
        Intent::Complete => one(task(Slot::Task, knowledge.open)?, |id| Command::CompleteTask { id }),
        Intent::Reopen => one(task(Slot::Was, knowledge.done)?, |id| Command::ReopenTask { id }),
        Intent::Delete => one(task(Slot::Task, knowledge.open)?, |id| Command::DeleteTask { id }),
        Intent::Move => move_task(sentence, slot(Slot::Task)?, slot(Slot::When)?, knowledge),
        Intent::Journal => {
            Some(Understood::Do(Command::AddEntry { text: text(Slot::Text)?.to_owned(), day: None }))
        }
        Intent::Find => Some(tell(Question::Find { query: unquote(text(Slot::Query)?) })),
        Intent::Entries => {
            let (from, to) = days(text(Slot::Past)?, knowledge, Direction::Back)?;
            Some(tell(Question::Entries { from, to }))
        }
        Intent::Plan => {
            let (from, to) = text(Slot::When)
                .map_or(Some((knowledge.today(), knowledge.today())), |when| {
                    days(when, knowledge, Direction::Ahead)
                })?;
            Some(tell(Question::Plan { from, to }))
        }
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
    let said = match when.map(|span| read_when(sentence, span, knowledge)) {
        None => None,
        Some(Ok(meaning)) => Some(due_of(meaning?)),
        Some(Err(choices)) => return Some(choose("When do you mean?", choices)),
    };
    match knowledge.take_date(sentence, what) {
        Dated::Plain { rest, due } => {
            let title = rest.trim().to_owned();
            // "remind me tomorrow to call Anna at 17:00": the day from one place, the time from the other.
            let due = match (said, due) {
                (Some(day), Some(Due { time: Some(time), .. })) if day.time.is_none() => {
                    Some(Due { time: Some(time), ..day })
                }
                (said, due) => said.or(due),
            };
            (!title.is_empty()).then_some(Understood::Do(Command::AddTask { title, due }))
        }
        Dated::Unclear { choices } => Some(choose("When do you mean?", choices)),
    }
}

fn choose(prompt: &str, choices: Vec<Choice>) -> Understood {
    Understood::Choose { prompt: prompt.to_owned(), choices }
}

/// `Err`: it can mean several times; each choice is a whole sentence.
fn read_when(
    sentence: &str,
    span: Range<usize>,
    knowledge: &Knowledge<'_>,
) -> Result<Option<Meaning>, Vec<Choice>> {
    let text = sentence.get(span.clone()).unwrap_or_default();
    match when::read_whole(text, &knowledge.context(Direction::Ahead)) {
        Reading::Nothing => Ok(None),
        Reading::Found { meaning, .. } => Ok(Some(meaning)),
        Reading::Ask { span: inner, choices } => {
            let whole = span.start + inner.start..span.start + inner.end;
            Err(choices
                .into_iter()
                .map(|choice| Choice { instead: when::instead(sentence, &whole, &choice.instead), ..choice })
                .collect())
        }
    }
}

fn days(
    text: &str,
    knowledge: &Knowledge<'_>,
    direction: Direction,
) -> Option<(jiff::civil::Date, jiff::civil::Date)> {
    match when::read_whole(text, &knowledge.context(direction)) {
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
    if words.is_empty() {
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
            let choice = |task: &&Task| Choice {
                label: task.title.clone(),
                instead: when::instead(sentence, &span, &format!("\"{}\"", task.title)),
            };
            Some(Picked::Several(several.iter().take(5).map(choice).collect()))
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
        Err(choices) => return Some(choose("When do you mean?", choices)),
    };
    let mut due = due_of(meaning);
    // "move call Anna to Friday" keeps its hour.
    if let (Picked::One(id), None) = (&picked, due.time) {
        due.time = knowledge
            .open
            .iter()
            .find(|task| task.id == *id)
            .and_then(|task| task.due)
            .and_then(|due| due.time);
    }
    one(picked, |id| Command::MoveTask { id, due })
}
