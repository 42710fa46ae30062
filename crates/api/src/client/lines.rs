//! Answers that come line by line (NDJSON).

use std::marker::PhantomData;

use bytes::{Buf as _, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde::de::DeserializeOwned;

use super::Failure;

/// Bound: the longest line; a longer one is no line of this API.
const LINE_BYTES_MAX: usize = 4 << 20;

/// A stream of values. Dropping it closes the connection.
#[derive(Debug)]
pub struct Lines<T> {
    what: String,
    body: Incoming,
    buffer: BytesMut,
    ended: bool,
    values: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Lines<T> {
    pub(super) fn new(what: String, body: Incoming) -> Self {
        Self { what, body, buffer: BytesMut::new(), ended: false, values: PhantomData }
    }

    /// The next value; `None` when the answer ended as it should. Cancel-safe: no value is lost.
    ///
    /// # Errors
    /// [`Failure::Lost`] when the connection broke in the middle, [`Failure::Garbled`] for a line that is no `T`.
    pub async fn next(&mut self) -> Result<Option<T>, Failure> {
        loop {
            if let Some(value) = self.take_line()? {
                return Ok(Some(value));
            }
            if self.ended {
                return if self.buffer.is_empty() {
                    Ok(None)
                } else {
                    Err(self.lost("the last line is cut off"))
                };
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return Err(self.lost(&error.to_string())),
                None => self.ended = true,
            }
        }
    }

    fn take_line(&mut self) -> Result<Option<T>, Failure> {
        let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') else {
            if self.buffer.len() > LINE_BYTES_MAX {
                return Err(self.garbled(format!("a line is longer than {} MiB", LINE_BYTES_MAX >> 20)));
            }
            return Ok(None);
        };
        let line = self.buffer.split_to(end);
        self.buffer.advance(1);
        serde_json::from_slice(&line).map(Some).map_err(|error| self.garbled(error.to_string()))
    }

    fn lost(&self, cause: &str) -> Failure {
        Failure::Lost { what: self.what.clone(), cause: cause.to_owned() }
    }

    fn garbled(&self, cause: String) -> Failure {
        Failure::Garbled { what: self.what.clone(), cause }
    }
}
