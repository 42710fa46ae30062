//! What a phrase means: one moment or day, or several that are asked about, each with a button that says it.

use jiff::{
    RoundMode, ToSpan, Unit, Zoned, ZonedRound,
    civil::{Date, DateTime, Time},
    tz::{AmbiguousOffset, Offset, TimeZone},
};

use super::{
    Choice, Context, Direction, End, Lesson, Meaning, Moment,
    calendar::plus,
    clock::{Clock, Part, TimePart, end_behind, in_half, within},
    days::{Alternative, DatePart},
    elsewhere::Elsewhere,
    grammar::Says,
};

/// One way to read the words, and what choosing it teaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) meaning: Meaning,
    /// Where it ends, if that was said.
    pub(super) end: End,
    pub(super) lesson: Option<Lesson>,
}

/// All ways to read it, at least one.
pub(super) fn ways(says: Says, context: &Context) -> Vec<Way> {
    let mut ways = match says {
        Says::Moment(zoned) => vec![plain(Meaning::At(passing(&zoned, context)))],
        Says::Date(date) => dated(&date, None, context),
        Says::Time(time) => timed(None, &time, context),
        Says::Both(date, time) => dated(&date, Some(&time), context),
    };
    let mut seen: Vec<Meaning> = Vec::new();
    ways.retain(|way| {
        let new = !seen.contains(&way.meaning);
        seen.push(way.meaning);
        new
    });
    ways
}

fn plain(meaning: Meaning) -> Way {
    Way { meaning, end: End::default(), lesson: None }
}

/// A moment that is so far from now: the offset is known, and said where the clock shows that time twice. Ahead no
/// minute is cut short: "in 1 minute" does not come after five seconds.
fn passing(zoned: &Zoned, context: &Context) -> Moment {
    let rounding = if *zoned > context.now { RoundMode::Ceil } else { RoundMode::Trunc };
    let whole = zoned.round(ZonedRound::new().smallest(Unit::Minute).mode(rounding));
    let zoned = &whole.unwrap_or_else(|_| zoned.clone());
    let time = Time::new(zoned.hour(), zoned.minute(), 0, 0).unwrap_or(Time::MIN);
    let day = zoned.date();
    let twice = matches!(shown(day, time, zoned), AmbiguousOffset::Fold { .. });
    Moment { day, time, offset: twice.then(|| zoned.offset()) }
}

fn shown(day: Date, time: Time, now: &Zoned) -> AmbiguousOffset {
    now.time_zone().to_ambiguous_zoned(DateTime::from_parts(day, time)).offset()
}

fn dated(date: &DatePart, time: Option<&TimePart>, context: &Context) -> Vec<Way> {
    let mut ways = Vec::new();
    for Alternative { days: (first, last), lesson } in &date.alternatives {
        let of_day = match (time, date.time, date.part) {
            (Some(time), ..) => {
                let clock = within(time.clock, date.part);
                let mut ways = timed(Some(*first), &TimePart { clock, ..*time }, context);
                // "Tonight at 2" is after midnight, "tomorrow night at 1am" may be.
                if matches!(date.part, Some(Part::Night | Part::Evening)) && is_small_hour(clock, context) {
                    ways.extend(timed(
                        Some(plus(*first, 1.day())),
                        &TimePart { clock: first_half(clock), ..*time },
                        context,
                    ));
                    ways = still_ahead(ways, context);
                }
                ways
            }
            (None, Some(time), _) => at(*first, time, None, context),
            (None, None, Some(part)) => at(*first, part.time(), None, context),
            (None, None, None) if first == last => vec![plain(Meaning::Day(*first))],
            (None, None, None) => vec![plain(Meaning::Days(*first, *last))],
        };
        let last = Some(*last).filter(|_| date.has_ends);
        ways.extend(of_day.into_iter().map(|way| Way {
            end: End { day: last, ..way.end },
            lesson: way.lesson.or(*lesson),
            ..way
        }));
    }
    ways
}

/// An hour that people count to the night before.
fn is_small_hour(clock: Clock, context: &Context) -> bool {
    match clock {
        Clock::Either { hour, .. } => (1..=4).contains(&hour),
        Clock::Sure(time) => time.hour() <= 4 && context.direction == Direction::Ahead,
        Clock::Midnight => false,
    }
}

/// What is over is not what was meant, as long as something is left.
fn still_ahead(ways: Vec<Way>, context: &Context) -> Vec<Way> {
    let now = context.now.datetime();
    let is_ahead = |way: &&Way| match way.meaning {
        Meaning::At(moment) => DateTime::from_parts(moment.day, moment.time) >= now,
        Meaning::Day(_) | Meaning::Days(..) => true,
    };
    let ahead: Vec<Way> = ways.iter().filter(is_ahead).copied().collect();
    if ahead.is_empty() || context.direction == Direction::Back { ways } else { ahead }
}

/// A time on a day, or without one the next such time ahead, back the latest.
fn timed(day: Option<Date>, time: &TimePart, context: &Context) -> Vec<Way> {
    if let Some(elsewhere) = time.elsewhere {
        return away(day.or(context.day), time, elsewhere, context);
    }
    let mut ways = begun(day, time, context);
    for way in &mut ways {
        let start = way.meaning.time();
        way.end.time = start.zip(time.until).map(|(start, until)| end_behind(start, until));
    }
    ways
}

fn begun(day: Option<Date>, time: &TimePart, context: &Context) -> Vec<Way> {
    match time.clock {
        Clock::Sure(clock) => {
            let day = day.or(context.day).unwrap_or_else(|| nearest_day(clock, context));
            at(day, clock, None, context)
        }
        Clock::Midnight => {
            let day = match (day.or(context.day), context.direction) {
                (Some(day), _) => plus(day, 1.day()),
                (None, Direction::Ahead) => plus(context.now.date(), 1.day()),
                (None, Direction::Back) => context.now.date(),
            };
            at(day, Time::midnight(), None, context)
        }
        Clock::Either { hour, minute } => either(day.or(context.day), hour, minute, context),
    }
}

/// The hour before noon.
fn first_half(clock: Clock) -> Clock {
    match clock {
        Clock::Either { hour, minute } => Clock::Sure(in_half(hour, minute, false)),
        Clock::Sure(_) | Clock::Midnight => clock,
    }
}

/// "at 5": both halves of the day, unless only one is still to come, or it is known which the person means.
fn either(day: Option<Date>, hour: i8, minute: i8, context: &Context) -> Vec<Way> {
    let mut halves: Vec<(Date, Time, bool)> = [false, true]
        .into_iter()
        .map(|afternoon| {
            let clock = in_half(hour, minute, afternoon);
            (day.unwrap_or_else(|| nearest_day(clock, context)), clock, afternoon)
        })
        .collect();
    if day == Some(context.now.date()) {
        let fits: Vec<_> =
            halves.iter().copied().filter(|(_, clock, _)| is_that_way(*clock, context)).collect();
        if let [(day, clock, _)] = fits.as_slice() {
            return at(*day, *clock, None, context);
        }
    }
    if let Some(known) = context.habits.afternoon(hour) {
        halves.retain(|(.., afternoon)| *afternoon == known);
    }
    halves
        .into_iter()
        .flat_map(|(day, clock, afternoon)| at(day, clock, Some(Lesson::Half { hour, afternoon }), context))
        .collect()
}

/// A time on the clock of another place, told by one's own. Without a day it is the next such time, there and here.
fn away(day: Option<Date>, time: &TimePart, elsewhere: Elsewhere, context: &Context) -> Vec<Way> {
    let own = context.now.time_zone();
    let mut ways = Vec::new();
    for zone in elsewhere.zones(own) {
        for (clock, next_day, lesson) in clocks(time.clock, context) {
            let there = |day: Date| {
                let day = if next_day { plus(day, 1.day()) } else { day };
                Some(day.to_datetime(clock).to_zoned(zone.clone()).ok()?.with_time_zone(own.clone()))
            };
            let Some(here) = day.map_or_else(|| nearest(there, &zone, context), there) else { continue };
            let until = time.until.map(|until| {
                let length = clock.until(end_behind(clock, until)).unwrap_or_default();
                here.time().wrapping_add(length)
            });
            let meaning = Meaning::At(passing(&here, context));
            ways.push(Way { meaning, end: End { time: until, day: None }, lesson });
        }
    }
    ways
}

/// The clock times that may be meant, and whether they are of the day after.
fn clocks(clock: Clock, context: &Context) -> Vec<(Time, bool, Option<Lesson>)> {
    match clock {
        Clock::Sure(time) => vec![(time, false, None)],
        Clock::Midnight => vec![(Time::midnight(), true, None)],
        Clock::Either { hour, minute } => {
            let half = |pm| (in_half(hour, minute, pm), false, Some(Lesson::Half { hour, afternoon: pm }));
            context.habits.afternoon(hour).map_or_else(|| vec![half(false), half(true)], |pm| vec![half(pm)])
        }
    }
}

/// Of the days around now `there`, the next that is ahead, or the latest back.
fn nearest(there: impl Fn(Date) -> Option<Zoned>, zone: &TimeZone, context: &Context) -> Option<Zoned> {
    let today = context.now.with_time_zone(zone.clone()).date();
    let mut days = (-2_i64..=2).filter_map(|days| there(plus(today, days.days())));
    match context.direction {
        Direction::Ahead => days.find(|here| *here > context.now),
        Direction::Back => days.filter(|here| *here <= context.now).last(),
    }
}

fn is_that_way(clock: Time, context: &Context) -> bool {
    let now = context.now.time();
    match context.direction {
        Direction::Ahead => clock > now,
        Direction::Back => clock <= now,
    }
}

fn nearest_day(clock: Time, context: &Context) -> Date {
    let today = context.now.date();
    match context.direction {
        _ if is_that_way(clock, context) => today,
        Direction::Ahead => plus(today, 1.day()),
        Direction::Back => plus(today, -1.days()),
    }
}

/// A wall clock time. One that a clock change skips is asked, as counted from before the change and from after it; one
/// that comes twice.
fn at(day: Date, time: Time, lesson: Option<Lesson>, context: &Context) -> Vec<Way> {
    let way = |day, time, offset| Way { lesson, ..plain(Meaning::At(Moment { day, time, offset })) };
    match shown(day, time, &context.now) {
        AmbiguousOffset::Unambiguous { .. } => vec![way(day, time, None)],
        AmbiguousOffset::Gap { before, after } => {
            let zone = context.now.time_zone();
            let counted = |offset: Offset| {
                let instant =
                    offset.to_timestamp(DateTime::from_parts(day, time)).ok()?.to_zoned(zone.clone());
                Some(way(instant.date(), instant.time(), None))
            };
            [after, before].into_iter().filter_map(counted).collect()
        }
        AmbiguousOffset::Fold { before, after } => {
            vec![way(day, time, Some(before)), way(day, time, Some(after))]
        }
    }
}

/// A button for one way to read it, which says it unmistakably.
pub(super) fn choice(way: Way, context: &Context) -> Choice {
    let shown_day = |day| shown_day(day, context);
    let (label, instead) = match way.meaning {
        Meaning::Day(day) => (shown_day(day), format!("on {day}")),
        Meaning::Days(first, last) => {
            (format!("{} to {}", shown_day(first), shown_day(last)), format!("from {first} to {last}"))
        }
        Meaning::At(Moment { day, time, offset }) => {
            let clock = time.strftime("%H:%M");
            let zone = offset.map_or_else(String::new, |offset| format!(" {}", shown_offset(offset)));
            let until = way.end.time.map_or_else(String::new, |end| format!(" to {}", end.strftime("%H:%M")));
            let hours = format!("{clock}{zone}{until}");
            match way.end.day {
                Some(last) => (
                    format!("{} to {}, {hours}", shown_day(day), shown_day(last)),
                    format!("from {day} to {last} at {hours}"),
                ),
                None => (format!("{}, {hours}", shown_day(day)), format!("on {day} at {hours}")),
            }
        }
    };
    Choice { label, instead, meaning: Some(way.meaning), lesson: way.lesson }
}

/// With its year where a day of that name may be meant for nearer.
fn shown_day(day: Date, context: &Context) -> String {
    let near = context.now.date().until(day).is_ok_and(|span| span.get_days().abs() < 330);
    day.strftime(if near { "%a %-d %b" } else { "%a %-d %b %Y" }).to_string()
}

/// `UTC+02:00`.
pub(crate) fn shown_offset(offset: Offset) -> String {
    let minutes = offset.seconds().abs() / 60;
    let sign = if offset.is_negative() { '-' } else { '+' };
    format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}
