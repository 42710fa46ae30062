//! An edge without a keeper, for profiling: `alone SETTINGS`, with descriptors as sd_listen_fds(3) says.

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args_os().nth(1) {
        Some(settings) => match edge::main(settings.as_ref()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(explain) => {
                eprintln!("error: {explain}");
                ExitCode::FAILURE
            }
        },
        None => {
            eprintln!("usage: alone SETTINGS");
            ExitCode::FAILURE
        }
    }
}
