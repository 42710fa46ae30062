//! English words of time, and the cutting of a sentence into words. Data and look-ups, no decisions.

use jiff::civil::Weekday;

/// One word of the text.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) low: String,
    /// Bytes in the text.
    pub(super) start: usize,
    pub(super) end: usize,
    /// Between quotes, so never read.
    pub(super) quoted: bool,
    pub(super) comma_after: bool,
}

/// Runs of letters, digits and what joins them in times and dates (`17:00`, `3/4`, `2026-12-03`, `a.m.`).
pub(super) fn split(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut closing: Option<char> = None;
    let mut start: Option<usize> = None;
    let mut previous = ' ';
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        let next = text.get(at + c.len_utf8()..).and_then(|rest| rest.chars().next());
        let joins = matches!(c, ':' | '/' | '-' | '.' | '\'' | '’')
            && previous.is_alphanumeric()
            && next.is_some_and(char::is_alphanumeric);
        if at < text.len() && (c.is_alphanumeric() || c == '@' || joins) {
            start.get_or_insert(at);
            previous = c;
            continue;
        }
        if let Some(from) = start.take() {
            let word = text.get(from..at).unwrap_or_default();
            words.push(Word {
                text: word.to_owned(),
                low: word.to_lowercase(),
                start: from,
                end: at,
                quoted: closing.is_some(),
                comma_after: c == ',',
            });
        }
        closing = match (closing, c) {
            (Some(close), c) if c == close => None,
            (None, '"') => Some('"'),
            (None, '“') => Some('”'),
            (None, '«') => Some('»'),
            (None, '\'' | '‘') if !previous.is_alphanumeric() => Some(if c == '\'' { '\'' } else { '’' }),
            (closing, _) => closing,
        };
        previous = c;
    }
    words
}

pub(super) fn weekday(word: &str) -> Option<Weekday> {
    Some(match word {
        "monday" => Weekday::Monday,
        "tuesday" => Weekday::Tuesday,
        "wednesday" => Weekday::Wednesday,
        "thursday" => Weekday::Thursday,
        "friday" => Weekday::Friday,
        "saturday" => Weekday::Saturday,
        "sunday" => Weekday::Sunday,
        _ => return None,
    })
}

/// Short forms, which are other words too ("sun", "sat", "wed"): believed only behind a preposition.
pub(super) fn short_weekday(word: &str) -> Option<Weekday> {
    Some(match word {
        "mon" => Weekday::Monday,
        "tue" | "tues" => Weekday::Tuesday,
        "wed" => Weekday::Wednesday,
        "thu" | "thur" | "thurs" => Weekday::Thursday,
        "fri" => Weekday::Friday,
        "sat" => Weekday::Saturday,
        "sun" => Weekday::Sunday,
        _ => return None,
    })
}

pub(super) fn month(word: &str) -> Option<i8> {
    const MONTHS: [&[&str]; 12] = [
        &["january", "jan"],
        &["february", "feb"],
        &["march", "mar"],
        &["april", "apr"],
        &["may"],
        &["june", "jun"],
        &["july", "jul"],
        &["august", "aug"],
        &["september", "sep", "sept"],
        &["october", "oct"],
        &["november", "nov"],
        &["december", "dec"],
    ];
    (1_i8..).zip(MONTHS).find(|(_, names)| names.contains(&word)).map(|(number, _)| number)
}

/// `3`, `three`, `a`; up to 999.
pub(super) fn number(word: &str) -> Option<i64> {
    const NUMBERS: [&str; 13] = [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
        "twelve",
    ];
    if matches!(word, "a" | "an") {
        return Some(1);
    }
    if let Some(found) = (0_i64..).zip(NUMBERS).find(|(_, name)| *name == word) {
        return Some(found.0);
    }
    (word.len() <= 3 && word.bytes().all(|byte| byte.is_ascii_digit())).then(|| word.parse().ok()).flatten()
}

/// `5`, `5th`, `22nd`; 1 to 31. The flag says that it had its ending.
pub(super) fn day_of_month(word: &str) -> Option<(i8, bool)> {
    let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let ending = word.get(digits.len()..).unwrap_or_default();
    let day = digits.parse::<i8>().ok().filter(|day| (1..=31).contains(day) && digits.len() <= 2)?;
    matches!(ending, "" | "st" | "nd" | "rd" | "th").then_some((day, !ending.is_empty()))
}

/// Hour at which a part of the day is meant when nothing else is said.
pub(super) fn day_part(word: &str) -> Option<i8> {
    Some(match word {
        "morning" => 9,
        "noon" | "midday" | "lunchtime" => 12,
        "afternoon" => 15,
        "evening" => 19,
        "night" => 20,
        _ => return None,
    })
}

/// "Black Friday", "Any Given Sunday": the weekday is part of a name.
pub(super) fn names_a_day(before: &Word) -> bool {
    const NAMES: [&str; 17] = [
        "black", "good", "freaky", "casual", "cyber", "super", "ash", "easter", "palm", "holy", "shrove",
        "fat", "given", "bloody", "blue", "ruby", "manic",
    ];
    NAMES.contains(&before.low.as_str())
}

/// Words of dates that are written with a small letter outside of titles.
pub(super) fn written_small(word: &str) -> bool {
    matches!(
        word,
        "today"
            | "tonight"
            | "tomorrow"
            | "yesterday"
            | "day"
            | "after"
            | "before"
            | "next"
            | "last"
            | "this"
            | "noon"
            | "midnight"
            | "week"
            | "weekend"
            | "morning"
            | "evening"
            | "night"
    )
}

/// "The Man Who Was Thursday": small words with a capital, where nobody writes one but in titles.
pub(super) fn is_of_a_title(before: &Word) -> bool {
    const SMALL: [&str; 16] = [
        "was", "is", "who", "the", "of", "and", "a", "on", "in", "to", "for", "my", "no", "not", "never",
        "before",
    ];
    before.start > 0
        && before.text.chars().next().is_some_and(char::is_uppercase)
        && SMALL.contains(&before.low.as_str())
}

/// Units that time is counted in, one or many.
pub(super) fn is_unit(word: &str) -> bool {
    let unit = word.strip_suffix('s').unwrap_or(word);
    matches!(unit, "minute" | "hour" | "day" | "week" | "month" | "year")
}
