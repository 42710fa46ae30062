//! HTTP/2 frames on their way (RFC 9113 4.1): their heads are read, their payloads only counted.
//!
//! hyper tells neither that a request's head has begun nor that it has refused one; both are seen here.

const HEAD_BYTES: usize = 9;
/// The payload of RST_STREAM, a reason, is read with its head.
const REASON_BYTES: usize = 4;
/// Of the client's preface, before its first frame (RFC 9113 3.4).
const PREFACE_BYTES: usize = 24;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PROTOCOL_ERROR: u32 = 1;
/// An answer with a status and nothing else; every other has an id, which is longer.
const BARE_BYTES_MAX: usize = 16;

/// What the head of a frame says.
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    /// 0 but for RST_STREAM.
    reason: u32,
    is_empty: bool,
}

impl Frame {
    /// Whether it makes work and brings nothing.
    fn is_chatter(&self) -> bool {
        match self.kind {
            PRIORITY | RST_STREAM | SETTINGS | PING => true,
            DATA => self.is_empty && self.flags & END_STREAM == 0,
            _ => false,
        }
    }
}

/// Where one direction stands.
#[derive(Debug, Default)]
struct Frames {
    head: [u8; HEAD_BYTES + REASON_BYTES],
    have: usize,
    payload_left: usize,
}

impl Frames {
    fn is_between(&self) -> bool {
        self.have == 0 && self.payload_left == 0
    }

    fn skip_payload(&mut self, bytes: &mut &[u8]) {
        let skipped = bytes.len().min(self.payload_left);
        self.payload_left -= skipped;
        *bytes = &bytes[skipped..];
    }

    /// Takes of `bytes` what belongs to a head; `None`: more must come.
    fn take_head(&mut self, bytes: &mut &[u8]) -> Option<Frame> {
        while self.have < self.head_len() {
            let (first, rest) = bytes.split_first()?;
            self.head[self.have] = *first;
            self.have += 1;
            *bytes = rest;
        }
        let [_, _, _, kind, flags, s0, s1, s2, s3, reason @ ..] = self.head;
        let is_empty = self.payload_len() == 0;
        self.payload_left = self.payload_len() + HEAD_BYTES - self.have;
        (self.head, self.have) = ([0; HEAD_BYTES + REASON_BYTES], 0);
        let stream = u32::from_be_bytes([s0, s1, s2, s3]);
        Some(Frame { kind, flags, stream, reason: u32::from_be_bytes(reason), is_empty })
    }

    fn payload_len(&self) -> usize {
        let [a, b, c, ..] = self.head;
        usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)
    }

    /// As far as can be known from the bytes that are there.
    fn head_len(&self) -> usize {
        match self.head[3] {
            RST_STREAM if self.have >= HEAD_BYTES => HEAD_BYTES + self.payload_len().min(REASON_BYTES),
            _ => HEAD_BYTES,
        }
    }
}

/// Whether something that must end has begun: the head of a request, or the preface with its first frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    Open,
    /// Ends with the frame that comes.
    Closing,
    Closed,
}

/// Heads of streams that have come and became nobody's request yet, and what was said that may be about them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unclaimed {
    pub(crate) heads: u32,
    /// Reset: RFC 9113 8.1.1 wants a stream error and no answer.
    pub(crate) malformed: u32,
    /// Answered by h2's own 431, in which nothing else stands.
    pub(crate) too_large: u32,
}

/// Follows what the client sends.
#[derive(Debug)]
pub(super) struct Inbound {
    stream_max: u32,
    /// The block that is open begins a stream; others are trailers.
    is_opening: bool,
    preface_left: usize,
    frames: Frames,
    block: Block,
}

impl Default for Inbound {
    fn default() -> Self {
        Self {
            stream_max: 0,
            is_opening: false,
            preface_left: PREFACE_BYTES,
            frames: Frames::default(),
            block: Block::Open,
        }
    }
}

impl Inbound {
    /// In a head, also in that of a frame: what it is nobody knows yet.
    pub(super) fn is_in_head(&self) -> bool {
        self.block != Block::Closed || self.frames.have > 0
    }

    /// Follows `bytes`. `true`: somewhere among them no head was open, so one that is open now has begun here. And how many
    /// frames among them bring nothing.
    pub(super) fn feed(&mut self, mut bytes: &[u8], unclaimed: &mut Unclaimed) -> (bool, u32) {
        let preface = bytes.len().min(self.preface_left);
        self.preface_left -= preface;
        bytes = &bytes[preface..];
        let (mut was_between, mut chatter) = (false, 0);
        loop {
            self.frames.skip_payload(&mut bytes);
            if self.block == Block::Closing && self.frames.is_between() {
                self.block = Block::Closed;
                let opened = u32::from(std::mem::take(&mut self.is_opening));
                unclaimed.heads = unclaimed.heads.saturating_add(opened);
            }
            was_between |= self.block == Block::Closed && self.frames.is_between();
            let Some(frame) = self.frames.take_head(&mut bytes) else { return (was_between, chatter) };
            chatter += u32::from(frame.is_chatter());
            self.block = self.block.after(&frame);
            if frame.kind == HEADERS && frame.stream > self.stream_max {
                (self.stream_max, self.is_opening) = (frame.stream, true);
            }
        }
    }
}

impl Block {
    fn after(self, frame: &Frame) -> Self {
        match (frame.kind, self) {
            (HEADERS | CONTINUATION, _) if frame.flags & END_HEADERS == 0 => Self::Open,
            (HEADERS | CONTINUATION, _) => Self::Closing,
            // The preface's SETTINGS; within a head any other frame ends the connection.
            (_, Self::Open | Self::Closing) => Self::Closing,
            (_, Self::Closed) => Self::Closed,
        }
    }
}

/// Follows what the client is sent.
#[derive(Debug, Default)]
pub(super) struct Outbound(Frames);

impl Outbound {
    pub(super) fn feed(&mut self, mut bytes: &[u8], unclaimed: &mut Unclaimed) {
        loop {
            self.0.skip_payload(&mut bytes);
            let Some(frame) = self.0.take_head(&mut bytes) else { return };
            let is_bare = self.0.payload_left <= BARE_BYTES_MAX;
            match frame.kind {
                HEADERS if frame.flags & END_STREAM != 0 && is_bare => unclaimed.too_large += 1,
                RST_STREAM if frame.reason == PROTOCOL_ERROR => unclaimed.malformed += 1,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
