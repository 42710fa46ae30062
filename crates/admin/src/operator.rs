//! Who asks: the peer of the socket, by the kernel's word (SO_PEERCRED).

/// The uid at the other end of the connection, and its name for the records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    pub uid: u32,
    /// The account's name, else `uid 1001`.
    pub name: String,
}

impl Operator {
    /// The peer of an accepted connection.
    pub(crate) fn of(stream: &tokio::net::UnixStream) -> std::io::Result<Self> {
        let uid = stream.peer_cred()?.uid();
        let account = machine::users::by_uid(uid).ok().flatten();
        let name = account.map_or_else(|| format!("uid {uid}"), |account| account.name);
        Ok(Self { uid, name })
    }
}
