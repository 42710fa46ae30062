//! A command that this client is attached to.

use http::{Response, StatusCode, header};
use hyper::{body::Incoming, upgrade::Upgraded};
use hyper_util::rt::TokioIo;

use super::Failure;
use crate::console::{self, ConsoleError, FromCommand, Receiver, Sender, ToCommand};

type Stream = TokioIo<Upgraded>;

/// The half that speaks to the command.
#[derive(Debug)]
pub struct Input {
    what: String,
    sender: Sender<Stream>,
}

/// The half that hears of it. Dropping both halves leaves the command running, with nobody attached.
#[derive(Debug)]
pub struct Output {
    what: String,
    receiver: Receiver<Stream>,
}

pub(super) async fn attached(what: String, answer: Response<Incoming>) -> Result<(Input, Output), Failure> {
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        let cause = format!("status {}, and no {} was taken up", answer.status(), header::UPGRADE);
        return Err(Failure::Garbled { what, cause });
    }
    let upgraded = hyper::upgrade::on(answer).await;
    let stream = upgraded.map_err(|error| Failure::Lost { what: what.clone(), cause: error.to_string() })?;
    let (sender, receiver) = console::halves(TokioIo::new(stream));
    Ok((Input { what: what.clone(), sender }, Output { what, receiver }))
}

impl Input {
    /// # Errors
    /// [`Failure::Lost`].
    pub async fn send(&mut self, message: &ToCommand) -> Result<(), Failure> {
        self.sender.send(message).await.map_err(|error| failure(&self.what, &error))
    }
}

impl Output {
    /// The next of it, which always comes: the last is [`FromCommand::Exit`]. Cancel-safe.
    ///
    /// # Errors
    /// [`Failure::Lost`], [`Failure::Garbled`].
    pub async fn next(&mut self) -> Result<FromCommand, Failure> {
        let next = self.receiver.next().await.map_err(|error| failure(&self.what, &error))?;
        let ended = || Failure::Lost { what: self.what.clone(), cause: "it ended too early".to_owned() };
        next.ok_or_else(ended)
    }
}

fn failure(what: &str, error: &ConsoleError) -> Failure {
    let (what, cause) = (what.to_owned(), error.to_string());
    match error {
        ConsoleError::Broken(source) => Failure::Lost { what, cause: format!("{cause}: {source}") },
        ConsoleError::Frame { .. } | ConsoleError::Empty => Failure::Garbled { what, cause },
    }
}
