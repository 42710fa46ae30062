//! Who asks: the peer of the socket, by the kernel's word (SO_PEERCRED); and the key of what it asks for.

use api::{
    access::KeyName,
    request_key::{HEADER, RequestKey},
};
use axum::{extract::FromRequestParts, http::request::Parts};
use model::Explain;

use crate::operations::{Refusal, Why};

/// The uid at the other end of the connection, and its name for the records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    pub uid: u32,
    /// The account's name, else `uid 1001`; `key ci` where the connection came by a key of that name. No account's name has a space.
    pub name: String,
    /// The key that the connection came by.
    pub key: Option<KeyName>,
}

impl Operator {
    /// The peer of an accepted connection.
    pub(crate) fn of(stream: &tokio::net::UnixStream) -> std::io::Result<Self> {
        let uid = stream.peer_cred()?.uid();
        let account = machine::users::by_uid(uid).ok().flatten();
        let name = account.map_or_else(|| format!("uid {uid}"), |account| account.name);
        Ok(Self { uid, name, key: None })
    }
}

/// Who asks for a run to begin, and the key under which the same request may come again.
#[derive(Clone, Debug)]
pub struct Asker {
    pub by: Operator,
    pub key: Option<RequestKey>,
}

impl<S: Send + Sync> FromRequestParts<S> for Asker {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let by = parts.extensions.get::<Operator>().cloned().ok_or_else(|| {
            Refusal::new(Why::Forbidden, Explain::new("no-operator", "nobody is known to ask this"))
        })?;
        let key = parts.headers.get(HEADER).map(|value| {
            let key = value.to_str().ok().and_then(|text| text.parse().ok());
            key.ok_or_else(|| {
                let explain = Explain::new("bad-request-key", "the header Idempotency-Key has no key")
                    .now("nothing was begun")
                    .help("a key has 1 to 64 letters, digits, `-`, `_` and `.`, like a UUID");
                Refusal::new(Why::Malformed, explain)
            })
        });
        Ok(Self { by, key: key.transpose()? })
    }
}
