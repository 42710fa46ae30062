//! Places where a test lets a process die: `MAINSTAY_FAIL_AT=<name>` kills it with SIGKILL when it comes by. Only in debug
//! builds; a release build does not read the variable. The keeper hands it on to its shims.

/// The variable's name.
pub(crate) const VARIABLE: &str = "MAINSTAY_FAIL_AT";

/// Dies here if the variable names this place.
pub(crate) fn hit(name: &str) {
    if cfg!(debug_assertions) && std::env::var_os(VARIABLE).is_some_and(|wanted| wanted == name) {
        // std's abort would run no handler either, but its SIGABRT could be caught; nothing catches this.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}
