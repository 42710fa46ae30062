//! Where the body of an answer ends (RFC 9112 6.3, 7.1), and what of it has come.

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use http_body::Frame;
use httparse::Status;

use super::head;

/// Bound: the line that says a chunk's size, with extensions.
const SIZE_LINE_MAX: usize = 4096;
/// Bounds: what may follow the last chunk.
const TRAILER_BYTES_MAX: usize = 16 << 10;
const TRAILERS_MAX: usize = 32;

/// How the rest of a body comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Bytes that are still to come; 0: all is there.
    Length(u64),
    Chunked(Chunked),
    UntilClose,
}

/// What comes next of a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chunked {
    Size,
    Data(u64),
    /// The line's end after a chunk.
    DataEnd,
    Trailers,
}

/// What came is no HTTP/1.1.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

impl Framing {
    pub(crate) const DONE: Self = Self::Length(0);

    pub(crate) fn is_done(self) -> bool {
        self == Self::DONE
    }

    /// Bytes that are still to come, where that is known.
    pub(crate) fn left(self) -> Option<u64> {
        match self {
            Self::Length(left) => Some(left),
            Self::Chunked(_) | Self::UntilClose => None,
        }
    }

    /// Takes the next piece of the body out of `input`; `None`: more must come first, or all is there.
    pub(crate) fn next(&mut self, input: &mut BytesMut) -> Result<Option<Frame<Bytes>>, Malformed> {
        match self {
            Self::Length(left) => Ok(take(left, input)),
            Self::UntilClose if input.is_empty() => Ok(None),
            Self::UntilClose => Ok(Some(Frame::data(input.split().freeze()))),
            Self::Chunked(_) => self.next_chunked(input),
        }
    }

    fn next_chunked(&mut self, input: &mut BytesMut) -> Result<Option<Frame<Bytes>>, Malformed> {
        while let Self::Chunked(state) = self {
            match state {
                Chunked::Size => match httparse::parse_chunk_size(input) {
                    Ok(Status::Complete((line, size))) => {
                        input.advance(line);
                        *state = if size == 0 { Chunked::Trailers } else { Chunked::Data(size) };
                    }
                    Ok(Status::Partial) if input.len() <= SIZE_LINE_MAX => return Ok(None),
                    Ok(Status::Partial) | Err(_) => return Err(Malformed("the size of a chunk")),
                },
                Chunked::Data(left) => {
                    let piece = take(left, input);
                    if *left == 0 {
                        *state = Chunked::DataEnd;
                    }
                    return Ok(piece);
                }
                Chunked::DataEnd => match input.get(..2) {
                    Some(b"\r\n") => {
                        input.advance(2);
                        *state = Chunked::Size;
                    }
                    Some(_) => return Err(Malformed("the end of a chunk")),
                    None => return Ok(None),
                },
                Chunked::Trailers => {
                    let Some(trailers) = trailers(input)? else { return Ok(None) };
                    *self = Self::DONE;
                    return Ok((!trailers.is_empty()).then(|| Frame::trailers(trailers)));
                }
            }
        }
        Ok(None)
    }
}

fn take(left: &mut u64, input: &mut BytesMut) -> Option<Frame<Bytes>> {
    let length = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    *left -= length as u64;
    (length > 0).then(|| Frame::data(input.split_to(length).freeze()))
}

/// What follows the last chunk, once it is there whole.
fn trailers(input: &mut BytesMut) -> Result<Option<HeaderMap>, Malformed> {
    const WRONG: Malformed = Malformed("what follows the last chunk");
    let mut lines = [httparse::EMPTY_HEADER; TRAILERS_MAX];
    let parsed = match input.starts_with(b"\r\n") {
        true => Some((2, &[][..])),
        false => match httparse::parse_headers(input, &mut lines) {
            Ok(Status::Complete(parsed)) => Some(parsed),
            Ok(Status::Partial) => None,
            Err(_) => return Err(WRONG),
        },
    };
    let Some((length, lines)) = parsed.filter(|(length, _)| *length <= TRAILER_BYTES_MAX) else {
        return if input.len() <= TRAILER_BYTES_MAX { Ok(None) } else { Err(WRONG) };
    };
    let places = lines.iter().map(|line| head::Place::of(line, input)).collect::<Vec<_>>();
    let block = input.split_to(length).freeze();
    head::headers(&places, &block).map(Some)
}
