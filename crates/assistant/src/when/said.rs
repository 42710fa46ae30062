//! What begins at one word of a sentence, for a reader of more than single dates: a time of day, a day, a length.

use jiff::{
    Span,
    civil::{Date, Time},
};

use super::{
    Context, Lesson, amounts,
    clock::{self, Clock, Looks, Part, within},
    days,
    grammar::{self, Says},
    lexicon,
    place::{self, Standing},
    words::Sentence,
};

/// A time of day, in one way to mean it or two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SaidTime {
    /// What choosing it teaches stands beside it.
    pub(crate) ways: Vec<(Time, Option<Lesson>)>,
    /// `5`: only a word before it makes it a time.
    pub(crate) is_bare: bool,
    /// How many words said it.
    pub(crate) len: usize,
}

/// A part of the day, and the hour that it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SaidPart(Part);

impl SaidPart {
    pub(crate) fn time(self) -> Time {
        self.0.time()
    }
}

/// "5pm", "17:30", "7" in the part of the day that is known. What comes again at 9 comes in the morning, unless the
/// person is known to mean otherwise or `is_evening` says so.
pub(crate) fn time(
    words: &Sentence,
    at: usize,
    part: Option<SaidPart>,
    is_evening: bool,
    context: &Context,
) -> Option<SaidTime> {
    // On another place's clock it is another hour here, which changes with the seasons: read as a date is.
    let said = clock::time_part(words, at).filter(|said| said.elsewhere.is_none())?;
    let ways = match within(said.clock, part.map(|part| part.0)) {
        Clock::Sure(time) => vec![(time, None)],
        Clock::Midnight => vec![(Time::midnight(), None)],
        Clock::Either { hour, minute } => {
            let half = |afternoon| {
                let lesson = Lesson::Half { hour, afternoon };
                (clock::in_half(hour, minute, afternoon), Some(lesson))
            };
            match context.habits.afternoon(hour) {
                Some(known) => vec![half(known)],
                None if hour == 12 => vec![half(true)],
                None if hour >= 7 && !is_evening => vec![half(false)],
                None => vec![half(false), half(true)],
            }
        }
    };
    Some(SaidTime { ways, is_bare: said.looks == Looks::Number, len: said.len })
}

/// "at 8" is a time of day where it stands here, and nothing else beside it.
pub(crate) fn is_time(words: &Sentence, at: usize, context: &Context) -> bool {
    let phrase = grammar::phrase(words, at, context);
    phrase.is_some_and(|phrase| {
        matches!(phrase.says, Says::Time(_)) && place::standing(words, &phrase) == Standing::Stands
    })
}

/// "morning", "mornings".
pub(crate) fn part_of(word: &str) -> Option<SaidPart> {
    lexicon::day_part(word.strip_suffix('s').unwrap_or(word)).map(SaidPart)
}

/// `5`, `5th`, "twelfth"; 1 to 31. The flag says that it is an ordinal.
pub(crate) fn day_of_month(word: &str) -> Option<(i8, bool)> {
    lexicon::day_of_month(word)
}

/// "Christmas", "new year's eve": month, day and how many words said it.
pub(crate) fn feast(words: &[&str]) -> Option<(i8, i8, usize)> {
    let said = |name: &str| {
        let name: Vec<&str> = name.split(' ').collect();
        words.starts_with(&name).then_some(name.len())
    };
    lexicon::FEASTS.iter().find_map(|(name, month, day)| Some((*month, *day, said(name)?)))
}

/// A day or a month by name.
pub(crate) fn is_of_time(word: &str) -> bool {
    lexicon::is_relative_day(word)
        || lexicon::weekday(word).or_else(|| lexicon::short_weekday(word)).is_some()
        || lexicon::month(word).is_some()
}

/// First and last day of each thing that the words may mean, and how many words they are.
pub(crate) fn days(words: &Sentence, at: usize, context: &Context) -> Option<(Vec<(Date, Date)>, usize)> {
    let said = days::date_part(words, at, context)?;
    Some((said.alternatives.iter().map(|one| one.days).collect(), said.len))
}

/// "2 weeks", "10 days": a length of the calendar and how many words said it. Hours and minutes are none.
pub(crate) fn length(words: &Sentence, at: usize) -> Option<(Span, usize)> {
    match amounts::length(words, at)? {
        (amounts::Length::Minutes(_), _) => None,
        (length, len) => Some((length.span(1), len)),
    }
}
