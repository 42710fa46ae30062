//! Markdown of a model or a person as HTML. What a model writes is hostile: it may repeat what somebody has written to make it do so.
//!
//! `pulldown-cmark` reads, `ammonia` lets through what is on its list. HTML in the text is shown as text; a picture is
//! shown as its words, never fetched, since its address can carry what was said to whoever holds it; a link says which
//! host it leads to, and one to nowhere outside is no link.

use std::{collections::HashSet, sync::OnceLock};

use ammonia::{Builder, Url};
use maud::{Markup, PreEscaped};
use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

#[cfg(test)]
mod tests;

const TAGS: [&str; 24] = [
    "a",
    "blockquote",
    "br",
    "code",
    "del",
    "em",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "li",
    "ol",
    "p",
    "pre",
    "strong",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "tr",
    "ul",
];

/// Rendered and clean.
pub(super) fn render(text: &str) -> Markup {
    render_events(text, |event| event)
}

/// The same of what a person writes: a line that ends, ends there.
pub(super) fn render_lines(text: &str) -> Markup {
    render_events(text, |event| if event == Event::SoftBreak { Event::HardBreak } else { event })
}

fn render_events(text: &str, change: impl for<'a> Fn(Event<'a>) -> Event<'a>) -> Markup {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let mut shown = Shown::default();
    let events: Vec<Event<'_>> =
        Parser::new_ext(text, options).flat_map(|event| shown.take(change(event))).collect();
    let mut html = String::with_capacity(text.len() * 2);
    pulldown_cmark::html::push_html(&mut html, events.into_iter());
    PreEscaped(cleaner().clean(&html).to_string())
}

fn cleaner() -> &'static Builder<'static> {
    static CLEANER: OnceLock<Builder<'static>> = OnceLock::new();
    CLEANER.get_or_init(|| {
        let mut cleaner = Builder::empty();
        cleaner
            .tags(HashSet::from(TAGS))
            .tag_attributes([("a", HashSet::from(["href"])), ("ol", HashSet::from(["start"]))].into())
            .url_schemes(HashSet::from(["http", "https", "mailto"]))
            .link_rel(Some("noopener noreferrer nofollow"));
        cleaner
    })
}

/// What is between the parser and its HTML.
#[derive(Default)]
struct Shown {
    /// Where each open link leads; `None`: it is none.
    links: Vec<Option<String>>,
    pictures: Vec<String>,
    /// Of the last heading, counted from 0; the first of them is the page's own title.
    level: usize,
}

const LEVELS: [HeadingLevel; 6] = [
    HeadingLevel::H1,
    HeadingLevel::H2,
    HeadingLevel::H3,
    HeadingLevel::H4,
    HeadingLevel::H5,
    HeadingLevel::H6,
];

impl Shown {
    /// One below what was written, and never more than one below the heading before: who hears a page goes by levels.
    fn below(&mut self, written: HeadingLevel) -> HeadingLevel {
        let wanted = LEVELS.iter().position(|level| *level == written).map_or(1, |at| at + 1);
        self.level = wanted.min(self.level + 1).clamp(1, LEVELS.len() - 1);
        LEVELS[self.level]
    }

    fn take<'a>(&mut self, event: Event<'a>) -> Vec<Event<'a>> {
        match event {
            // Text of a picture within a link within a picture: whatever it is, it is words.
            Event::Html(html) | Event::InlineHtml(html) => vec![Event::Text(html)],
            Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
                let host = host(&dest_url);
                self.links.push(host.clone());
                if host.is_none() {
                    return Vec::new();
                }
                vec![Event::Start(Tag::Link { link_type, dest_url, title, id })]
            }
            Event::End(TagEnd::Link) => match self.links.pop().flatten() {
                Some(host) => vec![Event::End(TagEnd::Link), text(format!(" ({host})"))],
                None => Vec::new(),
            },
            Event::Start(Tag::Image { dest_url, .. }) => {
                let from = host(&dest_url).map_or_else(String::new, |host| format!(" ({host})"));
                self.pictures.push(from);
                vec![text("[picture: ".to_owned())]
            }
            Event::End(TagEnd::Image) => {
                let from = self.pictures.pop().unwrap_or_default();
                vec![text(format!("]{from}"))]
            }
            Event::Start(Tag::Heading { level, id, classes, attrs }) => {
                let level = self.below(level);
                vec![Event::Start(Tag::Heading { level, id, classes, attrs })]
            }
            Event::End(TagEnd::Heading(_)) => vec![Event::End(TagEnd::Heading(LEVELS[self.level]))],
            other => vec![other],
        }
    }
}

fn text<'a>(words: String) -> Event<'a> {
    Event::Text(CowStr::from(words))
}

/// Where an address leads, as its reader must know it: in ASCII, without name, path or trick. `None`: nowhere outside.
fn host(address: &str) -> Option<String> {
    let url = Url::parse(address).ok()?;
    match url.scheme() {
        "http" | "https" => url.host_str().map(str::to_owned),
        "mailto" => url.path().rsplit_once('@').map(|(_, host)| host.to_owned()),
        _ => None,
    }
}
