//! The reader on the corpora: what it reads of 400 sentences, and what it finds in 200 titles that hold nothing.
//!
//! A *hit*: the meaning that is expected was read, and where a careful person would ask back it was asked, with all of
//! the meanings among the choices. *Wrong*: another meaning was taken without asking, or one was taken where it should
//! be asked. *Asked*: a question that was not needed, with the meaning among its choices. *Missed*: all else. Of a range
//! both ends count, which is stricter than `corpora/chrono.mjs` can be with chrono-node.
//!
//! The held part is run for its counts, and nothing of it is printed.

use jiff::{Zoned, civil::DateTime, tz::Offset};
use serde::Deserialize;

use super::*;

/// chrono-node 2.10.3, measured by `corpora/chrono.mjs`.
const CHRONO_HITS_OPEN: usize = 196;
const CHRONO_HITS_HELD: usize = 53;
const CHRONO_WRONG_HELD: usize = 18;
const CHRONO_FOUND_HELD: usize = 12;

#[derive(Deserialize)]
struct Case {
    text: String,
    now: String,
    direction: String,
    expect: Option<Expected>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Expected {
    Day(String),
    At(String),
    Days((String, String)),
    Ask(Vec<String>),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    cases: usize,
    hits: usize,
    wrong: usize,
    asked: usize,
    missed: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    Hit,
    Wrong,
    Asked,
    Missed,
}

impl Case {
    fn read(&self) -> Reading {
        let zone = self.now.split_once('[').and_then(|(_, zone)| zone.strip_suffix(']')).expect("a zone");
        let now: DateTime =
            self.now.split('[').next().and_then(|wall| wall.parse().ok()).expect("a wall clock");
        let now: Zoned = now.in_tz(zone).expect("a zone that is known");
        let direction = if self.direction == "ahead" { Direction::Ahead } else { Direction::Back };
        read(&self.text, &Context { now, direction, habits: Habits::default(), day: None })
    }
}

/// `2026-10-25T02:30+02:00`: the offset only where the clock shows that time twice.
fn moment(said: &str) -> Meaning {
    let Some((wall, offset)) = said.get(16..).map(|offset| (&said[..16], offset)) else {
        return Meaning::Day(said.parse().expect("a day"));
    };
    let wall: DateTime = wall.parse().expect("a moment");
    let offset = (!offset.is_empty()).then(|| {
        let (hours, minutes) = offset[1..].split_once(':').expect("hours and minutes");
        let seconds =
            hours.parse::<i32>().expect("hours") * 3_600 + minutes.parse::<i32>().expect("minutes") * 60;
        Offset::from_seconds(if offset.starts_with('-') { -seconds } else { seconds }).expect("an offset")
    });
    Meaning::At(Moment { day: wall.date(), time: wall.time(), offset })
}

fn came(reading: &Reading, expected: &Expected) -> Came {
    let (meanings, asks) = match expected {
        Expected::Day(said) | Expected::At(said) => (vec![moment(said)], false),
        Expected::Days((first, last)) => {
            (vec![Meaning::Days(first.parse().expect("a day"), last.parse().expect("a day"))], false)
        }
        Expected::Ask(several) => (several.iter().map(|said| moment(said)).collect(), true),
    };
    match reading {
        Reading::Nothing => Came::Missed,
        Reading::Found { meaning, .. } if !asks && meanings.contains(meaning) => Came::Hit,
        Reading::Found { .. } => Came::Wrong,
        Reading::Ask { choices, .. } => {
            let offered = |meaning: &Meaning| choices.iter().any(|choice| choice.meaning == Some(*meaning));
            match (meanings.iter().all(offered), asks) {
                (true, true) => Came::Hit,
                (true, false) => Came::Asked,
                (false, _) => Came::Missed,
            }
        }
    }
}

fn cases(lines: &str) -> Vec<Case> {
    lines.lines().map(|line| serde_json::from_str(line).expect("a case a line")).collect()
}

/// `shows` prints what is no hit: of the open part alone.
fn run(lines: &str, shows: bool) -> Counts {
    let mut counts = Counts::default();
    for case in cases(lines) {
        let reading = case.read();
        let expected = case.expect.as_ref().expect("a sentence expects something");
        let came = came(&reading, expected);
        counts.cases += 1;
        match came {
            Came::Hit => counts.hits += 1,
            Came::Wrong => counts.wrong += 1,
            Came::Asked => counts.asked += 1,
            Came::Missed => counts.missed += 1,
        }
        if shows && came != Came::Hit {
            println!("{came:?}: {} ({}, {}): {reading:?}", case.text, case.now, case.direction);
        }
    }
    counts
}

/// Titles that were taken for a date, and those that were asked about.
fn titles(lines: &str, shows: bool) -> (usize, usize, usize) {
    let (mut found, mut asked, all) = (0, 0, cases(lines));
    for case in &all {
        let reading = case.read();
        if shows && reading != Reading::Nothing {
            println!("{} ({}): {reading:?}", case.text, case.direction);
        }
        match reading {
            Reading::Nothing => {}
            Reading::Found { .. } => found += 1,
            Reading::Ask { .. } => asked += 1,
        }
    }
    (all.len(), found, asked)
}

fn show_sentences(file: &str, counts: Counts) {
    let Counts { cases, hits, wrong, asked, missed } = counts;
    println!(
        "{{\"file\":\"{file}\",\"cases\":{cases},\"hits\":{hits},\"wrong\":{wrong},\"asked\":{asked},\"missed\":{missed}}}"
    );
}

fn show_titles(file: &str, (cases, found, asked): (usize, usize, usize)) {
    println!("{{\"file\":\"{file}\",\"cases\":{cases},\"found\":{found},\"asked\":{asked}}}");
}

const OPEN: &str = include_str!("../../corpora/en/sentences.open.jsonl");
const HELD: &str = include_str!("../../corpora/en/sentences.held.jsonl");
const TITLES_OPEN: &str = include_str!("../../corpora/en/titles.open.jsonl");
const TITLES_HELD: &str = include_str!("../../corpora/en/titles.held.jsonl");

#[test]
fn the_corpora_open_to_tuning_are_read_without_a_wrong_date() {
    let counts = run(OPEN, true);
    let titles = titles(TITLES_OPEN, true);
    show_sentences("sentences.open.jsonl", counts);
    show_titles("titles.open.jsonl", titles);
    assert!(counts.hits >= CHRONO_HITS_OPEN, "{counts:?}");
    assert_eq!((counts.wrong, titles.1), (0, 0), "wrong without asking, and dates in titles");
}

#[test]
fn an_answer_is_read_as_what_was_chosen() {
    let mut answers = 0;
    for case in cases(OPEN).iter().chain(&cases(TITLES_OPEN)) {
        let Reading::Ask { spans, choices, .. } = case.read() else { continue };
        for choice in choices {
            let text = instead(&case.text, &spans, &choice.instead);
            let read = Case { text, expect: None, now: case.now.clone(), direction: case.direction.clone() };
            match (choice.meaning, read.read()) {
                (Some(chosen), Reading::Found { meaning, .. }) => {
                    assert_eq!(meaning, chosen, "{}", read.text)
                }
                (None, Reading::Nothing) => {}
                (_, other) => panic!("{}: {other:?}", read.text),
            }
            answers += 1;
        }
    }
    assert!(answers > 60, "only {answers} answers were tried");
}

#[test]
fn the_corpora_held_back_are_read_no_worse_than_by_chrono_node() {
    let counts = run(HELD, false);
    let titles = titles(TITLES_HELD, false);
    show_sentences("sentences.held.jsonl", counts);
    show_titles("titles.held.jsonl", titles);
    assert!(counts.hits >= CHRONO_HITS_HELD && counts.wrong <= CHRONO_WRONG_HELD, "{counts:?}");
    assert!(titles.1 <= CHRONO_FOUND_HELD, "{titles:?}");
}
