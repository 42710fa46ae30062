//! What runs of the app is held by a sandbox.

use api::checks::{Severity, State};
use model::{Explain, Sandbox, ServiceName};

use super::{Live, Running};
use crate::finding::{Check, found_if};

pub(super) const CHECK: Check<Running> = Check {
    id: "sandbox",
    title: "the app is held by a sandbox",
    severity: Severity::Warning,
    sources: &["CTR-09", "CHK-13f", "W-C14"],
    run,
};

fn run(context: &Live<'_>) -> State {
    let programs = context.manifest.programs().map(|program| program.service);
    let held: Vec<_> = programs.map(|service| (service, context.manifest.sandbox_of(service))).collect();
    let mut wrong = context.machine.unheld.clone();
    for (service, sandbox) in &held {
        let off = [("landlock", sandbox.landlock), ("seccomp", sandbox.seccomp)];
        let off = off.into_iter().filter(|(_, on)| !on);
        wrong
            .extend(off.map(|(what, _)| format!("{service} runs without {what}, by its release's manifest")));
    }
    let opened: Vec<String> =
        held.iter().filter_map(|(service, sandbox)| loosenings(service, sandbox)).collect();
    let seen = if opened.is_empty() { "nothing is loosened".to_owned() } else { opened.join("; ") };
    let explain = Explain::new("sandbox", "the app is not held by all of a sandbox")
        .now("its account, no_new_privs and the lack of capabilities hold it all the same")
        .help(
            "a kernel from 6.12 on has all of it; a release that was deployed before there was a sandbox gets it with the next \
             deploy; instead of `landlock = false` name what the app writes: `write = [\"/path\"]`",
        );
    found_if(wrong, explain, seen)
}

fn loosenings(service: &ServiceName, sandbox: &Sandbox) -> Option<String> {
    let words = sandbox.allow.iter().map(|allow| allow.word().to_owned());
    let all: Vec<String> = words.chain(sandbox.write.iter().map(|path| format!("write {path}"))).collect();
    (!all.is_empty()).then(|| format!("{service}: {}", all.join(", ")))
}
