//! Where WebSocket frames begin and end (RFC 6455 5.2): headers are read, payloads only counted.

/// Longest header: 2 bytes, 8 of length, 4 of mask.
const HEADER_BYTES_MAX: usize = 14;
const OPCODE_CLOSE: u8 = 8;

/// Follows one direction of one WebSocket.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    header: [u8; HEADER_BYTES_MAX],
    have: usize,
    payload_left: u64,
    closed: bool,
}

impl Frames {
    /// Between two frames; also between fragments of one message, where control frames may stand.
    pub(crate) fn is_at_boundary(&self) -> bool {
        self.have == 0 && self.payload_left == 0
    }

    /// A close frame has begun: nothing may follow it.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Follows all of `bytes`.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let used = self.feed_frame(rest);
            rest = rest.get(used..).unwrap_or_default();
        }
    }

    /// Follows `bytes` up to the end of the frame that they are in; says how many that were.
    pub(crate) fn feed_frame(&mut self, bytes: &[u8]) -> usize {
        let mut used = 0;
        if self.payload_left == 0 {
            for byte in bytes {
                self.header[self.have] = *byte;
                self.have += 1;
                used += 1;
                if self.have == self.header_len() {
                    self.begin_payload();
                    break;
                }
            }
        }
        let have = u64::try_from(bytes.len() - used).unwrap_or(u64::MAX);
        let payload = have.min(self.payload_left);
        self.payload_left -= payload;
        used + usize::try_from(payload).unwrap_or(0)
    }

    /// As far as can be known from the bytes that are there.
    fn header_len(&self) -> usize {
        if self.have < 2 {
            return 2;
        }
        let length = match self.header[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask = if self.header[1] & 0x80 == 0 { 0 } else { 4 };
        2 + length + mask
    }

    fn begin_payload(&mut self) {
        let be = |bytes: &[u8]| bytes.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        self.payload_left = match self.header[1] & 0x7f {
            126 => be(&self.header[2..4]),
            127 => be(&self.header[2..10]),
            short => u64::from(short),
        };
        self.closed |= self.header[0] & 0x0f == OPCODE_CLOSE;
        self.have = 0;
    }
}

/// A close frame with `code`. Towards a server it must be masked, by what nobody can foresee (RFC 6455 10.3).
pub(crate) fn close_frame(code: u16, mask: Option<[u8; 4]>) -> Vec<u8> {
    let payload = code.to_be_bytes();
    let mut frame = vec![0x80 | OPCODE_CLOSE];
    match mask {
        None => {
            frame.push(2);
            frame.extend_from_slice(&payload);
        }
        Some(mask) => {
            frame.push(0x80 | 2);
            frame.extend_from_slice(&mask);
            frame.extend(payload.iter().zip(mask).map(|(byte, mask)| byte ^ mask));
        }
    }
    frame
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(opcode: u8, len: usize, masked: bool) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut frame = vec![opcode];
        match len {
            0..=125 => frame.push(mask | u8::try_from(len).unwrap()),
            126..=0xffff => {
                frame.push(mask | 126);
                frame.extend_from_slice(&u16::try_from(len).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(mask | 127);
                frame.extend_from_slice(&(len as u64).to_be_bytes());
            }
        }
        frame.extend(std::iter::repeat_n(7, if masked { 4 } else { 0 }));
        frame.extend(std::iter::repeat_n(0x88, len));
        frame
    }

    proptest! {
        #[test]
        fn boundaries_are_where_frames_end_however_they_are_cut(
            frames in proptest::collection::vec((1_u8..3, 0_usize..70_000, any::<bool>()), 1..5),
            step in 1_usize..5000,
        ) {
            let (mut ends, mut bytes) = (vec![0], Vec::new());
            for (opcode, len, masked) in frames {
                bytes.extend(frame(opcode, len, masked));
                ends.push(bytes.len());
            }
            let (mut whole, mut at) = (Frames::default(), 0);
            for piece in bytes.chunks(step) {
                whole.feed(piece);
                at += piece.len();
                prop_assert_eq!(whole.is_at_boundary(), ends.contains(&at));
            }
            let (mut single, mut at, mut found) = (Frames::default(), 0, vec![0]);
            while at < bytes.len() {
                at += single.feed_frame(&bytes[at..]);
                found.push(at);
            }
            prop_assert_eq!(found, ends);
            prop_assert!(!whole.is_closed());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            Frames::default().feed(&bytes);
        }
    }

    #[test]
    fn a_close_frame_is_seen_and_made() {
        let mut frames = Frames::default();
        frames.feed(&close_frame(1012, Some([1, 2, 3, 4])));
        assert!(frames.is_closed() && frames.is_at_boundary());
        assert_eq!(close_frame(1012, None), [0x88, 2, 3, 0xf4]);
    }
}
