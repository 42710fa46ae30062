//! Slots against the person's own things. A template whose slots do not resolve was not meant.

use std::ops::Range;

use super::{
    Dated, Dates, Knowledge, Open, Question, Recurring, Understood, ends,
    pick::{self, Picked, one, pick},
    template::{Intent, Match, Slot},
    unquote,
};
use crate::{
    command::Command,
    recurrence::{
        Repeats,
        phrase::{self, Heard},
        words,
    },
    tasks::{Draft, Due},
    when::{self, Choice, Context, Direction, End, Meaning, Reading},
};

/// Bound: a person waits a second for each number.
const COUNT_MAX: u32 = 3_600;

/// `None`: the template does not mean this sentence.
pub(super) fn resolve(sentence: &str, found: &Match, knowledge: &Knowledge<'_>) -> Option<Understood> {
    let slot =
        |wanted: Slot| found.slots.iter().find(|(slot, _)| *slot == wanted).map(|(_, span)| span.clone());
    let text = |wanted: Slot| slot(wanted).and_then(|span| sentence.get(span)).map(str::trim);
    let task = |wanted: Slot, among| pick(sentence, slot(wanted)?, among, &knowledge.now);
    match found.intent {
        Intent::Add => add(sentence, slot(Slot::What)?, slot(Slot::When), knowledge),
        // "add a line to the letter", "add a task" alone: something else is meant.
        Intent::Short if is_for_elsewhere(text(Slot::What)?) => None,
        Intent::Short => add(sentence, slot(Slot::What)?, None, knowledge),
        Intent::Need => need(sentence, slot(Slot::What)?, knowledge),
        Intent::Complete => one(task(Slot::Task, knowledge.open)?, |id| Command::CompleteTask { id }),
        Intent::Reopen => one(task(Slot::Was, knowledge.done)?, |id| Command::ReopenTask { id }),
        Intent::Delete => one(task(Slot::Task, knowledge.open)?, |id| Command::DeleteTask { id }),
        Intent::Move => move_task(sentence, slot(Slot::Task)?, slot(Slot::When)?, knowledge),
        Intent::Journal => journal(sentence, text(Slot::Text)?, slot(Slot::Past), knowledge),
        Intent::Find => Some(tell(Question::Find { query: unquote(text(Slot::Query)?) })),
        Intent::Search => Some(tell(Question::Search { query: unquote(text(Slot::Query)?) })),
        Intent::Entries => {
            let (from, to) = days_back(text(Slot::Past)?, knowledge)?;
            Some(tell(Question::Entries { from, to }))
        }
        Intent::Plan => plan(sentence, slot(Slot::When), knowledge),
        Intent::Tasks => Some(tell(Question::Tasks)),
        Intent::Overdue => Some(tell(Question::Overdue)),
        Intent::Completed => Some(tell(Question::Completed)),
        Intent::Thanks => Some(tell(Question::Thanks)),
        Intent::Nevermind => Some(tell(Question::Nevermind)),
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

/// A task was named to be done, deleted or moved, and there is none of that name.
pub(super) fn missing(sentence: &str, found: &Match, knowledge: &Knowledge<'_>) -> Option<Understood> {
    let slot = |wanted: Slot| {
        found.slots.iter().find(|(slot, _)| *slot == wanted).and_then(|(_, span)| sentence.get(span.clone()))
    };
    let is_asked = match found.intent {
        Intent::Complete | Intent::Delete => true,
        Intent::Move => {
            let when = when::read_due(slot(Slot::When)?, &knowledge.context(Direction::Ahead));
            when != Reading::Nothing
        }
        _ => false,
    };
    let name = pick::nobodys(sentence, slot(Slot::Task).filter(|_| is_asked)?)?;
    let is_done =
        found.intent == Intent::Complete && knowledge.done.iter().any(|task| pick::is_called(task, name));
    Some(tell(Question::NoSuchTask { name: name.to_owned(), is_done }))
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
    if knowledge.dates == Dates::Read {
        if let Some(taken) = knowledge.take_recurrence(sentence, &what, false) {
            let start = when.map(|when| read_when(sentence, when, knowledge));
            return with_recurrence(taken, start, |recurring, start| {
                add_recurring(sentence, &recurring.rest, recurring, start, knowledge)
            });
        }
        if let Some(taken) = when.as_ref().and_then(|when| knowledge.take_recurrence(sentence, when, true)) {
            let text = sentence.get(what)?;
            return with_recurrence(taken, None, |recurring, start| {
                add_recurring(sentence, text, recurring, start, knowledge)
            });
        }
    }
    if let Some(when) = &when
        && goes_on(sentence, when, &what, knowledge)
    {
        return None;
    }
    let said = match when.map(|span| read_when(sentence, span, knowledge)) {
        None => None,
        Some(Ok(said)) => Some(said?),
        Some(Err(open)) => return Some(open.into()),
    };
    match knowledge.take_date(sentence, what) {
        Dated::Plain { rest, due, end, .. } => {
            let end = end.or(said.and_then(|said| said.end));
            let (title, said) = (ends::titled(rest.trim(), end, knowledge), said.map(|said| said.due));
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

/// "remind me from 3pm to 5pm to paint": the first "to" is the range's, so the words divide at the other one.
fn goes_on(sentence: &str, when: &Range<usize>, what: &Range<usize>, knowledge: &Knowledge<'_>) -> bool {
    let between = sentence.get(when.end..what.start).unwrap_or_default();
    let text = sentence.get(what.clone()).unwrap_or_default();
    let begins_with_date = || match when::read(text, &knowledge.context(Direction::Ahead)) {
        Reading::Found { spans, .. } => spans.first().is_some_and(|span| span.start == 0),
        Reading::Nothing | Reading::Ask { .. } => false,
    };
    between.trim() == "to" && begins_with_date()
}

/// A rule without a doubt and the date beside it, if there is one, or the question.
fn with_recurrence(
    taken: Result<Recurring, Open>,
    start: Option<Result<Option<Start>, Open>>,
    add: impl FnOnce(&Recurring, Option<Start>) -> Option<Understood>,
) -> Option<Understood> {
    match (taken, start) {
        (Err(open), _) | (_, Some(Err(open))) => Some(open.into()),
        (Ok(recurring), None) => add(&recurring, None),
        (Ok(recurring), Some(Ok(start))) => add(&recurring, Some(start?)),
    }
}

/// A date beside a rule: its first day, where one was said, and its time.
#[derive(Clone, Copy)]
struct Start {
    due: Due,
    /// "at 9" alone is the next 9 o'clock: that names no day.
    names_day: bool,
    end: Option<End>,
}

const NEVER: &str = "It would be over before it begins. Say another first or last day.";

/// `text` holds the title, and perhaps a date; `start`: "remind me on Friday to …".
fn add_recurring(
    sentence: &str,
    text: &str,
    recurring: &Recurring,
    start: Option<Start>,
    knowledge: &Knowledge<'_>,
) -> Option<Understood> {
    let Recurring { repeats, spans, .. } = recurring;
    let (rest, beside) = match knowledge.take_date(text, 0..text.len()) {
        Dated::Plain { rest, due, names_day, end } => (rest, due.map(|due| Start { due, names_day, end })),
        // "Sunday roast every Sunday": the day that comes again is said.
        Dated::Unclear(open) if open.prompt == when::A_NAME => (unquote(text), None),
        // Its choices are sentences without the recurrence, which is said again before them.
        Dated::Unclear(open) => return Some(again(repeats, open)),
    };
    let dates = [start, beside];
    let day = dates.iter().flatten().find(|date| date.names_day).map(|date| date.due.day);
    let mut times: Vec<_> =
        dates.iter().flatten().filter_map(|date| date.due.time).chain(repeats.time).collect();
    times.sort_unstable();
    times.dedup();
    if times.len() > 1 {
        let each = times.into_iter().map(|time| Repeats {
            time: Some(time),
            from: repeats.from.or(day),
            ..repeats.clone()
        });
        let choices = each.map(|repeats| answer(&repeats, &rest)).collect();
        return Some(choose(phrase::ONCE_A_DAY, choices));
    }
    let first = repeats.from.or(day).unwrap_or_else(|| knowledge.today());
    if let Some(Heard::Ask { spans, prompt, choices }) = phrase::doubt(repeats, first, spans) {
        return Some(Open::new(sentence, &(0..sentence.len()), &spans, prompt, choices).into());
    }
    let begun = repeats.starting(day, times.first().copied(), knowledge.now.datetime());
    let Some((recurrence, due)) = begun else {
        return Some(Understood::Refuse { why: NEVER.to_owned() });
    };
    let of_rule = || {
        let said: String = spans.iter().filter_map(|span| sentence.get(span.clone())).collect();
        Some(End { time: Some(when::end_of_time(&said, repeats.time?)?), day: None })
    };
    // The last day of a rule is its own.
    let beside = dates.iter().flatten().find_map(|date| date.end?.time);
    let end = beside.map(|time| End { time: Some(time), day: None }).or_else(of_rule);
    let title = ends::titled(&rest, end, knowledge);
    let draft = Draft { title, due: Some(due), recurrence: Some(recurrence), ..Draft::default() };
    (!draft.title.is_empty()).then_some(Understood::Do(Command::AddTask(draft)))
}

/// A sentence that says nothing else.
fn answer(repeats: &Repeats, title: &str) -> Choice {
    let said = words::tell(repeats);
    Choice::of_words(said.clone(), format!("task: {said}, {title}"))
}

fn again(repeats: &Repeats, open: Open) -> Understood {
    let said = words::tell(repeats);
    let again = |choice: Choice| Choice { instead: format!("task: {said}, {}", choice.instead), ..choice };
    choose(open.prompt, open.choices.into_iter().map(again).collect())
}

pub(super) fn choose(prompt: &str, choices: Vec<Choice>) -> Understood {
    Understood::Choose { prompt: prompt.to_owned(), choices }
}

fn is_for_elsewhere(what: &str) -> bool {
    let words: Vec<String> = what.split_whitespace().map(str::to_lowercase).collect();
    let listed = words.iter().any(|word| matches!(word.as_str(), "to" | "into" | "and"));
    listed
        || matches!(
            words.last().map(String::as_str),
            Some("task" | "tasks" | "todo" | "this" | "that" | "it")
        )
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

/// `Err`: it can mean several times, or one that is over.
fn read_when(sentence: &str, span: Range<usize>, knowledge: &Knowledge<'_>) -> Result<Option<Start>, Open> {
    read_due(sentence, span, &knowledge.context(Direction::Ahead), knowledge)
}

fn read_due(
    sentence: &str,
    span: Range<usize>,
    context: &Context,
    knowledge: &Knowledge<'_>,
) -> Result<Option<Start>, Open> {
    let text = sentence.get(span.clone()).unwrap_or_default();
    match when::read_due(text, context) {
        Reading::Nothing => Ok(None),
        Reading::Found { meaning, names_day, end, .. } => {
            Ok(Some(Start { due: knowledge.due_of(meaning), names_day, end }))
        }
        Reading::Ask { spans: inner, prompt, choices } => {
            Err(Open::new(sentence, &span, &inner, prompt, choices))
        }
    }
}

/// `day`: "yesterday:" before the text. Without its mark it belongs to the text ("journal: yesterday it rained").
fn journal(
    sentence: &str,
    text: &str,
    day: Option<Range<usize>>,
    knowledge: &Knowledge<'_>,
) -> Option<Understood> {
    let day = match day {
        Some(span) => {
            let said = sentence.get(span.clone())?.trim().strip_suffix([':', ','])?;
            match when::read_whole(said, &knowledge.context(Direction::Back)) {
                Reading::Found { meaning, .. } if meaning.first_day() == meaning.last_day() => {
                    Some(meaning.first_day())
                }
                // After "journal:" all is text.
                Reading::Ask { .. } if sentence.get(..span.start)?.trim_end().ends_with(':') => return None,
                // "on 31 April 2027:" is no text of today's entry.
                Reading::Ask { spans: inner, prompt, mut choices } => {
                    choices.retain(|choice| matches!(choice.meaning, Some(Meaning::Day(_))));
                    let mut open = Open::new(sentence, &span, &inner, prompt, choices);
                    let all = format!("journal: {} {text}", sentence.get(span)?.trim());
                    open.choices.push(Choice::of_words("It is part of the text", all));
                    return Some(open.into());
                }
                Reading::Found { .. } | Reading::Nothing => return None,
            }
        }
        None => None,
    };
    Some(Understood::Do(Command::AddEntry { text: text.to_owned(), day }))
}

fn plan(sentence: &str, when: Option<Range<usize>>, knowledge: &Knowledge<'_>) -> Option<Understood> {
    let (from, to) = match when {
        None => (knowledge.today(), knowledge.today()),
        Some(span) => {
            match when::read_whole(sentence.get(span.clone())?, &knowledge.context(Direction::Ahead)) {
                Reading::Nothing => return None,
                Reading::Found { meaning, .. } => knowledge.days_of(sentence.get(span)?, meaning),
                Reading::Ask { spans: inner, prompt, choices } => {
                    return Some(Open::new(sentence, &span, &inner, prompt, choices).into());
                }
            }
        }
    };
    Some(tell(Question::Plan { from, to }))
}

fn days_back(text: &str, knowledge: &Knowledge<'_>) -> Option<(jiff::civil::Date, jiff::civil::Date)> {
    match when::read_whole(text, &knowledge.context(Direction::Back)) {
        Reading::Found { meaning, .. } => Some((meaning.first_day(), meaning.last_day())),
        Reading::Nothing | Reading::Ask { .. } => None,
    }
}

fn move_task(
    sentence: &str,
    task: Range<usize>,
    when: Range<usize>,
    knowledge: &Knowledge<'_>,
) -> Option<Understood> {
    let picked = pick(sentence, task, knowledge.open, &knowledge.now)?;
    let old = match &picked {
        Picked::One(id) => knowledge
            .open
            .iter()
            .find(|task| task.id == *id)
            .and_then(|task| task.due_in(knowledge.now.time_zone())),
        Picked::Several(_) => None,
    };
    // "move call Anna to 6pm" keeps its day, unless that is over; "to Friday" keeps its hour.
    let day = old.map(|due| due.day).filter(|day| *day >= knowledge.today());
    let context = Context { day, ..knowledge.context(Direction::Ahead) };
    let Start { mut due, end, .. } = match read_due(sentence, when, &context, knowledge) {
        Ok(said) => said?,
        Err(open) => return Some(open.into()),
    };
    due.time = due.time.or(old.and_then(|due| due.time));
    one(picked, |id| match knowledge.open.iter().find(|task| task.id == id).filter(|_| end.is_some()) {
        Some(task) => {
            let title = ends::titled(&task.title, end, knowledge);
            Command::EditTask { id, rev: None, draft: Draft { title, due: Some(due), ..task.draft() } }
        }
        None => Command::MoveTask { id, due },
    })
}
