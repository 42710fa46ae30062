//! Every secret that the manifest names has a value.

use api::checks::{Severity, State};
use model::Explain;

use super::{Before, Context, Secrets};
use crate::finding::{Check, count, found, found_if, not_run, passed};

pub(super) const CHECK: Check<Before> = Check {
    id: "secrets-resolve",
    title: "every secret that the manifest names has a value",
    severity: Severity::Error,
    sources: &["CHK-03d", "CHK-09b", "CHK-10c", "CFGV-02", "W-F4", "W-F14"],
    run,
};

fn run(context: &Context<'_>) -> State {
    let names = context.secret_names();
    if names.is_empty() {
        return passed("the manifest names none");
    }
    let (from, values) = match &context.secrets {
        Secrets::Read { from, values } => (from, values),
        Secrets::NotHere { why } => return not_run(why.clone()),
        Secrets::Broken(explain) => return found(explain.clone()),
    };
    let empty = |name: &&str| values.get(*name).is_none_or(|value| value.reveal().trim().is_empty());
    let missing: Vec<String> =
        names.iter().filter(|name| empty(name)).map(|name| format!("{name} is not set")).collect();
    let explain = Explain::new("secret-missing", "secrets that the manifest names have no value")
        .help(format!("`mainstay secrets set NAME` puts each in, or a line NAME=value in {from} does"));
    found_if(missing, explain, format!("{} from {from}", count(names.len(), "secret")))
}
