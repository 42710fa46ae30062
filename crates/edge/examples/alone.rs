//! An edge without a keeper, for profiling: `alone SETTINGS`, with descriptors as sd_listen_fds(3) says.

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args_os().nth(1) {
        Some(settings) => edge::main(settings.as_ref()),
        None => {
            eprintln!("usage: alone SETTINGS");
            ExitCode::FAILURE
        }
    }
}
