//! The keeper's end of a shim's `ctl`.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
    time::Duration,
};

use tokio::{
    io::{AsyncWriteExt, Interest},
    net::UnixStream,
};

use crate::protocol::{ANSWER_BYTES_MAX, Answer, Hello, Request, line};

/// A shim has nothing to do but answer; one that is slower than this is stuck or stopped.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Ctl {
    stream: UnixStream,
    read: Vec<u8>,
    fds: Vec<OwnedFd>,
}

impl Ctl {
    /// # Errors
    /// `NotFound`: no `ctl` yet; `ConnectionRefused`: the shim is dead.
    pub(crate) async fn connect(dir: &Path) -> io::Result<Self> {
        // By way of the folder's descriptor: the path itself may be longer than a socket's may.
        let folder = std::fs::File::open(dir)?;
        let path = crate::shim::through(&folder).join("ctl");
        let stream = tokio::time::timeout(PATIENCE, UnixStream::connect(path)).await??;
        Ok(Self { stream, read: Vec::new(), fds: Vec::new() })
    }

    pub(crate) fn peer(&self) -> io::Result<machine::fds::Peer> {
        machine::fds::peer(&self.stream)
    }

    /// One request whose answer comes at once.
    pub(crate) async fn ask(&mut self, request: &Request) -> io::Result<Answer> {
        tokio::time::timeout(PATIENCE, self.ask_patiently(request)).await?
    }

    /// One request whose answer may take as long as it takes.
    pub(crate) async fn ask_patiently(&mut self, request: &Request) -> io::Result<Answer> {
        self.stream.write_all(&line(request)).await?;
        loop {
            if let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let answer: Vec<u8> = self.read.drain(..=end).collect();
                return Ok(serde_json::from_slice(&answer)?);
            }
            if self.read.len() > ANSWER_BYTES_MAX {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let mut buffer = vec![0; 16 * 1024];
            let receive = || machine::fds::receive(self.stream.as_fd(), &mut buffer);
            let (count, fds) = self.stream.async_io(Interest::READABLE, receive).await?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.read.extend_from_slice(buffer.get(..count).unwrap_or_default());
            self.fds.extend(fds);
        }
    }

    /// Who is there, and a pidfd of the app while it lives.
    pub(crate) async fn hello(&mut self) -> io::Result<(Hello, Option<OwnedFd>)> {
        match self.ask(&Request::Hello).await? {
            Answer::Hello(hello) => Ok((hello, self.fds.pop())),
            other => Err(io::Error::other(format!("answered hello with {other:?}"))),
        }
    }
}
