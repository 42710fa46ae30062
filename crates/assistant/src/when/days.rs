//! Single days of a phrase: "tomorrow", "next Friday", "3 December", "the 5th", "Christmas Eve".

use jiff::{ToSpan, civil::Date};

use super::{
    Context, Direction, Lesson,
    calendar::{self, Days, plus},
    clock::Part,
    figures, lexicon, neighbours, periods, ranges, steps,
    words::Sentence,
};

/// How easily the words are something else, which decides where they may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// "tomorrow", "3 December", `2026-12-03`: a date wherever it stands.
    Plain,
    /// "Friday", "Halloween": things are called so, too.
    Name,
    /// "sun", "wed".
    Short,
    /// "the 5th": so are waves.
    Ordinal,
    /// `3/4`: a measure, a flat.
    Slashes,
    /// "May", `2024`: only behind "in" and its like.
    Period,
}

/// One thing that the words may mean, and what one learns of whoever means it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Alternative {
    pub(super) days: Days,
    pub(super) lesson: Option<Lesson>,
}

/// A date, and how many words said it.
#[derive(Clone, Debug)]
pub(super) struct DatePart {
    /// At least one.
    pub(super) alternatives: Vec<Alternative>,
    pub(super) part: Option<Part>,
    pub(super) time: Option<jiff::civil::Time>,
    /// "from Monday to Wednesday": both ends were said, unlike those of "next week".
    pub(super) has_ends: bool,
    pub(super) len: usize,
    pub(super) kind: Kind,
}

impl DatePart {
    pub(super) fn day(day: Date, len: usize, kind: Kind) -> Self {
        Self::days((day, day), len, kind)
    }

    pub(super) fn days(days: Days, len: usize, kind: Kind) -> Self {
        let alternatives = vec![Alternative { days, lesson: None }];
        Self { alternatives, part: None, time: None, has_ends: false, len, kind }
    }

    /// One of several days.
    pub(super) fn either(days: impl IntoIterator<Item = Date>, len: usize, kind: Kind) -> Option<Self> {
        let mut alternatives: Vec<Alternative> = Vec::new();
        for day in days {
            let new = Alternative { days: (day, day), lesson: None };
            if !alternatives.contains(&new) {
                alternatives.push(new);
            }
        }
        (!alternatives.is_empty()).then_some(Self {
            alternatives,
            part: None,
            time: None,
            has_ends: false,
            len,
            kind,
        })
    }

    /// The day, where the words mean one and no other.
    pub(super) fn one_day(&self) -> Option<Date> {
        match self.alternatives.as_slice() {
            [Alternative { days: (first, last), .. }] if first == last => Some(*first),
            _ => None,
        }
    }

    /// A day of which no hour is known yet.
    pub(super) fn takes_a_time(&self) -> bool {
        !self.is_range() && self.time.is_none() && self.part.is_none()
    }

    pub(super) fn is_range(&self) -> bool {
        self.alternatives.iter().any(|one| one.days.0 != one.days.1)
    }
}

/// The longest date that begins at `at`, with the part of its day.
pub(super) fn date_part(words: &Sentence, at: usize, context: &Context) -> Option<DatePart> {
    let parsers = [ranges::range, steps::step, steps::edge, periods::period, single_day];
    let found = parsers.iter().filter_map(|parse| parse(words, at, context));
    // Of two that are equally long the first parser knows better.
    let mut part = found.reduce(|best, other| if other.len > best.len { other } else { best })?;
    let next = at + part.len;
    if let (Some(said), None, false) = (lexicon::day_part(words.low(next)), part.part, part.is_range()) {
        part.part = Some(said);
        part.len += 1;
        // "saturday morning's run" is no name any more.
        if words.words[next].possessive {
            part.kind = Kind::Plain;
        }
    }
    // Ahead, "tomorrow's slides" are a thing.
    let possessive = words.words[at..at + part.len].iter().any(|word| word.possessive);
    Some(part).filter(|_| !possessive || context.direction == Direction::Back)
}

pub(super) fn single_day(words: &Sentence, at: usize, context: &Context) -> Option<DatePart> {
    named_day(words, at, context)
        .or_else(|| week_day_after_next(words, at, context))
        .or_else(|| week_day(words, at, context))
        .or_else(|| feast(words, at, context))
        .or_else(|| month_day(words, at, context))
        .or_else(|| figures::date(words, at, context))
        .or_else(|| ordinal(words, at, context))
}

fn named_day(words: &Sentence, at: usize, context: &Context) -> Option<DatePart> {
    let today = context.now.date();
    let article = words.skip(at, &["the"]);
    for (phrase, days) in [("day after tomorrow", 2), ("day before yesterday", -2)] {
        if words.says(at + article, phrase) > 0 {
            return Some(DatePart::day(plus(today, days.days()), article + 3, Kind::Plain));
        }
    }
    let plain = |days: i64, len| DatePart::day(plus(today, days.days()), len, Kind::Plain);
    match (words.low(at), words.low(at + 1)) {
        ("today", _) => Some(plain(0, 1)),
        ("tomorrow", _) => Some(plain(1, 1)),
        ("yesterday", _) => Some(plain(-1, 1)),
        ("tonight", _) => Some(DatePart { part: Some(Part::Night), ..plain(0, 1) }),
        ("last", "night") => Some(DatePart { part: Some(Part::Night), ..plain(-1, 2) }),
        ("this", part) => Some(DatePart { part: Some(lexicon::day_part(part)?), ..plain(0, 2) }),
        _ => None,
    }
}

/// "next", "this coming": how many words, and which.
fn which(words: &Sentence, at: usize) -> (usize, &str) {
    for (phrase, means) in
        [("this coming", "this"), ("the coming", "this"), ("this next", "this"), ("this past", "last")]
    {
        if words.says(at, phrase) > 0 {
            return (2, means);
        }
    }
    match words.low(at) {
        which @ ("next" | "this" | "last") => (1, which),
        "coming" => (1, "this"),
        "past" => (1, "last"),
        _ => (0, ""),
    }
}

/// "Friday after next": a week after "next Friday", which half of all people take for another one.
fn week_day_after_next(words: &Sentence, at: usize, context: &Context) -> Option<DatePart> {
    let article = words.skip(at, &["the"]);
    let weekday = lexicon::weekday(words.low(at + article))?;
    let said = words.says(at + article + 1, "after next");
    if said == 0 || context.direction == Direction::Back {
        return None;
    }
    let today = context.now.date();
    let days = [calendar::coming(weekday, today), calendar::of_next_week(weekday, today)];
    DatePart::either(days.map(|day| plus(day, 7.days())), article + 1 + said, Kind::Plain)
}

fn week_day(words: &Sentence, at: usize, context: &Context) -> Option<DatePart> {
    let (offset, which) = which(words, at);
    let name = words.low(at + offset);
    let weekday = lexicon::weekday(name).or_else(|| lexicon::short_weekday(name))?;
    let named = if lexicon::weekday(name).is_some() { Kind::Name } else { Kind::Short };
    // "visit the Sun at 5", "buy a Sunday": a thing of that name.
    if offset == 0 && matches!(words.before(at), "the" | "a" | "an") {
        return None;
    }
    let today = context.now.date();
    let coming = calendar::coming(weekday, today);
    let end = at + offset + 1;
    if which.is_empty() {
        let of_week = words.skip(end, &["of"]);
        if let Some((week, len)) = periods::week(words, end + of_week, context) {
            let day = plus(week.0, i64::from(weekday.to_monday_zero_offset()).days());
            return Some(DatePart::day(day, offset + 1 + of_week + len, Kind::Plain));
        }
        if words.is(end, &["week"]) && context.direction == Direction::Ahead {
            return Some(DatePart::day(plus(coming, 7.days()), offset + 2, Kind::Plain));
        }
        if let Some(part) = dated_week_day(words, at, (weekday, coming), context) {
            return Some(part);
        }
    }
    let back = which == "last" || which.is_empty() && context.direction == Direction::Back;
    let kind = if which.is_empty() { named } else { Kind::Plain };
    if which == "next" && context.direction == Direction::Ahead {
        // Half of all people mean the one of next week. On the same weekday both halves agree.
        let other = calendar::of_next_week(weekday, today);
        return DatePart::either([coming, other], offset + 1, kind);
    }
    let day = if back { calendar::latest(weekday, today) } else { coming };
    Some(DatePart::day(day, offset + 1, kind))
}

/// "Friday 4 December", "Thu 3/12", "Friday the 4th": one day said twice, or two that are asked about.
fn dated_week_day(
    words: &Sentence,
    at: usize,
    (weekday, coming): (jiff::civil::Weekday, Date),
    context: &Context,
) -> Option<DatePart> {
    let date = month_day(words, at + 1, context)
        .or_else(|| figures::date(words, at + 1, context))
        .or_else(|| ordinal(words, at + 1, context).filter(|_| !is_unlucky(words, at)))?;
    let len = date.len + 1;
    let agrees = |one: &&Alternative| one.days.0.weekday() == weekday;
    if let Some(said_twice) = date.alternatives.iter().find(agrees) {
        return Some(DatePart { time: date.time, ..DatePart::day(said_twice.days.0, len, Kind::Plain) });
    }
    let days = std::iter::once(coming).chain(date.alternatives.iter().map(|one| one.days.0));
    DatePart::either(days, len, Kind::Plain)
}

/// "Friday the 13th" by itself is a film.
fn is_unlucky(words: &Sentence, at: usize) -> bool {
    words.says(at, "friday the 13th") > 0 && !matches!(words.before(at), "on" | "by" | "until" | "before")
}

fn feast(words: &Sentence, at: usize, context: &Context) -> Option<DatePart> {
    let (offset, which) = which(words, at);
    let (len, month, day) = lexicon::FEASTS
        .iter()
        .map(|(name, month, day)| (words.says(at + offset, name), *month, *day))
        .find(|(len, ..)| *len > 0)?;
    let len = offset + len;
    if let Some((year, _)) = year(words, at + len) {
        return Some(DatePart::day(Date::new(year, month, day).ok()?, len + 1, Kind::Plain));
    }
    let today = context.now.date();
    let direction = match which {
        "last" => Direction::Back,
        "next" | "this" => Direction::Ahead,
        _ => context.direction,
    };
    // "last Christmas", said on Christmas Day, was a year ago.
    let from = if which == "last" { plus(today, -1.day()) } else { today };
    let found = calendar::in_nearest_year(month, day, from, direction)?;
    Some(DatePart::day(found, len, Kind::Name))
}

/// A year in four figures, behind the day of a month.
pub(super) fn year(words: &Sentence, at: usize) -> Option<(i16, usize)> {
    let said = words.low(at);
    let year = said.parse::<i16>().ok().filter(|year| said.len() == 4 && (1900..=2200).contains(year))?;
    Some((year, 1))
}

/// "3 December", "the 3rd of December 2026", "Dec 3rd, 2026", "December the 3rd".
pub(super) fn month_day(words: &Sentence, at: usize, context: &Context) -> Option<DatePart> {
    let (day, month, len) = if let Some(month) = lexicon::month(words.low(at)) {
        let article = words.skip(at + 1, &["the"]);
        let said = words.low(at + 1 + article);
        let figures = said.starts_with(|c: char| c.is_ascii_digit());
        (lexicon::day_of_month(said).filter(|_| figures)?.0, month, 2 + article)
    } else {
        let article = words.skip(at, &["the"]);
        let (day, _) = lexicon::day_of_month(words.low(at + article))?;
        let of = words.skip(at + article + 1, &["of"]);
        (day, lexicon::month(words.low(at + article + 1 + of))?, article + of + 2)
    };
    let short = || short_year(words, at + len).filter(|_| lexicon::month(words.low(at)).is_none());
    if let Some((year, more)) = year(words, at + len).or_else(short) {
        return Some(DatePart::day(Date::new(year, month, day).ok()?, len + more, Kind::Plain));
    }
    let found = calendar::in_nearest_year(month, day, context.now.date(), context.direction)?;
    Some(DatePart::day(found, len, Kind::Plain))
}

/// "5 Dec 26" at the end or before a time: of this century.
fn short_year(words: &Sentence, at: usize) -> Option<(i16, usize)> {
    let said = words.low(at);
    let figures = said.len() == 2 && said.bytes().all(|byte| byte.is_ascii_digit());
    let ends = words.ends_at(at + 1) || words.is(at + 1, &["at", "@", "by", "from"]);
    Some((2_000 + said.parse::<i16>().ok().filter(|_| figures && ends)?, 1))
}

/// "the 5th", "the 5th of next month".
fn ordinal(words: &Sentence, at: usize, context: &Context) -> Option<DatePart> {
    let article = words.skip(at, &["the"]);
    let (day, true) = lexicon::day_of_month(words.low(at + article))? else { return None };
    let len = article + 1;
    let next = at + len;
    // "on second thought".
    if article == 0 && words.low(at).starts_with(char::is_alphabetic) {
        return None;
    }
    if neighbours::is_counted(words.low(next)) {
        return None;
    }
    let of = words.skip(next, &["of"]);
    if of > 0 || words.is(next, &["this", "next", "last"]) && words.is(next + 1, &["month"]) {
        let (month, more) = periods::month(words, next + of, context)?;
        let mut found = Date::new(month.0.year(), month.0.month(), day).ok()?;
        // "the first of the month" is the next one, when this one's is over.
        if of > 0
            && words.is(next + 1, &["the"])
            && context.direction == Direction::Ahead
            && found < context.now.date()
        {
            found = plus(found, 1.month());
        }
        return Some(DatePart::day(found, len + of + more, Kind::Plain));
    }
    let found = calendar::in_nearest_month(day, context.now.date(), context.direction)?;
    Some(DatePart::day(found, len, Kind::Ordinal))
}
