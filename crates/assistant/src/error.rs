//! What a request for the app's own work can end in. `web` turns it into status codes, the brain into sentences.

use kit::sqlite::DbError;

use crate::attachments::store::StoreError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Does not exist, or belongs to somebody else: the same answer.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The sentence says what about the input is wrong.
    #[error("{0}")]
    Invalid(String),
    /// The sentence says what has changed meanwhile.
    #[error("{0}")]
    Conflict(String),
    /// It is at another revision than the one that was to be changed.
    #[error("the {0} has changed since it was read; read it again")]
    Stale(&'static str),
    /// An `Idempotency-Key` that was used for something else.
    #[error("this Idempotency-Key was used before, with another request")]
    KeyReused,
    /// The sentence says what the bound is.
    #[error("{0}")]
    TooLarge(String),
    /// Bytes of a file were not taken, or not found.
    #[error(transparent)]
    Files(#[from] StoreError),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Where a text has `chars` characters and may have `most`: `; 20431 are 431 too many`. Empty where it fits.
pub(crate) fn excess(chars: usize, most: usize) -> String {
    match chars.saturating_sub(most) {
        0 => String::new(),
        over => format!("; {chars} are {over} too many"),
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Db(error.into())
    }
}

pub(crate) type Result<T> = std::result::Result<T, Error>;
