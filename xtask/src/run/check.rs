//! `cargo xtask run --check`: the first minute without a person. One line a step, then `N passed, M failed`.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, ExitCode, Stdio},
};

use super::{folders::Folders, machine::Machine};
use crate::shell::{Doing, Result};

pub(super) fn run(binaries: &Path) -> Result<ExitCode> {
    let folders = Folders::passing()?;
    folders.prepare(binaries)?;
    let mut steps = Steps::default();
    match Machine::start(binaries, &folders) {
        Ok(mut machine) => {
            steps.say("start Mainstay on this machine", machine.wait_until_it_answers(|| false));
            if steps.failed == 0 {
                steps.say("deploy the assistant", machine.deploy(&folders));
            }
            if steps.failed == 0 {
                let used = use_it(binaries, &folders, &mut steps);
                used.unwrap_or_else(|error| steps.say("use the assistant", Err(error)));
            }
            machine.stop();
            let ended = machine.ended().and_then(|ended| {
                ended.map(drop).ok_or_else(|| crate::shell::Error("`mainstay up` still runs".into()))
            });
            steps.say("stop everything", ended);
        }
        Err(error) => steps.say("start Mainstay on this machine", Err(error)),
    }
    if steps.failed == 0 {
        folders.remove()?;
    } else {
        println!("what is left lies in {}", folders.data().display());
    }
    println!("{} passed, {} failed", steps.passed, steps.failed);
    Ok(if steps.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The steps of somebody who uses the site stand in `e2e`, where the judge is; here their lines are counted.
fn use_it(binaries: &Path, folders: &Folders, steps: &mut Steps) -> Result<()> {
    let login = folders.login()?;
    let mut child = Command::new(binaries.join("first-minute"))
        .args([binaries.join("mainstay"), folders.data(), folders.app()])
        .args([folders.url(), login.user, login.password])
        .stdout(Stdio::piped())
        .spawn()
        .doing("starting the steps")?;
    let output = child.stdout.take();
    for line in output
        .into_iter()
        .flat_map(|output| BufReader::new(output).lines())
        .map_while(std::result::Result::ok)
    {
        println!("{line}");
        steps.passed += usize::from(line.starts_with("ok "));
        steps.failed += usize::from(line.starts_with("FAILED "));
    }
    let status = child.wait().doing("waiting for the steps")?;
    if !status.success() && steps.failed == 0 {
        steps.say("use the assistant", Err(crate::shell::Error(format!("the steps ended with {status}"))));
    }
    Ok(())
}

#[derive(Default)]
struct Steps {
    passed: usize,
    failed: usize,
}

impl Steps {
    fn say(&mut self, step: &str, done: Result<()>) {
        match done {
            Ok(()) => {
                self.passed += 1;
                println!("ok     {step}");
            }
            Err(error) => {
                self.failed += 1;
                println!("FAILED {step}: {error}");
            }
        }
    }
}
