//! `mainstay destroy`: ends an app in one environment.

use std::{path::Path, process::ExitCode};

use api::{apps::Destroy as Request, client::Failure};
use clap::Args;
use model::{Explain, Site};

use crate::{
    commands::confirm,
    output::{json, line},
    session::{Session, block_on},
};

/// End an app in one environment: stop it, remove its releases, logs and records
///
/// Its shared folder (databases, uploads) and its secrets.env stay unless `--with-data` is given. The name of the app and the environment
/// must be typed back, or given by `--yes`: there is no way to undo it.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Example:\n  mainstay destroy --app assistant --env staging --yes assistant/staging")]
pub struct Destroy {
    /// The app and environment, instead of typing it back
    #[arg(long, value_name = "APP/ENVIRONMENT")]
    pub yes: Option<String>,

    /// Remove the shared folder too: databases, uploads, everything
    #[arg(long)]
    pub with_data: bool,
}

impl Destroy {
    pub fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        block_on(async {
            let site = session.site().await?;
            let confirm = site.to_string();
            confirm::confirm(
                &confirm,
                self.yes.as_deref(),
                &format!("destroying {site}"),
                &self.warning(&site),
            )?;
            let request = Request { confirm, with_data: self.with_data };
            session.client.destroy(&site, &request).await.map_err(Failure::explain)?;
            let data = session.client.machine().await.map_err(Failure::explain)?.data;
            let kept = [data.as_str(), "apps", site.app.as_str(), site.env.as_str()].join("/");
            // A folder that this user may not look at is there.
            let kept = Some(kept).filter(|kept| Path::new(kept).try_exists().unwrap_or(true));
            if session.json() {
                json(
                    &serde_json::json!({ "destroyed": site.to_string(), "with_data": self.with_data, "kept_in": kept }),
                );
            } else {
                line(format!("{site} is gone; {}", left(kept.as_deref())));
            }
            Ok(ExitCode::SUCCESS)
        })
    }

    fn warning(&self, site: &Site) -> String {
        let what = match self.with_data {
            true => "its releases, logs, secrets and ALL ITS DATA",
            false => "its releases and logs",
        };
        format!("This stops {site} and removes {what}.")
    }
}

/// Nothing lists a destroyed site any more: this is where a person learns what is left of it.
fn left(kept: Option<&str>) -> String {
    let Some(kept) = kept else { return "nothing of it is left.".to_owned() };
    format!(
        "its shared folder and secrets stay in {kept} for its next deploy; `destroy --with-data` removes them."
    )
}
