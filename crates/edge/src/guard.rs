//! Reads along with the HTTP/1.1 parser and refuses what two parsers could understand differently.
//!
//! hyper is lenient in places where a proxy must not be: it takes a bare LF as a line's end, and of Content-Length
//! beside Transfer-Encoding it drops one in silence. This scanner sees the bytes first, follows the framing (RFC 9112
//! sections 2 to 7) without keeping bodies, and stops at the first octet that is ambiguous. It only ever refuses;
//! what it lets pass hyper still checks.

use std::num::NonZeroU64;

use crate::page::{self, Page, bad};

/// Bound: a body longer than the largest signed number is none, and some programs would read it as negative.
const LENGTH_MAX: u64 = i64::MAX.cast_unsigned();
/// Bound: chunk extensions carry nothing that anybody uses.
const EXTENSION_BYTES_MAX: usize = 256;
/// Bound: all trailers of one body.
const TRAILER_BYTES_MAX: usize = 8 << 10;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    BareLf,
    ObsoleteFold,
    BadContentLength,
    SeveralContentLengths,
    BadTransferEncoding,
    LengthAndEncoding,
    BadChunk,
    TooLong,
}

impl Refusal {
    /// What its client is told.
    pub(crate) fn page(self) -> Page {
        match self {
            Self::BareLf => {
                bad("bare-lf", "A line of the request ends with LF alone. End each line with CR LF.")
            }
            Self::ObsoleteFold => bad(
                "obsolete-fold",
                "A header of the request goes on in the next line, or a line begins with a space. Send each header in one line.",
            ),
            Self::BadContentLength => bad(
                "bad-content-length",
                "The request's `Content-Length` is no number of bytes that can come. Send digits alone.",
            ),
            Self::SeveralContentLengths => {
                bad("several-content-lengths", "The request has several `Content-Length`. Send one.")
            }
            Self::BadTransferEncoding => bad(
                "bad-transfer-encoding",
                "The request's `Transfer-Encoding` is not understood here. Send `chunked`, once, or a `Content-Length`.",
            ),
            Self::LengthAndEncoding => bad(
                "length-and-encoding",
                "The request has both `Content-Length` and `Transfer-Encoding`. Send one of them.",
            ),
            Self::BadChunk => bad("bad-chunk", "A chunk of the request's body is malformed."),
            Self::TooLong => page::HEAD_TOO_LARGE,
        }
    }
}

/// Where in the stream the scanner stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Between messages; nothing of the next one has come.
    Idle,
    /// In a head that is not complete.
    Head,
    /// In a body.
    Body,
}

#[derive(Debug)]
enum State {
    /// Before a request line.
    Start,
    RequestLine,
    Fields,
    Length(NonZeroU64),
    ChunkSize {
        size: u64,
        digits: u8,
    },
    ChunkExtension {
        size: u64,
        bytes: usize,
    },
    ChunkSizeLf {
        size: u64,
    },
    ChunkData(NonZeroU64),
    ChunkDataCr,
    ChunkDataLf,
    Trailers {
        bytes: usize,
    },
    Refused(Refusal),
}

/// Follows one connection.
#[derive(Debug)]
pub(crate) struct Guard {
    state: State,
    /// Bound: of one line of a head, since its beginning is kept while it comes in pieces.
    line_bytes_max: usize,
    /// A line that has begun in an earlier read.
    carry: Vec<u8>,
    length: Option<u64>,
    chunked: bool,
}

impl Guard {
    pub(crate) fn new(line_bytes_max: usize) -> Self {
        Self { state: State::Start, line_bytes_max, carry: Vec::new(), length: None, chunked: false }
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.state {
            State::Start => Phase::Idle,
            State::RequestLine | State::Fields | State::Refused(_) => Phase::Head,
            _ => Phase::Body,
        }
    }

    pub(crate) fn refusal(&self) -> Option<Refusal> {
        match self.state {
            State::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// Follows `bytes`. `Err(n)`: only the first `n` may reach the parser, and something must then make it fail.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<(), usize> {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            match self.step(rest) {
                Ok(used) => at += used,
                Err(refusal) => {
                    self.state = State::Refused(refusal);
                    return Err(at);
                }
            }
        }
        Ok(())
    }

    /// Uses at least one byte of `rest`.
    fn step(&mut self, rest: &[u8]) -> Result<usize, Refusal> {
        let first = rest[0];
        match self.state {
            State::Refused(refusal) => Err(refusal),
            State::Start => self.start(rest),
            State::RequestLine | State::Fields => self.line(rest),
            State::Length(left) => Ok(self.skip(rest, left, State::Length)),
            State::ChunkData(left) => Ok(self.skip(rest, left, State::ChunkData)),
            State::ChunkDataCr => self.expect(first, b'\r', State::ChunkDataLf),
            State::ChunkDataLf => self.expect(first, b'\n', State::ChunkSize { size: 0, digits: 0 }),
            State::ChunkSize { size, digits } => self.chunk_size(first, size, digits),
            State::ChunkExtension { size, bytes } => self.chunk_extension(first, size, bytes),
            State::ChunkSizeLf { size } => {
                let next = match NonZeroU64::new(size) {
                    Some(size) => State::ChunkData(size),
                    None => State::Trailers { bytes: 0 },
                };
                self.expect(first, b'\n', next)
            }
            State::Trailers { bytes } => self.trailers(rest, bytes),
        }
    }

    /// RFC 9112 2.2: an empty line before a request line may be ignored.
    fn start(&mut self, rest: &[u8]) -> Result<usize, Refusal> {
        match (self.carry.is_empty(), rest[0]) {
            (true, b'\r') => {
                self.carry.push(b'\r');
                return Ok(1);
            }
            (false, b'\n') => {
                self.carry.clear();
                return Ok(1);
            }
            (_, b'\n') | (false, _) => return Err(Refusal::BareLf),
            (true, _) => {}
        }
        (self.length, self.chunked) = (None, false);
        self.state = State::RequestLine;
        self.line(rest)
    }

    /// Takes one line, or what there is of it.
    fn line(&mut self, rest: &[u8]) -> Result<usize, Refusal> {
        let Some(end) = memchr::memchr(b'\n', rest) else {
            if self.carry.len() + rest.len() > self.line_bytes_max {
                return Err(Refusal::TooLong);
            }
            self.carry.extend_from_slice(rest);
            return Ok(rest.len());
        };
        let line = if self.carry.is_empty() {
            self.whole_line(&rest[..end])
        } else {
            let mut carry = std::mem::take(&mut self.carry);
            carry.extend_from_slice(&rest[..end]);
            let result = self.whole_line(&carry);
            carry.clear();
            // The allocation is kept for the next line that comes in pieces.
            self.carry = carry;
            result
        };
        line.map(|()| end + 1)
    }

    fn whole_line(&mut self, line: &[u8]) -> Result<(), Refusal> {
        let line = line.strip_suffix(b"\r").ok_or(Refusal::BareLf)?;
        if matches!(self.state, State::RequestLine) {
            self.state = State::Fields;
            return Ok(());
        }
        if line.is_empty() {
            self.state = self.body();
            return Ok(());
        }
        self.field(line)
    }

    fn field(&mut self, line: &[u8]) -> Result<(), Refusal> {
        // Most names begin otherwise, so most lines end here.
        match line[0] {
            b' ' | b'\t' => return Err(Refusal::ObsoleteFold),
            b'c' | b'C' | b't' | b'T' => {}
            _ => return Ok(()),
        }
        let Some(colon) = memchr::memchr(b':', line) else { return Ok(()) };
        let (name, value) = (line[..colon].trim_ascii_end(), line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            if self.length.is_some() {
                return Err(Refusal::SeveralContentLengths);
            }
            self.length = Some(decimal(value).ok_or(Refusal::BadContentLength)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Refusal::BadTransferEncoding);
            }
            self.chunked = true;
        }
        if self.chunked && self.length.is_some() {
            return Err(Refusal::LengthAndEncoding);
        }
        Ok(())
    }

    /// What follows a complete head.
    fn body(&self) -> State {
        if self.chunked {
            return State::ChunkSize { size: 0, digits: 0 };
        }
        self.length.and_then(NonZeroU64::new).map_or(State::Start, State::Length)
    }

    fn skip(&mut self, rest: &[u8], left: NonZeroU64, same: fn(NonZeroU64) -> State) -> usize {
        let have = u64::try_from(rest.len()).unwrap_or(u64::MAX);
        let used = have.min(left.get());
        self.state = match (NonZeroU64::new(left.get() - used), &self.state) {
            (Some(left), _) => same(left),
            (None, State::ChunkData(_)) => State::ChunkDataCr,
            (None, _) => State::Start,
        };
        usize::try_from(used).unwrap_or(rest.len())
    }

    fn expect(&mut self, found: u8, wanted: u8, next: State) -> Result<usize, Refusal> {
        if found != wanted {
            return Err(Refusal::BadChunk);
        }
        self.state = next;
        Ok(1)
    }

    fn chunk_size(&mut self, byte: u8, size: u64, digits: u8) -> Result<usize, Refusal> {
        self.state = match (byte as char).to_digit(16) {
            // Bound: 15 digits cannot overflow, and nobody sends an exabyte.
            Some(digit) if digits < 15 => {
                State::ChunkSize { size: size * 16 + u64::from(digit), digits: digits + 1 }
            }
            Some(_) => return Err(Refusal::BadChunk),
            None if digits == 0 => return Err(Refusal::BadChunk),
            None if byte == b'\r' => State::ChunkSizeLf { size },
            None if byte == b';' => State::ChunkExtension { size, bytes: 0 },
            None => return Err(Refusal::BadChunk),
        };
        Ok(1)
    }

    fn chunk_extension(&mut self, byte: u8, size: u64, bytes: usize) -> Result<usize, Refusal> {
        self.state = match byte {
            b'\r' => State::ChunkSizeLf { size },
            b'\n' => return Err(Refusal::BareLf),
            _ if bytes >= EXTENSION_BYTES_MAX => return Err(Refusal::TooLong),
            _ => State::ChunkExtension { size, bytes: bytes + 1 },
        };
        Ok(1)
    }

    fn trailers(&mut self, rest: &[u8], bytes: usize) -> Result<usize, Refusal> {
        let end = memchr::memchr(b'\n', rest);
        let used = end.map_or(rest.len(), |end| end + 1);
        if bytes + used > TRAILER_BYTES_MAX {
            return Err(Refusal::TooLong);
        }
        self.carry.extend_from_slice(&rest[..used]);
        self.state = State::Trailers { bytes: bytes + used };
        if end.is_some() {
            let is_last = match &self.carry[..] {
                b"\r\n" => true,
                line if line.ends_with(b"\r\n") => false,
                _ => return Err(Refusal::BareLf),
            };
            self.carry.clear();
            if is_last {
                self.state = State::Start;
            }
        }
        Ok(used)
    }
}

/// 1*DIGIT, nothing else: no sign, no space, no list.
fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok().filter(|length| *length <= LENGTH_MAX)
}

#[cfg(test)]
mod tests;
