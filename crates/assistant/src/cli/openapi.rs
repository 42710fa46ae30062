//! `assistant openapi`.

use std::io::{self, ErrorKind, Write};

use clap::Args as ClapArgs;

use super::Failed;
use crate::web::openapi::description;

/// Print the description of the HTTP interface (OpenAPI 3.1) as JSON.
#[derive(ClapArgs)]
pub(super) struct Args {}

pub(super) fn run(Args {}: Args) -> Result<(), Failed> {
    match writeln!(io::stdout(), "{:#}", description()) {
        // Whoever reads it has seen enough.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failed::to("nothing was printed", error)),
        _ => Ok(()),
    }
}
