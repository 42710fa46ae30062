//! Which day a word means, counted from today: pure reckoning on `jiff`'s calendar, nothing of language.

use jiff::{
    Span, ToSpan,
    civil::{Date, Weekday},
};

use super::Direction;

/// First and last day.
pub(super) type Days = (Date, Date);

pub(super) fn plus(day: Date, span: Span) -> Date {
    day.saturating_add(span)
}

/// The next such day after today.
pub(super) fn coming(weekday: Weekday, today: Date) -> Date {
    today.nth_weekday(1, weekday).unwrap_or(today)
}

/// The latest one before today.
pub(super) fn latest(weekday: Weekday, today: Date) -> Date {
    today.nth_weekday(-1, weekday).unwrap_or(today)
}

/// The one of the week that begins after this one.
pub(super) fn of_next_week(weekday: Weekday, today: Date) -> Date {
    plus(week(today, 1).0, i64::from(weekday.to_monday_zero_offset()).days())
}

/// Monday to Sunday, `weeks` from this one.
pub(super) fn week(today: Date, weeks: i64) -> Days {
    let monday = plus(today, (weeks * 7 - i64::from(today.weekday().to_monday_zero_offset())).days());
    (monday, plus(monday, 6.days()))
}

/// Saturday and Sunday of the week that is `weeks` from this one.
pub(super) fn weekend(today: Date, weeks: i64) -> Days {
    let (monday, sunday) = week(today, weeks);
    (plus(monday, 5.days()), sunday)
}

pub(super) fn month(today: Date, months: i64) -> Days {
    let first = plus(today.first_of_month(), months.months());
    (first, first.last_of_month())
}

pub(super) fn year(today: Date, years: i64) -> Days {
    let first = plus(today.first_of_year(), years.years());
    (first, first.last_of_year())
}

/// January of which year: ahead this one or the next, back the latest that has begun.
pub(super) fn named_month(number: i8, today: Date, direction: Direction) -> Option<Days> {
    let of = |year: i16| Date::new(year, number, 1).ok().map(|first| (first, first.last_of_month()));
    match direction {
        Direction::Ahead if number < today.month() => of(today.year().checked_add(1)?),
        Direction::Back if number > today.month() => of(today.year().checked_sub(1)?),
        Direction::Ahead | Direction::Back => of(today.year()),
    }
}

/// A day of a month without its year: the next one ahead, the latest back; today counts both ways.
pub(super) fn in_nearest_year(month: i8, day: i8, today: Date, direction: Direction) -> Option<Date> {
    // 29 February comes every fourth year, every eighth around 2100.
    (0_i16..=8).find_map(|years| match direction {
        Direction::Ahead => {
            Date::new(today.year().checked_add(years)?, month, day).ok().filter(|found| *found >= today)
        }
        Direction::Back => {
            Date::new(today.year().checked_sub(years)?, month, day).ok().filter(|found| *found <= today)
        }
    })
}

/// "the 31st": in the nearest month that has it, and never today.
pub(super) fn in_nearest_month(day: i8, today: Date, direction: Direction) -> Option<Date> {
    (0_i64..=12).find_map(|months| {
        let (months, past) = match direction {
            Direction::Ahead => (months, false),
            Direction::Back => (-months, true),
        };
        let (first, _) = month(today, months);
        let found = Date::new(first.year(), first.month(), day).ok()?;
        Some(found).filter(|found| if past { *found < today } else { *found > today })
    })
}
