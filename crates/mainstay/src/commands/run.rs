//! `mainstay run`: a one-off command in the release that serves.

use std::{io::Write as _, process::ExitCode};

use api::{
    client::{Failure, lines::Lines},
    jobs::{Frame, Run as Request},
};
use clap::Args;
use model::{Explain, ServiceName};

use crate::{
    output::{json, raw},
    session::{Session, block_on},
};

/// Run a command once, in the release that serves
///
/// As the app's user, in the release's folder, with the environment and secrets of a service. Ends with the command's
/// own exit code; 128 and the signal's number if a signal ended it.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  mainstay run -- node scripts/report.js\n  mainstay run --service worker -- printenv"
)]
pub struct Run {
    /// Whose environment; the first service's unless said
    #[arg(long, value_name = "NAME")]
    pub service: Option<ServiceName>,

    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub argv: Vec<String>,
}

impl Run {
    pub fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        block_on(async {
            let site = session.site().await?;
            let request = Request { argv: self.argv, service: self.service };
            let frames = session.client.run(&site, &request).await.map_err(Failure::explain)?;
            print(session, frames).await
        })
    }
}

/// Passes a one-off's output on and ends as it ended.
pub(super) async fn print(session: &Session, mut frames: Lines<Frame>) -> Result<ExitCode, Explain> {
    while let Some(frame) = frames.next().await.map_err(Failure::explain)? {
        if session.json() {
            json(&frame);
        }
        match frame {
            Frame::Exit { code, signal } => return Ok(exit_code(code, signal)),
            _ if session.json() => {}
            Frame::Stdout { text } => raw(&text),
            Frame::Stderr { text } => {
                // Nobody reads standard error any more: there is nobody to tell.
                let _ = std::io::stderr().write_all(text.as_bytes());
            }
        }
    }
    Err(Explain::new("no-exit", "the command's output ended without its exit")
        .help("it may still run: `mainstay status` shows what does"))
}

fn exit_code(code: Option<i32>, signal: Option<i32>) -> ExitCode {
    let number = code.or(signal.map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(number & 0xff).unwrap_or(1))
}
