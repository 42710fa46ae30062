//! Which build of Mainstay an executable is: the SHA-256 of its bytes. A version's name is not enough, since two builds of
//! one version differ, and a file's place or date says nothing of what is in it.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _},
    os::fd::AsFd as _,
};

use machine::child::Executable;
use sha2::{Digest as _, Sha256};

/// A multiple of a page, and small beside any cache.
const PIECE: usize = 256 << 10;

/// In hex. Reads the whole file: a tenth of a second for a hundred megabytes, mostly from memory, since it runs.
pub(crate) fn of(exe: &Executable) -> io::Result<String> {
    let mut file = File::from(exe.as_fd().try_clone_to_owned()?);
    // Its descriptions share one position, which an exec does not look at.
    file.rewind()?;
    let (mut digest, mut piece) = (Sha256::new(), vec![0; PIECE]);
    loop {
        match file.read(&mut piece)? {
            0 => break,
            bytes => digest.update(piece.get(..bytes).unwrap_or_default()),
        }
    }
    Ok(crate::protocol::hex(&digest.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_its_bytes_and_not_its_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let of = |path: &std::path::Path| of(&Executable::open(path).expect("opened")).expect("read");
        let (one, copy) = (folder.path().join("one"), folder.path().join("copy"));
        std::fs::write(&one, vec![7; PIECE + 1]).expect("written");
        std::fs::copy(&one, &copy).expect("copied");
        let build = of(&one);
        assert_eq!((build.len(), &build), (64, &of(&copy)));
        std::fs::write(&copy, vec![7; PIECE + 2]).expect("written");
        assert_ne!(build, of(&copy), "one byte more");
    }
}
