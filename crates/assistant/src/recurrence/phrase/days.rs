//! Days as phrases name them, and the parts of a rule that mean the same.

use crate::when::{Sentence, said};

/// Weekdays of RFC 5545 with their English names.
pub(in crate::recurrence) const WEEKDAYS: [(&str, &str); 7] = [
    ("MO", "Monday"),
    ("TU", "Tuesday"),
    ("WE", "Wednesday"),
    ("TH", "Thursday"),
    ("FR", "Friday"),
    ("SA", "Saturday"),
    ("SU", "Sunday"),
];
pub(in crate::recurrence) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(in crate::recurrence) const ORDINALS: [&str; 4] = ["first", "second", "third", "fourth"];
/// Monday to Friday.
const WORKDAYS: [usize; 5] = [0, 1, 2, 3, 4];
const WEEKEND: [usize; 2] = [5, 6];
/// Bound: what an interval may be said to be.
const NUMBER_MAX: u16 = 400;

/// The words of a text in small letters, and behind which of them a list goes on by a comma or a sign.
pub(super) struct Low<'a> {
    pub(super) words: Vec<&'a str>,
    marks: Vec<bool>,
}

/// The same from one word on.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    pub(super) words: &'a [&'a str],
    marks: &'a [bool],
}

impl<'a> Low<'a> {
    pub(super) fn of(text: &str, words: &'a Sentence) -> Self {
        let marks = (0..words.len()).map(|at| {
            let next = words.words.get(at + 1).map_or(text.len(), |next| next.start);
            let between = text.get(words.words[at].end..next).unwrap_or_default();
            between.contains(['&', '+', ',', '/'])
        });
        Self { words: (0..words.len()).map(|at| words.low(at)).collect(), marks: marks.collect() }
    }

    pub(super) fn from(&'a self, at: usize) -> Run<'a> {
        Run { words: &self.words, marks: &self.marks }.from(at)
    }
}

impl<'a> Run<'a> {
    pub(super) fn from(self, at: usize) -> Self {
        let at = at.min(self.words.len());
        Self { words: &self.words[at..], marks: &self.marks[at..] }
    }

    pub(super) fn low(self, at: usize) -> &'a str {
        self.words.get(at).copied().unwrap_or_default()
    }

    pub(super) fn is(self, at: usize, any: &[&str]) -> bool {
        any.contains(&self.low(at))
    }

    pub(super) fn skip(self, at: usize, any: &[&str]) -> usize {
        usize::from(self.is(at, any))
    }

    /// How many words before `at` join it to a list: "and", "or", "and every"; none behind a comma. `None`: it is no
    /// part of the list.
    fn joint(self, at: usize) -> Option<usize> {
        let joined = self.skip(at, &["and", "or"]);
        let again = self.skip(at + joined, &["every", "each", "on"]);
        let marked = at.checked_sub(1).and_then(|before| self.marks.get(before)).is_some_and(|mark| *mark);
        (joined > 0 || marked).then_some(joined + again)
    }

    /// A list of weekdays: "Mon, Wed and Fri", "monday to friday", "weekdays but friday", "weekend".
    pub(super) fn weekdays(self) -> Option<Weekdays> {
        let mut days = [false; 7];
        let (mut len, mut is_either) = (0, false);
        loop {
            // "every tue thu".
            let apposed = weekday(self.low(len)).map(|_| 0);
            let joint = if len == 0 { Some(0) } else { self.joint(len).or(apposed) };
            let Some((joint, (found, more))) =
                joint.and_then(|joint| Some((joint, self.weekday_item(len + joint)?)))
            else {
                break;
            };
            is_either |= self.is(len, &["or"]);
            found.into_iter().for_each(|day| days[day] = true);
            len += joint + more;
        }
        if len == 0 {
            return None;
        }
        let all = Weekdays { days, is_either, len };
        Some(match self.without_others(len) {
            Some((others, more)) => all.but(&others, more),
            None => all,
        })
    }

    /// "except Sunday", "but not on Fridays": the days, and how many words said them.
    pub(super) fn without_others(self, at: usize) -> Option<(Weekdays, usize)> {
        let but = self.skip(at, &["except", "but", "excluding", "besides"]);
        let next = but + self.skip(at + but, &["not"]);
        let next = next + self.skip(at + next, &["on", "for"]);
        let others = Some(self.from(at + next)).filter(|_| but > 0)?.weekdays()?;
        let len = next + others.len;
        Some((others, len))
    }

    fn weekday_item(self, at: usize) -> Option<(Vec<usize>, usize)> {
        match self.low(at) {
            "weekday" | "weekdays" | "workday" | "workdays" | "weeknight" | "weeknights" => {
                return Some((WORKDAYS.to_vec(), 1));
            }
            "working" | "business" if self.is(at + 1, &["day", "days"]) => {
                return Some((WORKDAYS.to_vec(), 2));
            }
            "weekend" | "weekends" => return Some((WEEKEND.to_vec(), 1)),
            _ => {}
        }
        // "mon/wed/fri".
        let several: Vec<usize> = self.low(at).split('/').map(weekday).collect::<Option<_>>()?;
        let last =
            if self.is(at + 1, &["to", "-", "through", "thru"]) { weekday(self.low(at + 2)) } else { None };
        match (several.as_slice(), last) {
            ([first], Some(last)) => {
                let days = (0..7).map(|day| (first + day) % 7).take((last + 7 - first) % 7 + 1);
                Some((days.collect(), 3))
            }
            _ => Some((several, 1)),
        }
    }

    /// "31st", "the 1st and 15th", "last day", "first and third Monday", "last Friday", "last working day". `spoken`:
    /// "first" by itself counts as well.
    pub(super) fn of_month(self, spoken: bool) -> Option<(MonthDays, usize)> {
        let (mut days, mut len) = self.month_item(0, spoken)?;
        while let Some((joint, (more, said))) =
            self.joint(len).and_then(|joint| Some((joint, self.month_item(len + joint, spoken)?)))
        {
            match (&mut days, more) {
                (MonthDays::Numbers(all), MonthDays::Numbers(more)) => all.extend(more),
                (MonthDays::Nths(all), MonthDays::Nths(more)) => all.extend(more),
                _ => break,
            }
            len += joint + said;
        }
        Some((days, len))
    }

    fn month_item(self, at: usize, spoken: bool) -> Option<(MonthDays, usize)> {
        let article = self.skip(at, &["the"]);
        let first = at + article;
        let found = |days, len| Some((days, article + len));
        if self.is(first, &["day"]) {
            return found(MonthDays::Numbers(vec![day_number(self.low(first + 1))?]), 2);
        }
        if self.is(first, &["last"]) && self.is(first + 1, &["day"]) {
            return found(MonthDays::Numbers(vec![-1]), 2);
        }
        if let Some((nth, len)) = self.nths(first) {
            let next = first + len;
            let work = self.weekday_item(next).filter(|(days, _)| days.as_slice() == WORKDAYS);
            if let (Some((_, more)), [nth @ (1 | -1)]) = (work, nth.as_slice()) {
                return found(MonthDays::Workday(*nth), len + more);
            }
            if let Some(day) = weekday(self.low(next)) {
                return found(MonthDays::Nths(nth.into_iter().map(|nth| (nth, day)).collect()), len + 1);
            }
        }
        let word = self.low(first);
        let (day, true) = said::day_of_month(word)? else { return None };
        let figures = word.starts_with(|c: char| c.is_ascii_digit());
        (figures || spoken).then_some((MonthDays::Numbers(vec![day]), article + 1))
    }

    /// "first and third", "last".
    fn nths(self, at: usize) -> Option<(Vec<i8>, usize)> {
        let nth = |word: &str| match word {
            "last" => Some(-1),
            word => {
                said::day_of_month(word).filter(|(day, ordinal)| *ordinal && *day <= 4).map(|(day, _)| day)
            }
        };
        let mut all = vec![nth(self.low(at))?];
        let mut len = 1;
        while let Some((joint, more)) = self.joint(at + len).and_then(|joint| {
            let article = self.skip(at + len + joint, &["the"]);
            Some((joint + article, nth(self.low(at + len + joint + article))?))
        }) {
            all.push(more);
            len += joint + 1;
        }
        Some((all, len))
    }

    /// "3 May", "3rd of May", "May 3", "May 3rd": month, day and how many words said them.
    pub(super) fn month_day(self) -> Option<(usize, i8, usize)> {
        let article = self.skip(0, &["the"]);
        let (day, name, len) = match *self.from(article).words {
            [day, "of", name, ..] => (day_number(day)?, name, 3),
            [first, second, ..] if month(first).is_some() => (day_number(second)?, first, 2),
            [day, name, ..] => (day_number(day)?, name, 2),
            _ => return None,
        };
        let month = month(name)?;
        let longest = match month {
            2 => 29,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        (day <= longest).then_some((month, day, article + len))
    }
}

/// Days of a week.
#[derive(Clone, Debug)]
pub(super) struct Weekdays {
    /// Monday first.
    days: [bool; 7],
    /// Joined by "or".
    pub(super) is_either: bool,
    /// How many words said them.
    pub(super) len: usize,
}

impl Weekdays {
    pub(super) fn every_day() -> Self {
        Self { days: [true; 7], is_either: false, len: 0 }
    }

    pub(super) fn work_days() -> Self {
        let mut days = [false; 7];
        WORKDAYS.iter().for_each(|day| days[*day] = true);
        Self { days, is_either: false, len: 0 }
    }

    /// Without `others`, which `more` words said.
    pub(super) fn but(self, others: &Self, more: usize) -> Self {
        let mut days = self.days;
        days.iter_mut().zip(others.days).for_each(|(day, other)| *day &= !other);
        Self { days, len: self.len + more, ..self }
    }

    pub(super) fn codes(&self) -> Vec<&'static str> {
        WEEKDAYS.iter().zip(self.days).filter(|(_, is_said)| *is_said).map(|((code, _), _)| *code).collect()
    }

    /// `BYDAY=MO,WE`.
    pub(super) fn by(&self) -> String {
        format!("BYDAY={}", self.codes().join(","))
    }
}

/// Days of a month.
#[derive(Clone, Debug)]
pub(super) enum MonthDays {
    /// 1 to 31; -1 is the last.
    Numbers(Vec<i8>),
    /// Which of the month's weekdays, from 0 for Monday; -1 is the last.
    Nths(Vec<(i8, usize)>),
    /// The first or the last that is no Saturday and no Sunday.
    Workday(i8),
}

impl MonthDays {
    /// As parts of a rule: one, or two where some months lack a day, of which the second has the last day instead.
    pub(super) fn by(&self) -> Vec<String> {
        match self {
            Self::Numbers(numbers) => {
                let by = |numbers: Vec<i8>| {
                    let (mut first, last): (Vec<i8>, Vec<i8>) = numbers.into_iter().partition(|day| *day > 0);
                    first.sort_unstable();
                    first.extend(last);
                    first.dedup();
                    format!("BYMONTHDAY={}", first.iter().map(i8::to_string).collect::<Vec<_>>().join(","))
                };
                let last = numbers.iter().map(|day| if *day > 28 { -1 } else { *day }).collect();
                let mut all = vec![by(numbers.clone()), by(last)];
                all.dedup();
                all
            }
            Self::Nths(nths) => {
                let nths: Vec<String> =
                    nths.iter().map(|(nth, day)| format!("{nth}{}", WEEKDAYS[*day].0)).collect();
                vec![format!("BYDAY={}", nths.join(","))]
            }
            Self::Workday(nth) => vec![format!("BYDAY=MO,TU,WE,TH,FR;BYSETPOS={nth}")],
        }
    }
}

pub(super) fn number(word: &str) -> Option<u16> {
    const NAMES: [&str; 12] =
        ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"];
    let named = NAMES.iter().position(|name| *name == word).and_then(|at| u16::try_from(at + 1).ok());
    let digits = || word.parse().ok().filter(|number| (1..=NUMBER_MAX).contains(number));
    if matches!(word, "a" | "an") { Some(1) } else { named.or_else(digits) }
}

/// "monday", "mon", "mondays": from 0 for Monday.
fn weekday(word: &str) -> Option<usize> {
    WEEKDAYS.iter().position(|(_, name)| {
        let name = name.to_lowercase();
        word.strip_suffix('s').unwrap_or(word) == name || (word.len() >= 3 && name.starts_with(word))
    })
}

/// "sundays", "weekends": the word says by itself that it comes again.
pub(super) fn is_plural(word: &str) -> bool {
    word.ends_with("days") && weekday(word).is_some()
        || matches!(word, "weekdays" | "workdays" | "weeknights" | "weekends")
}

pub(super) fn month(word: &str) -> Option<usize> {
    let is = |name: &&str| {
        let name = name.to_lowercase();
        name == word || (word.len() >= 3 && name.starts_with(word))
    };
    MONTHS.iter().position(is).map(|at| at + 1)
}

/// "31st", "31".
fn day_number(word: &str) -> Option<i8> {
    said::day_of_month(word).map(|(day, _)| day)
}
