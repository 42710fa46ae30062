//! Templates: sentences as data, and the matcher that finds which of them a sentence is, word for word.

use std::{ops::Range, sync::LazyLock};

/// Bound: ways in which one template may divide a sentence that are looked at.
const WAYS_MAX: usize = 32;

/// What a sentence is about, as `english.txt` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Intent {
    Add,
    /// As `Add`, in words that may be meant for another list.
    Short,
    /// As `Add`, where the words may be mere talk.
    Need,
    Complete,
    Reopen,
    Delete,
    Move,
    Journal,
    Find,
    /// As `Find`, over everything.
    Search,
    Entries,
    Plan,
    Tasks,
    Overdue,
    Completed,
    Undo,
    Help,
    Thanks,
    Nevermind,
    Hello,
    Now,
    Count,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    What,
    Text,
    Task,
    Was,
    When,
    Past,
    Query,
    Number,
}

/// A template that is this sentence, if its slots resolve.
#[derive(Clone, Debug)]
pub(super) struct Match {
    pub(super) intent: Intent,
    /// Bytes of the sentence that stand in each slot.
    pub(super) slots: Vec<(Slot, Range<usize>)>,
    /// Words of the sentence that the template names.
    pub(super) literals: usize,
    /// "slowly" was said: words after a slot that change how, not what.
    pub(super) slowly: bool,
}

#[derive(Clone, Debug)]
enum Element {
    Words { any: Vec<String>, optional: bool },
    Slot(Slot),
}

struct Template {
    intent: Intent,
    #[cfg(test)]
    written: &'static str,
    elements: Vec<Element>,
}

static TEMPLATES: LazyLock<Vec<Template>> = LazyLock::new(|| {
    include_str!("english.txt")
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .filter_map(parse)
        .collect()
});

struct Token {
    word: String,
    span: Range<usize>,
}

/// All templates that match the whole of `sentence`.
pub(super) fn matches(sentence: &str) -> Vec<Match> {
    let tokens = tokens(sentence);
    let mut found = Vec::new();
    for template in TEMPLATES.iter() {
        let mut ways = Vec::new();
        divide(&template.elements, &tokens, 0, &mut Vec::new(), 0, &mut ways);
        let slowly = tokens.last().is_some_and(|token| token.word == "slowly");
        found.extend(ways.into_iter().map(|(slots, literals)| Match {
            intent: template.intent,
            slots,
            literals,
            slowly,
        }));
    }
    found
}

/// Words that ask nicely and say nothing: the sentence behind them.
pub(super) fn without_courtesy(sentence: &str) -> Option<&str> {
    let tokens = tokens(sentence);
    let word = |at: usize| tokens.get(at).map_or("", |token| token.word.as_str());
    let mut at = 0;
    loop {
        at += match (word(at), word(at + 1)) {
            ("can" | "could" | "would" | "will", "you") => 2,
            ("hey" | "hi" | "hello" | "ok" | "okay" | "please" | "kindly" | "assistant" | "just", _) => 1,
            _ => break,
        };
    }
    let first = tokens.get(at).filter(|_| at > 0)?;
    sentence.get(first.span.start..)
}

/// Templates that are none of `sentences`.
#[cfg(test)]
pub(super) fn unsaid(sentences: &[&str]) -> Vec<&'static str> {
    let is_said = |template: &Template, sentence: &str| {
        let mut ways = Vec::new();
        divide(&template.elements, &tokens(sentence), 0, &mut Vec::new(), 0, &mut ways);
        !ways.is_empty()
    };
    let unsaid = |template: &&Template| !sentences.iter().any(|sentence| is_said(template, sentence));
    TEMPLATES.iter().filter(unsaid).map(|template| template.written).collect()
}

type Way = (Vec<(Slot, Range<usize>)>, usize);

/// Tries every division of the tokens from `at` among the elements, the shortest slots first.
fn divide(
    elements: &[Element],
    tokens: &[Token],
    at: usize,
    slots: &mut Vec<(Slot, Range<usize>)>,
    literals: usize,
    ways: &mut Vec<Way>,
) {
    if ways.len() >= WAYS_MAX {
        return;
    }
    let Some((element, rest)) = elements.split_first() else {
        if at == tokens.len() {
            ways.push((slots.clone(), literals));
        }
        return;
    };
    match element {
        Element::Words { any, optional } => {
            if tokens.get(at).is_some_and(|token| any.contains(&token.word)) {
                divide(rest, tokens, at + 1, slots, literals + 1, ways);
            } else if *optional {
                divide(rest, tokens, at, slots, literals, ways);
            }
        }
        Element::Slot(slot) if rest.is_empty() => {
            if let (Some(first), Some(last)) = (tokens.get(at), tokens.last()) {
                slots.push((*slot, first.span.start..last.span.end));
                ways.push((slots.clone(), literals));
                slots.pop();
            }
        }
        Element::Slot(slot) => {
            for end in at + 1..=tokens.len() {
                slots.push((*slot, tokens[at].span.start..tokens[end - 1].span.end));
                divide(rest, tokens, end, slots, literals, ways);
                slots.pop();
            }
        }
    }
}

/// Words between blanks; marks around a word do not count when it is compared, but stay in what a slot takes.
fn tokens(sentence: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut start = None;
    for (at, c) in sentence.char_indices().chain([(sentence.len(), ' ')]) {
        if !c.is_whitespace() {
            start.get_or_insert(at);
        } else if let Some(from) = start.take() {
            let word = normal(sentence.get(from..at).unwrap_or_default());
            tokens.push(Token { word, span: from..at });
        }
    }
    // "… today?": the mark belongs to the sentence, not to its last word.
    if let Some(last) = tokens.last_mut() {
        let text = sentence.get(last.span.clone()).unwrap_or_default();
        last.span.end = last.span.start + text.trim_end_matches(['?', '!']).len().max(1);
    }
    tokens
}

fn normal(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase().replace('’', "'")
}

fn parse(line: &'static str) -> Option<Template> {
    let (intent, written) = line.split_once(": ")?;
    let elements = group(written).iter().map(|word| element(word)).collect::<Option<Vec<_>>>()?;
    Some(Template {
        intent: Intent::named(intent)?,
        #[cfg(test)]
        written,
        elements: elements.into_iter().flatten().collect(),
    })
}

/// Words, with `[in my journal]` and `(do|do I have)` kept together.
fn group(written: &'static str) -> Vec<String> {
    let mut groups: Vec<String> = Vec::new();
    let mut open = false;
    for word in written.split(' ') {
        match groups.last_mut() {
            Some(last) if open => {
                last.push(' ');
                last.push_str(word);
            }
            _ => groups.push(word.to_owned()),
        }
        open = groups.last().is_some_and(|group| {
            (group.starts_with('[') && !group.ends_with(']'))
                || (group.starts_with('(') && !group.ends_with(')'))
        });
    }
    groups
}

/// One written group as elements. Only single words may be alternatives or optional; phrases are written out as lines.
fn element(written: &str) -> Option<Vec<Element>> {
    if let Some(slot) = written.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        return Some(vec![Element::Slot(Slot::named(slot)?)]);
    }
    let words = |text: &str, optional| {
        text.split(' ')
            .map(|word| Element::Words { any: word.split('|').map(normal).collect(), optional })
            .collect()
    };
    if let Some(inner) = written.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return Some(words(inner, true));
    }
    Some(words(written.trim_start_matches('(').trim_end_matches(')'), false))
}

impl Intent {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "add" => Self::Add,
            "short" => Self::Short,
            "need" => Self::Need,
            "complete" => Self::Complete,
            "reopen" => Self::Reopen,
            "delete" => Self::Delete,
            "move" => Self::Move,
            "journal" => Self::Journal,
            "find" => Self::Find,
            "search" => Self::Search,
            "entries" => Self::Entries,
            "plan" => Self::Plan,
            "tasks" => Self::Tasks,
            "overdue" => Self::Overdue,
            "completed" => Self::Completed,
            "thanks" => Self::Thanks,
            "nevermind" => Self::Nevermind,
            "undo" => Self::Undo,
            "help" => Self::Help,
            "hello" => Self::Hello,
            "now" => Self::Now,
            "count" => Self::Count,
            _ => return None,
        })
    }
}

impl Slot {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "what" => Self::What,
            "text" => Self::Text,
            "task" => Self::Task,
            "was" => Self::Was,
            "when" => Self::When,
            "past" => Self::Past,
            "query" => Self::Query,
            "number" => Self::Number,
            _ => return None,
        })
    }
}

/// Sentences that work, for a page that teaches and for whoever was not understood.
pub(super) const EXAMPLES: &[&str] = &[
    "remind me to call Anna tomorrow at 5pm",
    "what is on my plate today",
    "journal: slept well, long walk by the river",
    "find river in my journal",
    "add buy coffee to my tasks",
    "done with buy coffee",
    "move call Anna to Friday at 10am",
    "remind me to water the plants every Monday at 9",
    "what did I do yesterday",
    "undo",
];

/// The three examples that share most with what was said.
pub(super) fn nearest(sentence: &str) -> Vec<String> {
    let said: Vec<String> = tokens(sentence).into_iter().map(|token| token.word).collect();
    let shared = |example: &str| {
        tokens(example).iter().filter(|token| token.word.len() > 2 && said.contains(&token.word)).count()
    };
    let mut ranked: Vec<(&str, usize)> = EXAMPLES.iter().map(|example| (*example, shared(example))).collect();
    ranked.sort_by_key(|(_, shared)| std::cmp::Reverse(*shared));
    ranked.into_iter().take(3).map(|(example, _)| example.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_data_is_a_template() {
        let lines = include_str!("english.txt")
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
            .count();
        assert_eq!(TEMPLATES.len(), lines);
    }

    #[test]
    fn no_template_is_a_slot_alone() {
        for template in TEMPLATES.iter() {
            let fixed = template
                .elements
                .iter()
                .any(|element| matches!(element, Element::Words { optional: false, .. }));
            assert!(fixed, "\"{}\" would take every sentence", template.written);
        }
    }
}
