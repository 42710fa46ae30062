//! `mainstay destroy`: ends an app in one environment.

use std::{
    io::{BufRead as _, IsTerminal as _, Write as _},
    path::Path,
    process::ExitCode,
};

use api::{apps::Destroy as Request, client::Failure};
use clap::Args;
use model::{Explain, Site};

use crate::{
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
            let confirm = match &self.yes {
                Some(typed) => typed.clone(),
                None => ask(&site, self.with_data)?,
            };
            if confirm != site.to_string() {
                return Err(Explain::new("not-confirmed", format!("`{confirm}` is not `{site}`"))
                    .now("nothing was changed")
                    .help(format!("type `{site}` back, or give `--yes {site}`")));
            }
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
}

/// Nothing lists a destroyed site any more: this is where a person learns what is left of it.
fn left(kept: Option<&str>) -> String {
    let Some(kept) = kept else { return "nothing of it is left.".to_owned() };
    format!(
        "its shared folder and secrets stay in {kept} for its next deploy; `destroy --with-data` removes them."
    )
}

fn ask(site: &Site, with_data: bool) -> Result<String, Explain> {
    if !std::io::stdin().is_terminal() {
        return Err(Explain::new("not-confirmed", format!("destroying {site} wants a confirmation"))
            .now("nothing was changed")
            .help(format!("without a terminal, give `--yes {site}`")));
    }
    let what =
        if with_data { "its releases, logs, secrets and ALL ITS DATA" } else { "its releases and logs" };
    let mut error = std::io::stderr();
    // A prompt that cannot be shown is answered by nobody: the comparison below then refuses.
    let _ = write!(error, "This stops {site} and removes {what}. Type {site} to go on: ");
    let _ = error.flush();
    let mut typed = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut typed)
        .map_err(|error| Explain::new("not-confirmed", "nothing was typed").because(&error))?;
    Ok(typed.trim().to_owned())
}
