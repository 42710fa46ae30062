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
        let starts = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
        if !starts || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
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
    use super::parse;

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
