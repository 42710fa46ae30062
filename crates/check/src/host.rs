//! What a machine that strangers reach should be like: its firewall, its ssh, its sockets, its updates, its clock, its room.
//!
//! [`Facts::read`] looks, the checks judge. Each fact is known or says why it is not: what cannot be seen has not passed.

mod accounts;
mod clock;
mod databases;
mod descriptors;
mod disks;
mod firewall;
mod memory;
mod program;
mod sockets;
mod ssh;
#[cfg(test)]
mod tests;
mod updates;

pub(crate) use self::sockets::is_public;

use std::path::Path;

use api::{
    checks::{Finding, State},
    machine::{Listener, Machine},
};

use crate::finding::{Check, Looks, not_run};

/// A fact, or why it cannot be seen from here.
pub(crate) type Known<T> = Result<T, String>;

/// One look at a machine.
#[derive(Debug)]
pub struct Facts {
    firewall: Known<firewall::Firewall>,
    ssh: Known<ssh::Ssh>,
    sockets: Known<Vec<sockets::Socket>>,
    updates: Known<updates::Updates>,
    accounts: Known<accounts::Accounts>,
    clock: Known<machine::clock::Kernel>,
    memory: Known<memory::Memory>,
    descriptors: Known<descriptors::Descriptors>,
    disks: Known<Vec<disks::Disk>>,
}

impl Facts {
    /// Looks at the machine whose files lie below `root` (`/`: this one), where the edge runs as `edge`. Runs `sshd -T`,
    /// `nft list ruleset` and `apt-config dump`; only root sees all of it. Blocking, for at most a minute.
    pub fn read(root: &Path, edge: Option<u32>) -> Self {
        Self {
            firewall: firewall::read(),
            ssh: ssh::read(root),
            sockets: sockets::read(root),
            updates: updates::read(root),
            accounts: accounts::read(root),
            clock: machine::clock::kernel().map_err(|error| format!("the kernel does not say it: {error}")),
            memory: memory::read(root),
            descriptors: descriptors::read(root, edge),
            disks: disks::read(root),
        }
    }
}

/// What was seen of a machine, and what its Mainstay says of itself.
pub struct Host<'a> {
    pub facts: &'a Facts,
    pub machine: &'a Machine,
}

impl Host<'_> {
    /// Ports at which strangers are meant to be heard: the edge's.
    fn served(&self) -> Vec<u16> {
        self.machine.listeners.iter().filter_map(Listener::port).collect()
    }

    /// Those of sshd; 22 where it is not known.
    fn ssh_ports(&self) -> Vec<u16> {
        self.facts.ssh.as_ref().map_or_else(|_| vec![22], |ssh| ssh.ports.clone())
    }
}

pub(crate) const CHECKS: [&Check<OnHost>; 14] = [
    &firewall::CHECK,
    &ssh::KEYS_ONLY,
    &ssh::ROOT,
    &sockets::CHECK,
    &databases::CHECK,
    &accounts::CHECK,
    &updates::AUTOMATIC,
    &updates::UPDATED,
    &clock::CHECK,
    &memory::ROOM,
    &memory::SWAP,
    &descriptors::CHECK,
    &disks::BYTES,
    &disks::INODES,
];

/// The kind of checks that look at a [`Host`].
pub(crate) struct OnHost;

impl Looks for OnHost {
    type At<'a> = Host<'a>;
}

pub(crate) fn ids() -> impl Iterator<Item = &'static str> + Clone {
    CHECKS.iter().map(|check| check.id)
}

/// All checks of a machine.
pub fn host(context: &Host<'_>) -> Vec<Finding> {
    CHECKS.iter().map(|check| check.find(context)).collect()
}

/// All of them as not run: nobody looked, and why.
pub fn unseen(why: &str) -> Vec<Finding> {
    CHECKS.iter().map(|check| check.with(not_run(why))).collect()
}

/// Judges what is known; what is not has not been checked.
fn judged<T>(known: &Known<T>, judge: impl FnOnce(&T) -> State) -> State {
    match known {
        Ok(fact) => judge(fact),
        Err(why) => not_run(format!("not known: {why}")),
    }
}

/// Bound: of a file that is read.
const FILE_BYTES_MAX: usize = 4 << 20;

/// The text of `path` below `root`.
fn text(root: &Path, path: &str) -> Known<String> {
    let path = root.join(path);
    machine::fs::read_text(&path, FILE_BYTES_MAX)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))
}
