//! Accounts that machine.toml names exist, and each is one app's alone.

use api::checks::{Severity, State};
use model::Explain;

use super::{Before, Context};
use crate::{
    accounts::{others, refusal, surplus_group},
    finding::{Check, found_if, passed},
};

pub(super) const CHECK: Check<Before> = Check {
    id: "accounts",
    title: "accounts that machine.toml names exist, and each is one app's alone",
    severity: Severity::Error,
    sources: &["RUN-07", "CHK-09l"],
    run,
};

fn run(context: &Context<'_>) -> State {
    if context.accounts.is_empty() {
        return passed("none is named: Mainstay makes them, or runs all as its own user");
    }
    let mut wrong = Vec::new();
    for (app, account) in &context.accounts {
        match machine::users::by_name(account) {
            Ok(Some(found)) => {
                let others = others(app, context.accounts.iter().map(|(app, name)| (app, name.as_str())));
                let why = refusal(app, &found, &others).or_else(|| surplus_group(&found));
                wrong.extend(why.map(|why| format!("[app.{app}]: {why}")));
            }
            Ok(None) => wrong.push(format!("[app.{app}]: there is no account {account}")),
            Err(error) => wrong.push(format!("[app.{app}]: {account} cannot be looked up: {error}")),
        }
    }
    let explain = Explain::new("no-account", "an app could not run as its user")
        .help("give it one of its own: `useradd --system --no-create-home NAME`, or leave `user` out");
    found_if(wrong, explain, "all exist")
}
