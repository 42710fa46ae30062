//! What is wrong in a file: where, why, and what to do about it.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use model::{Explain, explain::Place};

/// Bound: problems told of one file; a file with more is a file of another kind.
pub const PROBLEMS_MAX: usize = 100;

/// One mistake, with the bytes of the file that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Stable and kebab-case: `unknown-key`, `wrong-type`, …
    pub code: &'static str,
    /// One sentence without a full stop.
    pub message: String,
    /// Byte range in the text.
    pub span: Range<usize>,
    /// Words beside the marked bytes; may be empty.
    pub label: String,
    /// Another place that belongs to it: the first of two equal routes.
    pub other: Option<(Range<usize>, String)>,
    pub help: Option<String>,
}

impl Problem {
    pub fn new(code: &'static str, span: Range<usize>, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), span, label: String::new(), other: None, help: None }
    }

    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    #[must_use]
    pub fn other(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.other = Some((span, label.into()));
        self
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The telling form: the place, and the line as a person sees it in the file.
    pub fn explain(&self, file: &str, text: &str) -> Explain {
        let mut explain = Explain::new(self.code, &self.message);
        explain.help.clone_from(&self.help);
        explain.place = Some(self.place(file, text));
        explain.detail("", self.excerpt(file, text))
    }

    fn place(&self, file: &str, text: &str) -> Place {
        let start = floor(text, self.span.start);
        let before = text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Place {
            file: file.to_owned(),
            line: before.bytes().filter(|b| *b == b'\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
            start,
            end: floor(text, self.span.end).max(start),
        }
    }

    fn excerpt(&self, file: &str, text: &str) -> Vec<String> {
        let mark = |span: &Range<usize>| visible(text, span);
        let mut snippet = Snippet::source(text)
            .path(file)
            .annotation(AnnotationKind::Primary.span(mark(&self.span)).label(some(&self.label)));
        if let Some((span, label)) = &self.other {
            snippet = snippet.annotation(AnnotationKind::Context.span(mark(span)).label(some(label)));
        }
        let group = Group::with_level(Level::ERROR).element(snippet);
        let shown = Renderer::plain().term_width(100).render(&[group]);
        shown.lines().map(|line| line.trim_end().to_owned()).collect()
    }
}

fn some(label: &str) -> Option<&str> {
    (!label.is_empty()).then_some(label)
}

/// The nearest character boundary at or below `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The first line of a span: a table of many lines is marked by its head.
fn visible(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = floor(text, span.start);
    let end = floor(text, span.end).max(start);
    let marked = text.get(start..end).unwrap_or_default();
    start..start + marked.find('\n').unwrap_or(marked.len())
}

/// All that is wrong in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    /// As a person names it: `mainstay.toml`.
    pub file: String,
    pub text: String,
    /// In the order of the file; never empty.
    pub problems: Vec<Problem>,
}

impl ConfigErrors {
    /// One telling each, for a command line.
    pub fn explains(&self) -> Vec<Explain> {
        self.problems.iter().map(|problem| problem.explain(&self.file, &self.text)).collect()
    }

    /// All of them as one, for an answer that carries one: each mistake is a block of details.
    pub fn explain(&self) -> Explain {
        if let [only] = self.problems.as_slice() {
            return only.explain(&self.file, &self.text);
        }
        let count = self.problems.len();
        let mut all = Explain::new("bad-config", format!("{} has {count} mistakes", self.file))
            .help(format!("mend {}; `mainstay check` shows whether anything is left", self.file));
        for problem in &self.problems {
            let mut lines = problem.excerpt(&self.file, &self.text);
            lines.extend(problem.help.iter().map(|help| format!("help: {help}")));
            all = all.detail(format!("{} [{}]", problem.message, problem.code), lines);
        }
        all
    }
}

impl std::fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let first = self.problems.first().map_or("", |problem| &problem.message);
        match self.problems.len() {
            0 | 1 => write!(f, "{}: {first}", self.file),
            n => write!(f, "{}: {first} (and {} more)", self.file, n - 1),
        }
    }
}

impl std::error::Error for ConfigErrors {}

/// Something that is allowed and probably not meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning(pub Explain);
