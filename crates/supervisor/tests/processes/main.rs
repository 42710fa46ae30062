//! Real processes under the real shim. This executable plays all parts: keeper and shim, and apps that misbehave.
//!
//! Each test has run, data and log folders of its own, and ends what it started. Root is used where there is: then the
//! tests of users, full disks and cgroups run too; a plain user's run says which it left out.

mod adopt;
mod apps;
mod consoles;
mod end;
mod held;
mod house;
mod older;
mod output;
mod reused;
mod slots;
mod start;
mod ups;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    match args.next().as_deref().and_then(|role| role.to_str()) {
        Some("shim") => return supervisor::shim::main(args),
        Some("keeper") => return house::keeper(args),
        Some("up") => return ups::play_up(args),
        Some("storekeeper") => return ups::play_keeper(args),
        Some("older-shim") => return older::main(args),
        Some("small-world") => return reused::main(),
        Some("app") => return apps::main(args),
        _ => {}
    }
    let mut tests = Vec::new();
    tests.extend(start::tests());
    tests.extend(output::tests());
    tests.extend(consoles::tests());
    tests.extend(end::tests());
    tests.extend(held::tests());
    tests.extend(adopt::tests());
    tests.extend(older::tests());
    tests.extend(reused::tests());
    tests.extend(slots::tests());
    tests.extend(ups::tests());
    let arguments = Arguments::from_args();
    libtest_mimic::run(&arguments, tests).exit_code()
}

/// A test on a runtime of its own.
fn trial<F>(name: &str, test: impl FnOnce() -> F + Send + 'static) -> Trial
where
    F: Future<Output = ()>,
{
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        // Bound: nothing here takes long; a hang must end the run with the test's name.
        let bounded = runtime
            .block_on(async { tokio::time::timeout(std::time::Duration::from_secs(60), test()).await });
        bounded.map_err(|_| "it hangs".into())
    })
}

/// A test that needs root; ignored (and shown so) without.
fn root_trial<F>(name: &str, test: impl FnOnce() -> F + Send + 'static) -> Trial
where
    F: Future<Output = ()>,
{
    trial(name, test).with_ignored_flag(machine::users::own_uid() != 0)
}
