//! Ranges with a name: weeks, weekends, months, years.

use super::{
    Context, Direction,
    calendar::{self, Days},
    days::{DatePart, Kind, single_day, year},
    lexicon,
    words::Sentence,
};

/// Days, and how many words said them.
type Said = (Days, usize);

pub(super) fn period(words: &Sentence, at: usize, context: &Context) -> Option<DatePart> {
    let plain = |(days, len): Said| DatePart::days(days, len, Kind::Plain);
    week_of(words, at, context)
        .or_else(|| weekday_of_a_week(words, at, context))
        .or_else(|| day_of_a_month(words, at, context))
        .or_else(|| week(words, at, context).map(plain))
        .or_else(|| weekend(words, at, context))
        .or_else(|| {
            counted(words, at, "month")
                .map(|(months, len)| plain((calendar::month(context.now.date(), months), len)))
        })
        .or_else(|| {
            counted(words, at, "year")
                .map(|(years, len)| plain((calendar::year(context.now.date(), years), len)))
        })
        .or_else(|| month_by_name(words, at, context))
        .or_else(|| year_in_figures(words, at, context))
}

/// "this", "next", "last", "the … after next", "the … before last": how many of `unit` from this one.
fn counted(words: &Sentence, at: usize, unit: &str) -> Option<(i64, usize)> {
    let article = words.skip(at, &["the"]);
    if words.is(at + article, &[unit]) {
        for (phrase, units) in [("after next", 2), ("before last", -2)] {
            if words.says(at + article + 1, phrase) > 0 {
                return Some((units, article + 3));
            }
        }
        return None;
    }
    // "the last week" is seven days, and "the next month" may be thirty.
    if matches!(words.before(at), "the") || !words.is(at + 1, &[unit]) {
        return None;
    }
    match words.low(at) {
        "this" => Some((0, 2)),
        "next" => Some((1, 2)),
        "last" => Some((-1, 2)),
        _ => None,
    }
}

pub(super) fn week(words: &Sentence, at: usize, context: &Context) -> Option<Said> {
    let (weeks, len) = counted(words, at, "week")?;
    Some((calendar::week(context.now.date(), weeks), len))
}

/// "the month", "next month", "May", "May 2027": where "the end of" or "the 5th of" stands before.
pub(super) fn month(words: &Sentence, at: usize, context: &Context) -> Option<Said> {
    let today = context.now.date();
    if let Some((months, len)) = counted(words, at, "month") {
        return Some((calendar::month(today, months), len));
    }
    let said = words.says(at, "the month");
    if said > 0 {
        return Some((calendar::month(today, 0), said));
    }
    month_by_name(words, at, context).and_then(|part| Some((part.alternatives.first()?.days, part.len)))
}

fn weekend(words: &Sentence, at: usize, context: &Context) -> Option<DatePart> {
    let today = context.now.date();
    if let Some((weeks, len)) = counted(words, at, "weekend") {
        return Some(DatePart::days(calendar::weekend(today, weeks), len, Kind::Plain));
    }
    let said = words.says(at, "the weekend");
    let weeks =
        if context.direction == Direction::Back && today < calendar::weekend(today, 0).0 { -1 } else { 0 };
    (said > 0).then(|| DatePart::days(calendar::weekend(today, weeks), said, Kind::Name))
}

/// "the week of 6 April", "week commencing 6/4".
fn week_of(words: &Sentence, at: usize, context: &Context) -> Option<DatePart> {
    let article = words.skip(at, &["the"]);
    let of = words.is(at + article, &["week"])
        && words.is(at + article + 1, &["of", "beginning", "commencing", "starting"]);
    let first = at + article + 2;
    let day = single_day(words, first + words.skip(first, &["on"]), context).filter(|_| of)?;
    let week = calendar::week(day.one_day()?, 0);
    Some(DatePart::days(week, article + 2 + words.skip(first, &["on"]) + day.len, Kind::Plain))
}

/// "next week on Tuesday".
fn weekday_of_a_week(words: &Sentence, at: usize, context: &Context) -> Option<DatePart> {
    let ((monday, _), len) = week(words, at, context)?;
    let on = words.skip(at + len, &["on"]);
    let name = words.low(at + len + on);
    let weekday = lexicon::weekday(name).or_else(|| lexicon::short_weekday(name))?;
    let day = monday.saturating_add(jiff::Span::new().days(i64::from(weekday.to_monday_zero_offset())));
    Some(DatePart::day(day, len + on + 1, Kind::Plain))
}

/// "next month on the 3rd".
fn day_of_a_month(words: &Sentence, at: usize, context: &Context) -> Option<DatePart> {
    let (months, len) = counted(words, at, "month")?;
    let on = words.skip(at + len, &["on"]);
    let article = words.skip(at + len + on, &["the"]);
    let (day, _) =
        lexicon::day_of_month(words.low(at + len + on + article)).filter(|(_, ordinal)| *ordinal)?;
    let (first, _) = calendar::month(context.now.date(), months);
    let day = jiff::civil::Date::new(first.year(), first.month(), day).ok()?;
    Some(DatePart::day(day, len + on + article + 1, Kind::Plain))
}

/// "May", "next May", "May 2027".
fn month_by_name(words: &Sentence, at: usize, context: &Context) -> Option<DatePart> {
    let which = words.low(at);
    let offset = words.skip(at, &["this", "next", "last"]);
    let number = lexicon::month(words.low(at + offset))?;
    let today = context.now.date();
    if let Some((year, more)) = year(words, at + offset + 1).filter(|_| offset == 0) {
        let first = jiff::civil::Date::new(year, number, 1).ok()?;
        return Some(DatePart::days((first, first.last_of_month()), 1 + more, Kind::Plain));
    }
    let direction = match which {
        "last" => Direction::Back,
        "next" | "this" => Direction::Ahead,
        _ => context.direction,
    };
    let days = calendar::named_month(number, today, direction)?;
    let kind = if offset > 0 { Kind::Plain } else { Kind::Period };
    Some(DatePart::days(days, offset + 1, kind))
}

fn year_in_figures(words: &Sentence, at: usize, _: &Context) -> Option<DatePart> {
    let (year, len) = year(words, at)?;
    let first = jiff::civil::Date::new(year, 1, 1).ok()?;
    Some(DatePart::days((first, first.last_of_year()), len, Kind::Period))
}
