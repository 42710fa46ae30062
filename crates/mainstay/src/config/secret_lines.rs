//! The one grammar of a source of secrets (W-F7): `NAME=value`, a line each.
//!
//! Blank lines and lines that begin with `#` are passed over; spaces around name and value fall away; a value that begins
//! and ends with the same quote loses both, one that only begins with
//! a quote is refused, and inside double quotes `\n`, `\"` and `\\` are read. Nothing is expanded,
//! and a `#` behind a value belongs to it.

use std::collections::BTreeMap;

use model::Secret;

/// Reads the lines; the error is the number of the first line that is none.
pub fn parse(text: &str) -> Result<BTreeMap<String, Secret>, usize> {
    let mut values = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once('=').ok_or(index + 1)?;
        let name = name.trim();
        if !is_name(name) {
            return Err(index + 1);
        }
        let value = value.trim();
        // A quote that is not closed is a slip, or a value of more than one line: taken as it stands it would be wrong.
        if value.starts_with(['"', '\'']) && (value.len() < 2 || !value.ends_with(&value[..1])) {
            return Err(index + 1);
        }
        values.insert(name.to_owned(), Secret::new(unquoted(value)));
    }
    Ok(values)
}

/// Letters, digits and `_`, and no digit first.
pub fn is_name(name: &str) -> bool {
    let starts = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    starts && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The same lines, with this value under `name`, or without the name; comments and all others as they were.
pub fn replaced(text: &str, name: &str, value: Option<&Secret>) -> String {
    let is_it = |line: &str| {
        let line = line.trim();
        !line.starts_with('#') && line.split_once('=').is_some_and(|(found, _)| found.trim() == name)
    };
    let new = value.map(|value| format!("{name}={}\n", quoted(value.reveal())));
    let mut out = String::with_capacity(text.len() + 64);
    let mut written = false;
    for line in text.lines() {
        if !is_it(line) {
            out.push_str(line);
            out.push('\n');
        } else if let Some(new) = new.as_ref().filter(|_| !std::mem::replace(&mut written, true)) {
            out.push_str(new);
        }
    }
    if let Some(new) = new.filter(|_| !written) {
        out.push_str(&new);
    }
    out
}

fn quoted(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 2);
    out.push('"');
    for c in value.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '"' | '\\' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn unquoted(value: &str) -> String {
    let inner = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    if let Some(inner) = inner('\'') {
        return inner.to_owned();
    }
    let Some(inner) = inner('"') else { return value.to_owned() };
    let mut plain = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(c) = characters.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match characters.next() {
            Some('n') => plain.push('\n'),
            Some(other @ ('"' | '\\')) => plain.push(other),
            Some(other) => plain.extend(['\\', other]),
            None => plain.push('\\'),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use model::Secret;
    use proptest::prelude::*;

    use super::{parse, replaced};

    proptest! {
        #[test]
        fn what_is_written_is_read_again(value in any::<String>().prop_map(|text| text.replace('\0', ""))) {
            let text = replaced("# top\nA=1\nKEY=old\nB=\"2\"\nKEY=older\n", "KEY", Some(&Secret::new(value.clone())));
            let values = parse(&text).unwrap();
            prop_assert_eq!(values["KEY"].reveal(), &value);
            prop_assert!(text.starts_with("# top\nA=1\nKEY=\"") && text.ends_with("\nB=\"2\"\n"));
        }
    }

    #[test]
    fn a_name_comes_last_or_goes() {
        let text = replaced("A=1", "B", Some(&Secret::new("x y".to_owned())));
        assert_eq!(text, "A=1\nB=\"x y\"\n");
        assert_eq!(replaced(&text, "A", None), "B=\"x y\"\n");
        assert_eq!(replaced("#B=1\n", "B", None), "#B=1\n");
    }

    #[test]
    fn a_quote_that_is_not_closed_is_a_mistake() {
        assert_eq!(parse("A=\"open\n").unwrap_err(), 1);
        assert_eq!(parse("A=b\nB='").unwrap_err(), 2);
        assert_eq!(parse("A=it's\n").unwrap()["A"].reveal(), "it's");
    }

    #[test]
    fn the_grammar_is_the_documented_one() {
        let text = "# x\n\nA=plain # not a comment\n B = \"two\\nlines \\\"q\\\"\"\nC='raw \\n'\nD=\nE=a=b\n";
        let values = parse(text).unwrap();
        let shown: Vec<_> = values.iter().map(|(name, value)| (name.as_str(), value.reveal())).collect();
        let expected = [
            ("A", "plain # not a comment"),
            ("B", "two\nlines \"q\""),
            ("C", "raw \\n"),
            ("D", ""),
            ("E", "a=b"),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_line_that_is_no_pair_is_named_by_its_number() {
        assert_eq!(parse("A=1\nexport B=2\n").unwrap_err(), 2);
        assert_eq!(parse("A=1\n\nnonsense\n").unwrap_err(), 3);
    }
}
