//! The time of day of a phrase: "5pm", "17:30", "half past three", "noon", "at 5" that can be two.

use jiff::{civil::Time, tz::Offset};

use super::{
    elsewhere::{self, Elsewhere},
    lexicon,
    words::Sentence,
};

/// A part of the day: an hour where none is said, else which half the hour is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Morning,
    Noon,
    Afternoon,
    Evening,
    Night,
}

impl Part {
    pub(super) fn time(self) -> Time {
        match self {
            Self::Morning => time_of(9, 0),
            Self::Noon => time_of(12, 0),
            Self::Afternoon => time_of(15, 0),
            Self::Evening | Self::Night => time_of(20, 0),
        }
    }

    /// Whether `hour` of 1 to 12 is after noon in it; `None`: it does not say.
    fn is_afternoon(self, hour: i8) -> Option<bool> {
        match (self, hour) {
            (Self::Morning, 1..=11) => Some(false),
            (Self::Noon, 10 | 11) => Some(false),
            (Self::Noon, 12 | 1..=3) | (Self::Afternoon, _) => Some(true),
            (Self::Evening, 3..=11) | (Self::Night, 5..=11) => Some(true),
            (Self::Morning | Self::Noon | Self::Evening | Self::Night, _) => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    Sure(Time),
    /// 24:00 of the day that is said.
    Midnight,
    /// "at 5": morning or afternoon. Hour of 1 to 12.
    Either {
        hour: i8,
        minute: i8,
    },
}

/// How much the words themselves say that they are a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Looks {
    /// `5`: only "at" before it or a day beside it make it a time.
    Number,
    /// "noon", `18.15`, "in the evening": a thing, a price, a room as well.
    Thing,
    /// `5:30`, "half five": a time, or a verse, a ratio.
    Figures,
    /// `5pm`, `17:30`.
    Time,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct TimePart {
    pub(super) clock: Clock,
    /// "3 to 5pm": when it ends.
    pub(super) until: Option<Clock>,
    /// "UTC+02:00", "New York time" behind it: whose clock shows it.
    pub(super) elsewhere: Option<Elsewhere>,
    pub(super) looks: Looks,
    pub(super) len: usize,
}

pub(super) fn time_of(hour: i8, minute: i8) -> Time {
    Time::new(hour, minute, 0, 0).unwrap_or(Time::MIN)
}

/// The hour of 1 to 12 in one half of the day.
pub(super) fn in_half(hour: i8, minute: i8, afternoon: bool) -> Time {
    time_of(hour % 12 + if afternoon { 12 } else { 0 }, minute)
}

/// "tomorrow evening at 7" is not in the morning; "tonight at 2" stays open.
pub(super) fn within(clock: Clock, part: Option<Part>) -> Clock {
    match (clock, part) {
        (Clock::Either { hour: 12, minute: 0 }, Some(Part::Night)) => Clock::Midnight,
        (Clock::Either { hour, minute }, Some(part)) => match part.is_afternoon(hour) {
            Some(afternoon) => Clock::Sure(in_half(hour, minute, afternoon)),
            None => clock,
        },
        (clock, _) => clock,
    }
}

/// A time, or the beginning of a range of times.
pub(super) fn time_part(words: &Sentence, at: usize) -> Option<TimePart> {
    let about = words.skip(at, &["about", "around", "approx", "roughly", "circa"]);
    let start = moment(words, at + about)?;
    let range = range_end(words, at, at + about + start.len, start);
    let mut part = range.unwrap_or(start);
    part.len += about;
    part.len += words.skip(at + part.len, &["ish", "sharp"]);
    if let Some((elsewhere, len)) =
        elsewhere::behind(words, at + part.len).filter(|_| part.elsewhere.is_none())
    {
        (part.elsewhere, part.len) = (Some(elsewhere), part.len + len);
        // "9 New York time": nothing else is said so.
        part.looks = if len > 1 { part.looks.max(Looks::Figures) } else { part.looks };
    }
    Some(part)
}

fn moment(words: &Sentence, at: usize) -> Option<TimePart> {
    let part = |clock, looks, len| TimePart { clock, until: None, elsewhere: None, looks, len };
    let twelve = words.skip(at, &["12", "twelve"]);
    match words.low(at + twelve) {
        "noon" | "midday" | "lunchtime" => {
            return Some(part(Clock::Sure(time_of(12, 0)), Looks::Thing, 1 + twelve));
        }
        "midnight" => return Some(part(Clock::Midnight, Looks::Thing, 1 + twelve)),
        _ => {}
    }
    if words.says(at, "in the") == 2 {
        let said = lexicon::day_part(words.low(at + 2))?;
        return Some(part(Clock::Sure(said.time()), Looks::Thing, 3));
    }
    spoken(words, at).or_else(|| figures(words, at))
}

/// "3 to 5pm", "09:00-11:30": the half of the end holds for the start.
/// `first`: where the range begins; "8am and 8pm" are two times, but between them is one.
fn range_end(words: &Sentence, first: usize, at: usize, start: TimePart) -> Option<TimePart> {
    let joined = words.skip(at, &["to", "till", "til", "until", "-"]);
    let joined = if words.before(first) == "between" { joined + words.skip(at, &["and"]) } else { joined };
    if joined == 0 || start.looks == Looks::Thing {
        return None;
    }
    let end = moment(words, at + 1).filter(|end| end.looks != Looks::Thing)?;
    // "9am till 5 December".
    if lexicon::month(words.low(at + 1 + end.len)).is_some() {
        return None;
    }
    let clock = match (start.clock, end.clock) {
        (Clock::Either { hour, minute }, Clock::Sure(end)) => {
            let same_half = in_half(hour, minute, end.hour() >= 12);
            let clock = if same_half < end { same_half } else { in_half(hour, minute, end.hour() < 12) };
            Clock::Sure(clock)
        }
        (clock, Clock::Sure(_)) => clock,
        // "12 to 5" is a score; "at 3 to 5" is a time as much as its start is.
        (clock, _) if start.looks > Looks::Number || words.low(at) != "and" => clock,
        _ => return None,
    };
    let (until, looks) = (Some(end.clock), start.looks.max(end.looks));
    Some(TimePart { clock, until, looks, len: start.len + 1 + end.len, ..start })
}

/// The first such time behind `start`, on the day after where need be.
pub(super) fn end_behind(start: Time, until: Clock) -> Time {
    match until {
        Clock::Sure(time) => time,
        Clock::Midnight => Time::midnight(),
        Clock::Either { hour, minute } => {
            let halves = [false, true].map(|afternoon| in_half(hour, minute, afternoon));
            halves.into_iter().find(|time| *time > start).unwrap_or(halves[0])
        }
    }
}

/// "half past 3", "a quarter to five pm", "half five", "ten past 4".
fn spoken(words: &Sentence, at: usize) -> Option<TimePart> {
    let article = words.says(at, "a quarter").min(1);
    let minutes = match words.low(at + article) {
        "half" => 30,
        "quarter" => 15,
        word => i8::try_from(lexicon::number(word)?).ok().filter(|minutes| (1..=29).contains(minutes))?,
    };
    let said = at + article + 1;
    let said = said + words.skip(said, &["minutes", "mins"]);
    let joined = words.skip(said, &["past", "to", "after"]);
    let (digits, glued) = split_half(words.low(said + joined));
    let hour = lexicon::number(digits)
        .and_then(|hour| i8::try_from(hour).ok())
        .filter(|hour| (1..=12).contains(hour))?;
    let (hour, minute) = match words.low(said) {
        "past" | "after" => (hour, minutes),
        "to" if minutes < 30 && is_before_the_hour(words, at, minutes) => {
            ((hour + 10) % 12 + 1, 60 - minutes)
        }
        // "half five" is British, and half past.
        _ if minutes == 30 && joined == 0 && article == 0 => (hour, 30),
        _ => return None,
    };
    let end = said + joined + 1;
    let (half, extra) = if glued.is_some() { (glued, 0) } else { said_half(words, end) };
    // "10 to 12" is a range as well: words or a half of the day tell that it is a time.
    let of_words = minutes % 15 == 0 && words.low(at + article).len() > 2 || words.low(said) == "past";
    let looks = match half {
        Some(_) => Looks::Time,
        None if of_words => Looks::Figures,
        None => Looks::Number,
    };
    let clock = half.map_or(Clock::Either { hour, minute }, |pm| Clock::Sure(in_half(hour, minute, pm)));
    Some(TimePart { clock, until: None, elsewhere: None, looks, len: end + extra - at })
}

/// "at 10 to 5" is before the hour, "10 to 5pm" and "from ten to five" are ranges.
fn is_before_the_hour(words: &Sentence, at: usize, minutes: i8) -> bool {
    let figures = words.low(at).starts_with(|c: char| c.is_ascii_digit());
    let before = words.before(at);
    minutes % 5 == 0
        && before != "from"
        && before != "between"
        && (!figures || matches!(before, "at" | "@" | "by"))
}

/// `5pm` → (`5`, afternoon).
fn split_half(word: &str) -> (&str, Option<bool>) {
    let digits = |rest: &&str| rest.ends_with(|c: char| c.is_ascii_digit());
    for (ending, pm) in [("am", false), ("a.m", false), ("pm", true), ("p.m", true), ("p", true)] {
        if let Some(digits) = word.strip_suffix(ending).filter(digits) {
            return (digits, Some(pm));
        }
    }
    (word, None)
}

/// "5 pm", "5 in the afternoon", "11 at night".
fn said_half(words: &Sentence, at: usize) -> (Option<bool>, usize) {
    match (words.low(at), words.low(at + 1), words.low(at + 2)) {
        ("am", _, _) => (Some(false), 1),
        ("pm", _, _) => (Some(true), 1),
        ("in", "the", "morning") => (Some(false), 3),
        ("in", "the", "afternoon" | "evening") => (Some(true), 3),
        ("at", "night", _) => (Some(true), 2),
        _ => (None, 0),
    }
}

/// Hour and minute in figures, or an hour in a word.
struct Figures {
    hour: i8,
    minute: i8,
    looks: Looks,
    /// `17h`, `09:30`, `1730`: whoever writes so counts to 24.
    counts_to_24: bool,
}

fn figures(words: &Sentence, at: usize) -> Option<TimePart> {
    let low = words.low(at);
    // `14:00Z`.
    let zulu = low.strip_suffix('z').filter(|time| time.contains(':'));
    let (digits, glued) = split_half(zulu.unwrap_or(low));
    let ish = digits.strip_suffix("ish").map(|digits| digits.trim_end_matches('-'));
    let digits = ish.unwrap_or(digits);
    let mut said = in_figures(digits, glued.is_some()).or_else(|| in_a_word(digits))?;
    if ish.is_some() {
        said.looks = said.looks.max(Looks::Figures);
    }
    let minutes =
        minutes_in_words(words.low(at + 1)).filter(|_| said.looks == Looks::Number && glued.is_none());
    if let Some(minute) = minutes {
        said = Figures { minute, ..said };
    }
    let clock_word = usize::from(minutes.is_some()) + words.skip(at + 1, &["o'clock"]);
    let (half, extra) = if glued.is_some() { (glued, 0) } else { said_half(words, at + 1 + clock_word) };
    let len = 1 + clock_word + extra;
    let Figures { hour, minute, looks, counts_to_24 } = said;
    let (clock, looks) = match half {
        Some(pm) if (1..=12).contains(&hour) => (Clock::Sure(in_half(hour, minute, pm)), Looks::Time),
        Some(_) => return None,
        None if counts_to_24 || hour == 0 || hour > 12 => (Clock::Sure(time_of(hour, minute)), looks),
        None => (
            Clock::Either { hour, minute },
            if words.is(at + 1, &["o'clock"]) { Looks::Figures } else { looks },
        ),
    };
    // A bare number of 13 or more is clear as an hour, and no more a time than 5 is.
    let elsewhere = zulu.map(|_| Elsewhere::Offset(Offset::UTC));
    Some(TimePart { clock, until: None, elsewhere, looks, len })
}

/// `17:30`, `17h`, `16h30`, `5.30`, `1730`, `5`.
fn in_figures(digits: &str, has_half: bool) -> Option<Figures> {
    let number = |text: &str, max: i8| {
        let plain = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i8>().ok().filter(|number| plain && *number <= max)
    };
    let minutes = |text: &str| number(text, 59).filter(|_| text.len() == 2);
    let zero = digits.starts_with('0');
    let figures = |hour, minute, looks, counts_to_24| {
        Some(Figures { hour: number(hour, 23)?, minute, looks, counts_to_24 })
    };
    if let Some((hour, minute)) = digits.split_once(':') {
        let minute = minutes(minute)?;
        let sure = zero && hour.len() == 2 || number(hour, 23)? > 12 || hour == "0";
        return figures(hour, minute, if sure { Looks::Time } else { Looks::Figures }, sure);
    }
    if let Some((hour, minute)) = digits.split_once('.') {
        let looks = if has_half { Looks::Time } else { Looks::Thing };
        return figures(hour, minutes(minute)?, looks, zero && hour.len() == 2);
    }
    if let Some((hour, minute)) = digits.split_once('h') {
        let minute = if minute.is_empty() { 0 } else { minutes(minute)? };
        // "2h" is a length as well.
        let looks = if hour.len() == 1 && minute == 0 { Looks::Number } else { Looks::Time };
        return figures(hour, minute, looks, true);
    }
    if digits.len() == 4 && digits.is_ascii() {
        let (hour, minute) = digits.split_at(2);
        return figures(hour, minutes(minute)?, Looks::Number, true);
    }
    figures(digits, 0, Looks::Number, zero && digits.len() == 2)
}

/// "five thirty", "six forty-five".
fn minutes_in_words(word: &str) -> Option<i8> {
    let letters = word.starts_with(|c: char| c.is_ascii_lowercase());
    let minutes =
        lexicon::number(word).filter(|minutes| letters && (10..60).contains(minutes) && minutes % 5 == 0);
    i8::try_from(minutes?).ok()
}

/// "seven", "six-thirty".
fn in_a_word(word: &str) -> Option<Figures> {
    if let Some((hour, minutes)) = word.split_once('-') {
        return Some(Figures { minute: minutes_in_words(minutes)?, ..in_a_word(hour)? });
    }
    let letters = word.bytes().all(|byte| byte.is_ascii_lowercase());
    let hour = lexicon::number(word).filter(|hour| letters && (1..=12).contains(hour))?;
    Some(Figures { hour: i8::try_from(hour).ok()?, minute: 0, looks: Looks::Number, counts_to_24: false })
}
