//! The next version's formats, for tests of what happens when it has been here. `MAINSTAY_FORMATS_PLUS=1` makes every stored
//! format of this program one higher than its own, in debug builds only: a release build does not read the variable.

/// The variable's name.
const VARIABLE: &str = "MAINSTAY_FORMATS_PLUS";

/// What is written under a format that is `own` in this version, and the highest that is read; the one before is read too.
pub fn current<T: From<bool> + std::ops::Add<Output = T>>(own: T) -> T {
    let is_next = cfg!(debug_assertions) && std::env::var_os(VARIABLE).is_some();
    own + T::from(is_next)
}

/// For the environment of a child of our own, which starts with an empty one.
pub fn handed_on() -> Option<(String, String)> {
    let value = std::env::var(VARIABLE).ok().filter(|_| cfg!(debug_assertions))?;
    Some((VARIABLE.to_owned(), value))
}
