//! `mainstay webhook`: who is told what happens on this machine, and whether they hear it.

use std::process::ExitCode;

use api::{
    client::Failure,
    webhooks::{Test, Tested, Webhook as Hook, Webhooks},
};
use clap::{Args, Subcommand};
use model::Explain;

use crate::{
    output::{json, line, moment, or_dash, table},
    session::{Session, block_on},
};

/// Show the webhooks of machine.toml and what became of deliveries; send a test
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  mainstay webhook list\n  mainstay webhook test 1")]
pub struct Webhook {
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// List them: what waits, what was taken last, what failed last
    List,
    /// Send one a signed test event, and show its answer
    ///
    /// Exits with 1 where it does not answer with a 2xx.
    Test {
        /// Its number in the list, or its URL
        #[arg(value_name = "URL|N", default_value = "1")]
        hook: String,
    },
}

impl Webhook {
    pub fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        match self.verb {
            Verb::List => list(session),
            Verb::Test { hook } => test(session, hook),
        }
    }
}

fn list(session: &Session) -> Result<ExitCode, Explain> {
    let told = block_on(async { session.client.webhooks().await.map_err(Failure::explain) })?;
    if session.json() {
        json(&told);
    } else if told.hooks.is_empty() {
        line("No webhook is in machine.toml: a [[webhook]] there names who is told what happens here.");
    } else {
        line(render(&told));
    }
    Ok(ExitCode::SUCCESS)
}

fn render(told: &Webhooks) -> String {
    let rows: Vec<Vec<String>> = told.hooks.iter().map(row).collect();
    let mut lines = vec![table(&["N", "URL", "EVENTS", "WAITING", "TAKEN", "GIVEN UP", "LAST TAKEN"], &rows)];
    for hook in &told.hooks {
        let failed = hook.state.as_ref().and_then(|state| state.last_error.as_ref());
        lines.extend(failed.map(|why| format!("{}: last failed {why}", hook.number)));
        let old = "signs with the secret that was there before";
        let problems = [("not used", &hook.problem), (old, &hook.unread)];
        for (how, why) in problems.into_iter().filter_map(|(how, why)| Some((how, why.as_ref()?))) {
            lines.push(format!("{}: {how}: {why}", hook.number));
            lines.extend(why.help.as_ref().map(|help| format!("   help: {help}")));
        }
    }
    lines.join("\n")
}

fn row(hook: &Hook) -> Vec<String> {
    let state = hook.state.as_ref();
    let of = |read: fn(&api::webhooks::State) -> u64| or_dash(state.map(read));
    vec![
        hook.number.to_string(),
        hook.url.clone(),
        hook.events.join(" "),
        of(|state| state.queued),
        of(|state| state.delivered),
        of(|state| state.dead),
        or_dash(state.and_then(|state| state.last_delivery.as_deref()).map(moment)),
    ]
}

fn test(session: &Session, hook: String) -> Result<ExitCode, Explain> {
    let request = Test { hook };
    let tested = block_on(async { session.client.webhook_test(&request).await.map_err(Failure::explain) })?;
    if session.json() {
        json(&tested);
    } else {
        line(words(&tested));
    }
    Ok(if tested.is_taken() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn words(tested: &Tested) -> String {
    let Tested { url, id, took_ms, .. } = tested;
    match (tested.status, &tested.error) {
        (Some(status), _) => {
            // What a stranger's server says is shown without what moves a cursor.
            let body: String = tested.body.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            let body = body.trim();
            let said = if body.is_empty() { String::new() } else { format!(": {body}") };
            format!("{url} answered {status} to {id} in {took_ms} ms{said}")
        }
        (None, why) => {
            format!("{url} did not answer {id}: {}", why.as_deref().unwrap_or("no reason is known"))
        }
    }
}
