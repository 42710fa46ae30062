//! Functions that make an error of a code that their caller gives: what they are called, and what each call says.

use super::{errors::sentence, literal};

/// `fn NAME(code: …, SECOND: …) -> Explain`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Helper {
    name: String,
    /// The parameter after the code.
    second: String,
    /// What it says, where that is not the caller's; `{SECOND}` in it is.
    says: Option<String>,
    is_closure: bool,
}

impl Helper {
    /// Those of one file.
    pub(super) fn all(text: &str) -> impl Iterator<Item = Self> {
        text.split("fn ").skip(1).filter_map(Self::of)
    }

    /// Closures of one file, which hold in it alone.
    pub(super) fn closures(text: &str) -> impl Iterator<Item = Self> {
        let begins = text.match_indices("let ").filter_map(|(at, word)| text.get(at + word.len()..));
        begins.filter_map(|text| Self::made(text, " = |code: &", "| "))
    }

    fn of(text: &str) -> Option<Self> {
        Self::made(text, "(code: &", " -> Explain {")
    }

    fn made(text: &str, begins: &str, ends: &str) -> Option<Self> {
        let (name, rest) = text.split_once(begins)?;
        let (parameters, body) = rest.split_once(ends)?;
        // The next function's, or a method's: those take more than a call shows.
        if name.contains(|c: char| !c.is_ascii_alphanumeric() && c != '_') || parameters.contains('{') {
            return None;
        }
        let second = parameters.split_once(',')?.1.trim_start().split_once(':')?.0.to_owned();
        let (_, made) = body.split_once("Explain::new(code")?;
        let own = made.trim_start_matches([',', ' ']);
        let says = if own.starts_with(&second) { None } else { sentence(made) };
        Some(Self { name: name.to_owned(), second, says, is_closure: begins.contains('|') })
    }

    /// Code and words of each call in a file, with the text after the code.
    pub(super) fn calls<'a>(&self, text: &'a str) -> Vec<(String, String, &'a str)> {
        let call = format!("{}(", self.name);
        let is_another = text.contains(&format!("fn {call}")) && !text.contains(&format!("fn {call}code: &"))
            || text.contains(&format!("let {} = |", self.name)) && !self.is_closure;
        if is_another {
            return Vec::new();
        }
        let pieces = text.match_indices(&call).filter_map(|(at, _)| {
            let before = text.get(..at)?;
            let is_whole = !before.ends_with(|c: char| c.is_ascii_alphanumeric() || "_.".contains(c));
            is_whole.then(|| text.get(at + call.len()..)).flatten()
        });
        let said = pieces.filter_map(|piece| {
            let (code, rest) = literal(piece)?;
            let is_code = code.contains('-') && code.chars().all(|c| c == '-' || c.is_ascii_lowercase());
            let given = sentence(rest).unwrap_or_default();
            let says = self.says.as_ref().map(|says| says.replace(&format!("{{{}}}", self.second), &given));
            is_code.then(|| (code, says.unwrap_or(given), rest))
        });
        said.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "fn unchanged(code: &'static str, message: impl Into<String>) -> Explain {
    Explain::new(code, message.into()).now(\"x\")
}
pub(crate) fn told(code: &str, what: &str, path: &Path) -> Explain {
    let explain = Explain::new(code, format!(\"cannot {what} {}\", path.display()));
}
fn other(status: u16, code: &str) -> Explain { f() }";

    #[test]
    fn a_call_of_a_helper_says_its_words_or_the_helpers() {
        let all: Vec<_> = Helper::all(TEXT).collect();
        assert_eq!(all.iter().map(|helper| helper.name.as_str()).collect::<Vec<_>>(), ["unchanged", "told"]);
        let calls = "a(unchanged(\n  \"no-room\",\n format!(\"{x} is full\")).help(\"b\");\nun_unchanged(\"a-b\", \"c\"); \
            x.unchanged(\"a-b\", \"c\"); unchanged(\"some words\", \"c\"); told(\"data-unreadable\", \"read\", &p)";
        let said = |helper: &Helper| {
            let calls = helper.calls(calls).into_iter();
            calls.map(|(code, says, _)| (code, says)).collect::<Vec<_>>()
        };
        let pair = |code: &str, says: &str| (code.to_owned(), says.to_owned());
        assert_eq!(said(&all[0]), [pair("no-room", "{x} is full")]);
        assert_eq!(said(&all[1]), [pair("data-unreadable", "cannot read {}")]);
        let other = format!("fn told(end: End) {{}} {calls}");
        assert!(all[1].calls(&other).is_empty(), "a file's own function of that name comes first");
        let own = "let told = |code: &str, message: String| {\n let explain = Explain::new(code, message); };
            told(\"held-here\", format!(\"{x} stopped\"));";
        assert!(all[1].calls(own).is_empty(), "a closure too");
        let closures: Vec<_> = Helper::closures(own).collect();
        assert_eq!(said(&closures[0]).len(), 1);
        assert_eq!(closures[0].calls(own)[0].1, "{x} stopped");
    }
}
