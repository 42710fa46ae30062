//! The grammar of nginx's configuration: directives with words, and blocks of directives.
//!
//! As ngx_conf_file.c has it: a word ends at space, `;` or `{`; quotes and `\` keep what they hold; `#` begins a comment
//! where a word may begin.

/// One directive.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Directive {
    pub name: String,
    pub words: Vec<String>,
    /// From 1: where it begins, and where it ends with its block.
    pub line: usize,
    pub end: usize,
    pub block: Option<Vec<Directive>>,
}

/// Where the text is none, and why.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mistake {
    pub line: usize,
    pub column: usize,
    pub why: String,
}

impl Directive {
    pub(super) fn word(&self, index: usize) -> &str {
        self.words.get(index).map_or("", String::as_str)
    }

    pub(super) fn inner(&self) -> &[Directive] {
        self.block.as_deref().unwrap_or_default()
    }

    /// As it is written, without its block.
    pub(super) fn said(&self) -> String {
        super::super::tree::brief(&[std::slice::from_ref(&self.name), &self.words].concat().join(" "))
    }
}

/// Bound: blocks within blocks.
const DEPTH_MAX: usize = 16;

pub(super) fn parse(text: &str) -> Result<Vec<Directive>, Mistake> {
    let mut reader = Reader { chars: text.chars().collect(), at: 0, line: 1, line_start: 0 };
    reader.block(0, None)
}

struct Reader {
    chars: Vec<char>,
    at: usize,
    line: usize,
    /// Where the line begins.
    line_start: usize,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn step(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        if c == '\n' {
            self.line += 1;
            self.line_start = self.at;
        }
        Some(c)
    }

    fn mistake(&self, why: impl Into<String>) -> Mistake {
        Mistake { line: self.line, column: self.at - self.line_start + 1, why: why.into() }
    }

    fn space(&mut self) {
        while let Some(c) = self.peek() {
            match c {
                '#' => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.step();
                    }
                }
                c if c.is_whitespace() || c == '\u{feff}' => {
                    self.step();
                }
                _ => return,
            }
        }
    }

    /// Directives up to the `}` of the block that began on `opened`, or to the end of the file.
    fn block(&mut self, depth: usize, opened: Option<usize>) -> Result<Vec<Directive>, Mistake> {
        if depth > DEPTH_MAX {
            return Err(self.mistake(format!("more than {DEPTH_MAX} blocks in each other")));
        }
        let mut directives = Vec::new();
        loop {
            self.space();
            match (self.peek(), opened) {
                (None, None) => return Ok(directives),
                (None, Some(line)) => {
                    return Err(Mistake {
                        line,
                        column: 1,
                        why: "the `{` of this block has no `}`".to_owned(),
                    });
                }
                (Some('}'), Some(_)) => {
                    self.step();
                    return Ok(directives);
                }
                (Some('}'), None) => return Err(self.mistake("a `}` that closes nothing")),
                (Some(_), _) => directives.push(self.directive(depth)?),
            }
        }
    }

    fn directive(&mut self, depth: usize) -> Result<Directive, Mistake> {
        let line = self.line;
        let mut words = Vec::new();
        loop {
            self.space();
            match self.peek() {
                Some(';') => {
                    self.step();
                    return self.made(line, words, None);
                }
                Some('{') => {
                    self.step();
                    let is_code = words.first().is_some_and(|name: &String| name.ends_with("_by_lua_block"));
                    let block = if is_code { self.code(line)? } else { self.block(depth + 1, Some(line))? };
                    return self.made(line, words, Some(block));
                }
                Some('}') | None => {
                    return Err(Mistake {
                        line,
                        column: 1,
                        why: "this directive has no `;` at its end".to_owned(),
                    });
                }
                Some(_) => words.push(self.word()?),
            }
        }
    }

    fn made(
        &self,
        line: usize,
        mut words: Vec<String>,
        block: Option<Vec<Directive>>,
    ) -> Result<Directive, Mistake> {
        if words.is_empty() {
            return Err(self.mistake("a directive without a name"));
        }
        let name = words.remove(0);
        Ok(Directive { name, words, line, end: self.line, block })
    }

    /// Lua: nothing in it is a directive, and what its texts and comments hold closes nothing.
    fn code(&mut self, opened: usize) -> Result<Vec<Directive>, Mistake> {
        let mut open = 1usize;
        while open > 0 {
            match self.step() {
                Some('{') => open += 1,
                Some('}') => open -= 1,
                Some('-') if self.peek() == Some('-') => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.step();
                    }
                }
                Some(quote @ ('"' | '\'')) => {
                    while let Some(c) = self.step().filter(|c| *c != quote) {
                        if c == '\\' {
                            self.step();
                        }
                    }
                }
                Some(_) => {}
                None => {
                    return Err(Mistake {
                        line: opened,
                        column: 1,
                        why: "the `{` of this block has no `}`".to_owned(),
                    });
                }
            }
        }
        Ok(Vec::new())
    }

    fn word(&mut self) -> Result<String, Mistake> {
        let mut word = String::new();
        if let Some(quote) = self.peek().filter(|c| *c == '"' || *c == '\'') {
            let (line, column) = (self.line, self.at - self.line_start + 1);
            self.step();
            loop {
                match self.step() {
                    Some('\\') => self.escaped(&mut word, Some(quote)),
                    Some(c) if c == quote => return Ok(word),
                    Some(c) => word.push(c),
                    None => {
                        return Err(Mistake { line, column, why: format!("this `{quote}` is not closed") });
                    }
                }
            }
        }
        while let Some(c) = self.peek() {
            match c {
                c if c.is_whitespace() || c == ';' => break,
                // `${name}` is a part of a word.
                '{' if word.ends_with('$') => {
                    while let Some(c) = self.step() {
                        word.push(c);
                        if c == '}' || c == '\n' {
                            break;
                        }
                    }
                }
                '{' => break,
                '\\' => {
                    self.step();
                    self.escaped(&mut word, None);
                }
                c => {
                    word.push(c);
                    self.step();
                }
            }
        }
        Ok(word)
    }

    /// What stands behind a `\`: a quote is one, anything else keeps its `\`, for regular expressions.
    fn escaped(&mut self, word: &mut String, quote: Option<char>) {
        match self.step() {
            Some(c) if Some(c) == quote => word.push(c),
            Some(c) => word.extend(['\\', c]),
            None => word.push('\\'),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::parse;

    #[test]
    fn words_quotes_comments_and_blocks_are_read() {
        let text = "# a\nhttp { # b\n  add_header X \"a; b {c} \\\"d\\\"\" always; set $a ${b}c#d;\n location ~ \\.php$ { }\n}\n";
        let read = parse(text).unwrap();
        let inner = read[0].inner();
        assert_eq!(inner[0].words, ["X", "a; b {c} \"d\"", "always"]);
        assert_eq!(inner[1].words, ["$a", "${b}c#d"]);
        assert_eq!(inner[2].words, ["~", "\\.php$"]);
        assert_eq!((read[0].line, read[0].end, inner[2].line), (2, 5, 4));
    }

    #[test]
    fn lua_is_passed_over() {
        let lua = r#"content_by_lua_block { if a then b = {1; "} \"}"} end -- }
 }
listen 80;"#;
        let read = parse(lua).unwrap();
        assert_eq!(read[1].name, "listen");
    }

    #[test]
    fn mistakes_say_where() {
        for (text, line, why) in [
            ("a b;\nserver {\n listen 80;\n", 2, "no `}`"),
            ("a;\n}\n", 2, "closes nothing"),
            ("server {\n listen 80\n}\n", 2, "no `;`"),
            ("a \"b;\nc;\n", 1, "not closed"),
            (";", 1, "without a name"),
        ] {
            let mistake = parse(text).unwrap_err();
            assert_eq!(mistake.line, line, "{text}");
            assert!(mistake.why.contains(why), "{mistake:?}");
        }
        assert!(parse(&"a {".repeat(50)).unwrap_err().why.contains("in each other"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a-z {};#\"'\\\\$\n]{0,80}") {
            let _ = parse(&text);
        }
    }
}
