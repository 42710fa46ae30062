//! English words of time, as data: what they are called, how they are misspelt, which stand in names. No decisions.

use jiff::civil::Weekday;

use super::clock::Part;

/// As people type them in haste.
const SPELLINGS: [(&str, &str); 28] = [
    ("2day", "today"),
    ("2moro", "tomorrow"),
    ("2morrow", "tomorrow"),
    ("tmr", "tomorrow"),
    ("tmrw", "tomorrow"),
    ("tmw", "tomorrow"),
    ("tomo", "tomorrow"),
    ("tomorow", "tomorrow"),
    ("tommorow", "tomorrow"),
    ("tommorrow", "tomorrow"),
    ("tomorrw", "tomorrow"),
    ("2nite", "tonight"),
    ("2night", "tonight"),
    ("tonite", "tonight"),
    ("yday", "yesterday"),
    ("yesterady", "yesterday"),
    ("wk", "week"),
    ("wkend", "weekend"),
    ("wknd", "weekend"),
    ("xmas", "christmas"),
    ("oclock", "o'clock"),
    ("midnite", "midnight"),
    ("a.m", "am"),
    ("p.m", "pm"),
    ("wednsday", "wednesday"),
    ("wensday", "wednesday"),
    ("thursay", "thursday"),
    ("valentines", "valentine's"),
];

/// The word as the tables spell it, and whether it was a possessive ("monday's", "yesterdays").
pub(super) fn spell(low: &str) -> (String, bool) {
    let known =
        |word: &str| SPELLINGS.iter().find(|(typed, _)| *typed == word).map(|(_, word)| (*word).to_owned());
    if let Some(word) = known(low) {
        return (word, false);
    }
    if let Some(owner) = low.strip_suffix("'s") {
        let owner = known(owner).unwrap_or_else(|| owner.to_owned());
        if is_unit(&owner) {
            return (owner, false);
        }
        if is_relative_day(&owner) || weekday(&owner).is_some() || day_part(&owner).is_some() {
            return (owner, true);
        }
    }
    match low.strip_suffix('s').filter(|owner| is_relative_day(owner)) {
        Some(owner) => (owner.to_owned(), true),
        None => (low.to_owned(), false),
    }
}

pub(super) fn is_relative_day(word: &str) -> bool {
    matches!(word, "today" | "tomorrow" | "yesterday" | "tonight")
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

/// Short forms.
pub(super) fn short_weekday(word: &str) -> Option<Weekday> {
    Some(match word {
        "mon" => Weekday::Monday,
        "tue" | "tues" => Weekday::Tuesday,
        "wed" | "weds" => Weekday::Wednesday,
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
        &["february", "feb", "febr"],
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

/// Names of people, too.
pub(super) fn month_is_a_person(word: &str) -> bool {
    matches!(word, "april" | "may" | "june")
}

const NUMBERS: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

/// `3`, `three`, `forty-five`; up to 9999.
pub(super) fn number(word: &str) -> Option<i64> {
    let small = |word: &str| (0_i64..).zip(NUMBERS).find(|(_, name)| *name == word).map(|(number, _)| number);
    let tens = |word: &str| (2_i64..).zip(TENS).find(|(_, name)| *name == word).map(|(tens, _)| tens * 10);
    if let Some(number) = small(word).or_else(|| tens(word)) {
        return Some(number);
    }
    if let Some((left, right)) = word.split_once('-') {
        return Some(tens(left)? + small(right).filter(|ones| (1..=9).contains(ones))?);
    }
    (word.len() <= 4 && word.bytes().all(|byte| byte.is_ascii_digit())).then(|| word.parse().ok()).flatten()
}

/// `5`, `5th`, `22nd`, `twelfth`; 1 to 31. The flag says that it is an ordinal.
pub(super) fn day_of_month(word: &str) -> Option<(i8, bool)> {
    const ORDINALS: [&str; 31] = [
        "first",
        "second",
        "third",
        "fourth",
        "fifth",
        "sixth",
        "seventh",
        "eighth",
        "ninth",
        "tenth",
        "eleventh",
        "twelfth",
        "thirteenth",
        "fourteenth",
        "fifteenth",
        "sixteenth",
        "seventeenth",
        "eighteenth",
        "nineteenth",
        "twentieth",
        "twenty-first",
        "twenty-second",
        "twenty-third",
        "twenty-fourth",
        "twenty-fifth",
        "twenty-sixth",
        "twenty-seventh",
        "twenty-eighth",
        "twenty-ninth",
        "thirtieth",
        "thirty-first",
    ];
    if let Some((day, _)) = (1_i8..).zip(ORDINALS).find(|(_, name)| *name == word) {
        return Some((day, true));
    }
    let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let ending = word.get(digits.len()..).unwrap_or_default();
    let day = digits.parse::<i8>().ok().filter(|day| (1..=31).contains(day) && digits.len() <= 2)?;
    matches!(ending, "" | "st" | "nd" | "rd" | "th").then_some((day, !ending.is_empty()))
}

pub(super) fn day_part(word: &str) -> Option<Part> {
    Some(match word {
        "morning" => Part::Morning,
        "noon" | "midday" | "lunchtime" => Part::Noon,
        "afternoon" | "arvo" => Part::Afternoon,
        "evening" => Part::Evening,
        "night" => Part::Night,
        _ => return None,
    })
}

/// Feasts with a fixed date: words, month, day. Longer names stand first.
pub(super) const FEASTS: [(&str, i8, i8); 22] = [
    ("new year's eve", 12, 31),
    ("new years eve", 12, 31),
    ("new year eve", 12, 31),
    ("new year's day", 1, 1),
    ("new years day", 1, 1),
    ("new year day", 1, 1),
    ("new year's", 1, 1),
    ("nye", 12, 31),
    ("valentine's day", 2, 14),
    ("valentine day", 2, 14),
    ("valentine's", 2, 14),
    ("the fourth of july", 7, 4),
    ("fourth of july", 7, 4),
    ("independence day", 7, 4),
    ("halloween", 10, 31),
    ("hallowe'en", 10, 31),
    ("christmas eve", 12, 24),
    ("christmas day", 12, 25),
    ("christmas", 12, 25),
    ("boxing day", 12, 26),
    ("st patrick's day", 3, 17),
    ("april fools day", 4, 1),
];

/// Ends of a range that a hyphen may join: `mon`, `4pm`, `09:00`, `5th`.
pub(super) fn may_end_a_range(word: &str) -> bool {
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    let rest = word.get(digits..).unwrap_or_default();
    let figures = (1..=2).contains(&digits)
        && (matches!(rest, "" | "am" | "pm" | "p" | "h" | "st" | "nd" | "rd" | "th")
            || rest.starts_with([':', '.']));
    figures || weekday(word).or_else(|| short_weekday(word)).is_some() || month(word).is_some()
}

/// Zones in letters, and whose clock they may be.
const ZONES: [(&str, &[&str]); 21] = [
    ("bst", &["Europe/London"]),
    ("ist", &["Asia/Kolkata", "Europe/Dublin", "Asia/Jerusalem"]),
    ("cet", &["Europe/Paris", "Etc/GMT-1"]),
    ("cest", &["Europe/Paris", "Etc/GMT-2"]),
    ("eet", &["Europe/Helsinki", "Etc/GMT-2"]),
    ("eest", &["Europe/Helsinki", "Etc/GMT-3"]),
    ("et", &["America/New_York"]),
    ("est", &["America/New_York", "Etc/GMT+5"]),
    ("edt", &["America/New_York", "Etc/GMT+4"]),
    ("ct", &["America/Chicago"]),
    ("cst", &["America/Chicago", "Etc/GMT+6", "Asia/Shanghai"]),
    ("cdt", &["America/Chicago", "Etc/GMT+5"]),
    ("mst", &["America/Denver", "Etc/GMT+7"]),
    ("mdt", &["America/Denver", "Etc/GMT+6"]),
    ("pt", &["America/Los_Angeles"]),
    ("pst", &["America/Los_Angeles", "Etc/GMT+8"]),
    ("pdt", &["America/Los_Angeles", "Etc/GMT+7"]),
    ("jst", &["Asia/Tokyo"]),
    ("kst", &["Asia/Seoul"]),
    ("aest", &["Australia/Sydney", "Australia/Brisbane"]),
    ("nzst", &["Pacific/Auckland", "Etc/GMT-12"]),
];

/// The zones that the letters name, by their names in the tz database.
pub(super) fn zones(letters: &str) -> Option<&'static [&'static str]> {
    ZONES.iter().find(|(name, _)| *name == letters).map(|(_, zones)| *zones)
}

/// A zone in letters, or an offset that is none: `utc+99:99`.
pub(super) fn is_zone(word: &str) -> bool {
    zones(word).is_some() || word.starts_with("utc") || word.starts_with("gmt")
}

/// Units that time is counted in, one or many.
pub(super) fn is_unit(word: &str) -> bool {
    let unit = word.strip_suffix('s').unwrap_or(word);
    matches!(unit, "minute" | "hour" | "day" | "week" | "fortnight" | "month" | "year")
}
