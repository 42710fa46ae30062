//! Says a sentence to the built-in brain inside one transaction: reads it, does it, and words the answer.

use std::{fmt::Write as _, time::Duration};

use jiff::{ToSpan, civil::Date};
use kit::clock;
use rusqlite::{Connection, Transaction};
use serde::{Deserialize, Serialize};

use super::{Dates, Knowledge, Question, Understood, template::EXAMPLES, understand};
use crate::{
    accounts::Account,
    command::{self, Command, undo, words},
    error::{Error, Result},
    habits,
    journal::{self, Filter},
    search::{self, Kind},
    tasks::{self, State, Task, agenda},
    when::{DAYS, Lesson},
};

/// Bound: lines of one answer.
const LINES_MAX: u32 = 20;
/// Who answers.
pub(crate) const BUILT_IN: &str = "built-in";

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Done,
    Ask,
    NotUnderstood,
    /// A model is asked, in a conversation of its own.
    Talk,
}

/// Where a model answers what the brain did not understand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Talk {
    pub(crate) conversation_id: String,
    /// Of the answer.
    pub(crate) message_id: String,
    pub(crate) stream: String,
}

/// A button that says a whole sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Offer {
    pub(crate) label: String,
    pub(crate) text: String,
    /// What saying it teaches, to be sent along with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) teaches: Option<String>,
}

/// A sentence, and what its sender knows of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spoken {
    pub(crate) text: String,
    pub(crate) dates: Dates,
    /// It answers a question: what that teaches.
    pub(crate) teaches: Option<Lesson>,
    /// How long ago it was typed: it is read as of then.
    pub(crate) waited: Duration,
}

impl Spoken {
    pub(crate) fn of(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Said {
    pub(crate) outcome: Outcome,
    /// How the sentence was read, for the chip.
    pub(crate) understood: String,
    pub(crate) reply: String,
    /// Set when something was changed.
    pub(crate) undo_id: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) choices: Vec<Offer>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) examples: Vec<String>,
    pub(crate) by: String,
    /// What was looked for over everything: the search has all that was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) searched: Option<String>,
    #[serde(flatten)]
    pub(crate) talk: Option<Talk>,
    /// One word a second, as "count to 60 slowly" asks.
    #[serde(default)]
    pub(crate) slowly: bool,
    /// The reply has words out of tasks, journal or chat in it.
    #[serde(skip)]
    pub(crate) quotes: bool,
}

/// Reads what was spoken for `who` and does what it says, as the command `id`.
///
/// # Errors
/// The database's, and a command that is refused.
pub(crate) fn say(tx: &Transaction<'_>, who: &Account, spoken: &Spoken, id: String) -> Result<Said> {
    let sentence = spoken.text.as_str();
    if sentence.trim().is_empty() {
        return Err(Error::Invalid("say something".to_owned()));
    }
    let open = tasks::namable(tx, &who.id, sentence)?;
    let done = tasks::list(tx, &who.id, Some(State::Done), 20, 0)?;
    let habits = habits::of(tx, &who.id)?;
    let now = who.now() - spoken.waited;
    let knowledge = Knowledge { now, open: &open, done: &done, habits: &habits, dates: spoken.dates };
    let understood = understand(sentence, &knowledge);
    // A sentence that is asked about once more has answered nothing.
    let lesson = spoken.teaches.filter(|_| matches!(understood, Understood::Do(_) | Understood::Tell(_)));
    if let Some(lesson) = lesson {
        habits::learn(tx, &who.id, lesson)?;
    }
    let learned = lesson.map_or_else(String::new, |lesson| {
        format!(" From now on {}; the settings forget it.", lesson.shown())
    });
    match understood {
        Understood::Do(command) => {
            let done = command::execute_as(tx, who, &of_then(command, spoken, &knowledge), id)?;
            let reply = done.reply + past_by_now(spoken, done.task.as_ref()) + &learned;
            Ok(Said { undo_id: Some(done.undo_id), ..told(done.understood, reply) })
        }
        Understood::Tell(Question::Undo) => undo_last(tx, who),
        Understood::Tell(Question::Search { query }) => searched(tx, who, &query, sentence),
        Understood::Tell(question) => {
            let quotes = matches!(
                question,
                Question::Plan { .. }
                    | Question::Tasks
                    | Question::Overdue
                    | Question::Completed
                    | Question::Find { .. }
                    | Question::Entries { .. }
            );
            Ok(Said { quotes, ..tell(tx, who, &question, &knowledge)? })
        }
        Understood::Choose { prompt, choices } => {
            let choices = choices
                .into_iter()
                .map(|choice| Offer {
                    label: choice.label,
                    text: choice.instead,
                    teaches: choice.lesson.map(|lesson| lesson.to_string()),
                })
                .collect();
            Ok(Said { outcome: Outcome::Ask, choices, ..told("One question first".to_owned(), prompt) })
        }
        Understood::Refuse { why } => {
            Ok(Said { outcome: Outcome::NotUnderstood, ..told("Not done".to_owned(), why) })
        }
        Understood::Nothing { nearest } => Ok(not_understood(nearest)),
    }
}

/// An entry without a day is of the day on which it was typed.
fn of_then(command: Command, spoken: &Spoken, knowledge: &Knowledge<'_>) -> Command {
    match command {
        Command::AddEntry { text, day: None } if !spoken.waited.is_zero() => {
            Command::AddEntry { text, day: Some(knowledge.today()) }
        }
        command => command,
    }
}

/// What waited so long that its time came before it did.
fn past_by_now(spoken: &Spoken, task: Option<&Task>) -> &'static str {
    let due = task.and_then(|task| task.due_at).filter(|due| *due < clock::now_ms());
    if due.is_some() && !spoken.waited.is_zero() { " That is past by now: it waited to be sent." } else { "" }
}

/// How a sentence would be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Read {
    /// `None`: not understood (yet).
    pub(crate) understood: Option<String>,
    /// A date was found in it, or may be in it, which can be kept as words.
    pub(crate) dated: bool,
}

/// How `spoken` would be read, without doing anything: for the chip while one types.
///
/// # Errors
/// The database's.
pub(crate) fn reading(db: &Connection, who: &Account, spoken: &Spoken) -> Result<Read> {
    let open = tasks::namable(db, &who.id, &spoken.text)?;
    let done = tasks::list(db, &who.id, Some(State::Done), 20, 0)?;
    let now = who.now();
    let today = now.date();
    let habits = habits::of(db, &who.id)?;
    let knowledge = Knowledge { now, open: &open, done: &done, habits: &habits, dates: spoken.dates };
    let understood = understand(&spoken.text, &knowledge);
    Ok(read_as(understood, &[open, done].concat(), today))
}

/// In the words of the chip; `tasks` are those that the sentence may name.
pub(super) fn read_as(understood: Understood, tasks: &[Task], today: Date) -> Read {
    let dated = match &understood {
        Understood::Do(Command::AddTask(draft)) => draft.due.is_some(),
        Understood::Choose { choices, .. } => choices.iter().any(|choice| choice.meaning.is_some()),
        Understood::Do(_) | Understood::Tell(_) | Understood::Refuse { .. } | Understood::Nothing { .. } => {
            false
        }
    };
    let understood = match understood {
        Understood::Do(command) => Some(words::reading(&command, tasks, today)),
        Understood::Tell(Question::Plan { from, to }) => {
            Some(format!("Plan: {}", show_days(from, to, today)))
        }
        Understood::Tell(Question::Find { query }) => Some(format!("Find “{query}” in the journal")),
        Understood::Tell(Question::Overdue) => Some("Carried over".to_owned()),
        Understood::Tell(Question::Completed) => Some("Done lately".to_owned()),
        Understood::Tell(Question::Thanks | Question::Nevermind) => Some("Nothing to do".to_owned()),
        Understood::Tell(Question::NoSuchTask { name, .. }) => {
            Some(format!("No open task is called “{}”", words::shorten(&name)))
        }
        Understood::Tell(Question::Search { query }) => Some(format!("Find “{query}”")),
        Understood::Tell(_) => Some("A question".to_owned()),
        Understood::Refuse { why } => Some(why),
        // One button is no answer by itself.
        Understood::Choose { prompt, choices } if choices.len() == 1 => Some(prompt),
        Understood::Choose { choices, .. } => {
            Some(choices.iter().map(|choice| choice.label.as_str()).collect::<Vec<_>>().join(" or ") + "?")
        }
        Understood::Nothing { .. } => None,
    };
    Read { understood, dated }
}

/// Something was only told.
pub(crate) fn told(understood: String, reply: String) -> Said {
    let (choices, examples) = (Vec::new(), Vec::new());
    Said {
        outcome: Outcome::Done,
        understood,
        reply,
        undo_id: None,
        choices,
        examples,
        by: BUILT_IN.to_owned(),
        searched: None,
        talk: None,
        slowly: false,
        quotes: false,
    }
}

fn not_understood(examples: Vec<String>) -> Said {
    let mut reply = "I did not understand that. I am the built-in brain: I keep tasks and a journal, and tell what is due.".to_owned();
    if !examples.is_empty() {
        reply.push_str(" For example:");
        // Writing into a String cannot fail.
        for example in &examples {
            let _ = write!(reply, "\n• {example}");
        }
    }
    Said { outcome: Outcome::NotUnderstood, examples, ..told("Not understood".to_owned(), reply) }
}

fn undo_last(tx: &Transaction<'_>, who: &Account) -> Result<Said> {
    let Some(last) = undo::last(tx, who)? else {
        return Ok(told("Undo".to_owned(), "There is nothing to undo.".to_owned()));
    };
    match undo::undo(tx, who, &last) {
        Ok(understood) => Ok(told(format!("Undo: {understood}"), format!("Undone: {understood}."))),
        Err(Error::Conflict(why)) => Ok(told("Undo".to_owned(), format!("That cannot be undone: {why}."))),
        Err(error) => Err(error),
    }
}

fn tell(db: &Connection, who: &Account, question: &Question, knowledge: &Knowledge<'_>) -> Result<Said> {
    let today = knowledge.today();
    Ok(match question {
        Question::Plan { from, to } => plan(db, who, *from, *to, today)?,
        Question::Tasks => {
            let reply = if knowledge.open.is_empty() {
                "Your list is empty.".to_owned()
            } else {
                let count = agenda::counts(db, who, None)?.iter().sum::<u32>() as usize;
                list("Open", (knowledge.open, count), who)
            };
            told("Your tasks".to_owned(), reply)
        }
        Question::Find { query } => {
            let filter = Filter { query: Some(query.clone()), ..Filter::default() };
            entries(db, who, &filter, &format!("Find “{query}” in the journal"), today)?
        }
        Question::Entries { from, to } => {
            let filter = Filter { from: Some(*from), to: Some(*to), ..Filter::default() };
            let what_was_done = done_between(db, who, *from, *to)?;
            let mut said = entries(
                db,
                who,
                &filter,
                &format!("Journal and done tasks, {}", show_days(*from, *to, today)),
                today,
            )?;
            if !what_was_done.is_empty() {
                said.reply = format!("{}\n{}", list("Done", all(&what_was_done), who), said.reply);
            }
            said
        }
        Question::Count { to, slowly } => {
            let numbers: Vec<String> = (1..=*to).map(|number| number.to_string()).collect();
            Said { slowly: *slowly, ..told(format!("Count to {to}"), numbers.join(" ")) }
        }
        Question::Overdue => {
            let carried = agenda::due_until(db, who, today.saturating_sub(1.day()))?;
            let reply = if carried.is_empty() {
                "Nothing is carried over.".to_owned()
            } else {
                list("Carried over", all(&carried), who)
            };
            told("Carried over".to_owned(), reply)
        }
        Question::Completed => {
            let reply = if knowledge.done.is_empty() {
                "Nothing is done yet.".to_owned()
            } else {
                let titles: String =
                    knowledge.done.iter().map(|task| format!("\n• {}", task.title)).collect();
                format!("Done lately:{titles}")
            };
            told("Done lately".to_owned(), reply)
        }
        Question::Thanks => told("Thanks".to_owned(), "You are welcome.".to_owned()),
        Question::Nevermind => told("Never mind".to_owned(), "All right. Nothing was changed.".to_owned()),
        Question::NoSuchTask { name, is_done } => {
            let name = words::shorten(name);
            let why = if *is_done { "is done already" } else { "is not among your open tasks" };
            told("No such task".to_owned(), format!("“{name}” {why}. Nothing was changed."))
        }
        Question::Help => Said {
            examples: EXAMPLES.iter().map(|&example| example.to_owned()).collect(),
            ..told("What I can do".to_owned(), help())
        },
        Question::Hello => told(
            "Hello".to_owned(),
            format!("Hello {}. Say “what is on my plate today”, or “help” for more.", who.name),
        ),
        Question::Now => told(
            "The time".to_owned(),
            format!("It is {}.", knowledge.now.strftime("%H:%M on %A, %-d %B %Y")),
        ),
        // Done in `say`, which has the transaction and the sentence.
        Question::Undo | Question::Search { .. } => not_understood(Vec::new()),
    })
}

fn help() -> String {
    let mut help = "I keep your tasks and your journal, and I tell what is due. Everything I do can be undone. Things to say:".to_owned();
    for example in EXAMPLES {
        let _ = write!(help, "\n• {example}");
    }
    help
}

fn plan(db: &Connection, who: &Account, from: Date, to: Date, today: Date) -> Result<Said> {
    let carried = agenda::due_until(db, who, from.saturating_sub(1.day()))?;
    let planned = agenda::due_between(db, who, from, to)?;
    let days = show_days(from, to, today);
    let mut reply = match (planned.is_empty(), carried.is_empty()) {
        (true, true) => format!("Nothing is due {days}. Enjoy it."),
        (true, false) => format!("Nothing is due {days}."),
        (false, _) => list(&format!("Due {days}"), all(&planned), who),
    };
    if !carried.is_empty() && from <= today {
        let _ = write!(reply, "\n{}", list("Carried over", all(&carried), who));
    }
    Ok(told(format!("Plan: {days}"), reply))
}

fn show_days(from: Date, to: Date, today: Date) -> String {
    if to == *DAYS.end() {
        return format!("after {}", words::show_day(from.saturating_sub(1.day()), today));
    }
    let first = words::show_day(from, today);
    if from == to { first } else { format!("{first} to {}", words::show_day(to, today)) }
}

fn all(tasks: &[Task]) -> (&[Task], usize) {
    (tasks, tasks.len())
}

/// The first of `count` tasks, a line each.
fn list(title: &str, (tasks, count): (&[Task], usize), who: &Account) -> String {
    let today = who.now().date();
    let mut lines = format!("{title} ({count}):");
    for task in tasks.iter().take(LINES_MAX as usize) {
        let due =
            task.due_for(who).map_or_else(String::new, |due| format!(" · {}", words::show_due(due, today)));
        let _ = write!(lines, "\n• {}{due}", task.title);
    }
    if count > LINES_MAX as usize {
        let _ = write!(lines, "\n… and {} more", count - LINES_MAX as usize);
    }
    lines
}

fn entries(db: &Connection, who: &Account, filter: &Filter, understood: &str, today: Date) -> Result<Said> {
    let found = journal::list(db, &who.id, filter, LINES_MAX, 0)?;
    let mut reply = match found.len() {
        0 => "Your journal has nothing on that.".to_owned(),
        1 => "One entry:".to_owned(),
        entries => format!("{entries} entries:"),
    };
    for entry in &found {
        let _ = write!(reply, "\n• {}: {}", words::show_day(entry.day, today), words::shorten(&entry.text));
    }
    Ok(told(understood.to_owned(), reply))
}

/// What has all words of `query`. `sentence` asked for it, and where it was said in the chat it is a message itself, and the
/// title of what it began.
fn searched(db: &Connection, who: &Account, query: &str, sentence: &str) -> Result<Said> {
    let mut hits = search::find(db, &who.id, query, None, (LINES_MAX + 1, 0))?;
    let is_chat = |kind| matches!(kind, Kind::Message | Kind::Conversation);
    hits.retain(|hit| !is_chat(hit.kind) || hit.text() != sentence.trim());
    let more = hits.len() > LINES_MAX as usize;
    hits.truncate(LINES_MAX as usize);
    let mut reply = match hits.len() {
        0 => format!("Nothing has “{query}” in it."),
        1 => "One thing:".to_owned(),
        _ if more => format!("The best {LINES_MAX}:"),
        things => format!("{things} things:"),
    };
    let today = who.now().date();
    for hit in &hits {
        let day = words::show_day(hit.day.unwrap_or_else(|| who.local(hit.at).date()), today);
        let _ = write!(reply, "\n• {}, {day}: {}", hit.kind.label(), words::shorten(&hit.text()));
    }
    let searched = Some(query.to_owned()).filter(|_| !hits.is_empty());
    Ok(Said { quotes: searched.is_some(), searched, ..told(format!("Find “{query}”"), reply) })
}

fn done_between(db: &Connection, who: &Account, from: Date, to: Date) -> Result<Vec<Task>> {
    let zone = who.time_zone();
    let on = |ms: i64| jiff::Timestamp::from_millisecond(ms).ok().map(|at| at.to_zoned(zone.clone()).date());
    let done = tasks::list(db, &who.id, Some(State::Done), 200, 0)?;
    Ok(done
        .into_iter()
        .filter(|task| task.done_at.and_then(on).is_some_and(|day| (from..=to).contains(&day)))
        .collect())
}

/// What a command that cannot be done is answered with.
pub(crate) fn refused(why: &str) -> Said {
    told("Not done".to_owned(), format!("I did not do that: {why}."))
}
