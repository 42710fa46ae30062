//! Dates in figures: `2026-12-24`, `24.12.`, `3/4` in which day and month are in doubt.

use jiff::civil::{Date, DateTime};

use super::{
    Context, Lesson, calendar,
    days::{Alternative, DatePart, Kind},
    neighbours,
    words::Sentence,
};

pub(super) fn date(words: &Sentence, at: usize, context: &Context) -> Option<DatePart> {
    let said = words.low(at);
    if !said.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    written_out(said)
        .or_else(|| with_points(words, at, context))
        .or_else(|| with_slashes(said, context).filter(|_| !neighbours::is_counted(words.low(at + 1))))
}

/// `2026-12-24` and `2026-12-24T10:00`: nothing is left to doubt.
pub(super) fn written_out(said: &str) -> Option<DatePart> {
    if said.as_bytes().get(4) != Some(&b'-') || said.len() < 10 {
        return None;
    }
    let day = said.get(..10)?.parse::<Date>().ok()?;
    let time = match said.len() {
        10 => None,
        _ => Some(said.to_uppercase().parse::<DateTime>().ok()?.time()),
    };
    Some(DatePart { time, ..DatePart::day(day, 1, Kind::Plain) })
}

pub(super) fn numbers(said: &str, mark: char) -> Option<Vec<i16>> {
    let figures = |part: &str| part.len() <= 4 && part.bytes().all(|byte| byte.is_ascii_digit());
    said.split(mark).map(|part| part.parse().ok().filter(|_| figures(part))).collect()
}

/// `26` is 2026; three figures are no year.
fn year_of(said: &str, year: i16) -> Option<i16> {
    match said.rsplit(['.', '/']).next().map(str::len) {
        Some(2) => Some(2_000 + year),
        Some(4) => Some(year),
        _ => None,
    }
}

fn small(number: i16) -> Option<i8> {
    i8::try_from(number).ok()
}

/// Points are written day first everywhere; without a year a point of its own stands behind: `24.12.`.
fn with_points(words: &Sentence, at: usize, context: &Context) -> Option<DatePart> {
    let said = words.low(at);
    let day = match *numbers(said, '.')?.as_slice() {
        [day, month] if words.words.get(at)?.point_after => {
            let today = context.now.date();
            calendar::in_nearest_year(small(month)?, small(day)?, today, context.direction)?
        }
        [day, month, year] => Date::new(year_of(said, year)?, small(month)?, small(day)?).ok()?,
        _ => return None,
    };
    let numbered = neighbours::is_numbered(words.before(at));
    (!numbered).then(|| DatePart::day(day, 1, Kind::Plain))
}

/// Slashes are written both ways: where both are dates and differ, it is asked, or known from an earlier answer.
fn with_slashes(said: &str, context: &Context) -> Option<DatePart> {
    let (one, other, year) = match *numbers(said, '/')?.as_slice() {
        [year, month, day] if year >= 1_000 => {
            return Some(DatePart::day(Date::new(year, small(month)?, small(day)?).ok()?, 1, Kind::Plain));
        }
        [one, other] => (small(one)?, small(other)?, None),
        [one, other, year] => (small(one)?, small(other)?, Some(year_of(said, year)?)),
        _ => return None,
    };
    let date = |day: i8, month: i8| match year {
        Some(year) => Date::new(year, month, day).ok(),
        None => calendar::in_nearest_year(month, day, context.now.date(), context.direction),
    };
    let kind = if year.is_some() { Kind::Plain } else { Kind::Slashes };
    let mut alternatives = Vec::new();
    for (found, day_first) in [(date(one, other), true), (date(other, one), false)] {
        let Some(day) = found else { continue };
        let lesson = Some(Lesson::Order { day_first });
        if !alternatives.iter().any(|known: &Alternative| known.days.0 == day) {
            alternatives.push(Alternative { days: (day, day), lesson });
        }
    }
    alternatives.sort_by_key(|one| one.days);
    if alternatives.len() > 1
        && let Some(day_first) = context.habits.day_first
    {
        alternatives.retain(|one| one.lesson == Some(Lesson::Order { day_first }));
    }
    (!alternatives.is_empty()).then_some(DatePart {
        alternatives,
        part: None,
        time: None,
        has_ends: false,
        len: 1,
        kind,
    })
}
