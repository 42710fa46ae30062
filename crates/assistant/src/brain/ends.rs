//! The end of what was said with one. A task is due at one time, its beginning; the end stands in its title, where it is
//! seen with it.

use super::Knowledge;
use crate::{
    command::words,
    when::{self, Choice, End},
};

/// `dentist (until 17:00)`, `holiday (until Wed 25 Nov)`; another end that stands there is the old one.
pub(super) fn titled(title: &str, end: Option<End>, knowledge: &Knowledge<'_>) -> String {
    let Some(end) = end.filter(|_| !title.is_empty()) else { return title.to_owned() };
    let day = end.day.map(|day| {
        // Never "tomorrow", which would be another day the day after.
        let form = if day.year() == knowledge.today().year() { "%a %-d %b" } else { "%a %-d %b %Y" };
        day.strftime(form).to_string()
    });
    let parts: Vec<String> = day.into_iter().chain(end.time.map(words::show_time)).collect();
    format!("{} (until {})", without(title), parts.join(", "))
}

fn without(title: &str) -> &str {
    let begun = title.strip_suffix(')').and_then(|rest| rest.rsplit_once(" (until "));
    begun.map_or(title, |(before, _)| before)
}

/// A choice of a rule that says when it begins, with the end that `said` has for it.
pub(super) fn with_time_of(choice: Choice, said: &str) -> Choice {
    let is_time = |word: &&str| word.len() == 5 && word.as_bytes().get(2) == Some(&b':');
    let begun =
        choice.instead.split([' ', ',']).find(is_time).and_then(|word| Some((word, word.parse().ok()?)));
    let Some((begun, end)) =
        begun.and_then(|(word, start)| Some((word.to_owned(), when::end_of_time(said, start)?)))
    else {
        return choice;
    };
    let hours = format!("{begun} to {}", words::show_time(end));
    Choice {
        label: choice.label.replace(&begun, &hours),
        instead: choice.instead.replace(&begun, &hours),
        ..choice
    }
}
