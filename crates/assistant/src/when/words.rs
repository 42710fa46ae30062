//! Cuts a sentence into words, each with what its marks say: quoted, a price, before a comma.

use std::ops::Range;

use super::lexicon;

/// One word of the text.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    pub(crate) text: String,
    /// In small letters, as the word tables spell it.
    pub(super) low: String,
    /// Bytes in the text.
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Between quotes, so never read.
    pub(crate) quoted: bool,
    /// `£3.50`, `70%`, `#5`: a sign says that it is no time.
    pub(super) signed: bool,
    /// "Monday's", "yesterdays".
    pub(super) possessive: bool,
    /// A comma, a colon, a bracket, a full stop.
    pub(crate) break_after: bool,
    /// "24.12." ends with a point of its own.
    pub(super) point_after: bool,
}

impl Word {
    fn is_day_and_month(&self) -> bool {
        let figures = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        self.low.split_once('.').is_some_and(|(day, month)| figures(day) && figures(month))
    }
}

/// The words of a text, looked up without a bound to mind.
pub(crate) struct Sentence {
    pub(crate) words: Vec<Word>,
}

impl Sentence {
    pub(crate) fn of(text: &str) -> Self {
        Self { words: split(text) }
    }

    pub(crate) fn len(&self) -> usize {
        self.words.len()
    }

    /// The word as tables spell it; empty beyond the ends and for what is never read.
    pub(crate) fn low(&self, at: usize) -> &str {
        let word = self.words.get(at).filter(|word| !word.quoted && !word.signed);
        word.map_or("", |word| word.low.as_str())
    }

    /// The word before, with the same rule.
    pub(crate) fn before(&self, at: usize) -> &str {
        at.checked_sub(1).map_or("", |before| self.low(before))
    }

    pub(crate) fn is(&self, at: usize, any: &[&str]) -> bool {
        any.contains(&self.low(at))
    }

    /// How many words from `at` on say `phrase`: all of it or none.
    pub(crate) fn says(&self, at: usize, phrase: &str) -> usize {
        let words = phrase.split(' ').count();
        let said = phrase.split(' ').enumerate().all(|(offset, word)| self.low(at + offset) == word);
        if said { words } else { 0 }
    }

    /// One if the word is any of these, else none: to be added to where one reads.
    pub(crate) fn skip(&self, at: usize, any: &[&str]) -> usize {
        usize::from(self.is(at, any))
    }

    pub(crate) fn is_capital(&self, at: usize) -> bool {
        self.words.get(at).is_some_and(|word| word.text.chars().next().is_some_and(char::is_uppercase))
    }

    /// "TOMORROW": in capitals throughout, which says nothing of a name.
    pub(crate) fn is_shouted(&self, at: usize) -> bool {
        let text = self.words.get(at).map_or("", |word| word.text.as_str());
        text.chars().count() > 1 && !text.chars().any(char::is_lowercase)
    }

    /// Whether nothing stands behind the words before `end`, or a mark.
    pub(crate) fn ends_at(&self, end: usize) -> bool {
        end >= self.len()
            || self.low(end) == "-"
            || end.checked_sub(1).is_some_and(|last| self.words[last].break_after)
    }

    pub(crate) fn bytes(&self, words: &Range<usize>) -> Range<usize> {
        let said = self.words.get(words.clone()).unwrap_or_default();
        // The point of "24.12." belongs to it.
        let end =
            said.last().map_or(0, |word| word.end + usize::from(word.point_after && word.is_day_and_month()));
        said.first().map_or(0, |word| word.start)..end
    }
}

/// Runs of letters, digits and what joins them in times and dates (`17:00`, `3/4`, `2026-12-03`, `a.m.`).
fn split(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut closing: Option<char> = None;
    let mut start: Option<usize> = None;
    let mut previous = ' ';
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        let next = text.get(at + c.len_utf8()..).and_then(|rest| rest.chars().next());
        let joins = matches!(c, ':' | '/' | '-' | '.' | '\'' | '’' | '+')
            && previous.is_alphanumeric()
            && next.is_some_and(char::is_alphanumeric);
        if at < text.len() && (c.is_alphanumeric() || joins) {
            start.get_or_insert(at);
            previous = c;
            continue;
        }
        if let Some(from) = start.take() {
            words.extend(
                parts_of(text, from..at).into_iter().map(|part| Word { quoted: closing.is_some(), ..part }),
            );
        }
        let inside = closing.is_some();
        closing = match (closing, c) {
            (Some(close), c) if c == close => None,
            (None, '"') => Some('"'),
            (None, '“') => Some('”'),
            (None, '«') => Some('»'),
            (None, '\'' | '‘' | '’') if is_short_year(text, at + c.len_utf8()) => None,
            (None, '\'' | '‘') if !previous.is_alphanumeric() => Some(if c == '\'' { '\'' } else { '’' }),
            (closing, _) => closing,
        };
        if matches!(c, '@' | '-' | '–' | '—') {
            words.push(Word { quoted: inside, ..word(text, at..at + c.len_utf8()) });
        }
        if matches!(c, ',' | ':' | ';' | '.' | '!' | '?' | '(' | ')')
            && let Some(last) = words.last_mut()
        {
            last.break_after = true;
        }
        previous = c;
    }
    words
}

/// The `26` of "5 Dec '26".
fn is_short_year(text: &str, at: usize) -> bool {
    let mut rest = text.get(at..).unwrap_or_default().chars();
    let digits = rest.by_ref().take(2).filter(char::is_ascii_digit).count();
    digits == 2 && !rest.next().is_some_and(|c| c.is_alphanumeric() || matches!(c, '\'' | '’'))
}

fn word(text: &str, bytes: Range<usize>) -> Word {
    let said = text.get(bytes.clone()).unwrap_or_default();
    let spelled = said.to_lowercase().replace('’', "'");
    let (low, possessive) = lexicon::spell(match spelled.as_str() {
        "–" | "—" => "-",
        other => other,
    });
    let before = text.get(..bytes.start).and_then(|before| before.chars().next_back());
    let mut after = text.get(bytes.end..).unwrap_or_default().chars();
    let next = after.next();
    Word {
        text: said.to_owned(),
        low,
        start: bytes.start,
        end: bytes.end,
        quoted: false,
        signed: before.is_some_and(|c| matches!(c, '£' | '$' | '€' | '¥' | '#' | '+'))
            || next.is_some_and(|c| matches!(c, '%' | '°' | 'º' | '€')),
        possessive,
        break_after: false,
        point_after: next == Some('.'),
    }
}

/// `mon-thu` and `2-4pm` are three words, `check-in` and `2026-12-03` are one.
fn parts_of(text: &str, bytes: Range<usize>) -> Vec<Word> {
    let said = text.get(bytes.clone()).unwrap_or_default();
    if let Some(days) = weekdays_by_slashes(text, &bytes) {
        return days;
    }
    let halves = said.split_once('-').filter(|(left, right)| {
        let ends = |half: &str| lexicon::may_end_a_range(&half.to_lowercase());
        ends(left) && ends(right) && lexicon::number(&said.to_lowercase()).is_none()
    });
    let Some((left, _)) = halves else { return vec![word(text, bytes)] };
    let dash = bytes.start + left.len();
    vec![word(text, bytes.start..dash), word(text, dash..dash + 1), word(text, dash + 1..bytes.end)]
}

/// `mon/wed/fri` are three.
fn weekdays_by_slashes(text: &str, bytes: &Range<usize>) -> Option<Vec<Word>> {
    let said = text.get(bytes.clone())?;
    let mut start = bytes.start;
    let days = said.split('/').map(|day| {
        let at = start..start + day.len();
        start = at.end + 1;
        let low = day.to_lowercase();
        let one = low.strip_suffix('s').unwrap_or(&low);
        lexicon::weekday(one).or_else(|| lexicon::short_weekday(&low)).map(|_| word(text, at))
    });
    days.collect::<Option<Vec<_>>>().filter(|days| days.len() > 1)
}
