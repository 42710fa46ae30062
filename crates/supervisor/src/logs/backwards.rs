//! Lines of a file from its end, block by block: the last hundred of a large log cost one read.

use std::{collections::VecDeque, fs::File, io, os::unix::fs::FileExt as _, path::Path};

const BLOCK_BYTES: u64 = 64 * 1024;
/// Bound: a line without an end; longer ones are given in pieces. Shims cut theirs at 16 KiB.
const LINE_BYTES_MAX: usize = 1 << 20;

/// Newest first; what follows the last line end is a line that is still being written, and left out.
pub(super) struct Backwards {
    file: File,
    /// Where the unread part ends.
    end: u64,
    /// The beginning of a line whose end was read already.
    head: Vec<u8>,
    ready: VecDeque<String>,
    at_file_end: bool,
}

/// `None`: there is no such file.
pub(super) fn lines(path: &Path) -> io::Result<Option<Backwards>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let end = file.metadata()?.len();
    Ok(Some(Backwards { file, end, head: Vec::new(), ready: VecDeque::new(), at_file_end: true }))
}

impl Backwards {
    /// Reads one block and takes its whole lines.
    fn more(&mut self) -> io::Result<()> {
        let start = self.end.saturating_sub(BLOCK_BYTES);
        let mut block = vec![0; usize::try_from(self.end - start).unwrap_or(0)];
        self.file.read_exact_at(&mut block, start)?;
        self.end = start;
        block.append(&mut self.head);
        if std::mem::take(&mut self.at_file_end) {
            let whole = block.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            block.truncate(whole);
        }
        let whole_from = match (start, block.iter().position(|byte| *byte == b'\n')) {
            (0, _) => 0,
            (_, Some(end)) if block.len() <= LINE_BYTES_MAX => end + 1,
            (_, _) if block.len() > LINE_BYTES_MAX => 0,
            (_, _) => block.len(),
        };
        let lines = block.split_off(whole_from);
        self.head = block;
        let text = String::from_utf8_lossy(&lines);
        self.ready.extend(text.lines().rev().map(str::to_owned));
        Ok(())
    }
}

impl Iterator for Backwards {
    type Item = io::Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() && self.end > 0 {
            if let Err(error) = self.more() {
                self.end = 0;
                return Some(Err(error));
            }
        }
        self.ready.pop_front().map(Ok)
    }
}
