//! A command that gives secrets, as the app's user.

use std::time::Duration;

use model::{Explain, Site};

use super::Values;
use crate::{
    config::{secret_file::TEXT_BYTES_MAX, secret_lines},
    keeper::{
        ground::Ground,
        orders,
        printed::{Asked, printed},
    },
};

/// Bound: from its start to its end.
const LIMIT: Duration = Duration::from_secs(20);
const NAME: &str = "secrets";

pub(super) async fn values(ground: &Ground, site: &Site, argv: &[String]) -> Result<Values, Explain> {
    let failed = |cause: String| {
        Explain::new("secrets-command-failed", format!("the command that gives the secrets of {site} failed"))
            .caused_by(cause)
            .help("run it by hand as the app's user; its output is never logged")
    };
    let asked = Asked {
        site: Some(site.clone()),
        name: NAME,
        argv: argv.to_vec(),
        user: ground.user(site)?,
        // The operator's own command, which may keep a cache or ask an agent wherever it likes.
        sandbox: None,
        fds: Vec::new(),
        log: orders::job_log(ground, site, NAME),
        limit: LIMIT,
        bytes_max: TEXT_BYTES_MAX,
    };
    let read = printed(&ground.supervisor, asked).await;
    let text = String::from_utf8(read.map_err(failed)?)
        .map_err(|_| failed("it printed bytes that are no UTF-8".into()))?;
    secret_lines::parse(&text)
        .map_err(|line| failed(format!("line {line} of what it printed is not of the form NAME=value")))
}
