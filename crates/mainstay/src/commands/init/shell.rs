//! A command line that somebody wrote for a shell, as a program and its arguments.

/// Splits plain words; a line that needs a shell gets one. `$PORT` and `$HOST` become placeholders.
pub(super) fn command(line: &str) -> Vec<String> {
    let line = line.trim();
    match split(line) {
        Some(words) if !words.is_empty() && !is_assignment(&words) => words,
        _ => vec!["sh".to_owned(), "-c".to_owned(), with_exec(line)],
    }
}

/// Words that follow a program; `None`: only a shell understands them.
pub(super) fn words(line: &str) -> Option<Vec<String>> {
    split(line.trim())
}

/// A word as a shell reads it back.
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+{}".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// `exec` makes the program the shell's successor, so that signals reach it.
fn with_exec(line: &str) -> String {
    let simple = !line.contains(['&', '|', ';', '\n', '(']) && !line.starts_with("exec ");
    let assigns = line.split_whitespace().next().is_some_and(|word| word.contains('='));
    if simple && !assigns { format!("exec {line}") } else { line.to_owned() }
}

fn is_assignment(words: &[String]) -> bool {
    words.first().is_some_and(|word| word.split('=').count() > 1 && !word.starts_with(['/', '.']))
}

/// `None`: only a shell understands it.
fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '\'' => break,
                        inner => word.push(inner),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => word.push(chars.next()?),
                        '$' => word.push_str(variable(&mut chars)?),
                        '`' => return None,
                        inner => word.push(inner),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(chars.next()?),
            '$' => word.get_or_insert_default().push_str(variable(&mut chars)?),
            '&' | '|' | ';' | '<' | '>' | '(' | ')' | '*' | '?' | '`' | '~' | '#' | '\n' => return None,
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Some(words)
}

/// What Mainstay gives under another name; any other variable wants a shell.
fn variable(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<&'static str> {
    let braced = chars.next_if_eq(&'{').is_some();
    let mut name = String::new();
    while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
        name.push(c);
    }
    if braced {
        // `${PORT:-8000}` has a default that is never needed: PORT is always set.
        let rest: String = std::iter::from_fn(|| chars.next_if(|c| *c != '}')).collect();
        chars.next_if_eq(&'}')?;
        if !rest.is_empty() && !rest.starts_with(":-") {
            return None;
        }
    }
    match name.as_str() {
        "PORT" => Some("{port}"),
        "HOST" | "HOSTNAME" => Some("{host}"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::command;

    #[test]
    fn plain_words_need_no_shell() {
        assert_eq!(command("node server.js --port $PORT"), ["node", "server.js", "--port", "{port}"]);
        assert_eq!(command("uvicorn app:app --port=${PORT:-8000}"), ["uvicorn", "app:app", "--port={port}"]);
        assert_eq!(command("run 'a b' \"c d\" e\\ f"), ["run", "a b", "c d", "e f"]);
    }

    #[test]
    fn what_needs_a_shell_gets_one() {
        assert_eq!(command("cd x && node y"), ["sh", "-c", "cd x && node y"]);
        assert_eq!(command("node x $OPTIONS"), ["sh", "-c", "exec node x $OPTIONS"]);
        assert_eq!(command("A=1 node x"), ["sh", "-c", "A=1 node x"]);
        assert_eq!(command("say 'open"), ["sh", "-c", "exec say 'open"]);
    }
}
