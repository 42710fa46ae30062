//! Where a phrase is a recurrence: what keeps "the best of every day" and "mondays are hard" whole.

use super::{frame::Said, grammar::Kind};
use crate::when::{self, Sentence};

/// Whether the words say that a task comes again where they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Sure,
    /// "every week or so", "every year on my birthday". Asked.
    Unsure,
    /// Part of something else.
    Nowhere,
}

pub(super) fn of(words: &Sentence, said: &Said) -> Place {
    if words.before(said.start) == "not" {
        return Place::Nowhere;
    }
    if said.core.kind == Kind::Range {
        let tells_time = !said.times.is_empty() && said.end - said.start > 3;
        return if tells_time { Place::Unsure } else { Place::Nowhere };
    }
    if said.start > 0
        && words.is_capital(said.start)
        && !words.is_shouted(said.start)
        && !has_figures(words, said)
    {
        // "watch Every Other Weekend", "read The Daily"; but "Gym Every Monday".
        let title =
            said.core.kind != Kind::Every || (0..said.start).any(|at| when::is_of_media(words.low(at)));
        let is_media = (0..said.start).any(|at| when::is_of_media(words.low(at)));
        return match said.core.kind {
            Kind::Plural if !is_media && !words.is_capital(said.start + 1) => among(words, said),
            _ if title => Place::Nowhere,
            _ => Place::Unsure,
        };
    }
    among(words, said)
}

fn among(words: &Sentence, said: &Said) -> Place {
    let is_bare = said.end - said.start == 1;
    let plain = said.core.kind == Kind::Every || !is_bare;
    // "the best of every day", "plan for weekends".
    if said.start > 0 && leads_on(words.before(said.start)) {
        return if plain { Place::Unsure } else { Place::Nowhere };
    }
    if words.ends_at(said.end) {
        return Place::Sure;
    }
    let next = words.low(said.end);
    let capital = words.is_capital(said.end) && !words.is_shouted(said.end) && next != "i";
    match (said.start, plain) {
        // "mondays are hard", "daily standup notes", "weekly report".
        (_, false) if next.is_empty() || capital || !is_of_the_deed(words, said) => Place::Nowhere,
        (_, false) => Place::Sure,
        // "Every Day Is Like Sunday".
        (0, true) if capital && words.is_capital(1) && !words.is_shouted(1) && !has_figures(words, said) => {
            Place::Nowhere
        }
        (0, true) if next.is_empty() || limits(next) => Place::Unsure,
        (0, true) => Place::Sure,
        (_, true) if !capital && is_of_the_deed(words, said) => Place::Sure,
        (_, true) => Place::Unsure,
    }
}

fn has_figures(words: &Sentence, said: &Said) -> bool {
    (said.start..said.end).any(|at| words.low(at).starts_with(|c: char| c.is_ascii_digit()))
}

/// What stands behind it goes on with what is done: "walk every day in the park", "call mum every Sunday about dinner".
fn is_of_the_deed(words: &Sentence, said: &Said) -> bool {
    let (next, then) = (words.low(said.end), words.low(said.end + 1));
    let of_time = when::said::is_of_time(then)
        || matches!(then, "spring" | "summer" | "autumn" | "fall" | "winter")
        || then.starts_with(|c: char| c.is_ascii_digit());
    match next {
        "with" | "about" | "to" | "because" | "while" | "via" | "using" => true,
        // "for 20 minutes".
        "for" => !then.is_empty() && !when::said::is_of_time(then),
        "in" | "at" | "from" | "by" => !of_time && !then.is_empty(),
        "before" | "after" => said.core.pace_days() == 1 && !of_time && !then.is_empty(),
        "and" => when::is_deed(then),
        _ => false,
    }
}

/// A word behind a phrase at the beginning that makes it another one, or a sentence of its own.
fn limits(next: &str) -> bool {
    matches!(
        next,
        "on" | "before"
            | "after"
            | "except"
            | "but"
            | "or"
            | "and"
            | "of"
            | "until"
            | "till"
            | "unless"
            | "when"
            | "if"
            | "from"
            | "since"
            | "starting"
            | "than"
            | "that"
            | "which"
            | "is"
            | "was"
            | "are"
            | "has"
            | "only"
            | "in"
            | "for"
            | "to"
            | "at"
    )
}

/// A word that the phrase belongs to: "almost every day", "the best of every day".
fn leads_on(before: &str) -> bool {
    matches!(
        before,
        "of" | "in"
            | "on"
            | "for"
            | "at"
            | "from"
            | "between"
            | "with"
            | "than"
            | "least"
            | "most"
            | "like"
            | "about"
            | "almost"
            | "nearly"
            | "and"
            | "or"
            | "except"
            | "but"
            | "the"
            | "a"
            | "an"
            | "my"
            | "our"
            | "why"
            | "how"
            | "until"
            | "till"
            | "by"
            | "before"
            | "after"
            | "to"
            | "hate"
            | "love"
    )
}
