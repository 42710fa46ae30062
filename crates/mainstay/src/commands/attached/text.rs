//! Bytes as text, for JSON: a character that is cut by a read is put together again.

/// What is left of a character that has not come whole. Bound: three bytes.
#[derive(Debug, Default)]
pub(super) struct Text(Vec<u8>);

impl Text {
    /// The text of `bytes` and of what was pending; nothing more comes where `bytes` is empty.
    pub(super) fn take(&mut self, bytes: &[u8]) -> String {
        self.0.extend_from_slice(bytes);
        let cut = match std::str::from_utf8(&self.0) {
            // No length: the end came within a character. Anything else is no text, and shown as such.
            Err(error) if error.error_len().is_none() && !bytes.is_empty() => error.valid_up_to(),
            _ => self.0.len(),
        };
        let whole: Vec<u8> = self.0.drain(..cut).collect();
        String::from_utf8_lossy(&whole).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::Text;

    #[test]
    fn a_character_that_a_read_cuts_comes_whole_with_the_next() {
        let mut text = Text::default();
        assert_eq!(text.take(b"caf\xc3"), "caf");
        assert_eq!(text.take(b"\xa9\n"), "é\n");
        assert_eq!(text.take(b"\xff!\xe2\x82"), "\u{fffd}!\u{fffd}", "what is no text is shown as such");
        assert_eq!(text.take(b""), "");
    }
}
