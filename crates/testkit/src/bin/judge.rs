//! The judge as a program, for machines that a test can only send commands to: `judge HOST RELEASE LEDGER` asks the
//! edge of this machine until it reads a line, then prints its report. Ends with 1 if anything failed.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use testkit::{Judge, Load, Target};

/// What is shown in a guest is that nothing is refused and nothing is cut. How fast is shown elsewhere: its one processor
/// takes ten times as long.
const PATIENCE: Duration = Duration::from_secs(60);
/// Answers before anything may happen to the site.
const AT_WORK: u64 = 50;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(host), Some(release), Some(ledger)) = (arguments.next(), arguments.next(), arguments.next())
    else {
        eprintln!("usage: judge HOST RELEASE LEDGER");
        return ExitCode::from(2);
    };
    let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let judge =
        Judge::start(Target { address: at(80), tls: Some(at(443)), host, patience: PATIENCE }, gentle());
    // 0 is any: a release that is no number is none that serves, and every answer is a wrong one.
    judge.expect_release(release.parse().unwrap_or(u64::MAX));
    judge.wait_answers(AT_WORK);
    println!("at work");
    let mut line = String::new();
    if let Err(error) = std::io::stdin().read_line(&mut line) {
        eprintln!("judge: nobody can say when it is enough: {error}");
    }
    // Whatever has happened to the site, it serves at the end.
    judge.wait_answers(AT_WORK);
    let report = judge.finish(Some(Path::new(&ledger)));
    println!("{report}");
    ExitCode::from(u8::from(!report.failures.is_empty()))
}

/// What one slow processor serves without being the bottleneck.
fn gentle() -> Load {
    Load {
        short: 3,
        slow: 2,
        writers: 1,
        pausing: 1,
        pace: Duration::from_millis(100),
        answer_bytes_max: 64 * 1024,
        ..Load::requests()
    }
}
