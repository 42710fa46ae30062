//! Clocks of other places behind a time: "9am New York time", `14:00Z`, "3pm EST", `UTC+9`.
//!
//! A city's own clock is known by its name in the tz database. Letters that several places use are asked about where they
//! differ, and so is "at 9 in Paris", which says where somebody is as well.

use std::sync::LazyLock;

use jiff::tz::{self, Offset, TimeZone};

use super::{lexicon, words::Sentence};

/// Whose clock shows the time that was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Elsewhere {
    Offset(Offset),
    /// "New York time": of this name in the tz database.
    Zone(&'static str),
    /// One of these, by their names in the tz database.
    Zones(&'static [&'static str]),
    /// "in Paris": that city's, or one's own.
    Place(&'static str),
}

impl Elsewhere {
    /// All clocks that may be meant; `own`: of whoever writes.
    pub(super) fn zones(self, own: &TimeZone) -> Vec<TimeZone> {
        let named = |name: &str| TimeZone::get(name).ok();
        match self {
            Self::Offset(offset) => vec![offset.to_time_zone()],
            Self::Zone(name) => named(name).into_iter().collect(),
            Self::Zones(names) => names.iter().filter_map(|name| named(name)).collect(),
            Self::Place(name) => named(name).into_iter().chain([own.clone()]).collect(),
        }
    }
}

/// Bound: words of a city's name.
const CITY_WORDS_MAX: usize = 3;
/// What people call cities and regions that the tz database calls otherwise.
const NICKNAMES: [(&str, &str); 26] = [
    ("nyc", "America/New_York"),
    ("new york city", "America/New_York"),
    ("eastern", "America/New_York"),
    ("boston", "America/New_York"),
    ("washington", "America/New_York"),
    ("miami", "America/New_York"),
    ("atlanta", "America/New_York"),
    ("central", "America/Chicago"),
    ("dallas", "America/Chicago"),
    ("houston", "America/Chicago"),
    ("austin", "America/Chicago"),
    ("mountain", "America/Denver"),
    ("pacific", "America/Los_Angeles"),
    ("san francisco", "America/Los_Angeles"),
    ("sf", "America/Los_Angeles"),
    ("seattle", "America/Los_Angeles"),
    ("uk", "Europe/London"),
    ("barcelona", "Europe/Madrid"),
    ("munich", "Europe/Berlin"),
    ("frankfurt", "Europe/Berlin"),
    ("geneva", "Europe/Zurich"),
    ("milan", "Europe/Rome"),
    ("mumbai", "Asia/Kolkata"),
    ("delhi", "Asia/Kolkata"),
    ("bangalore", "Asia/Kolkata"),
    ("beijing", "Asia/Shanghai"),
];
/// Names of the tz database that are words as well.
const WORDS: [&str; 10] =
    ["center", "easter", "east", "west", "north", "south", "general", "knox", "universal", "reunion"];

/// Cities of the tz database in small letters, and the names of their zones.
static CITIES: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let named = |name: String| {
        let (area, city) = name.split_once('/')?;
        let known = ["Africa", "America", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"];
        let city = city.rsplit('/').next()?.replace('_', " ").to_lowercase();
        (known.contains(&area) && !WORDS.contains(&city.as_str())).then_some((city, name))
    };
    tz::db().available().filter_map(|name| named(name.to_string())).collect()
});

fn city(name: &str) -> Option<&'static str> {
    let nickname = NICKNAMES.iter().find(|(called, _)| *called == name).map(|(_, zone)| *zone);
    nickname.or_else(|| CITIES.iter().find(|(city, _)| city == name).map(|(_, zone)| zone.as_str()))
}

/// Whose clock the words from `at` on name, behind a time, and how many words said it.
pub(super) fn behind(words: &Sentence, at: usize) -> Option<(Elsewhere, usize)> {
    offset_said(words, at).or_else(|| letters(words, at)).or_else(|| place(words, at))
}

/// "UTC", "GMT+1", "utc -05:30", "Z".
fn offset_said(words: &Sentence, at: usize) -> Option<(Elsewhere, usize)> {
    let low = words.low(at);
    if matches!(low, "z" | "zulu") {
        return Some((Elsewhere::Offset(Offset::UTC), 1));
    }
    let rest = low.strip_prefix("utc").or_else(|| low.strip_prefix("gmt"))?;
    if !rest.is_empty() {
        return Some((Elsewhere::Offset(offset(rest)?), 1));
    }
    let digits = |word: usize| {
        words.words.get(word).filter(|word| word.text.starts_with(|c: char| c.is_ascii_digit()))
    };
    let plus = digits(at + 1).filter(|word| word.signed);
    let minus =
        digits(at + 2).filter(|word| words.low(at + 1) == "-" && words.words[at + 1].end == word.start);
    Some(match (plus, minus) {
        (Some(hours), _) => (Elsewhere::Offset(offset(&format!("+{}", hours.text))?), 2),
        (None, Some(hours)) => (Elsewhere::Offset(offset(&format!("-{}", hours.text))?), 3),
        (None, None) => (Elsewhere::Offset(Offset::UTC), 1),
    })
}

/// `+02:00`, `-5`, `+0530`.
fn offset(said: &str) -> Option<Offset> {
    let (sign, rest) = match said.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, said.strip_prefix('+')?),
    };
    let (hours, minutes) = match rest.split_once(':') {
        Some(halves) => halves,
        None if rest.len() == 4 => rest.split_at_checked(2)?,
        None => (rest, "0"),
    };
    let number =
        |text: &str, below: i32| text.parse::<i32>().ok().filter(|number| (0..below).contains(number));
    let (hours, minutes) = (number(hours, 19)?, number(minutes, 60)?);
    Offset::from_seconds(sign * (hours * 3_600 + minutes * 60)).ok()
}

/// "EST", "CET", "IST".
fn letters(words: &Sentence, at: usize) -> Option<(Elsewhere, usize)> {
    Some((Elsewhere::Zones(lexicon::zones(words.low(at))?), 1 + words.skip(at + 1, &["time"])))
}

/// "New York time", "in New York".
fn place(words: &Sentence, at: usize) -> Option<(Elsewhere, usize)> {
    let within = words.skip(at, &["in"]);
    let first = at + within;
    (1..=CITY_WORDS_MAX).rev().find_map(|len| {
        let name = (first..first + len).map(|at| words.low(at)).collect::<Vec<_>>().join(" ");
        let zone = city(&name)?;
        if words.is(first + len, &["time"]) {
            return Some((Elsewhere::Zone(zone), within + len + 1));
        }
        // What stands there is where somebody is, so it stays in the title.
        (within > 0 && words.is_capital(first)).then_some((Elsewhere::Place(zone), 0))
    })
}
