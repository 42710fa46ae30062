//! The connections on `ctl`: lines in, lines out, nothing waits for a slow peer.

use std::{
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::{UnixListener, UnixStream},
    },
};

use crate::protocol::{Answer, LINE_BYTES_MAX, Request, line};

/// Bound: more are refused. The keeper needs one, a person with `status` another.
const CLIENTS_MAX: usize = 16;

#[derive(Debug)]
pub(super) struct Client {
    stream: UnixStream,
    read: Vec<u8>,
    pub(super) waits_for_exit: bool,
    pub(super) waits_for_ready: bool,
}

#[derive(Debug, Default)]
pub(super) struct Clients {
    all: Vec<Client>,
}

impl Clients {
    /// Takes all that have connected; only this uid and root are heard.
    pub(super) fn accept(&mut self, listener: &UnixListener) {
        while let Ok((stream, _)) = listener.accept() {
            let own = machine::users::own_uid();
            let allowed = machine::fds::peer(&stream).is_ok_and(|peer| peer.uid == own || peer.uid == 0);
            if allowed && self.all.len() < CLIENTS_MAX && stream.set_nonblocking(true).is_ok() {
                let client =
                    Client { stream, read: Vec::new(), waits_for_exit: false, waits_for_ready: false };
                self.all.push(client);
            }
        }
    }

    pub(super) fn streams(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.all.iter().map(|client| client.stream.as_fd())
    }

    /// The whole requests that a client has sent by now; `Err`: it is gone or talks nonsense, drop it.
    pub(super) fn requests(&mut self, index: usize) -> io::Result<Vec<Request>> {
        let Some(client) = self.all.get_mut(index) else { return Ok(Vec::new()) };
        let mut buffer = [0; LINE_BYTES_MAX];
        match client.stream.read(&mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => client.read.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Vec::new()),
            Err(error) => return Err(error),
        }
        let mut requests = Vec::new();
        while let Some(end) = client.read.iter().position(|byte| *byte == b'\n') {
            let request: Vec<u8> = client.read.drain(..=end).collect();
            match serde_json::from_slice(&request) {
                Ok(request) => requests.push(request),
                // A keeper of a later version: it asks for something that this shim cannot.
                Err(error) => client.send(&Answer::Error(format!("not understood: {error}")))?,
            }
        }
        if client.read.len() > LINE_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(requests)
    }

    pub(super) fn get(&mut self, index: usize) -> Option<&mut Client> {
        self.all.get_mut(index)
    }

    pub(super) fn drop_at(&mut self, index: usize) {
        if index < self.all.len() {
            self.all.swap_remove(index);
        }
    }

    /// Sends to all that `wait` picks; those that cannot take it are dropped.
    pub(super) fn tell(&mut self, wait: impl Fn(&mut Client) -> bool, answer: &Answer) {
        self.all.retain_mut(|client| !wait(client) || client.send(answer).is_ok());
    }
}

impl Client {
    /// # Errors
    /// Also where the peer does not read: its buffer is full, and the shim waits for nobody.
    pub(super) fn send(&mut self, answer: &Answer) -> io::Result<()> {
        self.stream.write_all(&line(answer))
    }

    pub(super) fn send_with(&mut self, answer: &Answer, fd: BorrowedFd<'_>) -> io::Result<()> {
        let line = line(answer);
        let sent = machine::fds::send(&self.stream, &line, &[fd])?;
        self.stream.write_all(line.get(sent..).unwrap_or_default())
    }
}
