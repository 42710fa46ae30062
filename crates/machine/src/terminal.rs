//! Terminals: a pair for a process that wants one, and the raw mode of the one that a person sits at.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::{
    pty::{self, OpenptFlags},
    termios::{self, OptionalActions, Termios, Winsize},
};

/// In characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub columns: u16,
    pub rows: u16,
}

/// A pseudo-terminal: what is written to one end comes out of the other, as a terminal would have it.
#[derive(Debug)]
pub struct Pair {
    /// The person's end. When its last copy closes, the session at the other end is hung up.
    pub master: OwnedFd,
    /// The process's end.
    pub slave: OwnedFd,
}

impl Pair {
    /// Both ends close at exec, and neither becomes this process's own terminal.
    pub fn open(size: Size) -> io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = pty::openpt(flags)?;
        pty::grantpt(&master)?;
        pty::unlockpt(&master)?;
        // By the master and not by a name: what /dev/pts holds here is nobody's business.
        let slave = pty::ioctl_tiocgptpeer(&master, flags)?;
        resize(&master, size)?;
        Ok(Self { master, slave })
    }
}

/// Tells the processes at the other end (SIGWINCH), too.
pub fn resize(terminal: impl AsFd, size: Size) -> io::Result<()> {
    let size = Winsize { ws_col: size.columns, ws_row: size.rows, ws_xpixel: 0, ws_ypixel: 0 };
    Ok(termios::tcsetwinsize(terminal, size)?)
}

/// `None`: it is no terminal.
pub fn size(terminal: impl AsFd) -> Option<Size> {
    let size = termios::tcgetwinsize(terminal).ok()?;
    Some(Size { columns: size.ws_col, rows: size.ws_row })
}

/// The terminal passes every key on as it is while this lives; then it is again as it was.
#[derive(Debug)]
pub struct RawMode<'a> {
    terminal: BorrowedFd<'a>,
    before: Termios,
}

impl<'a> RawMode<'a> {
    pub fn begin(terminal: BorrowedFd<'a>) -> io::Result<Self> {
        let before = termios::tcgetattr(terminal)?;
        let mut raw = before.clone();
        raw.make_raw();
        // What was typed before is for the program that comes: `Drain` keeps it.
        termios::tcsetattr(terminal, OptionalActions::Drain, &raw)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for RawMode<'_> {
    fn drop(&mut self) {
        // A terminal that is gone needs no mode.
        let _ = termios::tcsetattr(self.terminal, OptionalActions::Drain, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Write as _, os::fd::AsFd as _};

    use super::{Pair, RawMode, Size, resize, size};

    const SIZE: Size = Size { columns: 97, rows: 31 };

    #[test]
    fn both_ends_know_the_size_and_its_change() {
        let pair = Pair::open(SIZE).expect("a pseudo-terminal");
        assert_eq!(size(&pair.slave), Some(SIZE));
        let wider = Size { columns: 200, rows: 50 };
        resize(&pair.master, wider).expect("resized");
        assert_eq!(size(&pair.slave), Some(wider));
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(b"x").expect("written");
        assert_eq!(size(&file), None, "a file is no terminal");
    }

    #[test]
    fn raw_mode_ends_with_its_guard() {
        let pair = Pair::open(SIZE).expect("a pseudo-terminal");
        let terminal = File::from(pair.slave);
        let mode = || {
            let all = rustix::termios::tcgetattr(&terminal).expect("a mode");
            (all.local_modes, all.input_modes, all.output_modes)
        };
        let before = mode();
        let raw = RawMode::begin(terminal.as_fd()).expect("raw");
        assert_ne!(mode(), before);
        drop(raw);
        assert_eq!(mode(), before);
    }
}
