//! The standard streams of a process that somebody is attached to: three pipes, or a terminal.
//!
//! The keeper holds one end and passes it on as it is; the shim does not read it. With pipes the shim holds the reading
//! ends too, and a lifeline: a pipe that closes when the keeper lets go or dies. From then on the shim reads as it always
//! does, into the log, so that a command nobody listens to any more runs to its end. A terminal needs none of this: its
//! session is hung up.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

use machine::terminal::{Pair, Size};
use rustix::pipe::PipeFlags;

use crate::Inherited;

/// Names of inherited descriptors that become standard streams instead of numbers from 3 on. What goes to an output that is
/// given so, without the end that it is read by, is not in the log.
pub const STDIN: &str = "stdin";
pub const STDOUT: &str = "stdout";
pub const STDERR: &str = "stderr";
/// Names of those that stay in the shim.
pub(crate) const STDOUT_READ: &str = "stdout-read";
pub(crate) const STDERR_READ: &str = "stderr-read";
pub(crate) const LIFELINE: &str = "lifeline";

/// Whether the process itself gets the descriptor of this name as a number from 3 on.
pub(crate) fn is_numbered(name: &str) -> bool {
    ![STDIN, STDOUT, STDERR, STDOUT_READ, STDERR_READ, LIFELINE].contains(&name)
}

/// The keeper's ends. Dropping it lets the process go on alone.
#[derive(Debug)]
pub enum Console {
    Pipes { stdin: OwnedFd, stdout: OwnedFd, stderr: OwnedFd, lifeline: OwnedFd },
    Terminal { master: OwnedFd },
}

impl Console {
    /// Three pipes, and what an [`crate::Order`] inherits for them.
    pub fn pipes() -> io::Result<(Self, Vec<Inherited>)> {
        let pipe = || rustix::pipe::pipe_with(PipeFlags::CLOEXEC);
        let ((stdin_read, stdin), (stdout, stdout_write)) = (pipe()?, pipe()?);
        let ((stderr, stderr_write), (lifeline_read, lifeline)) = (pipe()?, pipe()?);
        let inherited = vec![
            named(STDIN, stdin_read),
            named(STDOUT, stdout_write),
            named(STDERR, stderr_write),
            named(STDOUT_READ, stdout.try_clone()?),
            named(STDERR_READ, stderr.try_clone()?),
            named(LIFELINE, lifeline_read),
        ];
        Ok((Self::Pipes { stdin, stdout, stderr, lifeline }, inherited))
    }

    /// A terminal that belongs to `owner`, where this process may give it away.
    pub fn terminal(size: Size, owner: Option<u32>) -> io::Result<(Self, Vec<Inherited>)> {
        let Pair { master, slave } = Pair::open(size)?;
        if let Some(uid) = owner {
            // Else a program that opens its terminal by name (`screen`, `gpg`) could not.
            rustix::fs::fchown(slave.as_fd(), Some(rustix::fs::Uid::from_raw(uid)), None)?;
        }
        let slave = Arc::new(slave);
        let inherited = [STDIN, STDOUT, STDERR]
            .map(|name| Inherited { name: name.to_owned(), fd: Arc::clone(&slave) })
            .to_vec();
        Ok((Self::Terminal { master }, inherited))
    }
}

fn named(name: &str, fd: OwnedFd) -> Inherited {
    Inherited { name: name.to_owned(), fd: Arc::new(fd) }
}
