//! A value that must not be shown.

use std::fmt;

/// Holds a secret's text. `Debug` and `Display` print `[secret]`; only [`Secret::reveal`] gives the text out. It has no
/// `Serialize` on purpose: a secret reaches a process by descriptor, never by a file, an argument or an answer of the API.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}
