//! From an app's bytes to log lines: cut at newlines and at 16 KiB, secrets struck, in CRI form. Pure.
//!
//! Invariant: no byte of a secret leaves here, also where it crosses a read or the cut of a long line.

use crate::payload::WORD_BYTES_MAX;

/// A longer line is cut and marked `P`; its last piece is marked `F`.
pub(super) const LINE_BYTES_MAX: usize = 16 * 1024;
const STRUCK: &[u8] = b"[redacted]";

/// Finds secrets. Without words it costs nothing.
#[derive(Debug)]
pub(super) struct Redactor {
    /// Longest first, so that a secret that begins like another is struck whole.
    words: Vec<Vec<u8>>,
    begins: [bool; 256],
    longest: usize,
}

impl Redactor {
    pub(super) fn new(words: Vec<String>) -> Self {
        let mut words: Vec<Vec<u8>> = words.into_iter().map(String::into_bytes).collect();
        words.retain(|word| !word.is_empty() && word.len() <= WORD_BYTES_MAX);
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        let mut begins = [false; 256];
        for first in words.iter().filter_map(|word| word.first()) {
            begins[usize::from(*first)] = true;
        }
        let longest = words.first().map_or(0, Vec::len);
        Self { words, begins, longest }
    }

    /// Appends `bytes` to `out` with every secret replaced that begins before `limit`; returns how many bytes of
    /// `bytes` that took: `limit`, or more where a secret crosses it.
    fn strike(&self, bytes: &[u8], limit: usize, out: &mut Vec<u8>) -> usize {
        let limit = limit.min(bytes.len());
        if self.words.is_empty() {
            out.extend_from_slice(bytes.get(..limit).unwrap_or_default());
            return limit;
        }
        let (mut at, mut kept) = (0, 0);
        while at < limit {
            match self.word_at(bytes, at) {
                None => at += 1,
                Some(len) => {
                    out.extend_from_slice(bytes.get(kept..at).unwrap_or_default());
                    out.extend_from_slice(STRUCK);
                    at += len;
                    kept = at;
                }
            }
        }
        out.extend_from_slice(bytes.get(kept..at).unwrap_or_default());
        at
    }

    fn word_at(&self, bytes: &[u8], at: usize) -> Option<usize> {
        let first = *bytes.get(at)?;
        if !self.begins[usize::from(first)] {
            return None;
        }
        let rest = bytes.get(at..)?;
        self.words.iter().find(|word| rest.starts_with(word)).map(Vec::len)
    }
}

/// The lines of one stream of an app.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The beginning of a line whose end has not come. Bound: `LINE_BYTES_MAX` plus the longest word and one read.
    pending: Vec<u8>,
}

impl Lines {
    /// Takes the next bytes; calls `emit(out_line, full)` for each line, struck, without its newline.
    pub(super) fn feed(&mut self, mut bytes: &[u8], redactor: &Redactor, mut emit: impl FnMut(&[u8], bool)) {
        let mut out = Vec::new();
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            bytes = rest.get(1..).unwrap_or_default();
            if self.pending.is_empty() && line.len() <= LINE_BYTES_MAX {
                out.clear();
                redactor.strike(line, line.len(), &mut out);
                emit(&out, true);
            } else {
                self.pending.extend_from_slice(line);
                self.cut(redactor, LINE_BYTES_MAX, &mut out, &mut emit);
                self.finish(redactor, &mut out, &mut emit);
            }
        }
        self.pending.extend_from_slice(bytes);
        // A secret that begins before the cut must be seen whole before the cut is made.
        let enough = LINE_BYTES_MAX + redactor.longest;
        self.cut(redactor, enough, &mut out, &mut emit);
    }

    /// The stream has ended: what is pending is a line.
    pub(super) fn end(&mut self, redactor: &Redactor, mut emit: impl FnMut(&[u8], bool)) {
        if !self.pending.is_empty() {
            let mut out = Vec::new();
            self.cut(redactor, LINE_BYTES_MAX, &mut out, &mut emit);
            self.finish(redactor, &mut out, &mut emit);
        }
    }

    /// Emits pieces while more than `enough` bytes are pending.
    fn cut(
        &mut self,
        redactor: &Redactor,
        enough: usize,
        out: &mut Vec<u8>,
        emit: &mut impl FnMut(&[u8], bool),
    ) {
        let mut done = 0;
        while self.pending.len() - done > enough {
            out.clear();
            done += redactor.strike(self.pending.get(done..).unwrap_or_default(), LINE_BYTES_MAX, out);
            emit(out, false);
        }
        self.pending.drain(..done);
    }

    fn finish(&mut self, redactor: &Redactor, out: &mut Vec<u8>, emit: &mut impl FnMut(&[u8], bool)) {
        out.clear();
        redactor.strike(&self.pending, self.pending.len(), out);
        emit(out, true);
        self.pending.clear();
        self.pending.shrink_to(LINE_BYTES_MAX);
    }
}

#[cfg(test)]
mod tests;
