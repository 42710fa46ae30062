//! What kind of file bytes are, by themselves: neither a name nor a header is believed.

/// What is taken. Scripts, archives, programs and documents with macros are not among them.
const TAKEN: [&str; 7] =
    ["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/heif", "application/pdf"];
const TEXT: &str = "text/plain";

/// Nothing that is taken: what it seems to be instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("images, PDF and plain text in UTF-8 are taken; this is {0}")]
pub(crate) struct WrongKind(&'static str);

/// The media type of a whole file.
///
/// # Errors
/// It is none of those that are taken.
pub(crate) fn of(bytes: &[u8]) -> Result<&'static str, WrongKind> {
    let found = infer::get(bytes).map(|kind| kind.mime_type());
    if let Some(taken) = found.and_then(|found| TAKEN.into_iter().find(|taken| *taken == found)) {
        return Ok(taken);
    }
    // Text that begins like something else, such as a letter to "BM", is text all the same, and is only ever sent as that.
    if is_text(bytes) {
        return Ok(TEXT);
    }
    Err(WrongKind(found.unwrap_or("none of them")))
}

fn is_text(bytes: &[u8]) -> bool {
    let unusual = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}');
    std::str::from_utf8(bytes).is_ok_and(|text| !text.contains(unusual))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_decide_and_what_is_not_on_the_list_is_told() {
        assert_eq!(of(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), Ok("image/png"));
        assert_eq!(of(b"\xff\xd8\xff\xe0\0\x10JFIF"), Ok("image/jpeg"));
        assert_eq!(of(b"%PDF-1.7\n1 0 obj"), Ok("application/pdf"));
        assert_eq!(of("Café, naïve\r\n".as_bytes()), Ok("text/plain"));
        assert_eq!(of(b"BM is how this letter begins"), Ok("text/plain"));
        assert_eq!(of(b"<html><script>alert(1)</script>"), Ok("text/plain"), "sent as text, never as a page");
        let program = [b"\x7fELF\x02\x01\x01".as_slice(), &[0; 64]].concat();
        assert_eq!(of(&program), Err(WrongKind("application/x-executable")));
        assert_eq!(of(b"PK\x03\x04\x14\0\0\0"), Err(WrongKind("application/zip")));
        assert_eq!(of(b"\x00\x01\x02\xfe"), Err(WrongKind("none of them")));
        assert_eq!(of(b"half a character \xc3"), Err(WrongKind("none of them")));
    }
}
