//! `mainstay scale`: more or fewer instances, until a deploy says otherwise.

use std::process::ExitCode;

use api::jobs::Scale as Request;
use clap::Args;
use model::{Explain, ServiceName, manifest::INSTANCES_MAX};

use super::watch;
use crate::session::{Session, block_on};

/// Set how many instances of a service run
///
/// Holds until a deploy changes the manifest's own number; `mainstay status` and the plan of a deploy show it.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Example:\n  mainstay scale web=4")]
pub struct Scale {
    /// The service and its number
    #[arg(value_name = "SERVICE=NUMBER", value_parser = parse)]
    pub what: (ServiceName, u32),

    #[command(flatten)]
    pub watch: watch::Options,
}

fn parse(text: &str) -> Result<(ServiceName, u32), String> {
    let (service, number) = text.split_once('=').ok_or("write SERVICE=NUMBER, like web=4")?;
    let service = service.parse().map_err(|error: model::NameError| error.to_string())?;
    match number.parse() {
        Ok(0) => {
            Err("a service has at least one instance; `mainstay destroy` or `down` end an app".to_owned())
        }
        Ok(number) if number <= INSTANCES_MAX => Ok((service, number)),
        Ok(number) => Err(format!("a service has at most {INSTANCES_MAX} instances, and {number} are more")),
        Err(_) => Err(format!("`{number}` is no number of instances")),
    }
}

impl Scale {
    pub fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        block_on(async {
            let site = session.site().await?;
            let (service, instances) = self.what.clone();
            let request = Request { service, instances };
            let ask = async |key: &_| session.client.scale(&site, key, &request).await;
            watch::start(session, &site, ask, "Scaling", self.watch.leave()).await
        })
    }
}
