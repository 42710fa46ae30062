//! The journal as Markdown, and back: `# 2026-11-21` begins a day, `## 09:15` an entry. A line of an entry that reads
//! like one of these has a backslash before it, which Markdown does not show.

use jiff::civil::{Date, DateTime, Time};

use crate::{accounts::Account, journal::Entry};

/// An entry that was read: its day if one was said, its time, its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) day: Option<Date>,
    pub(crate) time: Option<Time>,
    pub(crate) text: String,
}

/// One entry below its time.
pub(crate) fn section(entry: &Entry, who: &Account) -> String {
    let at = who.local(entry.created_at).strftime("%H:%M").to_string();
    let text: Vec<String> = entry.text.lines().map(escape).collect();
    format!("\n## {at}\n\n{}\n", text.join("\n"))
}

fn escape(line: &str) -> String {
    let bare = line.trim_start_matches('\\');
    if day(bare).is_some() || time(bare).is_some() { format!("\\{line}") } else { line.to_owned() }
}

fn unescape(line: &str) -> &str {
    let bare = line.trim_start_matches('\\');
    let is_escaped = bare.len() < line.len() && (day(bare).is_some() || time(bare).is_some());
    if is_escaped { line.split_at(1).1 } else { line }
}

fn day(line: &str) -> Option<Date> {
    let day = line.strip_prefix("# ")?.trim();
    (day.len() == 10).then(|| day.parse().ok()).flatten()
}

fn time(line: &str) -> Option<Time> {
    let time = line.strip_prefix("## ")?.trim();
    let is_time = time.len() == 5 && time.as_bytes().get(2) == Some(&b':');
    is_time.then(|| time.parse().ok()).flatten()
}

/// The entries of a text. Without any heading of ours it is one entry.
pub(crate) fn read(text: &str) -> Vec<Read> {
    let mut found: Vec<Read> = Vec::new();
    let mut current = Read { day: None, time: None, text: String::new() };
    let mut begin = |current: &mut Read, day: Option<Date>, time: Option<Time>| {
        let text = std::mem::take(&mut current.text).trim().to_owned();
        if !text.is_empty() {
            found.push(Read { text, ..current.clone() });
        }
        (current.day, current.time) = (day, time);
    };
    for line in text.lines() {
        if let Some(day) = day(line) {
            begin(&mut current, Some(day), None);
        } else if let Some(time) = time(line) {
            let day = current.day;
            begin(&mut current, day, Some(time));
        } else {
            current.text.push_str(unescape(line));
            current.text.push('\n');
        }
    }
    begin(&mut current, None, None);
    found
}

/// When an entry was written, as far as the text says: its time on its day where the person lives, else now.
pub(crate) fn written_at(read: &Read, day: Date, who: &Account) -> i64 {
    let at = read.time.and_then(|time| {
        DateTime::from_parts(day, time)
            .to_zoned(who.time_zone())
            .ok()
            .map(|at| at.timestamp().as_millisecond())
    });
    at.unwrap_or_else(kit::clock::now_ms)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ana() -> Account {
        Account { id: "a".to_owned(), name: "ana".to_owned(), zone: "Europe/Madrid".to_owned() }
    }

    fn entry(text: &str) -> Entry {
        let day = jiff::civil::date(2026, 11, 21);
        Entry { id: String::new(), day, text: text.to_owned(), created_at: 1_795_248_900_000, rev: 1 }
    }

    #[test]
    fn a_text_without_headings_is_one_entry() {
        let read = read("# Plans\n\nOne\n\n## Later\n\nTwo");
        assert_eq!(
            read,
            [Read { day: None, time: None, text: "# Plans\n\nOne\n\n## Later\n\nTwo".to_owned() }]
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again_word_for_word(
            texts in prop::collection::vec("(\\\\{0,2}(# 2026-11-21|## 09:15|[a-zA-Zäß#: ]{1,12})\n?){1,5}", 1..4)
        ) {
            let texts: Vec<&str> = texts.iter().map(|text| text.trim()).filter(|text| !text.is_empty()).collect();
            let mut day = "# 2026-11-21\n".to_owned();
            texts.iter().for_each(|text| day.push_str(&section(&entry(text), &ana())));
            let back = read(&day);
            prop_assert_eq!(back.iter().map(|read| read.text.as_str()).collect::<Vec<_>>(), texts);
            prop_assert!(back.iter().all(|read| read.day == Some(jiff::civil::date(2026, 11, 21)) && read.time.is_some()));
        }
    }
}
