//! The frame of every page: head, navigation, the one box, the help for keys.

use maud::{DOCTYPE, Markup, html};

use super::{
    parts::{self, icon},
    wrong::Wrong,
};
use crate::{
    brain::SENTENCE_CHARS_MAX,
    web::{App, assets, guard::Nonce, session::SignedIn},
};

/// What a page needs of its request.
pub(super) struct Frame<'a> {
    pub(super) app: &'a App,
    pub(super) who: &'a SignedIn,
    pub(super) nonce: &'a Nonce,
    /// Of the navigation: `/dashboard`, `/tasks`, …
    pub(super) here: &'static str,
    pub(super) title: &'a str,
    /// The form of this page that was just sent and not carried out.
    pub(super) wrong: Option<&'a Wrong>,
}

impl<'a> Frame<'a> {
    pub(super) fn new(
        app: &'a App,
        who: &'a SignedIn,
        nonce: &'a Nonce,
        here: &'static str,
        title: &'a str,
    ) -> Self {
        Self { app, who, nonce, here, title, wrong: None }
    }

    /// The same, answering a form.
    pub(super) fn answering(self, wrong: Option<&'a Wrong>) -> Self {
        Self { wrong, ..self }
    }
}

const NAVIGATION: [(&str, &str, &str); 6] = [
    ("/dashboard", "Today", "sun"),
    ("/tasks", "Tasks", "check"),
    ("/journal", "Journal", "book"),
    ("/chat", "Chat", "chat"),
    ("/search", "Search", "find"),
    ("/settings", "Settings", "gear"),
];

/// A page for somebody who is signed in, with the box below it.
pub(super) fn page(frame: &Frame<'_>, content: Markup) -> Markup {
    with_box(frame, content, box_form(frame))
}

/// The same with another form in the place of the box.
pub(super) fn with_box(frame: &Frame<'_>, content: Markup, say: Markup) -> Markup {
    bare(
        frame.nonce,
        frame.title,
        html! {
            a.skip href="#main" { "Skip to content" }
            nav.nav aria-label="Main" {
                a.brand href="/dashboard" { (icon("mark")) "Assistant" }
                @for (path, name, picture) in NAVIGATION {
                    a href=(path) aria-current=[(path == frame.here).then_some("page")] { (icon(picture)) (name) }
                }
                p.who data-account=(frame.who.account.id) { (frame.who.account.name) button.quiet type="button" data-keys { kbd { "?" } " keys" } }
            }
            main #main { (content) }
            (say)
            (keys())
        },
    )
}

/// A page without navigation.
pub(super) fn bare(nonce: &Nonce, title: &str, body: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover";
                meta name="color-scheme" content="light dark";
                meta name="description" content="Tasks, a journal and a chat, with one box for all of it.";
                title { (title) " · Assistant" }
                link rel="stylesheet" href=(assets::address("style.css"));
                link rel="icon" type="image/svg+xml" href=(assets::address("icon.svg"));
                script src=(assets::address("outbox.js")) nonce=(nonce.0) defer {}
                script src=(assets::address("app.js")) nonce=(nonce.0) defer {}
            }
            body { (body) }
        }
    }
}

fn box_form(frame: &Frame<'_>) -> Markup {
    let mark = frame.mark("/say", "text");
    html! {
        form.say method="post" action="/say" aria-label="Say anything" data-queue {
            (parts::hidden(frame, frame.here))
            span.read {
                output.reading for="say" {}
                // The key Esc does the same; shown by the script where there is a date.
                button.quiet.keep type="button" hidden aria-label="No date: keep the words" { "No date" }
            }
            input type="hidden" name="dates" value="read";
            output.heard for="say" {}
            (frame.error("/say", "text"))
            div {
                label.hidden for="say" { "Say anything" }
                input #say name="text" value=(frame.typed("/say", "text", "")) placeholder="Say anything…" autocomplete="off" data-max=(SENTENCE_CHARS_MAX) enterkeyhint="send" required autofocus[mark.is_some()] aria-invalid=[mark.map(|_| "true")] aria-describedby=[mark];
                (parts::voice())
                button.send type="submit" aria-label="Say it" { (icon("enter")) }
            }
        }
    }
}

fn keys() -> Markup {
    let keys = [
        ("/", "to the box: say anything"),
        ("j k", "down and up the list"),
        ("x", "the marked task is done"),
        ("s", "put the marked task off"),
        ("u", "undo what was done last"),
        ("t", "to Today"),
        ("Esc", "no date: keep the words; else leave the field, close what is open"),
        ("?", "this help"),
    ];
    html! {
        dialog #keys aria-labelledby="keys-title" {
            div.head { h1 #keys-title { "Keys" } p { "Each is also a button, a link or a field of the page." } }
            dl.keys { @for (key, what) in keys { dt { kbd { (key) } } dd { (what) } } }
            p { "And in the box: " q { "what can you do" } " tells what can be said." }
            div.offers { button.quiet type="button" data-close { "Close" } }
        }
    }
}
