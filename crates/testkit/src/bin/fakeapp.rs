//! An app under test that does what it is told: answers, streams, or misbehaves.
//!
//! All of it stands in `testkit::fakeapp`, so that the judge and the app agree on one form of answer.

fn main() -> std::process::ExitCode {
    testkit::fakeapp::main()
}
