//! What is no TOML, each mistake once: what the parser stumbles over behind one, because of it, is no mistake of its own.
//!
//! The statement that is broken is taken out, and the rest is looked at again; so two mistakes that have nothing to do with
//! each other are told at once.

use toml::de::{DeTable, Error};

/// Bound: mistakes that are looked for; a text with more is no TOML at all.
const MISTAKES_MAX: usize = 10;
/// Bound: lines that a broken statement is followed back to its beginning.
const LINES_BACK_MAX: usize = 50;

/// In the order of the text; empty: it is TOML.
pub(super) fn mistakes(text: &str) -> Vec<Error> {
    let mut rest = text.as_bytes().to_vec();
    let mut mistakes: Vec<Error> = Vec::new();
    while mistakes.len() < MISTAKES_MAX {
        // Only whole lines were replaced, by ASCII.
        let Ok(left) = std::str::from_utf8(&rest) else { break };
        let Some(error) = first(left) else { break };
        let at = start(&error).min(left.len());
        // What stands above a mistake that was told already, was looked at before it.
        if mistakes.last().is_some_and(|last| start(last) >= at) {
            break;
        }
        let Some(statement) = statement_at(left, at) else {
            mistakes.push(error);
            break;
        };
        mistakes.push(error);
        take_out(&mut rest, statement, mistakes.len());
    }
    mistakes
}

fn first(text: &str) -> Option<Error> {
    DeTable::parse_recoverable(text).1.into_iter().min_by_key(start)
}

fn start(error: &Error) -> usize {
    error.span().map_or(0, |span| span.start)
}

/// The lines from the beginning of the statement in which `at` is, to the end of its line: above them all is well.
fn statement_at(text: &str, at: usize) -> Option<std::ops::Range<usize>> {
    let end = text.get(at..)?.find('\n').map_or(text.len(), |length| at + length);
    let mut begin = at;
    for _ in 0..LINES_BACK_MAX {
        begin = text.get(..begin)?.rfind('\n').map_or(0, |line_end| line_end + 1);
        if first(text.get(..begin)?).is_none() {
            return Some(begin..end);
        }
        // Of the line above.
        begin = begin.checked_sub(1)?;
    }
    None
}

/// A heading stays one: what stands below it would be of the table above.
fn take_out(text: &mut [u8], statement: std::ops::Range<usize>, number: usize) {
    let Some(lines) = text.get_mut(statement) else { return };
    let is_heading = lines.first() == Some(&b'[') && lines.len() > 2 && !lines.contains(&b'\n');
    lines.iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
    if let (true, [first, inner @ .., last]) = (is_heading, lines) {
        // Bound: ten mistakes have ten letters.
        inner.fill(b'A' + u8::try_from(number).unwrap_or(0) % 26);
        (*first, *last) = (b'[', b']');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        let line = |error: &Error| text[..start(error)].matches('\n').count() + 1;
        mistakes(text).iter().map(line).collect()
    }

    #[test]
    fn a_mistake_is_told_once_and_the_next_one_too() {
        assert_eq!(lines("a = 1\n[b]\nc = 2\n"), Vec::<usize>::new());
        assert_eq!(lines("[listen\nhttp = [\"x\"]\nhttps = []\n[edge]\nworkers = 2\n"), [1]);
        assert_eq!(lines("[a]\nhttp = [\"x\"\nhttps = [\"y\"]\n\n[b]\nc = 2\n").len(), 1);
        assert_eq!(
            lines(
                "[[certificate]\ncert = \"a\"\nkey = \"b\"\n\n[[certificate]]\ncert = \"c\"\nkey = \"d\"\n"
            ),
            [1]
        );
        assert_eq!(lines("x = \n[a]\nb = 'open\nc = 1\n[d\ne = 1\n"), [1, 3, 5]);
        // What stands below a broken heading is not of the table above it.
        assert_eq!(lines("[a]\nkey = 1\n[bee\nkey = 2\n"), [3]);
    }

    proptest! {
        #[test]
        fn every_text_is_looked_at_to_an_end(text in "[a\\[\\]=\"'\n #.é,{}]{0,60}") {
            let told = mistakes(&text);
            prop_assert_eq!(told.is_empty(), DeTable::parse(&text).is_ok());
            prop_assert!(told.len() <= MISTAKES_MAX && told.is_sorted_by(|a, b| start(a) < start(b)));
        }
    }
}
