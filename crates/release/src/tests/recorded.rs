//! What version 1 wrote is read as it was meant, and what a newer version wrote is refused in words and left as it is.

use std::{fs, path::Path, sync::Arc};

use model::manifest::Manifest;

use crate::{journal, journal::Journal, seal::Seal, state::Books};

const STATE: &str = include_str!("../../tests/recorded/v1/state.json");
const JOURNAL: &[u8] = include_bytes!("../../tests/recorded/v1/deploy.journal");
const MANIFEST: &str = include_str!("../../tests/recorded/v1/manifest.json");
const SEAL: &str = include_str!("../../tests/recorded/v1/seal.json");

/// Read and written again, so that neither a lost nor a new field passes.
fn again<T: serde::Serialize + serde::de::DeserializeOwned>(text: &str) {
    let read: T = serde_json::from_str(text).expect("it reads");
    let written = serde_json::to_value(&read).expect("it is written");
    assert_eq!(written, serde_json::from_str::<serde_json::Value>(text).expect("JSON"));
}

/// A file with these bytes, and that it has them still.
fn untouched(bytes: &[u8], look: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, bytes).expect("written");
    look(&file);
    assert_eq!(fs::read(&file).expect("still there"), bytes, "it was not touched");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "and nothing was put beside it");
}

#[test]
fn the_books_of_version_1_are_read() {
    again::<crate::state::State>(STATE);
    untouched(STATE.as_bytes(), |file| {
        let books = Books::open(file).expect("they read");
        assert_eq!(books.read().serving.map(|release| release.0), Some(2));
    });
}

#[test]
fn the_books_of_a_newer_version_are_refused_and_left() {
    let newer = STATE.replace("\"format\": 1", "\"format\": 2");
    assert_ne!(newer, STATE);
    untouched(newer.as_bytes(), |file| {
        let refused = Books::open(file).map(drop).expect_err("they are of tomorrow");
        assert_eq!(refused.code, "state-newer");
        assert!(refused.causes[0].contains("its format is 2, this version reads up to 1"), "{refused:?}");
    });
}

#[test]
fn a_journal_of_version_1_is_read() {
    untouched(JOURNAL, |file| {
        let (records, bytes) = journal::read(file).expect("it reads");
        assert_eq!(bytes, JOURNAL.len() as u64, "to its end");
        assert!(records.len() > 10 && records.iter().zip(1..).all(|(record, seq)| record.seq == seq));
    });
}

#[test]
fn a_journal_of_a_newer_version_is_refused_and_left() {
    let mut newer = JOURNAL.to_vec();
    // The first record: its length, its checksum, its format.
    let length = u32::from_le_bytes(newer[..4].try_into().expect("four bytes")) as usize;
    newer[8] = 2;
    let checksum = crc32fast::hash(&newer[8..8 + length]);
    newer[4..8].copy_from_slice(&checksum.to_le_bytes());
    untouched(&newer, |file| {
        let refused = Journal::open(file, Arc::new(jiff::Timestamp::now)).map(drop).expect_err("of tomorrow");
        let words = refused.to_string();
        assert!(words.contains("records of format 2") && words.contains("reads up to 1"), "{words}");
    });
}

#[test]
fn a_release_of_version_1_is_read() {
    again::<Manifest>(MANIFEST);
    again::<Seal>(SEAL);
}

#[test]
fn a_release_of_a_newer_version_is_refused_and_left() {
    let newer = MANIFEST.replace("\"format\": 1", "\"format\": 2");
    assert_ne!(newer, MANIFEST);
    untouched(newer.as_bytes(), |file| {
        let refused = crate::scene::read_manifest(file).map(drop).expect_err("it is of tomorrow");
        assert_eq!(refused.code, "release-newer");
    });
}
