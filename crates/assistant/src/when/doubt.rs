//! What stands around a date and makes it another one, or several: "every Monday", "a week on Monday", "Monday or
//! Tuesday". A date in doubt is asked about.

use std::ops::Range;

use super::words::{self, Word};

pub(super) struct Doubt {
    /// Bytes of the words that make it doubtful.
    pub(super) span: Range<usize>,
    pub(super) prompt: &'static str,
}

const REPEATS: &str = "I cannot repeat a task yet. What shall it be?";
const UNCLEAR: &str = "I am not sure when you mean.";

/// Whether the words of `date` may be taken at their word. A date that is written out (`2026-12-03`) always may: it is
/// how a question is answered.
pub(super) fn about(words: &[Word], date: Range<usize>) -> Option<Doubt> {
    if words[date.clone()].iter().any(|word| word.low.parse::<jiff::civil::Date>().is_ok()) {
        return None;
    }
    let repeats = repetition(words).map(|span| Doubt { span, prompt: REPEATS });
    repeats.or_else(|| {
        let span = words[date.clone()].first()?.start..words[date.clone()].last()?.end;
        is_shifted(words, &date).then_some(Doubt { span, prompt: UNCLEAR })
    })
}

/// "every Monday", "each other week", "daily at": words that ask for more than one date. Their bytes.
fn repetition(words: &[Word]) -> Option<Range<usize>> {
    let low = |at: usize| words.get(at).map_or("", |word| word.low.as_str());
    (0..words.len()).filter(|at| !words[*at].quoted).find_map(|at| match low(at) {
        "every" | "each" => {
            let counted =
                matches!(low(at + 1), "other" | "second" | "third") || words::number(low(at + 1)).is_some();
            let end = words.get(at + 1 + usize::from(counted)).filter(|word| repeats(&word.low))?.end;
            Some(words[at].start..end)
        }
        "daily" | "weekly" | "monthly" | "yearly" if matches!(low(at + 1), "at" | "on" | "by" | "until") => {
            Some(words[at].start..words[at].end)
        }
        _ => None,
    })
}

fn repeats(unit: &str) -> bool {
    let one = unit.strip_suffix('s').unwrap_or(unit);
    words::weekday(one).or_else(|| words::short_weekday(one)).is_some()
        || words::day_part(one).is_some()
        || words::is_unit(unit)
        || matches!(one, "weekday" | "weekend")
}

/// Words that move the date: right before it, right behind it, or anywhere a second day that is no part of a title.
fn is_shifted(words: &[Word], date: &Range<usize>) -> bool {
    let low = |at: usize| words.get(at).filter(|word| !word.quoted).map_or("", |word| word.low.as_str());
    let before = date.start.checked_sub(1).map_or("", low);
    if matches!(before, "or" | "except" | "than" | "after" | "since") || words::is_unit(before) {
        return true;
    }
    if matches!(low(date.end), "or" | "week" | "fortnight" | "except") {
        return true;
    }
    let outside = |at: &usize| !date.contains(at) && !words[*at].quoted;
    (0..words.len()).filter(outside).any(|at| {
        let counted_from = words[at].low == words[at].text
            && words::is_unit(low(at))
            && matches!(low(at + 1), "before" | "after" | "from");
        counted_from || is_second_day(words, at)
    })
}

/// "Monday" in "call Anna Monday and Ben Tuesday", but not in "the Monday report" or "Friday Night Lights".
fn is_second_day(words: &[Word], at: usize) -> bool {
    let of_a_thing = at.checked_sub(1).is_some_and(|before| {
        matches!(words[before].low.as_str(), "the" | "a" | "an" | "my" | "our" | "this")
            || words::names_a_day(&words[before])
    });
    let of_a_title =
        words.get(at + 1).is_some_and(|next| next.text.chars().next().is_some_and(char::is_uppercase));
    let is_day = words::weekday(&words[at].low).is_some()
        || matches!(words[at].text.as_str(), "today" | "tomorrow" | "tonight");
    is_day && !of_a_thing && !of_a_title
}
