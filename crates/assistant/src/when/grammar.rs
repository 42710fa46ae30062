//! The grammar: which run of words, beginning at one of them, says a time.
//!
//! A phrase is a length ("in 2h"), or a date, a time, or both in either order, behind a preposition or none. Each parser
//! takes the words from an index on and says how far it got; the longest wins.

use std::ops::Range;

use jiff::Zoned;

use super::{
    Context,
    amounts::{Length, length},
    clock::{Clock, Looks, Part, TimePart, time_of, time_part},
    days::{DatePart, Kind, date_part},
    figures, lexicon, neighbours,
    words::Sentence,
};

/// A run of words that says a time.
#[derive(Clone, Debug)]
pub(super) struct Phrase {
    pub(super) start: usize,
    pub(super) end: usize,
    /// The words before the first of the date: none, one, or "by the end of"'s.
    pub(super) prepositions: usize,
    pub(super) says: Says,
    /// Of day and time the time stands first.
    time_leads: bool,
}

impl Phrase {
    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(super) fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    /// `2026-12-03` is in it.
    pub(super) fn is_written_out(&self, words: &Sentence) -> bool {
        self.range().any(|at| figures::written_out(words.low(at)).is_some())
    }
}

#[derive(Clone, Debug)]
pub(super) enum Says {
    /// "in 2h": time that really passes.
    Moment(Zoned),
    Date(DatePart),
    Time(TimePart),
    Both(DatePart, TimePart),
}

const PREPOSITIONS: [&str; 18] = [
    "on", "at", "by", "until", "till", "til", "before", "after", "since", "for", "from", "in", "within",
    "during", "over", "of", "@", "between",
];
/// Behind these a bare number is an hour.
const OF_HOURS: [&str; 9] = ["at", "@", "by", "until", "till", "til", "before", "after", "since"];

/// The longest phrase that begins at `start`.
pub(super) fn phrase(words: &Sentence, start: usize, context: &Context) -> Option<Phrase> {
    if let Some((moment, len)) = moment(words, start, context) {
        let says = Says::Moment(moment);
        return Some(Phrase { start, end: start + len, prepositions: 0, says, time_leads: false });
    }
    // "in the evening" is said as one.
    let whole = words.says(start, "in the") > 0 && lexicon::day_part(words.low(start + 2)).is_some();
    let first = if whole { 0 } else { words.skip(start, &PREPOSITIONS) };
    // "by on Friday", "since about 5".
    let second =
        if first == 1 && words.is(start, &OF_HOURS) { words.skip(start + 1, &["on", "at", "@"]) } else { 0 };
    let prepositions = first + second;
    let from = start + prepositions;
    let by_date = led(words, from, context).or_else(|| date_first(words, from, context));
    let time_leads = by_date.is_none();
    let (says, end) = by_date.or_else(|| time_first(words, from, context))?;
    let phrase = Phrase { start, end, prepositions, says, time_leads };
    is_said(words, &phrase).then_some(phrase)
}

/// "6" by itself, where nothing but a time can stand: which half of the day is open.
pub(super) fn hour(words: &Sentence) -> Option<Phrase> {
    let time = time_part(words, 0).filter(|time| matches!(time.clock, Clock::Either { .. }))?;
    Some(Phrase { start: 0, end: time.len, prepositions: 0, says: Says::Time(time), time_leads: true })
}

/// "in 2 hours", "90 minutes from now", "half an hour ago".
fn moment(words: &Sentence, at: usize, context: &Context) -> Option<(Zoned, usize)> {
    let ahead = words.skip(at, &["in", "within"]);
    let (length, said) = length(words, at + ahead)?;
    if !matches!(length, Length::Minutes(_)) {
        return None;
    }
    let next = at + ahead + said;
    let (sign, more) = match (words.low(next), words.low(next + 1)) {
        ("ago", _) => (-1, 1),
        ("from", "now") => (1, 2),
        _ if ahead > 0 => (1, words.skip(next, &["time"])),
        _ => return None,
    };
    Some((context.now.checked_add(length.span(sign)).ok()?, ahead + said + more))
}

/// "first thing", "EOD", "on the morning of": words before a date that say when on it.
fn led(words: &Sentence, at: usize, context: &Context) -> Option<(Says, usize)> {
    let (part, len, needs_a_date) = lead(words, at)?;
    let on = words.skip(at + len, &["on"]);
    if let Some(mut date) = date_part(words, at + len + on, context).filter(|date| !date.is_range()) {
        date.part = part;
        date.kind = Kind::Plain;
        let end = at + len + on + date.len;
        return Some((Says::Date(date), end));
    }
    if needs_a_date {
        return None;
    }
    let end = at + len;
    Some(match part {
        // The next morning that comes.
        Some(part) => {
            let clock = Clock::Sure(part.time());
            (Says::Time(TimePart { clock, until: None, elsewhere: None, looks: Looks::Thing, len }), end)
        }
        None => (Says::Date(DatePart::day(context.now.date(), len, Kind::Plain)), end),
    })
}

fn lead(words: &Sentence, at: usize) -> Option<(Option<Part>, usize, bool)> {
    let article = words.skip(at, &["the"]);
    for phrase in ["end of day", "end of the day", "close of business", "close of play", "eod", "cob", "cop"]
    {
        let said = words.says(at + article, phrase);
        if said > 0 {
            return Some((None, article + said, false));
        }
    }
    let thing = words.says(at, "first thing");
    if thing > 0 {
        return Some((Some(Part::Morning), thing + words.says(at + thing, "in the morning"), false));
    }
    let part = lexicon::day_part(words.low(at + article))?;
    words.is(at + article + 1, &["of"]).then_some((Some(part), article + 2, true))
}

/// "Monday at 3pm", "tomorrow 17:30", "Friday EOD".
fn date_first(words: &Sentence, at: usize, context: &Context) -> Option<(Says, usize)> {
    let mut date = date_part(words, at, context)?;
    let after = at + date.len;
    // "1 to 5 April at 9am" begins then; a period has no hour.
    if date.is_range() && !date.has_ends {
        return Some((Says::Date(date), after));
    }
    let lead = lead(words, after + words.skip(after, &["by"])).filter(|_| !date.is_range());
    if let Some((part, len, false)) = lead {
        let end = after + words.skip(after, &["by"]) + len;
        date.part = part.or(date.part);
        return Some((Says::Date(date), end));
    }
    let joined = words.skip(after, &["at", "by", "from", "before", "after", "until", "between", "@", "for"]);
    let time = time_part(words, after + joined).filter(|time| {
        let behind_at = words.is(after, &["at", "@", "by", "before", "after", "until"])
            || words.is(after, &["from", "between"]) && time.len > 1;
        // "tomorrow for 5" is a number of people, "Friday noon" is noon, and "Friday 2.30" at the end an hour.
        let alone = time.looks >= Looks::Figures
            || joined == 0
                && time.looks == Looks::Thing
                && (!has_point(words, after) || words.ends_at(after + time.len))
            || joined == 0 && spans_hours(words, after, time);
        (behind_at || alone) && !is_of_a_thing(words, after + joined + time.len, time)
    });
    Some(match time {
        Some(time) if date.time.is_none() => {
            let end = after + joined + time.len;
            let written_out = figures::written_out(words.low(at)).is_some();
            let time = if written_out { counted_to_24(words, after + joined, time) } else { time };
            (Says::Both(date, time), end)
        }
        _ => (Says::Date(date), after),
    })
}

/// Whoever writes `2026-12-03 11:00` does not mean the night, and so do the answers to our own questions.
fn counted_to_24(words: &Sentence, at: usize, time: TimePart) -> TimePart {
    let sure = |clock| match clock {
        Clock::Either { hour, minute } => Clock::Sure(time_of(hour, minute)),
        Clock::Sure(_) | Clock::Midnight => clock,
    };
    if words.low(at).contains(':') {
        TimePart { clock: sure(time.clock), until: time.until.map(sure), ..time }
    } else {
        time
    }
}

/// `2.30` without "at" before it is a price.
fn has_point(words: &Sentence, at: usize) -> bool {
    words.low(at).contains('.')
}

/// "5pm on Tuesday", "noon tomorrow", "half seven this evening".
fn time_first(words: &Sentence, at: usize, context: &Context) -> Option<(Says, usize)> {
    let time = time_part(words, at)?;
    let after = at + time.len;
    let on = words.skip(after, &["on", "of"]);
    let date = date_part(words, after + on, context).filter(|date| !date.is_range() && date.time.is_none());
    Some(match date.filter(|date| may_follow(date, on)) {
        Some(date) => {
            let end = after + on + date.len;
            (Says::Both(date, time), end)
        }
        None => (Says::Time(time), after),
    })
}

/// "at 5 sun" is no Sunday.
fn may_follow(date: &DatePart, on: usize) -> bool {
    on > 0 || !matches!(date.kind, Kind::Slashes | Kind::Ordinal | Kind::Period)
}

/// Numbers and periods are times only behind the right words: "for 10" is a number of people, "of May" a month's.
fn is_said(words: &Sentence, phrase: &Phrase) -> bool {
    let first = phrase.start + phrase.prepositions;
    let of_hours = phrase.prepositions > 0 && words.is(phrase.start, &OF_HOURS);
    let begins_with_time = |time: &TimePart| match time.looks {
        Looks::Number => of_hours && !is_of_a_thing(words, first + time.len, time),
        // "in the evening" is all of it; of "12.30" and "noon" a preposition tells.
        Looks::Thing => true,
        Looks::Figures | Looks::Time => {
            phrase.prepositions == 0 || !words.is(phrase.start, &["of", "in", "over", "during"])
        }
    };
    match &phrase.says {
        Says::Moment(_) => true,
        Says::Time(time) => begins_with_time(time),
        // "from 17 to 18 tomorrow".
        Says::Both(_, time)
            if phrase.time_leads && time.len > 1 && words.is(phrase.start, &["from", "between"]) =>
        {
            true
        }
        Says::Both(_, time)
            if phrase.time_leads && phrase.prepositions == 0 && spans_hours(words, first, time) =>
        {
            !neighbours::is_numbered(words.before(first))
        }
        // "around 7 tomorrow evening", "7 tomorrow morning: run".
        Says::Both(date, time)
            if phrase.time_leads
                && time.looks == Looks::Number
                && date.part.is_some()
                && (words.is(first, &["around", "about"]) || phrase.start == 0) =>
        {
            true
        }
        Says::Both(_, time) if phrase.time_leads => begins_with_time(time),
        Says::Both(..) => true,
        Says::Date(date) if date.kind == Kind::Period => {
            let month = lexicon::month(words.low(first)).is_some();
            match words.low(phrase.start) {
                "in" | "during" | "since" => true,
                "until" | "till" | "by" | "before" | "after" | "from" => phrase.prepositions > 0 && month,
                "for" => month,
                // "the last week of October" is no October.
                "of" => {
                    !lexicon::is_unit(words.before(phrase.start))
                        && !lexicon::month_is_a_person(words.low(first))
                }
                _ => false,
            }
        }
        Says::Date(_) => true,
    }
}

/// "9-10" beside a day: from one hour to a later one, and no score.
fn spans_hours(words: &Sentence, at: usize, time: &TimePart) -> bool {
    let hour = |at: usize| words.low(at).parse::<u8>().ok();
    let goes_on = hour(at).zip(hour(at + 2)).is_some_and(|(from, to)| from < to || (from > 8 && to < 6));
    time.looks == Looks::Number && time.until.is_some() && words.is(at + 1, &["-"]) && goes_on
}

/// "at 5 Main Street", "at 4 degrees".
fn is_of_a_thing(words: &Sentence, next: usize, time: &TimePart) -> bool {
    let in_a_word = next.checked_sub(1).is_some_and(|last| words.low(last).starts_with(char::is_alphabetic));
    time.looks == Looks::Number
        && !words.ends_at(next)
        && (neighbours::is_counted(words.low(next))
            || lexicon::is_unit(words.low(next))
            || words.is_capital(next) && is_an_address(words, next)
            || in_a_word && !follows_an_hour(words, next))
}

/// "at seven tomorrow", and not "at one thing".
fn follows_an_hour(words: &Sentence, next: usize) -> bool {
    let low = words.low(next);
    neighbours::goes_on(low)
        || lexicon::is_relative_day(low)
        || matches!(low, "this" | "next" | "the" | "sharp" | "ish")
        || lexicon::weekday(low).or_else(|| lexicon::short_weekday(low)).is_some()
}

/// A capital behind a number is an address, but for the days.
fn is_an_address(words: &Sentence, next: usize) -> bool {
    let low = words.low(next);
    lexicon::weekday(low).or_else(|| lexicon::short_weekday(low)).is_none()
        && !lexicon::is_relative_day(low)
        && low != "i"
}
