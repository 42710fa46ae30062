//! A model server: OpenAI-compatible or Ollama, streamed over one HTTP/1.1 connection an answer.
//!
//! On hyper and rustls, which the product has anyway; a client library would bring a second TLS and forty crates for
//! one POST. Limits: connect 5 s, first token 30 s, between tokens 30 s, whole answer 300 s, each line 256 KiB. Two
//! retries, and only before the first token. Prompts are never logged.

use std::{sync::Arc, time::Duration};

use kit::Private;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::settings::{ModelKind, ModelSettings};

mod connection;
mod lines;

#[cfg(test)]
mod tests;

use connection::Connection;

const FIRST_TOKEN: Duration = Duration::from_secs(30);
const IDLE: Duration = Duration::from_secs(30);
const TOTAL: Duration = Duration::from_secs(300);
const RETRIES: u32 = 2;
const RETRY_PAUSE: Duration = Duration::from_millis(400);

/// One message of a prompt.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) role: String,
    pub(crate) text: String,
}

/// Why no text came, in words for a person; never with a prompt or a key in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    #[error("no connection: {0}")]
    Connect(String),
    #[error("it answered with status {0}")]
    Status(u16),
    #[error("{0} within {1} s")]
    Slow(&'static str, u64),
    #[error("the stream was cut")]
    Cut,
    #[error("it sent what no model sends: {0}")]
    Garbled(&'static str),
    #[error("it said: {0}")]
    Said(String),
}

impl Failure {
    /// Whether asking again may help: the server is gone or busy, not of another opinion.
    fn is_passing(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Cut | Self::Slow(..) => true,
            Self::Status(status) => matches!(status, 408 | 429 | 500..=599),
            Self::Garbled(_) | Self::Said(_) => false,
        }
    }
}

/// A configured model; clones share it.
#[derive(Clone)]
pub(crate) struct Model {
    settings: Arc<ModelSettings>,
}

/// An answer as it comes.
pub(crate) struct Tokens {
    kind: ModelKind,
    connection: Connection,
    until: Instant,
    begun: bool,
    ended: bool,
    /// The first piece, read while it was still allowed to try again.
    first: Option<String>,
}

impl Model {
    pub(crate) fn new(settings: ModelSettings) -> Self {
        Self { settings: Arc::new(settings) }
    }

    pub(crate) fn name(&self) -> &str {
        &self.settings.name
    }

    /// Whether the server is there; for the health page, never for readiness.
    pub(crate) async fn ping(&self) -> Result<(), String> {
        connection::reach(&self.settings.url).await.map_err(|failure| failure.to_string())
    }

    /// Asks, and again up to twice while nothing has come. Returns with the first token in hand.
    pub(crate) async fn ask(&self, asked: Vec<Asked>) -> Result<Tokens, Failure> {
        let body = self.body(&asked);
        let until = Instant::now() + TOTAL;
        let mut tried = 0;
        loop {
            match self.try_once(&body, until).await {
                Ok(tokens) => return Ok(tokens),
                Err(failure) if failure.is_passing() && tried < RETRIES && Instant::now() < until => {
                    tried += 1;
                    // Jitter from the clock's own digits: two processes must not knock in step.
                    let jitter = Duration::from_millis(
                        u64::try_from(kit::clock::now_ms().rem_euclid(200)).unwrap_or(0),
                    );
                    tokio::time::sleep(RETRY_PAUSE * tried + jitter).await;
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    async fn try_once(&self, body: &str, until: Instant) -> Result<Tokens, Failure> {
        let path = match self.settings.kind {
            ModelKind::OpenAi => "/chat/completions",
            ModelKind::Ollama => "/api/chat",
        };
        let key: Option<&Private<String>> = self.settings.key.as_ref();
        let url = format!("{}{path}", self.settings.url);
        let opening = Connection::post(&url, key, body.to_owned());
        let connection = tokio::time::timeout(FIRST_TOKEN, opening)
            .await
            .map_err(|_| Failure::Slow("it did not answer", FIRST_TOKEN.as_secs()))??;
        let mut tokens =
            Tokens { kind: self.settings.kind, connection, until, begun: false, ended: false, first: None };
        tokens.first = tokens.next().await?;
        tokens.begun = true;
        Ok(tokens)
    }

    fn body(&self, asked: &[Asked]) -> String {
        let system = json!({"role": "system", "content": "You are a helpful, brief assistant."});
        let said = asked.iter().map(|message| json!({"role": message.role, "content": message.text}));
        let messages: Vec<Value> = [system].into_iter().chain(said).collect();
        json!({"model": self.settings.name, "messages": messages, "stream": true}).to_string()
    }
}

impl Tokens {
    /// The next piece of text; `None` when the model said that it is done.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, Failure> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        while !self.ended {
            let limit = if self.begun { IDLE } else { FIRST_TOKEN };
            let deadline = (Instant::now() + limit).min(self.until);
            let line = tokio::time::timeout_at(deadline, self.connection.line()).await;
            let line = line.map_err(|_| Failure::Slow("nothing came", limit.as_secs()))??;
            // Without its word of end a stream was cut, whatever the socket says.
            let line = line.ok_or(Failure::Cut)?;
            match lines::read(self.kind, &line)? {
                lines::Line::Text(text) => return Ok(Some(text)),
                lines::Line::End => self.ended = true,
                lines::Line::Nothing => {}
            }
        }
        Ok(None)
    }
}
