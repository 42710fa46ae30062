//! A value that is typed or piped in, and shown nowhere.

use std::{
    io::{self, BufRead, Read, Write as _},
    os::fd::AsFd as _,
};

use machine::terminal::{RawMode, size};
use model::Explain;

/// Bound: somewhat more than the keeper takes, so that it can say so.
const BYTES_MAX: u64 = (64 << 10) + 2;
const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;
const BACKSPACES: [u8; 2] = [8, 127];

/// All of standard input without its last line end; on a terminal a line, asked for and not echoed.
pub(super) fn read(name: &str) -> Result<String, Explain> {
    let stdin = io::stdin();
    let bytes = if size(stdin.as_fd()).is_some() { typed(name) } else { piped(stdin.lock()) };
    let bytes = bytes.map_err(|error| {
        Explain::new("no-secret-value", format!("there is no value of {name}"))
            .because(&error)
            .now("nothing was changed")
            .help(format!("type it, or pipe it in: `mainstay secrets set {name} < FILE`"))
    })?;
    String::from_utf8(bytes).map_err(|_| {
        Explain::new("bad-secret-value", format!("the value of {name} is no UTF-8 text"))
            .now("nothing was changed")
            .help("put bytes in as base64")
    })
}

fn piped(input: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(BYTES_MAX).read_to_end(&mut bytes)?;
    let end = bytes.strip_suffix(b"\n").map(|rest| rest.strip_suffix(b"\r").unwrap_or(rest).len());
    bytes.truncate(end.unwrap_or(bytes.len()));
    Ok(bytes)
}

fn typed(name: &str) -> io::Result<Vec<u8>> {
    let stdin = io::stdin();
    eprint!("{name}: ");
    io::stderr().flush()?;
    // Raw, so that a Ctrl-C cannot leave a terminal without an echo behind.
    let raw = RawMode::begin(stdin.as_fd())?;
    let line = keys(stdin.lock());
    drop(raw);
    eprintln!();
    line
}

fn keys(input: impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    for key in input.take(BYTES_MAX).bytes() {
        match key? {
            b'\r' | b'\n' => return Ok(line),
            CTRL_C | CTRL_D => return Err(io::Error::new(io::ErrorKind::Interrupted, "it was cancelled")),
            key if BACKSPACES.contains(&key) => {
                // One character, however many bytes.
                while line.pop().is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000) {}
            }
            key => line.push(key),
        }
    }
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the input ended"))
}

#[cfg(test)]
mod tests {
    use super::{keys, piped};

    #[test]
    fn one_line_end_falls_away_and_no_other() {
        assert_eq!(piped(&b"a\nb\n"[..]).unwrap(), b"a\nb");
        assert_eq!(piped(&b"a\r\n"[..]).unwrap(), b"a");
        assert_eq!(piped(&b"a\n\n"[..]).unwrap(), b"a\n");
        assert_eq!(piped(&b" a "[..]).unwrap(), b" a ");
    }

    #[test]
    fn what_is_typed_ends_with_enter_and_can_be_mended_or_given_up() {
        assert_eq!(keys("ab\u{e9}\u{7f}c\rrest".as_bytes()).unwrap(), b"abc");
        assert_eq!(keys(&b"\x7fa\r"[..]).unwrap(), b"a");
        for given_up in [&b"ab\x03"[..], &b"ab\x04\r"[..], &b"ab"[..]] {
            assert!(keys(given_up).is_err());
        }
    }
}
