//! The binary. Its first argument is looked at before anything else is made: a shim must stay small, so it gets no
//! runtime, no allocator tricks and no command-line parser.

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<std::ffi::OsString> = std::env::args_os().collect();
    match mainstay::internal::Verb::of(&args) {
        Some(verb) => mainstay::internal::run(verb, &args),
        None => mainstay::cli::main(),
    }
}
