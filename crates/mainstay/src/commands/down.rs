//! `mainstay down`: drain, then stop everything.

use std::process::ExitCode;

use api::{client::Failure, machine::Down as Request};
use clap::Args;
use model::{Explain, Span};

use crate::{
    output::{json, line},
    session::{Session, block_on},
};

/// Drain and stop this machine's Mainstay, with all its apps
///
/// No new request is taken; open ones end by their class (requests, streams, WebSockets) within the limit, then every
/// instance gets its stop signal. The next `mainstay up`, or `systemctl restart mainstay`, starts the last served release
/// of each app. Ends with 1 where something has outlived its stop; it is named.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  mainstay down\n  mainstay down --within 5m     streams get five minutes to end\n  mainstay down --within 0s     at once"
)]
pub struct Down {
    /// Drain for at most this long, instead of machine.toml's `shutdown_timeout`; `0s` stops at once
    #[arg(long, value_name = "TIME")]
    pub within: Option<Span>,
}

impl Down {
    pub fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        block_on(async {
            let mut steps =
                session.client.down(&Request { within: self.within }).await.map_err(Failure::explain)?;
            let mut last = None;
            loop {
                match steps.next().await {
                    Ok(Some(step)) => {
                        if session.json() {
                            json(&step)
                        } else {
                            line(&step.message)
                        }
                        last = Some(step).filter(|step| step.done);
                    }
                    Ok(None) => break,
                    // The keeper's own end is the end that was asked for.
                    Err(Failure::Lost { .. }) if last.is_some() => break,
                    Err(failure) => return Err(failure.explain()),
                }
            }
            if let Some(last) = last {
                return Ok(if last.left.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
            }
            Err(Explain::new("not-down", "Mainstay went away before it said that nothing is left")
                .help("`mainstay status` shows whether something still runs"))
        })
    }
}
