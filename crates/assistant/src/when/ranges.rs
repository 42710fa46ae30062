//! From one day to another: "mon-thu", "from 1 to 5 April", "between Christmas and New Year's Eve".

use jiff::civil::Date;

use super::{
    Context, Direction,
    days::{DatePart, Kind, month_day, single_day},
    lexicon,
    words::Sentence,
};

pub(super) fn range(words: &Sentence, at: usize, context: &Context) -> Option<DatePart> {
    (at + 1..at + 6).find_map(|joint| {
        let joined = words.is(joint, &["to", "till", "til", "until", "through", "thru", "-"])
            || words.is(joint, &["and"]) && words.before(at) == "between";
        if !joined {
            return None;
        }
        days_of_one_month(words, at, joint, context).or_else(|| two_days(words, at, joint, context))
    })
}

fn between(first: Date, last: Date, len: usize, kind: Kind) -> Option<DatePart> {
    (first < last).then(|| DatePart { has_ends: true, ..DatePart::days((first, last), len, kind) })
}

/// Ahead the first day is found first and the last after it; back the other way round.
fn two_days(words: &Sentence, at: usize, joint: usize, context: &Context) -> Option<DatePart> {
    let seen_from = |day: Date| {
        let now = day.at(12, 0, 0, 0).to_zoned(context.now.time_zone().clone()).ok()?;
        Some(Context { now, ..context.clone() })
    };
    let first = |context: &Context| single_day(words, at, context).filter(|part| at + part.len == joint);
    let last = |context: &Context| single_day(words, joint + 1, context);
    let (first, last) = match context.direction {
        Direction::Ahead => {
            let first = first(context)?;
            let last = last(&seen_from(first.one_day()?)?)?;
            (first, last)
        }
        Direction::Back => {
            let last = last(context)?;
            (first(&seen_from(last.one_day()?)?)?, last)
        }
    };
    let kind = if first.kind == Kind::Plain { last.kind } else { first.kind };
    between(first.one_day()?, last.one_day()?, joint + 1 + last.len - at, kind)
}

/// "1 and 5 April", "Oct 5-9": the month is said once.
fn days_of_one_month(words: &Sentence, at: usize, joint: usize, context: &Context) -> Option<DatePart> {
    let day_at = |at: usize| {
        let article = words.skip(at, &["the"]);
        lexicon::day_of_month(words.low(at + article)).map(|(day, _)| (day, article + 1))
    };
    let of_month = |date: Date, day: i8| Date::new(date.year(), date.month(), day).ok();
    if let Some((day, _)) = day_at(at).filter(|(_, len)| at + len == joint)
        && let Some(last) = month_day(words, joint + 1, context)
    {
        let end = last.one_day()?;
        return between(of_month(end, day)?, end, joint + 1 + last.len - at, Kind::Plain);
    }
    let first = month_day(words, at, context).filter(|first| at + first.len == joint)?;
    let start = first.one_day()?;
    let (day, len) = day_at(joint + 1)?;
    // "October 5 to 9 November" has a month of its own.
    if lexicon::month(words.low(joint + 1 + len)).is_some() {
        return None;
    }
    between(start, of_month(start, day)?, joint + 1 + len - at, Kind::Plain)
}
