//! The pieces that pages share: icons, hidden fields, a task's row, the chip of what was understood.

use jiff::civil::Date;
use maud::{Markup, PreEscaped, html};

use super::layout::Frame;
use crate::{
    command::{undo::Past, words},
    ids,
    recurrence::words as recurring,
    tasks::{State, Task, snooze::later_today},
};

/// A picture of 24 by 24 in the text's colour.
pub(super) fn icon(name: &str) -> Markup {
    let path = match name {
        "mark" => "M5 13l4.5 4.5L19 7",
        "sun" => {
            "M12 7.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M12 2.5v1.8M12 19.7v1.8M2.5 12h1.8M19.7 12h1.8M5.3 5.3l1.2 1.2M17.5 17.5l1.2 1.2M5.3 18.7l1.2-1.2M17.5 6.5l1.2-1.2"
        }
        "check" => "M9 6h11M9 12h11M9 18h11M3.5 6l1 1 2-2M3.5 12l1 1 2-2M3.5 18l1 1 2-2",
        "book" => "M5 4h11a3 3 0 0 1 3 3v13H8a3 3 0 0 1-3-3zM5 17a3 3 0 0 1 3-3h11M9 8h6",
        "chat" => "M20 12a7.5 7.5 0 0 1-11 6.6L4 20l1.4-4.6A7.5 7.5 0 1 1 20 12z",
        "gear" => "M4 7h9M17 7h3M4 17h3M11 17h9M15 4.8v4.4M9 14.8v4.4",
        "find" => "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M15.5 15.5L20 20",
        "enter" => "M12 19V5M6 11l6-6 6 6",
        "tick" => "M5 13l4.5 4.5L19 7",
        "bin" => "M5 7h14M10 7V4.5h4V7M7 7l1 12.5h8L17 7",
        "more" => "M5.5 12h.01M12 12h.01M18.5 12h.01",
        "again" => "M4 11a7 7 0 0 1 12-4l3 3M19 5v5h-5M20 13a7 7 0 0 1-12 4l-3-3M5 19v-5h5",
        "plus" => "M12 5v14M5 12h14",
        "voice" => "M12 4a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0V7a3 3 0 0 0-3-3M6 11.5a6 6 0 0 0 12 0M12 17.5V21",
        "later" => "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16M12 8v4.5l3 2",
        _ => "",
    };
    html! { svg viewBox="0 0 24 24" aria-hidden="true" { (PreEscaped(format!("<path d=\"{path}\"/>"))) } }
}

/// What every form carries: proof that it is ours, a key that makes sending it twice harmless, and where to go after.
pub(super) fn hidden(frame: &Frame<'_>, back: &str) -> Markup {
    hidden_under(frame, back, &ids::new_id())
}

/// The same under a key that is the same on every page that shows it.
pub(super) fn hidden_under(frame: &Frame<'_>, back: &str, key: &str) -> Markup {
    html! {
        input type="hidden" name="csrf" value=(frame.app.inner.accounts.csrf_token(&frame.who.token));
        input type="hidden" name="key" value=(key);
        input type="hidden" name="back" value=(back);
    }
}

/// One task with its buttons.
pub(super) fn task(frame: &Frame<'_>, task: &Task, today: Date) -> Markup {
    let over = task.state == State::Done;
    let (act, label) = if over { ("reopen", "Open again") } else { ("done", "Done") };
    html! {
        li data-row {
            form method="post" action={ "/tasks/" (task.id) "/" (act) } {
                (hidden(frame, frame.here))
                button.tick.on[over] type="submit" data-do="done" aria-label={ (label) ": " (task.title) } { i { (icon("tick")) } }
            }
            div.what {
                a.title.over[over] href={ "/tasks/" (task.id) } { (task.title) }
                (about(frame, task, today))
            }
            (menu(frame, task, html! { (icon("more")) span.hidden { @if over { "Delete: " } @else { "Put off or delete: " } (task.title) } }))
        }
    }
}

/// When, how often and under which tags, in small letters.
fn about(frame: &Frame<'_>, task: &Task, today: Date) -> Markup {
    let over = task.state == State::Done;
    html! {
        p.about {
            @match task.due_for(&frame.who.account) {
                // Under the heading "Today" the hour alone says it.
                Some(due) if due.day == today => @if let Some(time) = due.time { span.due { (words::show_time(time)) } },
                Some(due) => span.due.late[!over && due.day < today] { (words::show_due(due, today)) },
                None => {},
            }
            @if let Some(recurrence) = &task.recurrence { span { (icon("again")) (recurring::show(recurrence)) } }
            @for tag in &task.tags { span { "#" (tag) } }
        }
    }
}

/// How long a task can be put off, in the words of its buttons.
fn put_off(frame: &Frame<'_>) -> Vec<(&'static str, &'static str)> {
    let later = later_today(frame.who.account.now().datetime()).map(|_| ("later", "Later today"));
    later.into_iter().chain([("tomorrow", "Tomorrow"), ("next-week", "Next week")]).collect()
}

/// What else can be done with a task; it opens without script.
pub(super) fn menu(frame: &Frame<'_>, task: &Task, label: Markup) -> Markup {
    let over = task.state == State::Done;
    let button = |act: &str, label: &str, picture: &str| {
        html! {
            form method="post" action={ "/tasks/" (task.id) "/" (act) } {
                (hidden(frame, frame.here))
                button type="submit" { (icon(picture)) (label) }
            }
        }
    };
    html! {
        details.menu {
            summary { (label) }
            div.sheet {
                @if !over { @for (act, label) in put_off(frame) { (button(act, label, "later")) } }
                (button("delete", "Delete", "bin"))
            }
        }
    }
}

/// A titled list of tasks; nothing at all when there are none. `count`: how many there are, here and elsewhere.
pub(super) fn task_list(
    frame: &Frame<'_>,
    title: &str,
    (tasks, count): (&[Task], usize),
    today: Date,
) -> Markup {
    html! {
        @if !tasks.is_empty() {
            section.part {
                header { h2 { (title) " " span.count { (count) } } }
                ul.list.sheet { @for one in tasks { (task(frame, one, today)) } }
            }
        }
    }
}

/// The way to the rest of a list that does not fit one page.
pub(super) fn further(address: &str, label: &str) -> Markup {
    html! { p.part { a.button.quiet href=(address) { (label) } } }
}

/// The tags of a list, and how many bear each. `all` leads to the list without one.
pub(super) fn tag_links(list: &str, all: &str, tags: &[(String, u32)], here: Option<&str>) -> Markup {
    html! {
        @if !tags.is_empty() || here.is_some() {
            nav.tags aria-label="Tags" {
                @if here.is_some() { a.tag href=(list) { (all) } }
                @for (tag, count) in tags {
                    a.tag href={ (list) "?tag=" (tag) } aria-current=[(here == Some(tag.as_str())).then_some("true")] { "#" (tag) " · " (count) }
                }
            }
        }
    }
}

/// What was just understood and done, with its undo.
pub(super) fn chip(frame: &Frame<'_>, said: Option<&Past>) -> Markup {
    html! {
        @if let Some(past) = said {
            div.chip #said role="status" {
                p { a href={ "/answers/" (past.id) } { (past.understood) } small { @if past.undone { "undone" } @else { (past.reply) } } }
                (take_back(frame, past, frame.here))
            }
        }
    }
}

/// What an answer did, below it: kind, which, when; and its undo as long as there is something to undo. `shown`: it is
/// what one came back to.
pub(super) fn card(frame: &Frame<'_>, past: &Past, back: &str, shown: bool) -> Markup {
    html! {
        div.chip.card id=[shown.then_some("said")] tabindex=[shown.then_some("-1")] role="group" aria-label=(past.understood) {
            p {
                @match &past.told {
                    Some(told) => {
                        b { (told.kind) } " "
                        span.over[past.undone] { (told.title) }
                        @if let Some(when) = &told.when { small { (when) } }
                    }
                    None => (past.understood),
                }
                @if past.undone { small { "undone" } }
                @if let Some(stays) = past.stays { small { (stays) } }
            }
            (take_back(frame, past, back))
        }
    }
}

fn take_back(frame: &Frame<'_>, past: &Past, back: &str) -> Markup {
    html! {
        @if !past.undone && past.stays.is_none() {
            form method="post" action={ "/undo/" (past.id) } {
                (hidden(frame, back))
                button.quiet type="submit" data-do="undo" aria-label={ "Undo: " (past.understood) } { "Undo" }
            }
        }
    }
}

/// Speaking in place of typing, by the browser; the script shows it where the browser can, and says where the voice goes.
pub(super) fn voice() -> Markup {
    html! { button.icon type="button" hidden data-voice aria-pressed="false" aria-label="Speak" { (icon("voice")) } }
}

/// Sentences that work, as buttons that say them.
pub(super) fn examples<S: AsRef<str>>(frame: &Frame<'_>, sentences: &[S]) -> Markup {
    html! {
        div.examples {
            @for sentence in sentences {
                form method="post" action="/say" {
                    (hidden(frame, frame.here))
                    button type="submit" name="text" value=(sentence.as_ref()) { (sentence.as_ref()) }
                }
            }
        }
    }
}
