//! Planted defects: each makes this program wrong in one known way, so that a test can show that it would be noticed.
//! `PLANTED_DEFECT=<name>` plants one, in debug builds only: a release build does not read the variable.

/// The variable's name.
const VARIABLE: &str = "PLANTED_DEFECT";

/// Whether this defect is wanted.
pub fn is_planted(name: &str) -> bool {
    cfg!(debug_assertions) && std::env::var_os(VARIABLE).is_some_and(|wanted| wanted == name)
}

/// For the environment of a child of our own, which starts with an empty one.
pub fn handed_on() -> Option<(String, String)> {
    let name = std::env::var(VARIABLE).ok().filter(|_| cfg!(debug_assertions))?;
    Some((VARIABLE.to_owned(), name))
}
