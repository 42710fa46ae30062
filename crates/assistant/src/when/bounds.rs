//! What is too far away to be kept, and what is over: said, and asked about.

use std::ops::{Range, RangeInclusive};

use jiff::{ToSpan, civil::Date};

use super::{
    Context, Direction, End, Meaning, Moment, Reading,
    calendar::plus,
    doubt::Doubt,
    grammar::{Phrase, Says},
    meaning::{self, Way},
    words::Sentence,
};

/// Bound: days that are read and kept. Nobody plans for others, and what is written with another year is a slip.
pub(crate) const DAYS: RangeInclusive<Date> = Date::constant(1900, 1, 1)..=Date::constant(2200, 12, 31);
/// The same in words.
pub(crate) const FAR: &str = "I keep days from the year 1900 to 2200. When shall it be?";
pub(super) const IS_OVER: &str = "That is over. What shall it be?";

/// "1 January 9999", "5 May 12000": the day that was read is not the one that was meant.
pub(super) fn far_year(words: &Sentence, phrase: &Phrase) -> Option<Doubt> {
    let (Says::Date(date) | Says::Both(date, _)) = &phrase.says else { return None };
    let ends_with_date = phrase.prepositions + date.len == phrase.len();
    let year = words.low(phrase.end);
    let is_far = year.len() >= 4
        && year.bytes().all(|byte| byte.is_ascii_digit())
        && !year.parse().is_ok_and(|year: u64| year <= 2_200);
    let ends = phrase.end.checked_sub(1).is_some_and(|last| !words.low(last).contains('-'));
    (ends_with_date && is_far && ends)
        .then(|| Doubt { span: words.bytes(&(phrase.end..phrase.end + 1)), prompt: FAR })
}

/// What stands instead of a reading that is out of reach or over. `has_hour`: an hour of today was said. `is_written_out`:
/// a question was answered so.
pub(super) fn checked(
    meaning: Meaning,
    spans: Vec<Range<usize>>,
    (end, has_hour, is_written_out): (Option<End>, bool, bool),
    context: &Context,
) -> Result<Vec<Range<usize>>, Reading> {
    let choice =
        |meaning| meaning::choice(Way { meaning, end: end.unwrap_or_default(), lesson: None }, context);
    if context.direction == Direction::Back {
        return Ok(spans);
    }
    if !DAYS.contains(&meaning.first_day()) || !DAYS.contains(&meaning.last_day()) {
        return Err(Reading::Ask { spans, prompt: FAR, choices: Vec::new() });
    }
    let choices = match meaning {
        _ if is_written_out => return Ok(spans),
        // A year that is over is of a song as likely as of a plan.
        meaning if meaning.last_day() < context.now.date() => vec![choice(meaning)],
        Meaning::At(moment)
            if has_hour && moment.day == context.now.date() && moment.time < context.now.time() =>
        {
            let tomorrow = Moment { day: plus(moment.day, 1.day()), ..moment };
            vec![choice(Meaning::At(tomorrow)), choice(meaning)]
        }
        Meaning::At(_) | Meaning::Day(_) | Meaning::Days(..) => return Ok(spans),
    };
    Err(Reading::Ask { spans, prompt: IS_OVER, choices })
}
