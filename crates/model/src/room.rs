//! How much room one more release needs on the disk: one sum, told with its parts.

use std::fmt;

use crate::ByteSize;

/// A compressed archive is taken to grow so many times; the unpacking itself is capped and fails cleanly.
const GROWTH: u64 = 4;

/// Bytes, all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Of the archive; 0: not known yet.
    pub artifact: u64,
    /// The largest release that is there; 0: none.
    pub largest: u64,
    /// What must stay free beside it.
    pub reserve: u64,
}

impl Room {
    /// How large the next release is taken to be: that is only known when it is unpacked.
    fn release(self) -> u64 {
        self.artifact.saturating_mul(GROWTH).max(self.largest)
    }

    /// Twice the release, for what is written beside it while it is made, and the reserve.
    pub fn wanted(self) -> u64 {
        self.release().saturating_mul(2).saturating_add(self.reserve)
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (release, reserve) = (round(self.release()), round(self.reserve));
        let from = if self.release() == 0 {
            "whose size is not known yet".to_owned()
        } else if self.largest >= self.artifact.saturating_mul(GROWTH) {
            "as large as the largest here".to_owned()
        } else {
            format!("of an artifact of {} that grows {GROWTH} times", round(self.artifact))
        };
        write!(f, "2 × {release} for a release {from}, and {reserve} of `disk_reserve`")
    }
}

/// For people: whole mebibytes of what is large.
pub fn round(bytes: u64) -> ByteSize {
    ByteSize(if bytes >= 10 << 20 { bytes >> 20 << 20 } else { bytes })
}

#[cfg(test)]
mod tests {
    use super::Room;

    #[test]
    fn the_words_name_the_parts_of_the_sum() {
        const MIB: u64 = 1 << 20;
        let room = Room { artifact: 20 * MIB, largest: 30 * MIB, reserve: 1024 * MIB };
        assert_eq!(room.wanted(), (2 * 4 * 20 + 1024) * MIB);
        assert_eq!(
            room.to_string(),
            "2 × 80MiB for a release of an artifact of 20MiB that grows 4 times, and 1GiB of `disk_reserve`"
        );
        let room = Room { largest: 100 * MIB, ..room };
        assert_eq!(room.wanted(), (2 * 100 + 1024) * MIB);
        assert_eq!(
            room.to_string(),
            "2 × 100MiB for a release as large as the largest here, and 1GiB of `disk_reserve`"
        );
    }
}
