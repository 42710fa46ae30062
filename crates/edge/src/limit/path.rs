//! Whether a path lies below one that a limit or an access rule names, in every spelling that apps read as the same: with `%6c` for `l`, with
//! `//`, `/./` or `/x/../`. A limit on a login would be none if another spelling went around it (W-E5).

use std::borrow::Cow;

/// A prefix of whole segments.
#[derive(Debug)]
pub(crate) struct Prefix(Vec<Box<str>>);

impl Prefix {
    pub(crate) fn new(path: &str) -> Self {
        Self(crate::table::segments(path).map(Box::from).collect())
    }

    /// `path` as [`plain`] gives it.
    pub(crate) fn holds(&self, path: &str) -> bool {
        let mut segments = path.split('/').filter(|segment| !segment.is_empty());
        self.0.iter().all(|own| segments.next() == Some(&**own))
    }
}

/// A path without other spellings of the same, but for `//`. As most are: then it is itself, and costs a look.
pub(crate) fn plain(path: &str) -> Cow<'_, str> {
    if !path.contains('%') && !path.contains("/.") {
        return Cow::Borrowed(path);
    }
    let decoded = decoded(path.as_bytes());
    let mut segments = Vec::new();
    for segment in decoded.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    Cow::Owned(format!("/{}", segments.join("/")))
}

/// Whether apps read it as different paths: some take what follows a `;` away from a segment before they look whether it is `..`
/// (servlets), some take `\` for `/`. `path` as [`plain`] gives it.
pub(crate) fn is_ambiguous(path: &str) -> bool {
    let is_dots =
        |segment: &str| segment.split_once(';').is_some_and(|(name, _)| [".", ".."].contains(&name));
    path.contains('\\') || path.split('/').any(is_dots)
}

/// RFC 3986 2.1, once; what is no escape stays.
fn decoded(path: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((first, after)) = rest.split_first() {
        let (byte, after) = escaped(*first, after).unwrap_or((*first, after));
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The byte that `%` and two digits stand for, and what follows them.
fn escaped(first: u8, after: &[u8]) -> Option<(u8, &[u8])> {
    let digit = |byte: u8| (byte as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    match after {
        [high, low, after @ ..] if first == b'%' => Some((digit(*high)? << 4 | digit(*low)?, after)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_below(path: &str, prefix: &str) -> bool {
        Prefix::new(prefix).holds(&plain(path))
    }

    #[test]
    fn a_prefix_holds_whole_segments() {
        for path in ["/api/auth/login", "/api/auth/login/", "/api/auth/login/x"] {
            assert!(is_below(path, "/api/auth/login"), "{path}");
        }
        for path in ["/api/auth/logins", "/api/auth", "/", "/x/api/auth/login", "*"] {
            assert!(!is_below(path, "/api/auth/login"), "{path}");
        }
        assert!(is_below("/anything", "/") && is_below("*", "/"));
    }

    #[test]
    fn no_other_spelling_goes_around_it() {
        for path in [
            "//api/auth/login",
            "/api//auth///login",
            "/api/./auth/login",
            "/api/x/../auth/login",
            "/../api/auth/login",
            "/%61pi/auth/%6Cogin",
            "/api%2Fauth/login",
            "/api/x/%2e%2E/auth/login",
            "/api/auth/login%2f",
        ] {
            assert!(is_below(path, "/api/auth/login"), "{path}");
        }
        assert!(!is_below("/api/auth/%256cogin", "/api/auth/login"), "it is decoded once, as apps do");
        assert_eq!(plain("/100%/%+1/%zz"), "/100%/%+1/%zz");
    }

    proptest! {
        #[test]
        fn escaping_any_letter_changes_nothing(path in "(/[a-z]{1,4}){1,4}", which in 0..16usize) {
            let escaped: String = path
                .char_indices()
                .map(|(n, c)| if n == which && c != '/' { format!("%{:02X}", c as u32) } else { c.to_string() })
                .collect();
            prop_assert_eq!(plain(&escaped), path);
        }

        #[test]
        fn no_path_makes_it_panic(path in ".{0,40}") {
            let _ = plain(&path);
        }
    }
}
