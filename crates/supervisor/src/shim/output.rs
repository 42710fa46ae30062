//! The app's stdout and stderr: read without ever blocking and without ever stopping. Or lent: then the keeper reads
//! them for somebody who is attached, until it lets go.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    io::Errno,
    pipe::PipeFlags,
};

use crate::{
    console::{LIFELINE, STDERR, STDERR_READ, STDOUT, STDOUT_READ},
    payload::Payload,
};

use super::{
    app::Ends,
    lines::{Lines, Redactor},
    log::Log,
};

/// As much as an unprivileged pipe may usually hold: a burst that the scheduler lets the app write in one go.
const PIPE_BYTES: usize = 256 * 1024;
const READ_BYTES: usize = 64 * 1024;
/// Bound of what is still read after the end: all that fits the pipe; more can only come from a process that escaped.
const READS_AFTER_END: usize = 2 * PIPE_BYTES / READ_BYTES;

#[derive(Debug)]
pub(super) struct Output {
    streams: [Stream; 2],
    /// While it is open at its other end somebody else reads the pipes.
    lifeline: Option<OwnedFd>,
    redactor: Redactor,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Stream {
    name: &'static str,
    /// `None`: all writers have closed it, which says nothing about whether they live.
    pipe: Option<OwnedFd>,
    lines: Lines,
}

impl Output {
    /// Makes the pipes, or takes those that came with the payload.
    pub(super) fn open(payload: &Payload, fds: &[OwnedFd]) -> io::Result<(Self, Ends)> {
        let given = |name| payload.fd(name, fds).map(OwnedFd::try_clone).transpose();
        let (out, stdout) = match given(STDOUT)? {
            Some(stdout) => (given(STDOUT_READ)?, stdout),
            None => pipe().map(|(read, write)| (Some(read), write))?,
        };
        let (err, stderr) = match given(STDERR)? {
            Some(stderr) => (given(STDERR_READ)?, stderr),
            None => pipe().map(|(read, write)| (Some(read), write))?,
        };
        out.iter().chain(&err).try_for_each(never_block)?;
        let is_blind = machine::planted::is_planted("writes-secrets");
        let redact = if is_blind { Vec::new() } else { payload.redact.clone() };
        let stream = |name, pipe| Stream { name, pipe, lines: Lines::default() };
        let output = Self {
            streams: [stream("stdout", out), stream("stderr", err)],
            lifeline: given(LIFELINE)?,
            redactor: Redactor::new(redact),
            buffer: vec![0; READ_BYTES],
        };
        Ok((output, Ends { stdout, stderr }))
    }

    /// To poll: hung up when the pipes are this shim's to read.
    pub(super) fn lifeline(&self) -> Option<&OwnedFd> {
        self.lifeline.as_ref()
    }

    pub(super) fn take_back(&mut self) {
        self.lifeline = None;
    }

    /// The open pipes that are to be read here, with their index, to poll.
    pub(super) fn pipes(&self) -> impl Iterator<Item = (usize, &OwnedFd)> {
        let streams = if self.lifeline.is_none() { &self.streams[..] } else { &[] };
        streams.iter().enumerate().filter_map(|(n, stream)| Some((n, stream.pipe.as_ref()?)))
    }

    /// Reads once from a pipe that is readable. Returns whether there may be more.
    pub(super) fn read(&mut self, index: usize, log: &mut Log) -> bool {
        let more = self.read_some(index, log);
        log.flush();
        more
    }

    fn read_some(&mut self, index: usize, log: &mut Log) -> bool {
        let Some(stream) = self.streams.get_mut(index) else { return false };
        let Some(pipe) = &stream.pipe else { return false };
        let name = stream.name;
        match rustix::io::read(pipe, &mut self.buffer) {
            Ok(0) => {
                stream.pipe = None;
                log.tick();
                stream.lines.end(&self.redactor, |line, full| log.line(name, line, full));
                false
            }
            Ok(count) => {
                log.tick();
                let bytes = self.buffer.get(..count).unwrap_or_default();
                stream.lines.feed(bytes, &self.redactor, |line, full| log.line(name, line, full));
                true
            }
            Err(Errno::AGAIN) => false,
            Err(Errno::INTR) => true,
            Err(_) => {
                stream.pipe = None;
                false
            }
        }
    }

    /// All writers are dead: takes what is left, if nobody else does, and closes.
    pub(super) fn finish(&mut self, log: &mut Log) {
        let lent = self.lifeline.as_ref().is_some_and(|lifeline| !is_hung_up(lifeline));
        for index in 0..self.streams.len() {
            let mut reads = 0;
            while !lent && reads < READS_AFTER_END && self.read(index, log) {
                reads += 1;
            }
            if let Some(stream) = self.streams.get_mut(index) {
                stream.pipe = None;
                stream.lines.end(&self.redactor, |line, full| log.line(stream.name, line, full));
            }
        }
        self.lifeline = None;
        self.buffer = Vec::new();
    }
}

fn is_hung_up(lifeline: &OwnedFd) -> bool {
    let mut asked = [PollFd::new(lifeline, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    // The keeper never writes to it: whatever comes is its end.
    rustix::event::poll(&mut asked, Some(&now)).is_ok_and(|count| count > 0)
}

/// The reading end, of all that hold it; the writing one does, as apps expect.
fn never_block(read: &OwnedFd) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(read.as_fd())?;
    Ok(rustix::fs::fcntl_setfl(read.as_fd(), flags | rustix::fs::OFlags::NONBLOCK)?)
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    // A user over the kernel's soft limit of pipe pages gets small pipes; those work, with more wake-ups.
    let _ = rustix::pipe::fcntl_setpipe_size(&read, PIPE_BYTES);
    Ok((read, write))
}
