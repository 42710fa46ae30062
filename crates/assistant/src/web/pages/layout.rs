//! The frame of every page: head, navigation, the one box, the help for keys.

use maud::{DOCTYPE, Markup, html};

use super::parts::{self, icon};
use crate::web::{App, assets, guard::Nonce, session::SignedIn};

/// What a page needs of its request.
pub(super) struct Frame<'a> {
    pub(super) app: &'a App,
    pub(super) who: &'a SignedIn,
    pub(super) nonce: &'a Nonce,
    /// Of the navigation: `/dashboard`, `/tasks`, …
    pub(super) here: &'static str,
    pub(super) title: &'a str,
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
    html! {
        form.say method="post" action="/say" aria-label="Say anything" data-queue {
            (parts::hidden(frame, frame.here))
            span.read {
                output.reading for="say" {}
                // The key Esc does the same; shown by the script where there is a date.
                button.quiet.keep type="button" hidden aria-label="No date: keep the words" { "No date" }
            }
            input type="hidden" name="dates" value="read";
            div {
                label.hidden for="say" { "Say anything" }
                input #say name="text" placeholder="say anything…" autocomplete="off" maxlength="2000" enterkeyhint="send" required;
                button.send type="submit" aria-label="Say it" { (icon("enter")) }
            }
        }
    }
}

fn keys() -> Markup {
    let keys = [
        ("/", "to the box"),
        ("j k", "down and up a list"),
        ("x", "done"),
        ("s", "put off"),
        ("u", "undo"),
        ("t", "today"),
        ("Esc", "no date, keep the words; leave a field"),
        ("?", "this"),
    ];
    html! {
        dialog #keys aria-labelledby="keys-title" {
            div.head { h1 #keys-title { "Keys" } }
            dl { @for (key, what) in keys { dt { kbd { (key) } } dd { (what) } } }
            div.offers { button.quiet type="button" data-close { "Close" } }
        }
    }
}
