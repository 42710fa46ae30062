//! The person's guide, held to what it promises: its sentences are understood as it says, and every template has one.

use super::*;
use crate::brain::{say::read_as, template};

const GUIDE: &str = include_str!("../../../../../docs/guide/assistant.md");

/// What stands between backticks: on that page only sentences.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// As the chip tells it.
fn read(sentence: &str) -> Option<String> {
    let tasks: Vec<Task> = open().into_iter().chain(done()).collect();
    read_as(understood(sentence), &tasks, date(2026, 11, 21)).understood
}

#[test]
fn the_guide_tells_how_each_of_its_sentences_is_read() {
    let mut rows = 0;
    for line in GUIDE.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [sentence, told] = cells.as_slice() else { panic!("no row of two cells: {line}") };
        assert_eq!(read(sentence.trim_matches('`')).as_deref(), Some(*told), "{sentence}");
        rows += 1;
    }
    assert!(rows > 50, "only {rows} rows were found");
}

#[test]
fn every_sentence_of_the_guide_is_understood_and_every_template_has_one() {
    let sentences: Vec<&str> = GUIDE.lines().flat_map(quoted).collect();
    let unknown: Vec<&&str> = sentences.iter().filter(|sentence| read(sentence).is_none()).collect();
    assert!(unknown.is_empty(), "not understood: {unknown:?}");
    assert_eq!(template::unsaid(&sentences), Vec::<&str>::new(), "the guide has no sentence for these");
}
