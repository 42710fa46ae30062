//! Neither the edge nor the kernel runs out of open files.

use std::path::Path;

use api::checks::{Severity, State};
use model::Explain;

use super::{Host, Known, OnHost, judged, text};
use crate::finding::{Check, found_if};

pub(super) const CHECK: Check<OnHost> = Check {
    id: "open-files",
    title: "there are enough open files for the edge",
    severity: Severity::Warning,
    sources: &["W-M16"],
    run,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descriptors {
    /// Of the whole machine.
    open: u64,
    most: u64,
    /// What the edge may have; `None`: it does not run, or its limits are another's.
    edge: Option<u64>,
}

/// Two for each connection, so some thousand clients at once.
const EDGE_MIN: u64 = 8_192;

pub(super) fn read(root: &Path, edge: Option<u32>) -> Known<Descriptors> {
    // proc_sys_fs(5): in use, free of those, the most.
    let said = text(root, "proc/sys/fs/file-nr")?;
    let mut numbers = said.split_whitespace().map(str::parse::<u64>);
    let (Some(Ok(open)), Some(Ok(_)), Some(Ok(most))) = (numbers.next(), numbers.next(), numbers.next())
    else {
        return Err("/proc/sys/fs/file-nr has not the three numbers of proc(5)".to_owned());
    };
    let limits = edge.and_then(|pid| text(root, &format!("proc/{pid}/limits")).ok());
    Ok(Descriptors { open, most, edge: limits.as_deref().and_then(soft_limit) })
}

fn soft_limit(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

fn run(context: &Host<'_>) -> State {
    judged(&context.facts.descriptors, |known| {
        let mut wrong = Vec::new();
        if known.open > known.most / 10 * 8 {
            wrong.push(format!("{} of {} of the machine are open (fs.file-max)", known.open, known.most));
        }
        if let Some(few) = known.edge.filter(|most| *most < EDGE_MIN) {
            wrong.push(format!("the edge may open {few}"));
        }
        let explain = Explain::new("few-open-files", "connections will fail for want of open files")
            .help("raise `fs.file-max` by sysctl; for a Mainstay that is not a service, `ulimit -Hn` of who starts it");
        let edge = known
            .edge
            .map_or("the edge's limit is not seen".to_owned(), |most| format!("the edge may open {most}"));
        found_if(wrong, explain, format!("{} open, {edge}", known.open))
    })
}
