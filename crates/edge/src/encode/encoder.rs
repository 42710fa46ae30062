//! The bytes of one answer: what goes in comes out compressed, in pieces as large as it came.

use std::{
    fmt,
    io::{self, Write},
};

use brotli::CompressorWriter;
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use model::manifest::Encoding;

use super::Slot;

/// Levels at which an answer costs little more time than its way through the edge; files that are compressed once and for
/// all have better ones.
const ZSTD_LEVEL: i32 = 3;
const BR_QUALITY: u32 = 4;
const GZIP_LEVEL: u32 = 5;
/// Bound: of what an encoder looks back at, as a power of two; its memory grows with it.
const WINDOW_BITS: u32 = 18;
const BR_INPUT_BYTES: usize = 16 << 10;
/// Input that is taken without a look at what has come out.
const INPUT_BYTES_MAX: usize = 64 << 10;

/// Holds one of the worker's places until it is dropped.
pub(crate) struct Encoder {
    /// `None` once the end was written.
    to: Option<To>,
    /// Since the last flush.
    unflushed: usize,
    _slot: Slot,
}

enum To {
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
    Br(Box<CompressorWriter<Vec<u8>>>),
    Gzip(GzEncoder<Vec<u8>>),
}

impl Encoder {
    /// # Errors
    /// There is no memory for it.
    pub(super) fn new(encoding: Encoding, slot: Slot) -> io::Result<Self> {
        Ok(Self { to: Some(To::new(encoding)?), unflushed: 0, _slot: slot })
    }

    /// Takes a piece. Gives what has come out once that is worth a frame; else it waits for more, or for [`Self::flush`].
    /// # Errors
    /// The library's, which writes to memory: none is known.
    pub(crate) fn write(&mut self, piece: &[u8]) -> io::Result<Option<Bytes>> {
        let to = self.to.as_mut().ok_or_else(ended)?;
        to.write_all(piece)?;
        self.unflushed += piece.len();
        if self.unflushed < INPUT_BYTES_MAX {
            return Ok(None);
        }
        self.flush()
    }

    /// All that was written and did not come out yet, so that the client can read it now.
    pub(crate) fn flush(&mut self) -> io::Result<Option<Bytes>> {
        if self.unflushed == 0 {
            return Ok(None);
        }
        self.unflushed = 0;
        let to = self.to.as_mut().ok_or_else(ended)?;
        to.flush()?;
        Ok(filled(std::mem::take(to.buffer())))
    }

    /// The end; `None`: it has been given.
    pub(crate) fn finish(&mut self) -> io::Result<Option<Bytes>> {
        let Some(to) = self.to.take() else { return Ok(None) };
        Ok(filled(match to {
            To::Zstd(to) => to.finish()?,
            To::Br(to) => to.into_inner(),
            To::Gzip(to) => to.finish()?,
        }))
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.to.is_none()
    }
}

fn filled(bytes: Vec<u8>) -> Option<Bytes> {
    (!bytes.is_empty()).then(|| bytes.into())
}

fn ended() -> io::Error {
    io::Error::other("the encoder has ended")
}

impl To {
    fn new(encoding: Encoding) -> io::Result<Self> {
        let to = Vec::new();
        Ok(match encoding {
            Encoding::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(to, ZSTD_LEVEL)?;
                encoder.window_log(WINDOW_BITS)?;
                Self::Zstd(encoder)
            }
            Encoding::Br => {
                Self::Br(Box::new(CompressorWriter::new(to, BR_INPUT_BYTES, BR_QUALITY, WINDOW_BITS)))
            }
            Encoding::Gzip => Self::Gzip(GzEncoder::new(to, Compression::new(GZIP_LEVEL))),
        })
    }

    fn buffer(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Zstd(to) => to.get_mut(),
            Self::Br(to) => to.get_mut(),
            Self::Gzip(to) => to.get_mut(),
        }
    }
}

impl Write for To {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        match self {
            Self::Zstd(to) => to.write(piece),
            Self::Br(to) => to.write(piece),
            Self::Gzip(to) => to.write(piece),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Zstd(to) => to.flush(),
            Self::Br(to) => to.flush(),
            Self::Gzip(to) => to.flush(),
        }
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").field("unflushed", &self.unflushed).finish_non_exhaustive()
    }
}
