//! A program that says of itself what a Mainstay says, and is none: as anything else it dies, or hangs. Whoever makes a copy
//! appends [`testkit::hollow::Tail`] to it.

use std::process::ExitCode;

use testkit::hollow::Tail;

fn main() -> ExitCode {
    let Some(tail) = Tail::of_this_program() else { return ExitCode::from(2) };
    if std::env::args().nth(1).as_deref() == Some("version") {
        println!("{}", tail.says);
        return ExitCode::SUCCESS;
    }
    if tail.hangs {
        loop {
            std::thread::sleep(std::time::Duration::from_secs(60));
        }
    }
    ExitCode::from(9)
}
