//! The form of a fake app's answer: everything the judge needs to tell a right one from any other.
//!
//! The body is `nonce=N release=R instance=I digest=D\n` and a filler that only this nonce has, so that a byte of
//! somebody else's answer, or a missing one, is seen.

use sha2::{Digest, Sha256};

/// Echoed as it came; ties an answer to its request.
pub const NONCE: &str = "x-nonce";
/// Number of the release that answered.
pub const RELEASE: &str = "x-release";
/// Instance that answered.
pub const INSTANCE: &str = "x-instance";

/// What an answer's first line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub nonce: String,
    pub release: String,
    pub instance: String,
    /// SHA-256 of the request's body, hex.
    pub digest: String,
}

/// The whole body: head and `filler_bytes` of filler.
pub fn body(head: &Head, filler_bytes: usize) -> Vec<u8> {
    let Head { nonce, release, instance, digest } = head;
    let mut body =
        format!("nonce={nonce} release={release} instance={instance} digest={digest}\n").into_bytes();
    body.extend(filler(nonce, filler_bytes));
    body
}

/// Bytes that depend on the nonce and their place.
pub fn filler(nonce: &str, bytes: usize) -> impl Iterator<Item = u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut state = nonce.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    (0..bytes).map(move |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ALPHABET[(state >> 58) as usize]
    })
}

/// Reads the head of a body back; `None`: not an answer of this app.
pub fn parse_head(body: &[u8]) -> Option<(Head, &[u8])> {
    let end = body.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = body.split_at(end);
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split(' ');
    let mut value = |key: &str| Some(words.next()?.strip_prefix(key)?.strip_prefix('=')?.to_owned());
    let head = Head {
        nonce: value("nonce")?,
        release: value("release")?,
        instance: value("instance")?,
        digest: value("digest")?,
    };
    Some((head, rest.get(1..)?))
}

/// SHA-256 as lower-case hex.
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_reads_back_and_fillers_of_two_nonces_differ() {
        let head = Head {
            nonce: "7-1".into(),
            release: "3".into(),
            instance: "web.3.1".into(),
            digest: digest(b"x"),
        };
        let bytes = body(&head, 100);
        let (read, rest) = parse_head(&bytes).expect("a head");
        assert_eq!(read, head);
        assert_eq!(rest, filler("7-1", 100).collect::<Vec<_>>());
        assert_ne!(rest, filler("7-2", 100).collect::<Vec<_>>());
        assert_eq!(parse_head(b"<html>502</html>\n"), None);
    }
}
