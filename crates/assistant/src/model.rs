//! Model servers: OpenAI-compatible, Anthropic, Ollama; streamed over one HTTP/1.1 connection a question.
//!
//! On hyper and rustls, which the product has anyway (decision 29). Limits: connect 5 s, first token 30 s, between
//! tokens 30 s, whole answer by the caller's own deadline, each line 256 KiB. Two retries, only before the first
//! token and of what failed within 2 s; who was silent rests for a minute. Prompts and answers are never logged, nor the words of a server, which may repeat them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use kit::{Private, clock};
use tokio::time::Instant;

use crate::settings::ModelSettings;

mod anthropic;
mod connection;
mod dialect;
mod failure;
mod ollama;
mod openai;
mod prompt;
mod reader;

#[cfg(test)]
pub(crate) mod tests;

use connection::{Body, Connection};
pub(crate) use failure::Failure;
pub(crate) use prompt::{Call, Prompt, Tool, Turn};
pub(crate) use reader::Used;
use reader::{Reader, Record};

/// Bound: what a whole answer, which does not come as a stream, may hold.
const WHOLE_BYTES_MAX: usize = 1_024 * 1_024;
/// A server that has said how the answer ends, and neither `[DONE]` nor hangs up, is not waited for any longer.
const AFTER_THE_END: Duration = Duration::from_secs(2);
const RETRIES: u32 = 2;
const RETRY_PAUSE: Duration = Duration::from_millis(400);
/// A server that wants to be left alone for longer is not waited for: the next one is asked.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(20);

/// Only what fails sooner is tried again: a person waits.
const QUICK: Duration = Duration::from_secs(2);
/// How long a server that was silent is not asked.
const REST_MS: i64 = 60_000;

/// How long a server is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// From the question to the first token.
    pub(crate) first_token: Duration,
    /// Between two tokens.
    pub(crate) idle: Duration,
}

pub(crate) const LIMITS: Limits =
    Limits { first_token: Duration::from_secs(30), idle: Duration::from_secs(30) };

/// A configured model; clones share it.
#[derive(Clone)]
pub(crate) struct Model {
    settings: Arc<ModelSettings>,
    limits: Limits,
    /// Until when it is not asked, in ms since 1970: it was silent.
    rests_until_ms: Arc<AtomicI64>,
}

/// An answer as it comes.
pub(crate) struct Tokens {
    model: Model,
    prompt: Arc<Prompt>,
    source: Source,
    reader: Reader,
    until: Instant,
    /// Each token moves it; a comment that only keeps the line open does not.
    patience: Instant,
    /// The first piece, read while it was still allowed to try again.
    first: Option<String>,
    is_blank: bool,
}

enum Source {
    Stream(Connection),
    /// All of it was read, or it came as one piece.
    Read,
}

/// What an answer ended with, beside its text.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Ended {
    pub(crate) calls: Vec<Call>,
    /// `None`: the server does not say.
    pub(crate) used: Option<Used>,
}

impl Model {
    pub(crate) fn new(settings: ModelSettings) -> Self {
        Self { settings: Arc::new(settings), limits: LIMITS, rests_until_ms: Arc::default() }
    }

    pub(crate) fn name(&self) -> &str {
        &self.settings.name
    }

    pub(crate) fn settings(&self) -> &ModelSettings {
        &self.settings
    }

    /// Whether the server is there; for the health page, never for readiness.
    pub(crate) async fn ping(&self) -> Result<(), String> {
        connection::reach(&self.settings.url).await.map_err(|failure| failure.to_string())
    }

    /// Asks, and again up to twice while nothing has come. Returns with the first token in hand, or with the whole of
    /// an answer that has no text. `until` ends all of it.
    pub(crate) async fn ask(&self, prompt: Prompt, until: Instant) -> Result<Tokens, Failure> {
        let rests = self.rests_until_ms.load(Ordering::Relaxed) - clock::now_ms();
        if rests > 0 {
            return Err(Failure::Resting(rests.unsigned_abs().div_ceil(1_000)));
        }
        let mut prompt = Arc::new(prompt);
        let mut tried = 0;
        loop {
            let began = Instant::now();
            let failure = match self.try_once(&prompt, until).await {
                Ok(tokens) => return Ok(tokens),
                // A model that knows no tools says so by one of these; it can still answer.
                Err(Failure::Status { status: 400 | 404 | 422, .. }) if !prompt.tools.is_empty() => {
                    Arc::make_mut(&mut prompt).tools.clear();
                    continue;
                }
                Err(failure) => failure,
            };
            // Who was waited for as long as anybody is has had its time, and others' is not spent on it for a while.
            if matches!(failure, Failure::Slow(..)) {
                self.rests_until_ms.store(clock::now_ms() + REST_MS, Ordering::Relaxed);
            }
            let pause = pause(tried, failure.retry_after());
            let in_time = Instant::now() + pause < until;
            if began.elapsed() >= QUICK
                || !failure.is_passing()
                || tried >= RETRIES
                || pause > RETRY_AFTER_MAX
                || !in_time
            {
                return Err(failure);
            }
            tried += 1;
            tokio::time::sleep(pause).await;
        }
    }

    async fn try_once(&self, prompt: &Arc<Prompt>, until: Instant) -> Result<Tokens, Failure> {
        let patience = (Instant::now() + self.limits.first_token).min(until);
        let opening = self.open(prompt, true);
        let waited = self.limits.first_token.as_secs();
        let connection = tokio::time::timeout_at(patience, opening)
            .await
            .map_err(|_| Failure::Slow("it did not answer", waited))??;
        let mut tokens = Tokens {
            model: self.clone(),
            prompt: Arc::clone(prompt),
            reader: Reader::new(self.settings.kind),
            until,
            patience,
            source: Source::Stream(connection),
            first: None,
            is_blank: true,
        };
        tokens.first = tokens.next().await?;
        Ok(tokens)
    }

    async fn open(&self, prompt: &Prompt, streams: bool) -> Result<Connection, Failure> {
        let settings = &self.settings;
        let url = format!("{}{}", settings.url, dialect::path(settings.kind));
        let body = dialect::body(settings.kind, &settings.name, prompt, streams);
        let key = settings.key.as_ref().map(Private::reveal).map(String::as_str);
        Connection::post(&url, &dialect::headers(settings.kind, key), body.to_string()).await
    }
}

impl Tokens {
    /// The next piece of text; `None` when the answer is whole, and [`Tokens::end`] says what else there was.
    pub(crate) async fn next(&mut self) -> Result<Option<String>, Failure> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        while let Source::Stream(connection) = &mut self.source {
            if connection.body() != Body::Stream {
                self.take_whole(true).await?;
                return Ok(self.reader.take_text());
            }
            let deadline =
                if self.reader.is_finished() { Instant::now() + AFTER_THE_END } else { self.patience };
            let read = tokio::time::timeout_at(deadline.min(self.until), connection.record()).await;
            let record = match read {
                Ok(Ok(record)) => record,
                // How it ends was said: what comes of the connection then says nothing about the answer.
                Ok(Err(_)) | Err(_) if self.reader.is_finished() => None,
                Ok(Err(failure)) => return Err(failure),
                Err(_) => return Err(self.too_slow()),
            };
            let Some(record) = record else {
                self.close().await?;
                return Ok(self.reader.take_text());
            };
            match self.reader.record(&record)? {
                Record::Nothing => {}
                Record::Life => self.lives(),
                Record::Text(text) => {
                    self.lives();
                    self.is_blank = false;
                    return Ok(Some(text));
                }
                Record::End => {
                    self.close().await?;
                    return Ok(self.reader.take_text());
                }
            }
        }
        Ok(None)
    }

    /// To be asked after the last piece.
    pub(crate) fn end(&mut self) -> Ended {
        self.reader.end()
    }

    fn lives(&mut self) {
        self.patience = Instant::now() + self.model.limits.idle;
    }

    fn too_slow(&self) -> Failure {
        let limit = if self.is_blank { self.model.limits.first_token } else { self.model.limits.idle };
        Failure::Slow("nothing came", limit.as_secs())
    }

    /// The stream has ended; a call that was announced and not made is asked for again, as a whole.
    async fn close(&mut self) -> Result<(), Failure> {
        self.source = Source::Read;
        if !self.reader.is_finished() {
            return Err(Failure::Cut);
        }
        if !self.reader.lacks_call() {
            return Ok(());
        }
        let wait = self.model.limits.first_token;
        let opening = self.model.open(&self.prompt, false);
        let opened = tokio::time::timeout_at((Instant::now() + wait).min(self.until), opening).await;
        let connection = opened.map_err(|_| Failure::Slow("it did not answer", wait.as_secs()))??;
        self.source = Source::Stream(connection);
        self.reader = Reader::new(self.model.settings.kind);
        self.patience = Instant::now() + wait;
        self.take_whole(self.is_blank).await?;
        if self.reader.lacks_call() { Err(Failure::NoCall) } else { Ok(()) }
    }

    /// An answer in one piece. `with_text`: false when text of the stream stands already.
    async fn take_whole(&mut self, with_text: bool) -> Result<(), Failure> {
        let Source::Stream(connection) = &mut self.source else { return Ok(()) };
        if connection.body() == Body::Page {
            return Err(Failure::Garbled("a page"));
        }
        let whole = connection.whole(WHOLE_BYTES_MAX);
        let read = tokio::time::timeout_at(self.patience.min(self.until), whole).await;
        let whole = read.map_err(|_| self.too_slow())??;
        self.source = Source::Read;
        self.reader.whole(&whole, with_text)
    }
}

/// Doubled each time, with jitter from the clock's own digits: two processes must not knock in step.
fn pause(tried: u32, retry_after: Option<Duration>) -> Duration {
    let jitter = u64::try_from(clock::now_ms().rem_euclid(200)).unwrap_or(0);
    let own = RETRY_PAUSE * 2_u32.pow(tried) + Duration::from_millis(jitter);
    retry_after.map_or(own, |asked| asked.max(own))
}
