//! Tags: `#home` in a sentence, kept as `home`.

use crate::error::{Error, Result};

const CHARS_MAX: usize = 40;
/// Bound: tags of one task.
const TAGS_MAX: usize = 20;

/// In small letters, without their `#`, each once, in order.
///
/// # Errors
/// One is empty or too long, has blanks or marks in it, or there are too many.
pub(crate) fn clean<S: AsRef<str>>(tags: &[S]) -> Result<Vec<String>> {
    let mut clean = Vec::new();
    for tag in tags {
        let tag = tag.as_ref().trim();
        let name = tag.strip_prefix('#').unwrap_or(tag).to_lowercase();
        if !is_name(&name) {
            return Err(Error::Invalid(format!(
                "\"{tag}\" is no tag: it begins with a letter and has letters, digits, - and _, at most {CHARS_MAX}"
            )));
        }
        clean.push(name);
    }
    clean.sort();
    clean.dedup();
    if clean.len() > TAGS_MAX {
        return Err(Error::Invalid(format!("a task has at most {TAGS_MAX} tags")));
    }
    Ok(clean)
}

/// The text without the tags in it, and these. What is quoted stays, and so do `#12` and `C#`.
pub(crate) fn take(text: &str) -> (String, Vec<String>) {
    let mut quoted = false;
    let mut tags = Vec::new();
    let mut rest = Vec::new();
    for word in text.split(' ') {
        match name_in(word).filter(|_| !quoted) {
            Some(name) => tags.push(name),
            None => rest.push(word),
        }
        quoted ^= word.matches(['"', '“', '”', '«', '»']).count() % 2 == 1;
    }
    tags.sort();
    tags.dedup();
    if tags.is_empty() { (text.to_owned(), tags) } else { (rest.join(" ").trim().to_owned(), tags) }
}

/// The tags in a text that keeps them, each once, in order.
pub(crate) fn in_text(text: &str) -> Vec<String> {
    let mut tags: Vec<String> = text.split_whitespace().filter_map(name_in).collect();
    tags.sort();
    tags.dedup();
    tags
}

/// Of `#Home,` it is `home`.
fn name_in(word: &str) -> Option<String> {
    let name = word.strip_prefix('#')?.trim_end_matches([',', '.', '!', '?', ';', ':']);
    Some(name.to_lowercase()).filter(|name| is_name(name))
}

/// ` #home #garden`, to be said again behind a sentence.
pub(crate) fn said(tags: &[String]) -> String {
    tags.iter().map(|tag| format!(" #{tag}")).collect()
}

fn is_name(name: &str) -> bool {
    let starts = name.chars().next().is_some_and(char::is_alphabetic);
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    starts && name.chars().count() <= CHARS_MAX && name.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_taken_out_and_what_only_looks_like_one_stays() {
        let took = |text| take(text);
        assert_eq!(
            took("call Anna #Family #home"),
            ("call Anna".to_owned(), vec!["family".into(), "home".into()])
        );
        assert_eq!(took("call #family, tomorrow"), ("call tomorrow".to_owned(), vec!["family".into()]));
        for text in ["fix issue #12", "learn C#", "read \"the #metoo story\"", "# nothing", "two  blanks"] {
            assert_eq!(took(text), (text.to_owned(), vec![]), "{text}");
        }
    }

    #[test]
    fn a_text_keeps_its_tags_and_tells_them() {
        let text = "# Heading\n#Garden: dug it over, #home.\nissue #12, C#, a#b\n- #garden";
        assert_eq!(in_text(text), ["garden", "home"]);
    }

    #[test]
    fn tags_are_cleaned_and_what_is_none_is_refused() {
        assert_eq!(clean(&["#Home", "garden", "home"]).expect("tags"), ["garden", "home"]);
        for bad in ["", "#", "two words", "1st", "a,b", &"x".repeat(41)] {
            assert!(clean(&[bad]).is_err(), "{bad}");
        }
        let many: Vec<String> = (0..21).map(|n| format!("t{n}")).collect();
        assert!(clean(&many).is_err());
    }
}
