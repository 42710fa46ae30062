//! What must not be lost of one name: its certificate, the order that is under way, what failed and when it is tried again.
//!
//! One JSON file a name, replaced as a whole before the step that it stands for is taken.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

use crate::folder::file_name;

/// Version of the files; a reader takes this one and the one before.
pub const FORMAT: u32 = 1;
/// Bound: of one file, in which a key is the largest part.
const BYTES_MAX: usize = 64 << 10;
/// What ends the names of the files.
const ENDING: &str = "json";

/// Of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub format: u32,
    /// Lower case; `*.example.com` is one, too.
    pub name: String,
    pub issued: Option<Issued>,
    pub order: Option<Pending>,
    /// Since the last that was issued.
    #[serde(default)]
    pub failures: u32,
    /// Nothing is tried before it.
    pub next: Option<Next>,
    pub last_error: Option<LastError>,
    /// The last word of an operator that a certificate be renewed now.
    pub asked: Option<String>,
    /// That word is not fulfilled yet.
    #[serde(default)]
    pub is_due: bool,
    /// An order at the rehearsal's directory has gone well since the last failure.
    #[serde(default)]
    pub is_rehearsed: bool,
    pub suggestion: Option<Suggestion>,
}

/// The certificate that is in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Issued {
    /// Hexadecimal; the name of its folder.
    pub serial: String,
    pub issuer: String,
    pub begins_s: u64,
    pub expires_s: u64,
    /// When the next order is placed, jitter included.
    pub renew_at_s: u64,
}

/// An order that the CA knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pending {
    pub url: String,
    /// PEM; there from before the CA gets the request that is signed with it.
    pub key: Option<String>,
}

/// A pause, kept with its length: a clock that goes back prolongs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Next {
    pub at_ms: u64,
    pub pause_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastError {
    pub at_s: u64,
    pub why: String,
}

/// What the CA said of a renewal (RFC 9773).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Suggestion {
    /// A moment of its window; `None`: it suggests nothing.
    pub renew_at_s: Option<u64>,
    /// When it is asked again.
    pub ask_at_s: u64,
}

/// Seconds since 1970.
pub(crate) fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

impl Next {
    pub(crate) fn after(pause: Duration, now: SystemTime) -> Self {
        let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let now_ms = ms(now.duration_since(UNIX_EPOCH).unwrap_or_default());
        Self { at_ms: now_ms.saturating_add(ms(pause)), pause_ms: ms(pause) }
    }

    /// What is left of the pause.
    pub(crate) fn left(self, now: SystemTime) -> Duration {
        let now_ms = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let left = u128::from(self.at_ms).saturating_sub(now_ms).min(u128::from(self.pause_ms));
        Duration::from_millis(u64::try_from(left).unwrap_or(u64::MAX))
    }
}

impl Record {
    pub(crate) fn new(name: &str) -> Self {
        Self { format: machine::formats::current(FORMAT), name: name.to_owned(), ..Self::default() }
    }

    /// Notes a failure and when it is tried again.
    pub(crate) fn failed(&mut self, why: String, pause: Duration, now: SystemTime) {
        self.failures = self.failures.saturating_add(1);
        self.is_rehearsed = false;
        self.next = Some(Next::after(pause, now));
        self.last_error = Some(LastError { at_s: seconds(now), why });
    }

    /// Notes what was issued, which ends whatever was asked or failed. What the CA suggested was of the one before.
    pub(crate) fn issued(&mut self, issued: Issued) {
        *self = Self {
            issued: Some(issued),
            asked: self.asked.take(),
            is_rehearsed: self.is_rehearsed,
            ..Self::new(&self.name)
        };
    }
}

/// All records, in a folder of their own.
#[derive(Debug)]
pub(crate) struct Records {
    folder: PathBuf,
    all: BTreeMap<String, Record>,
}

impl Records {
    /// Reads them. A file that cannot be read is told and left: its name begins anew. Blocking.
    /// # Errors
    /// The folder cannot be made or listed.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        machine::fs::make_dir(folder, 0o700)?;
        let mut all = BTreeMap::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_none_or(|ending| ending != ENDING) {
                continue;
            }
            match read(&path) {
                Ok(record) => drop(all.insert(record.name.clone(), record)),
                Err(why) => {
                    tracing::error!(file = %path.display(), why, "A record of certificates is not read; its name begins anew.");
                }
            }
        }
        Ok(Self { folder: folder.to_owned(), all })
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Record> {
        self.all.values()
    }

    /// As it is kept; a new one of a name that is not known.
    pub(crate) fn get(&self, name: &str) -> Record {
        self.all.get(name).cloned().unwrap_or_else(|| Record::new(name))
    }

    /// Returns once it is durable. Blocking.
    /// # Errors
    /// The disk's; the record is then what it was.
    pub(crate) fn keep(&mut self, record: Record) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(&record)?;
        machine::fs::write_atomic(&self.file(&record.name), &text, 0o600)?;
        self.all.insert(record.name.clone(), record);
        Ok(())
    }

    /// # Errors
    /// The disk's.
    pub(crate) fn forget(&mut self, name: &str) -> io::Result<()> {
        match std::fs::remove_file(self.file(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.all.remove(name);
        Ok(())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{}.{ENDING}", file_name(name)))
    }
}

fn read(path: &Path) -> Result<Record, String> {
    let bytes = machine::fs::read_regular(path, BYTES_MAX).map_err(|error| error.to_string())?;
    let record: Record = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    match record.format {
        known if known <= machine::formats::current(FORMAT) => Ok(record),
        newer => Err(format!("it has the format {newer}; this build reads up to {FORMAT}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_there_again_and_what_is_no_record_costs_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut records = Records::open(folder.path()).expect("opened");
        let mut wild = Record::new("*.example.com");
        wild.failed("no".to_owned(), Duration::from_secs(5), SystemTime::now());
        records.keep(wild.clone()).expect("kept");
        std::fs::write(folder.path().join("other.json"), "{").expect("written");
        let again = Records::open(folder.path()).expect("opened");
        assert_eq!(again.all().collect::<Vec<_>>(), [&wild]);
        records.forget("*.example.com").expect("forgotten");
        assert_eq!(Records::open(folder.path()).expect("opened").all().count(), 0);
    }

    #[test]
    fn what_is_issued_ends_the_order_and_the_failures_but_is_no_reason_to_rehearse_again() {
        let mut record = Record::new("a.example");
        record.failed("no".to_owned(), Duration::from_secs(5), SystemTime::now());
        assert!(!record.is_rehearsed, "a failure is one");
        record.asked = Some("id".to_owned());
        (record.is_due, record.is_rehearsed) = (true, true);
        record.order = Some(Pending { url: "u".to_owned(), key: None });
        let issued = Issued {
            serial: "1".to_owned(),
            issuer: "a CA".to_owned(),
            begins_s: 0,
            expires_s: 9,
            renew_at_s: 6,
        };
        record.issued(issued.clone());
        let wanted = Record {
            issued: Some(issued),
            asked: Some("id".to_owned()),
            is_rehearsed: true,
            ..Record::new("a.example")
        };
        assert_eq!(record, wanted);
    }

    #[test]
    fn what_each_version_wrote_is_read() {
        let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded");
        for version in 1..=FORMAT {
            let record = read(&recorded.join(format!("v{version}/record.json"))).expect("it is read");
            assert_eq!((record.name.as_str(), record.failures, record.is_due), ("*.example.com", 2, true));
            assert!(record.issued.is_some() && record.suggestion.is_some() && record.next.is_some());
            assert!(record.order.is_some_and(|order| order.key.is_some()));
        }
    }

    #[test]
    fn a_pause_is_never_longer_than_it_was_whatever_the_clock_does() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let next = Next::after(Duration::from_secs(60), now);
        assert_eq!(next.left(now), Duration::from_secs(60));
        assert_eq!(next.left(now - Duration::from_secs(3_600)), Duration::from_secs(60));
        assert_eq!(next.left(now + Duration::from_secs(61)), Duration::ZERO);
    }
}
