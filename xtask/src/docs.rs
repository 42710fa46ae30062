//! `cargo xtask docs`: writes the pages of `docs/reference` that are made from the source.
//!
//! Owns which page is made from what. Pages read off the text are made here and held fresh by `cargo xtask lint`; those
//! that need the product's own library (the command line) are made by `crates/mainstay/tests/reference.rs`, which
//! also holds them fresh. Begin with [`PAGES`].

mod endpoints;
mod errors;
mod helpers;
mod metrics;

use std::{path::Path, process::ExitCode};

use crate::{
    lint::Sources,
    shell::{self, Doing, Result, cargo},
};

/// Write the pages of docs/reference that are made from the source
#[derive(clap::Args)]
pub(crate) struct Args {}

type Page = (&'static str, fn(&Sources) -> String);

const PAGES: [Page; 3] = [
    ("docs/reference/api.md", endpoints::page),
    ("docs/reference/errors.md", errors::page),
    ("docs/reference/metrics.md", metrics::page),
];

/// Set for the test that holds the other pages fresh, it writes them instead.
const WRITE: &str = "MAINSTAY_WRITE_REFERENCE";

pub(crate) fn run(_: &Args) -> Result<ExitCode> {
    let sources = Sources::read()?;
    for (path, page) in PAGES {
        std::fs::write(shell::root().join(path), page(&sources)).doing(path)?;
        println!("wrote {path}");
    }
    let mut test = cargo();
    shell::run(test.args(["test", "-q", "--workspace", "--test", "reference"]).env(WRITE, "1"))?;
    Ok(ExitCode::SUCCESS)
}

/// Pages that are not what the source says now.
pub(crate) fn stale(sources: &Sources) -> Vec<String> {
    let is_stale = |(path, page): &&Page| {
        let written = sources.files.iter().find(|(known, _)| known == Path::new(path));
        written.is_none_or(|(_, text)| *text != page(sources))
    };
    PAGES.iter().filter(is_stale).map(|(path, _)| format!("{path} is stale: run cargo xtask docs")).collect()
}

/// Rust files of the product, without their tests: path from the root and text.
fn product(sources: &Sources) -> impl Iterator<Item = (&str, &str)> {
    const NOT_THE_PRODUCT: [&str; 3] = ["crates/assistant", "crates/kit", "crates/testkit"];
    sources.files.iter().filter_map(|(path, text)| {
        let path = path.to_str()?;
        let ours = path.starts_with("crates/") && path.ends_with(".rs") && !path.contains("tests");
        let other = NOT_THE_PRODUCT.iter().any(|room| path.starts_with(room));
        (ours && !other).then(|| (path, before_tests(text)))
    })
}

/// A file's text up to the tests that stand inside of it.
fn before_tests(text: &str) -> &str {
    text.find("\nmod tests")
        .filter(|at| text[*at..].starts_with("\nmod tests {"))
        .map_or(text, |at| &text[..at])
}

/// The content of a string literal that `text` begins with, after spaces; and what follows it.
fn literal(text: &str) -> Option<(String, &str)> {
    let mut characters = text.trim_start().strip_prefix('"')?.chars();
    let mut content = String::new();
    loop {
        match characters.next()? {
            '"' => return Some((content, characters.as_str())),
            '\\' => match characters.next()? {
                // A literal goes on in the next line without the spaces at its start.
                '\n' => characters = characters.as_str().trim_start().chars(),
                'n' => content.push(' '),
                other => content.push(other),
            },
            other => content.push(other),
        }
    }
}

/// A text for a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_is_read_with_its_escapes_and_line_ends() {
        let (content, rest) = literal("  \"a \\\"b\\\" \\\n   c\", d").expect("a literal");
        assert_eq!((content.as_str(), rest), ("a \"b\" c", ", d"));
        assert!(literal("name, \"x\"").is_none());
    }

    #[test]
    fn tests_inside_a_file_are_not_the_product() {
        assert_eq!(
            before_tests("#[cfg(test)]\nmod tests;\nfn a() {}\n"),
            "#[cfg(test)]\nmod tests;\nfn a() {}\n"
        );
        assert_eq!(before_tests("fn a() {}\n#[cfg(test)]\nmod tests {\n}"), "fn a() {}\n#[cfg(test)]");
    }
}
