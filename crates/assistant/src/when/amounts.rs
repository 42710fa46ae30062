//! Lengths of time: "2h", "an hour and a half", "a couple of weeks", "a fortnight".

use jiff::Span;

use super::{lexicon, words::Sentence};

/// Bound: a longer time from now is no plan of a person's, and no date of the calendar.
const AMOUNT_MAX: i64 = 9_999;

/// How long, in the unit that it was said in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// Time that really passes.
    Minutes(i64),
    /// Of the calendar.
    Days(i64),
    Months(i64),
}

impl Length {
    /// `sign`: 1 ahead, -1 back.
    pub(super) fn span(self, sign: i64) -> Span {
        match self {
            Self::Minutes(minutes) => Span::new().minutes(minutes * sign),
            Self::Days(days) => Span::new().days(days * sign),
            Self::Months(months) => Span::new().months(months * sign),
        }
    }

    fn and(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Minutes(one), Self::Minutes(other)) => Some(Self::Minutes(one + other)),
            (Self::Days(one), Self::Days(other)) => Some(Self::Days(one + other)),
            (Self::Months(one), Self::Months(other)) => Some(Self::Months(one + other)),
            (Self::Minutes(_) | Self::Days(_) | Self::Months(_), _) => None,
        }
    }
}

/// A length and how many words said it.
pub(super) fn length(words: &Sentence, at: usize) -> Option<(Length, usize)> {
    let (first, len) = one(words, at)?;
    let joined = words.skip(at + len, &["and"]);
    // "1 hour 30 minutes", "an hour and 10 minutes".
    let more = one(words, at + len + joined).and_then(|(second, more)| Some((first.and(second)?, more)));
    Some(more.map_or((first, len), |(both, more)| (both, len + joined + more)))
}

fn one(words: &Sentence, at: usize) -> Option<(Length, usize)> {
    if let Some(length) = glued(words.low(at)) {
        return Some((length, 1));
    }
    // Halves of one, and how many words said the number.
    let (halves, len) = match words.low(at) {
        "half" => (1, 1 + words.skip(at + 1, &["a", "an"])),
        "a" if words.says(at, "a couple of") > 0 => (4, 3),
        "a" if words.says(at, "a couple") > 0 => (4, 2),
        "couple" => (4, 1 + words.skip(at + 1, &["of"])),
        "a" if words.says(at, "a half") > 0 => (1, 2),
        "a" | "an" => (2, 1),
        number => (halves_of(number)?, 1),
    };
    let (halves, len) =
        if words.says(at + len, "and a half") > 0 { (halves + 1, len + 3) } else { (halves, len) };
    let mut end = at + len;
    let length = in_unit(words.low(end), halves)?;
    end += 1;
    // "an hour and a half".
    if words.says(end, "and a half") > 0 && halves == 2 {
        return Some((in_unit(words.low(end - 1), 3)?, end + 3 - at));
    }
    Some((length, end - at))
}

/// `1.5` is three halves, `3` is six.
fn halves_of(number: &str) -> Option<i64> {
    match number.split_once(['.', ',']) {
        Some((whole, "5")) => Some(lexicon::number(whole)? * 2 + 1),
        Some((whole, "0")) => Some(lexicon::number(whole)? * 2),
        Some(_) => None,
        None => Some(lexicon::number(number)? * 2),
    }
}

fn in_unit(unit: &str, halves: i64) -> Option<Length> {
    let singular = unit.strip_suffix('s').unwrap_or(unit);
    let whole = (halves % 2 == 0).then_some(halves / 2).filter(|number| *number <= AMOUNT_MAX);
    Some(match singular {
        "minute" | "min" => Length::Minutes(whole?),
        "hour" | "hr" | "h" => Length::Minutes(halves * 30),
        "day" => Length::Days(whole?),
        "week" | "wk" => Length::Days(whole? * 7),
        "fortnight" => Length::Days(whole? * 14),
        "month" => Length::Months(whole?),
        // Half a year is six months.
        "year" | "yr" => Length::Months(halves * 6),
        _ => return None,
    })
}

/// `2h`, `15m`, `45mins`, `1h30`, `3d`, `2w`.
fn glued(word: &str) -> Option<Length> {
    let digits = word.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = word.split_at_checked(digits)?;
    if let Some((hours, minutes)) = word.split_once('h') {
        let minutes = minutes.strip_suffix('m').unwrap_or(minutes);
        if let (Some(hours), Ok(minutes @ 1..=59)) = (lexicon::number(hours), minutes.parse::<i64>()) {
            return Some(Length::Minutes(hours * 60 + minutes));
        }
    }
    let unit = match unit {
        "m" => "min",
        "d" => "day",
        "w" => "week",
        other => other,
    };
    in_unit(unit, halves_of(number)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_as_people_say_them() {
        for (text, expected) in [
            ("1.5 hours", Length::Minutes(90)),
            ("an hour and a half", Length::Minutes(90)),
            ("2 and a half hours", Length::Minutes(150)),
            ("half an hour", Length::Minutes(30)),
            ("1h30", Length::Minutes(90)),
            ("15m", Length::Minutes(15)),
            ("1 hour 30 minutes", Length::Minutes(90)),
            ("a couple of hours", Length::Minutes(120)),
            ("forty-five minutes", Length::Minutes(45)),
            ("a fortnight", Length::Days(14)),
            ("six months", Length::Months(6)),
            ("half a year", Length::Months(6)),
        ] {
            let words = Sentence::of(text);
            assert_eq!(length(&words, 0), Some((expected, words.len())), "{text}");
        }
        for text in ["half a day", "1.3 hours", "some hours", "5 apples", "h", "99999 days"] {
            assert_eq!(length(&Sentence::of(text), 0), None, "{text}");
        }
    }
}
