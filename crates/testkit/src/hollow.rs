//! What a hollow binary carries behind its own bytes: its answer to `version --json`, and whether it hangs.

use std::fs;

const MARK: &[u8] = b"\nHOLLOW ";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    pub says: String,
    pub hangs: bool,
}

impl Tail {
    pub fn bytes(&self) -> Vec<u8> {
        let hangs = if self.hangs { "hangs " } else { "dies " };
        [MARK, hangs.as_bytes(), self.says.as_bytes()].concat()
    }

    /// The last that was appended to the running program.
    pub fn of_this_program() -> Option<Self> {
        Self::read(&fs::read("/proc/self/exe").ok()?)
    }

    fn read(program: &[u8]) -> Option<Self> {
        let at = program.windows(MARK.len()).rposition(|window| window == MARK)?;
        let text = String::from_utf8(program.get(at + MARK.len()..)?.to_vec()).ok()?;
        let (word, says) = text.split_once(' ')?;
        Some(Self { says: says.to_owned(), hangs: word == "hangs" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_appended_is_read_and_a_bare_program_has_none() {
        let tail = Tail { says: r#"{"version":"9"}"#.to_owned(), hangs: true };
        assert_eq!(Tail::read(&[b"\x7fELF".to_vec(), tail.bytes()].concat()), Some(tail));
        assert_eq!(Tail::read(b"\x7fELF"), None);
    }
}
