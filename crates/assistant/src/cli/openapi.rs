//! `assistant openapi`.

use clap::Args as ClapArgs;

use super::Failed;
use crate::web::openapi::description;

/// Print the description of the HTTP interface (OpenAPI 3.1) as JSON.
#[derive(ClapArgs)]
pub(super) struct Args {}

pub(super) fn run(Args {}: Args) -> Result<(), Failed> {
    println!("{:#}", description());
    Ok(())
}
