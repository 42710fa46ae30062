//! What stands around a date and makes it another one, or several: "every Monday", "a week on Monday", "Monday or
//! Tuesday". A date in doubt is asked about.

use std::ops::Range;

use super::{figures, lexicon, neighbours, words::Sentence};

pub(super) struct Doubt {
    /// Bytes of the words that make it doubtful.
    pub(super) span: Range<usize>,
    pub(super) prompt: &'static str,
}

const REPEATS: &str = "I am not sure how that comes again. What shall it be?";
pub(super) const UNCLEAR: &str = "I am not sure when you mean.";

/// Whether the words of `dates` may be taken at their word. A date that is written out (`2026-12-03`) always may: it is
/// how a question is answered.
pub(super) fn about(words: &Sentence, dates: &[Range<usize>]) -> Option<Doubt> {
    if dates.iter().cloned().flatten().any(|at| figures::written_out(words.low(at)).is_some()) {
        return None;
    }
    if let Some(early) = dates.iter().find(|date| is_part_of_a_period(words, date)) {
        let span = words.bytes(&(early.start - 1..early.end));
        return Some(Doubt { span, prompt: UNCLEAR });
    }
    let repeats = repetition(words).map(|span| Doubt { span, prompt: REPEATS });
    repeats.or_else(|| {
        let shifted = dates.iter().find(|date| is_shifted(words, date)).or(dates.first())?;
        let doubtful = is_shifted(words, shifted) || has_other_days(words, dates);
        doubtful.then(|| Doubt { span: words.bytes(shifted), prompt: UNCLEAR })
    })
}

/// "early next week" is none of its days in particular.
fn is_part_of_a_period(words: &Sentence, date: &Range<usize>) -> bool {
    let which = words.skip(date.start, &["in", "on"]);
    let which = which + words.skip(date.start + which, &["next", "this", "last", "the"]);
    let period = words.is(date.start + which, &["week", "month", "year", "weekend"]);
    matches!(words.before(date.start), "early" | "late" | "mid" | "later" | "earlier") && period
}

/// "every Monday", "each other week", "daily at": words that ask for more than one date. Their bytes.
fn repetition(words: &Sentence) -> Option<Range<usize>> {
    (0..words.len()).find_map(|at| match words.low(at) {
        "every" | "each" => {
            let next = words.low(at + 1);
            let counted = matches!(next, "other" | "second" | "third") || lexicon::number(next).is_some();
            let unit = at + 1 + usize::from(counted);
            repeats(words.low(unit)).then(|| words.bytes(&(at..unit + 1)))
        }
        "daily" | "weekly" | "monthly" | "yearly" if words.is(at + 1, &["at", "on", "by", "until"]) => {
            Some(words.bytes(&(at..at + 1)))
        }
        _ => None,
    })
}

fn repeats(unit: &str) -> bool {
    let one = unit.strip_suffix('s').unwrap_or(unit);
    lexicon::weekday(one).or_else(|| lexicon::short_weekday(one)).is_some()
        || lexicon::day_part(one).is_some()
        || lexicon::is_unit(unit)
        || matches!(one, "weekday" | "weekend")
}

/// Words that move the date, right before it or right behind it.
fn is_shifted(words: &Sentence, date: &Range<usize>) -> bool {
    let before = words.before(date.start);
    let counted = date.start >= 2
        && is_of_a_length(before)
        && (lexicon::number(words.low(date.start - 2)).is_some()
            || words.is(date.start - 2, &["a", "an", "the"]));
    let glued = is_of_a_length(before) && before.starts_with(|c: char| c.is_ascii_digit());
    let counted = counted || glued;
    // "run for 30 minutes at 6am" is at six.
    let counted = counted && !words.is(date.start, &["at", "@", "by", "until", "till", "in"]);
    if counted || matches!(before, "or" | "except" | "than" | "not" | "every" | "each") {
        return true;
    }
    // "on the 3rd of December and January".
    if words.is(date.end, &["and", "or"]) && lexicon::month(words.low(date.end + 1)).is_some() {
        return true;
    }
    // "this time tomorrow".
    if before == "time"
        && date.start.checked_sub(1).is_some_and(|at| matches!(words.before(at), "this" | "same" | "that"))
    {
        return true;
    }
    // "in 24 hours before the flight".
    let length = date.end.checked_sub(1).is_some_and(|last| is_of_a_length(words.low(last)));
    if length && words.is(date.end, &["before", "after", "prior"]) {
        return true;
    }
    words.is(date.end, &["or", "week", "fortnight", "except"]) || lexicon::is_zone(words.low(date.end))
}

/// "hours", `24h`.
fn is_of_a_length(word: &str) -> bool {
    let unit = word.trim_start_matches(|c: char| c.is_ascii_digit());
    lexicon::is_unit(word)
        || unit.len() < word.len() && matches!(unit, "h" | "hr" | "hrs" | "m" | "min" | "mins" | "d" | "w")
        || matches!(word, "hr" | "hrs" | "min" | "mins")
}

/// Anywhere else a second day that is no part of a title, or "the day before …".
fn has_other_days(words: &Sentence, dates: &[Range<usize>]) -> bool {
    (0..words.len()).filter(|at| !dates.iter().any(|date| date.contains(at))).any(|at| {
        let counted_from = !words.is_capital(at)
            && (is_of_a_length(words.low(at)) || lexicon::day_part(words.low(at)).is_some())
            && words.is(at + 1, &["before", "after", "from"]);
        counted_from || is_second_day(words, at)
    })
}

/// "Monday" in "call Anna Monday and Ben Tuesday", but not in "the Monday report" or "Friday Night Lights".
fn is_second_day(words: &Sentence, at: usize) -> bool {
    let before = words.before(at);
    let of_a_thing =
        matches!(before, "the" | "a" | "an" | "my" | "our" | "this") || neighbours::begins_a_name(before);
    let of_a_title = words.is_capital(at + 1);
    let named = lexicon::is_relative_day(words.low(at)) && !words.is_capital(at);
    let listed = words.is(at + 1, &["and", "or"]) || before == "and" || words.words[at].break_after;
    // "on Mon, otherwise Tue"; but the sun and a seat are things.
    let last = words.ends_at(at + 1) && !words.is(at, &["sat", "sun", "wed"]);
    let short = lexicon::short_weekday(words.low(at)).is_some() && (listed || last) && at > 0;
    let of_a_title = of_a_title && !short;
    (lexicon::weekday(words.low(at)).is_some() || named || short) && !of_a_thing && !of_a_title
}
