//! `mainstay init`
use std::process::ExitCode;
use clap::Args;
use model::Explain;
/// x
#[derive(Clone, Debug, Args)]
pub struct Check {}
impl Check { pub fn run(self, _: &crate::session::Session) -> Result<ExitCode, Explain> { Ok(ExitCode::SUCCESS) } }
