//! Several small pieces written as one: to copy a head and a small body costs less than a call that takes a list.

use std::{io::IoSlice, mem::MaybeUninit};

use tokio::io::ReadBuf;

/// Bound: of what is copied to be written in one piece.
const JOINED_BYTES_MAX: usize = 4096;

/// Calls `write` with all of `slices` in one piece. `None`: they are too long for that, and nothing was done.
pub(crate) fn joined<R>(slices: &[IoSlice<'_>], write: impl FnOnce(&[u8]) -> R) -> Option<R> {
    if let [only] = slices {
        return Some(write(only));
    }
    if slices.iter().map(|slice| slice.len()).sum::<usize>() > JOINED_BYTES_MAX {
        return None;
    }
    let mut room = [const { MaybeUninit::uninit() }; JOINED_BYTES_MAX];
    let mut piece = ReadBuf::uninit(&mut room);
    slices.iter().for_each(|slice| piece.put_slice(slice));
    Some(write(piece.filled()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pieces_become_one_and_large_ones_stay() {
        let (head, body, large) = (IoSlice::new(b"head "), IoSlice::new(b"body"), [0; JOINED_BYTES_MAX]);
        assert_eq!(joined(&[head, body], <[u8]>::to_vec), Some(b"head body".to_vec()));
        assert_eq!(joined(&[head, IoSlice::new(&large)], <[u8]>::len), None);
        assert_eq!(
            joined(&[IoSlice::new(&[0; 2 * JOINED_BYTES_MAX])], <[u8]>::len),
            Some(2 * JOINED_BYTES_MAX)
        );
    }
}
