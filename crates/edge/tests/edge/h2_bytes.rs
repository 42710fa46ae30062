//! An HTTP/2 client that says whatever a test wants, frame by frame.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::support::*;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const GOAWAY: u8 = 7;
pub const CONTINUATION: u8 = 9;
pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// RFC 9113 4.1.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// What every client says first.
pub fn opening() -> Vec<u8> {
    [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()
}

/// The beginning of a head: GET, http, `/`, and the authority `a`, in HPACK.
pub fn begun_head() -> Vec<u8> {
    let block = [&[0x82, 0x86, 0x84, 0x41, 1][..], b"a"].concat();
    [opening(), frame(HEADERS, 0, 1, &block)].concat()
}

/// Literals, never indexed, of new names (HPACK 6.2.3).
pub fn block(lines: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| [&length(text.len())[..], text.as_bytes()].concat();
    lines.iter().flat_map(|(name, value)| [vec![0x10], text(name), text(value)].concat()).collect()
}

/// HPACK 5.1, with a prefix of 7 bits.
fn length(mut length: usize) -> Vec<u8> {
    if length < 127 {
        return vec![u8::try_from(length).unwrap()];
    }
    let mut bytes = vec![127];
    length -= 127;
    while length >= 128 {
        bytes.push(u8::try_from(length % 128).unwrap() | 128);
        length /= 128;
    }
    bytes.push(u8::try_from(length).unwrap());
    bytes
}

/// A whole head, in as many frames as it needs.
pub fn head(flags: u8, stream: u32, block: &[u8]) -> Vec<u8> {
    let mut pieces = block.chunks(16_000).enumerate().peekable();
    let mut bytes = Vec::new();
    while let Some((n, piece)) = pieces.next() {
        let kind = if n == 0 { HEADERS } else { CONTINUATION };
        let end = if pieces.peek().is_none() { END_HEADERS } else { 0 };
        let of_stream = if n == 0 { flags } else { 0 };
        bytes.extend(frame(kind, of_stream | end, stream, piece));
    }
    bytes
}

/// What the edge said in one frame.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

pub struct Client(pub TcpStream);

impl Client {
    pub async fn open(edge: &Edge) -> Self {
        let mut client = Self(TcpStream::connect(edge.http).await.unwrap());
        client.say(&opening()).await;
        client
    }

    pub async fn say(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// The next frame; `None`: the edge has closed.
    pub async fn next(&mut self) -> Option<Said> {
        let mut head = [0; 9];
        let reading = async {
            self.0.read_exact(&mut head).await.ok()?;
            let [a, b, c, kind, flags, stream @ ..] = head;
            let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
            self.0.read_exact(&mut payload).await.ok()?;
            Some(Said { kind, flags, stream: u32::from_be_bytes(stream), payload })
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("the edge says nothing and does not close")
    }

    /// The first frame that is `kind` and of `stream`, and what came before it.
    pub async fn until(&mut self, kind: u8, stream: u32) -> (Said, Vec<Said>) {
        let mut before = Vec::new();
        loop {
            let said = self.next().await.unwrap_or_else(|| panic!("closed after {before:?}"));
            if (said.kind, said.stream) == (kind, stream) {
                return (said, before);
            }
            before.push(said);
        }
    }

    pub async fn until_closed(&mut self) -> Vec<Said> {
        let mut all = Vec::new();
        while let Some(said) = self.next().await {
            all.push(said);
        }
        all
    }
}
