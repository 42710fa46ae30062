//! The journal of one deploy: what was about to be done and what was done, fsynced, in order.
//!
//! A record is `length (u32 LE) | CRC-32 of what follows (u32 LE) | format (u16 LE) | JSON`. A tail that is cut short is a
//! write that never finished and is dropped; anything wrong before the end is an error that names the place. Records of
//! a kind that this version does not know are kept and skipped. Never decides anything.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use api::{
    deploy::{Outcome, Phase},
    request_key::RequestKey,
};
use jiff::Timestamp;
use model::{Explain, InstanceName, ProcessId, ReleaseId, ReleaseNumber, ServiceName, schema::DataSchema};
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::{figures::Baseline, request::MigrateVerb, world::JobKind};

/// Version of the records that are written; this and the one before are read.
pub(crate) const FORMAT: u16 = 1;
/// Bound: no record is longer; a longer length is damage.
const RECORD_BYTES_MAX: u32 = 1 << 20;
/// length, checksum.
const HEAD_BYTES: usize = 8;

/// One line of the story.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub ulid: Ulid,
    /// From 1, without gaps.
    pub seq: u64,
    /// RFC 3339, UTC, milliseconds; for people, never compared.
    pub at: String,
    pub operator: String,
    pub host: String,
    #[serde(flatten)]
    pub body: Body,
}

/// A kind that this version knows, or the fields of one that it does not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Body {
    Known(Box<Kind>),
    Unknown(serde_json::Map<String, serde_json::Value>),
}

/// What a run of the deploy machine does, and so which phases it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "course")]
pub(crate) enum Course {
    /// Stages new bytes and goes through all phases.
    New { digest: String, bytes: u64 },
    /// A release that is on the machine, started anew.
    Existing,
    /// Instances that still run warm: the pointer alone.
    Warm,
    /// New instances of the release that serves; of all services or of one. Also scaling down.
    /// Scaling down says how many.
    Restart { service: Option<ServiceName>, instances: Option<u32> },
    /// More instances beside those of one service.
    Grow { service: ServiceName, instances: u32 },
    /// One new instance of the release that serves, in the place of this one.
    Recycle { instance: InstanceName },
    Migrate {
        /// Named apart: it stands in one object with the record's own `verb`.
        #[serde(rename = "way")]
        verb: MigrateVerb,
    },
    /// Recorded for the record: nothing had to change.
    Nothing,
}

/// Written before the act where it says intent, after it where it says done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub(crate) enum Kind {
    Began {
        verb: String,
        #[serde(flatten)]
        course: Course,
        from: Option<ReleaseNumber>,
        to: ReleaseNumber,
        release: Option<ReleaseId>,
        /// Of the instances that it starts, or (warm) returns to.
        generation: u64,
        drain_now: bool,
        /// The generation whose kept values of secrets its processes are given; `None`: today's values.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secrets_of: Option<u64>,
        /// Of the request that began it: the same one that comes again begins nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request_key: Option<RequestKey>,
    },
    Entered {
        phase: Phase,
    },
    Note {
        phase: Phase,
        message: String,
    },
    Warned {
        warning: Explain,
    },
    /// Why Mainstay itself began it.
    Reason {
        reason: Explain,
    },
    JobIntent {
        job: JobKind,
        process: ProcessId,
    },
    JobDone {
        job: JobKind,
        process: ProcessId,
        end: String,
    },
    /// The database before the migration, and what it must be after it.
    MigrateIntent {
        before: u64,
        target: u64,
        /// What serves did not answer before it: that it does not after it says nothing.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        old_is_down: bool,
    },
    /// What it became.
    MigrateDone {
        data: DataSchema,
    },
    InstanceIntent {
        name: InstanceName,
        process: ProcessId,
    },
    /// What the bake compares with, taken just before the switch.
    Baseline {
        /// Of the new instances, by then.
        exits: u64,
        traffic: Baseline,
    },
    /// Some clients get the new release.
    CanaryIntent {
        weight: u8,
    },
    SwitchIntent {
        generation: u64,
        release: ReleaseNumber,
    },
    SwitchDone {
        epoch: u64,
    },
    ReturnIntent {
        generation: u64,
        release: ReleaseNumber,
        why: Explain,
    },
    ReturnDone {
        epoch: u64,
    },
    /// The bake ended well.
    Baked,
    /// From here on it waits for another operator; milliseconds since 1970, when it is given up.
    ApprovalAsked {
        until_unix_ms: u64,
    },
    Approved {
        by: String,
        /// Named apart: the record has a `host` of its own.
        by_host: String,
    },
    CancelAsked {
        by: String,
    },
    Ended {
        outcome: Outcome,
        serving: Option<ReleaseNumber>,
        error: Option<Explain>,
        report: Vec<String>,
    },
    /// After the end: a generation of the old release is gone.
    Retired {
        generation: u64,
        report: String,
    },
}

/// Why a journal does not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} is damaged at byte {offset}, and more follows: {what}")]
    Damaged { path: PathBuf, offset: usize, what: String },
    #[error("{} has records of format {format} at byte {offset}; this Mainstay reads up to {}", path.display(), machine::formats::current(FORMAT))]
    Newer { path: PathBuf, offset: usize, format: u16 },
}

/// The wall clock that records are stamped by: the world's, as everything that the room does.
pub(crate) type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Appends to one journal.
pub(crate) struct Journal {
    file: File,
    path: PathBuf,
    next_seq: u64,
    /// Bytes known to be whole; a failed append is cut back to here.
    length: u64,
    operator: String,
    host: String,
    clock: Clock,
}

impl Journal {
    /// Makes the journal of a new deploy.
    pub(crate) fn create(path: &Path, operator: &str, host: &str, clock: Clock) -> io::Result<Self> {
        let file = OpenOptions::new().create_new(true).append(true).open(path)?;
        if let Some(parent) = path.parent() {
            machine::fs::fsync_dir(parent)?;
        }
        Ok(Self {
            file,
            path: path.to_owned(),
            next_seq: 1,
            length: 0,
            operator: operator.to_owned(),
            host: host.to_owned(),
            clock,
        })
    }

    /// Opens one that another keeper wrote, cuts its torn tail off, and gives what it holds.
    pub(crate) fn open(path: &Path, clock: Clock) -> Result<(Self, Vec<Record>), JournalError> {
        let failed = |source| JournalError::Read { path: path.to_owned(), source };
        let (records, length) = read(path)?;
        let file = OpenOptions::new().append(true).open(path).map_err(failed)?;
        file.set_len(length).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        let last = records.last();
        let journal = Self {
            file,
            path: path.to_owned(),
            next_seq: last.map_or(1, |r| r.seq + 1),
            length,
            operator: last.map(|r| r.operator.clone()).unwrap_or_default(),
            host: last.map(|r| r.host.clone()).unwrap_or_default(),
            clock,
        };
        Ok((journal, records))
    }

    /// As its records say it.
    pub(crate) fn now(&self) -> String {
        stamp((self.clock)())
    }

    /// Writes one record and waits until it is on the disk.
    /// # Errors
    /// The record is then not in the journal: what it announced must not be done.
    pub(crate) fn append(&mut self, kind: Kind) -> io::Result<Record> {
        let record = Record {
            ulid: Ulid::generate(),
            seq: self.next_seq,
            at: self.now(),
            operator: self.operator.clone(),
            host: self.host.clone(),
            body: Body::Known(Box::new(kind)),
        };
        let bytes = encode(&record)?;
        let written = self.write(&bytes);
        if let Err(error) = written {
            // Crash: a torn tail stays, which the next reader drops.
            let _ = self.file.set_len(self.length);
            return Err(error);
        }
        self.length += bytes.len() as u64;
        self.next_seq += 1;
        Ok(record)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        crate::tests::failpoint::before_write(|| drop(self.file.write_all(&bytes[..bytes.len() / 2])))?;
        self.file.write_all(bytes)?;
        if !machine::planted::is_planted("writes-without-fsync") {
            self.file.sync_data()?;
            #[cfg(test)]
            crate::tests::failpoint::synced(&self.path, self.length + bytes.len() as u64);
        }
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// RFC 3339 in UTC with milliseconds.
pub(crate) fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn encode(record: &Record) -> io::Result<Vec<u8>> {
    let json = serde_json::to_vec(record).map_err(io::Error::other)?;
    let mut payload = Vec::with_capacity(json.len() + 2);
    payload.extend_from_slice(&machine::formats::current(FORMAT).to_le_bytes());
    payload.extend_from_slice(&json);
    let length = u32::try_from(payload.len()).ok().filter(|n| *n <= RECORD_BYTES_MAX);
    let length = length.ok_or_else(|| io::Error::other("a journal record is longer than 1 MiB"))?;
    let mut bytes = Vec::with_capacity(payload.len() + HEAD_BYTES);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&payload).to_le_bytes());
    bytes.extend_from_slice(&payload);
    Ok(bytes)
}

/// The whole records of a journal and how many bytes they take.
pub(crate) fn read(path: &Path) -> Result<(Vec<Record>, u64), JournalError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|mut file| file.read_to_end(&mut bytes));
    read.map_err(|source| JournalError::Read { path: path.to_owned(), source })?;
    decode(path, &bytes)
}

fn decode(path: &Path, bytes: &[u8]) -> Result<(Vec<Record>, u64), JournalError> {
    let damaged = |offset, what: String| Err(JournalError::Damaged { path: path.to_owned(), offset, what });
    let mut records: Vec<Record> = Vec::new();
    let mut offset = 0;
    while let Some(head) = bytes.get(offset..offset + HEAD_BYTES) {
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
        let checksum = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        let start = offset + HEAD_BYTES;
        let plausible = (2..=RECORD_BYTES_MAX).contains(&length);
        let payload = bytes.get(start..start + length as usize);
        let Some(payload) = payload.filter(|_| plausible) else {
            // A torn write leaves a prefix of a record, or zeros where the size was extended first.
            let zeros = bytes[offset..].iter().all(|b| *b == 0);
            if zeros || (plausible && payload.is_none()) {
                break;
            }
            return damaged(offset, format!("a length of {length}"));
        };
        if crc32fast::hash(payload) != checksum {
            if start + payload.len() == bytes.len() {
                break;
            }
            return damaged(offset, "the checksum does not match".into());
        }
        let format = u16::from_le_bytes([payload[0], payload[1]]);
        if format > machine::formats::current(FORMAT) {
            return Err(JournalError::Newer { path: path.to_owned(), offset, format });
        }
        let record: Record = match serde_json::from_slice(&payload[2..]) {
            Ok(record) => record,
            Err(error) => return damaged(offset, error.to_string()),
        };
        let expected = records.last().map_or(1, |last| last.seq + 1);
        if record.seq != expected {
            return damaged(offset, format!("record {} where {expected} was due", record.seq));
        }
        records.push(record);
        offset = start + payload.len();
    }
    Ok((records, offset as u64))
}

impl Record {
    /// The kind, where this version knows it.
    pub(crate) fn kind(&self) -> Option<&Kind> {
        match &self.body {
            Body::Known(kind) => Some(kind),
            Body::Unknown(_) => None,
        }
    }
}
