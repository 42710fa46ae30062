//! Whether a file's name changes with what is in it, so that caches may keep it for ever.

/// Builders put at least so many digits of a digest into a name.
const DIGITS_MIN: usize = 8;

/// `app.3f9a1c07.js`, `app-3f9a1c07.js`, `3f9a1c07d2e4.css`: a part of the name that is hexadecimal, with digits and letters
/// both, so that a date is none. Digests in other alphabets look like words: their folders are named in the manifest.
pub(crate) fn is_hashed(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or("");
    name.split(['.', '-', '_', '~']).any(|part| {
        let is_hex = part.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'));
        let has = |of: fn(&u8) -> bool| part.as_bytes().iter().any(of);
        part.len() >= DIGITS_MIN && is_hex && has(u8::is_ascii_digit) && has(u8::is_ascii_lowercase)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_in_a_name_is_told_from_words_and_dates() {
        for name in [
            "/a/app.3f9a1c07.js",
            "/app-3f9a1c07.css",
            "/3f9a1c07d2e4.js",
            "/x_3f9a1c07.woff2",
            "/main.3f9a1c07.chunk.js",
        ] {
            assert!(is_hashed(name), "{name}");
        }
        for name in [
            "/",
            "/index.html",
            "/report-20261130.pdf",
            "/facade.js",
            "/deadbeef.txt",
            "/app.3f9a1c0.js",
            "/3f9a1c07/app.js",
            "/APP.3F9A1C07.js",
        ] {
            assert!(!is_hashed(name), "{name}");
        }
    }
}
