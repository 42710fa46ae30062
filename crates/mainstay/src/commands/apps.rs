//! `mainstay apps`: what lives on this machine.

use std::process::ExitCode;

use api::client::Failure;
use clap::Args;
use model::Explain;

use crate::{
    output::{json, line, or_dash, table},
    session::{Session, block_on},
};

/// List the apps of this machine
///
/// One line for each app and environment: what the edge serves, how many instances are ready, and where.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  mainstay apps\n  mainstay apps --json | jq -r '.[].site'")]
pub struct Apps {}

impl Apps {
    pub fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        let mut apps = block_on(async { session.client.apps().await.map_err(Failure::explain) })?;
        if let Some(app) = session.globals.app() {
            apps.retain(|known| known.site.app == *app);
        }
        if session.json() {
            json(&apps);
        } else if apps.is_empty() {
            line("No app is here yet: `mainstay deploy` in the folder of a mainstay.toml brings the first.");
        } else {
            line(render(&apps));
            warn(session, &apps);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What keeps apps from being cared for.
pub(super) fn warn(session: &Session, apps: &[api::apps::App]) {
    apps.iter().filter_map(|app| app.problem.as_ref()).for_each(|problem| session.report.warning(problem));
}

fn render(apps: &[api::apps::App]) -> String {
    let row = |app: &api::apps::App| {
        vec![
            app.site.to_string(),
            app.state.clone(),
            or_dash(app.serving),
            format!("{}/{}", app.instances_ready, app.instances_wanted),
            app.urls.join(" "),
        ]
    };
    table(&["APP", "STATE", "RELEASE", "READY", "AT"], &apps.iter().map(row).collect::<Vec<_>>())
}
