//! Days that are counted from another: "a week on Tuesday", "in 3 days", "two weeks ago", "the end of next month".

use jiff::{ToSpan, civil::Date};

use super::{
    Context, Direction,
    amounts::{Length, length},
    calendar::{self, plus},
    days::{DatePart, Kind, single_day},
    figures, lexicon, periods,
    words::Sentence,
};

/// A length of the calendar before or behind a day.
pub(super) fn step(words: &Sentence, at: usize, context: &Context) -> Option<DatePart> {
    if let Some(counted) = counted_weekdays(words, at, context) {
        return Some(counted);
    }
    let (length, said) = match words.says(at, "the day").max(words.says(at, "the week")) {
        0 => length(words, at)?,
        // "the day after Christmas".
        said if !words.is(at + said, &["before", "after"]) => return None,
        said => (Length::Days(if words.is(at + 1, &["week"]) { 7 } else { 1 }), said),
    };
    if matches!(length, Length::Minutes(_)) {
        return None;
    }
    let next = at + said;
    let today = context.now.date();
    let moved = |from: Date, sign: i64, len| {
        // Beyond the calendar it is its last day, which is out of reach as well.
        Some(DatePart::day(from.saturating_add(length.span(sign)), len, Kind::Plain))
    };
    if words.is(next, &["ago"]) {
        // "a week ago yesterday".
        let base = base(words, next + 1, context);
        return match base {
            Some((day, len)) => moved(day, -1, said + 1 + len),
            None => moved(today, -1, said + 1),
        };
    }
    let since_now =
        words.says(next, "from now").max(words.says(next, "from today")).max(words.skip(next, &["hence"]));
    if since_now > 0 {
        return moved(today, 1, said + since_now);
    }
    let sign = match words.low(next) {
        "from" | "after" => 1,
        "before" => -1,
        // "in two weeks on Monday" may be any Monday.
        "on" if words.before(at) != "in" => 1,
        _ => 0,
    };
    if sign != 0
        && let Some((day, len)) = base(words, next + 1, context)
        && !(words.is(next, &["on"]) && figures::written_out(words.low(next + 1)).is_some())
    {
        return moved(day, sign, said + 1 + len);
    }
    // "a week tomorrow".
    if words.is(next, &["today", "tomorrow"]) && words.before(at) != "in" {
        let (day, len) = base(words, next, context)?;
        return moved(day, 1, said + len);
    }
    if matches!(words.before(at), "in" | "within") {
        return moved(today, 1, said + words.skip(next, &["time"]));
    }
    None
}

/// "two Fridays from now", "three Mondays ago".
fn counted_weekdays(words: &Sentence, at: usize, context: &Context) -> Option<DatePart> {
    let count = lexicon::number(words.low(at)).filter(|count| (1..=99).contains(count))?;
    let name = words.low(at + 1);
    let weekday = lexicon::weekday(name.strip_suffix('s').unwrap_or(name))?;
    let today = context.now.date();
    let weeks = (7 * (count - 1)).days();
    let ahead = words
        .says(at + 2, "from now")
        .max(words.says(at + 2, "from today"))
        .max(words.skip(at + 2, &["hence"]));
    let (day, said) = match ahead {
        0 if words.is(at + 2, &["ago"]) => (calendar::latest(weekday, today).saturating_sub(weeks), 1),
        0 => return None,
        said => (plus(calendar::coming(weekday, today), weeks), said),
    };
    Some(DatePart::day(day, 2 + said, Kind::Plain))
}

/// The one day that one counts from: ahead the coming Tuesday, back the latest.
fn base(words: &Sentence, at: usize, context: &Context) -> Option<(Date, usize)> {
    let part = single_day(words, at, context)?;
    Some((part.one_day()?, part.len))
}

enum Edge {
    First,
    Last,
}

/// "the end of August", "beginning of next month", "month end". The end of a week asks: Friday or Sunday.
pub(super) fn edge(words: &Sentence, at: usize, context: &Context) -> Option<DatePart> {
    let article = words.skip(at, &["the"]);
    let start = at + article;
    let today = context.now.date();
    for (phrase, days) in [
        ("month end", calendar::month(today, 0)),
        ("eom", calendar::month(today, 0)),
        ("year end", calendar::year(today, 0)),
        ("eoy", calendar::year(today, 0)),
    ] {
        let said = words.says(start, phrase);
        if said > 0 {
            return Some(DatePart::day(days.1, article + said, Kind::Name));
        }
    }
    let (edge, len) = match words.low(start) {
        "end" => (Edge::Last, 1),
        "beginning" | "start" => (Edge::First, 1),
        "first" | "last" if words.is(start + 1, &["day"]) => {
            (if words.is(start, &["first"]) { Edge::First } else { Edge::Last }, 2)
        }
        _ => return None,
    };
    let of = words.skip(start + len, &["of"]);
    let inner = start + len + of;
    let len = article + len + of;
    if let Some(((monday, sunday), more)) = a_week(words, inner, context) {
        let days = match edge {
            Edge::First => vec![monday],
            // On a Saturday the working week is over.
            Edge::Last if context.direction == Direction::Ahead && plus(monday, 4.days()) < today => {
                vec![sunday]
            }
            Edge::Last => vec![plus(monday, 4.days()), sunday],
        };
        return DatePart::either(days, len + more, Kind::Plain);
    }
    let ((first, last), more) =
        periods::month(words, inner, context).or_else(|| a_year(words, inner, context))?;
    let over =
        words.is(inner, &["the", "month", "year"]) && context.direction == Direction::Ahead && first < today;
    let day = match edge {
        // Ahead, what is over is the next one's.
        Edge::First if over => plus(last, 1.day()),
        Edge::First => first,
        Edge::Last => last,
    };
    Some(DatePart::day(day, len + more, Kind::Plain))
}

fn a_week(words: &Sentence, at: usize, context: &Context) -> Option<(calendar::Days, usize)> {
    let said = words.says(at, "the week").max(words.skip(at, &["week"]));
    let this = (said > 0).then(|| (calendar::week(context.now.date(), 0), said));
    periods::week(words, at, context).or(this)
}

fn a_year(words: &Sentence, at: usize, context: &Context) -> Option<(calendar::Days, usize)> {
    let said = words.says(at, "the year").max(words.skip(at, &["year"]));
    if said > 0 {
        return Some((calendar::year(context.now.date(), 0), said));
    }
    let part = periods::period(words, at, context)?;
    let days = part.alternatives.first()?.days;
    (days.0 == days.0.first_of_year() && days.1 == days.0.last_of_year()).then_some((days, part.len))
}
