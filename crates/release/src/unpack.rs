//! Unpacking an archive that nobody trusts, as a process of its own with the app's user.
//!
//! [`unpack_main`] is the binary's verb `unpack`: it reads a tar, tar.gz or tar.zst from descriptor 0 (told by its first
//! bytes), writes below one folder, links the shared paths into it and prints one line of JSON. It refuses whatever
//! could reach outside the folder or be more than files, folders and links. The keeper never runs this code itself.

use std::{
    ffi::OsString,
    io::{self, BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use api::artifact::Form;
use model::{ByteSize, Explain};
use serde::{Deserialize, Serialize};

mod extract;
mod paths;
mod shared;
#[cfg(test)]
mod tests;
mod tree;

/// Bounds of one archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Of all files together, unpacked; default 16 GiB.
    pub bytes: u64,
    /// Files, folders and links; default 1,000,000.
    pub entries: u64,
    /// Of one path; default 1,024.
    pub path_bytes: usize,
    /// Bytes that stay free on the disk; default none.
    pub reserve_bytes: u64,
}

impl Default for Caps {
    fn default() -> Self {
        Self { bytes: 16 << 30, entries: 1_000_000, path_bytes: 1024, reserve_bytes: 0 }
    }
}

/// What the job prints when all is well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpacked {
    pub bytes: u64,
    pub entries: u64,
}

/// Why an archive is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnpackError {
    #[error("`{path}` would be written outside of the release")]
    Outside { path: String },
    #[error("the link `{path}` leads out of the release, to `{target}`")]
    LinkOutside { path: String, target: String },
    #[error("`{path}` is a {kind}, which a release must not hold")]
    Kind { path: String, kind: &'static str },
    #[error("`{path}` has setuid or setgid bits")]
    SetId { path: String },
    #[error("`{path}` stands twice in the archive, and one of the two is a link or a folder")]
    Twice { path: String },
    #[error("`{path}` is a link or a file of the archive, and something lies below it")]
    ThroughLink { path: String },
    #[error("a path in the archive is longer than {max} bytes: `{path}…`")]
    LongPath { path: String, max: usize },
    #[error("a path in the archive is not allowed: `{path}`")]
    BadPath { path: String },
    #[error("the archive holds more than {max} bytes")]
    TooBig { max: u64 },
    #[error("the archive holds more than {max} entries")]
    TooMany { max: u64 },
    #[error("the disk would have less than {reserve} left")]
    Reserve { reserve: ByteSize },
    #[error("the archive holds no files")]
    Empty,
    #[error("the file is no tar, tar.gz or tar.zst archive")]
    Form,
    #[error("the archive is cut short or damaged")]
    Damaged { source: io::Error },
    #[error("cannot write `{path}`")]
    Write { path: String, source: io::Error },
}

impl UnpackError {
    fn code(&self) -> &'static str {
        match self {
            Self::Write { .. } => "unpack-write",
            Self::Damaged { .. } | Self::Form | Self::Empty => "artifact-unreadable",
            Self::TooBig { .. } | Self::TooMany { .. } => "artifact-too-big",
            Self::Reserve { .. } => "disk-space",
            _ => "artifact-hostile",
        }
    }

    fn help(&self) -> &'static str {
        match self {
            Self::Write { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "free disk space on this machine, then deploy again"
            }
            Self::Reserve { .. } => {
                "free space on that machine, or leave out of the archive what the app does not need; `disk_reserve` of machine.toml stays free"
            }
            Self::Write { .. } => "look at the release folder's file system and owner",
            Self::Damaged { .. } | Self::Form | Self::Empty => {
                "build the archive anew; `tar tf` must list what the app needs"
            }
            Self::TooBig { .. } | Self::TooMany { .. } => {
                "leave build caches and old outputs out of the archive"
            }
            _ => "build the archive from plain files, folders and links that stay inside",
        }
    }

    pub(crate) fn explain(&self) -> Explain {
        Explain::new(self.code(), "the artifact cannot be unpacked").because(self).help(self.help())
    }
}

/// The arguments of the job, its verb first.
pub(crate) fn arguments(files: &Path, shared: &Path, links: &[String], caps: Caps) -> Vec<String> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let mut arguments = vec!["unpack".into(), "--into".into(), text(files), "--shared".into(), text(shared)];
    for link in links {
        arguments.extend(["--link".into(), link.clone()]);
    }
    let caps = [
        ("--max-bytes", caps.bytes),
        ("--max-entries", caps.entries),
        ("--max-path", caps.path_bytes as u64),
        ("--reserve", caps.reserve_bytes),
    ];
    for (name, value) in caps {
        arguments.extend([name.to_owned(), value.to_string()]);
    }
    arguments
}

/// What the job said on its way out.
pub(crate) fn failure_of(stdout: &[String]) -> Option<Explain> {
    stdout.iter().rev().find_map(|line| serde_json::from_str(line).ok())
}

#[derive(Debug, Default)]
pub(crate) struct Arguments {
    into: PathBuf,
    shared: PathBuf,
    links: Vec<String>,
    caps: Caps,
}

impl Arguments {
    pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Option<Self> {
        let mut parsed = Self::default();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let value = words.next()?;
            let number = || value.to_str()?.parse::<u64>().ok();
            match word.to_str()? {
                "--into" => parsed.into = value.into(),
                "--shared" => parsed.shared = value.into(),
                "--link" => parsed.links.push(value.into_string().ok()?),
                "--max-bytes" => parsed.caps.bytes = number()?,
                "--max-entries" => parsed.caps.entries = number()?,
                "--reserve" => parsed.caps.reserve_bytes = number()?,
                "--max-path" => parsed.caps.path_bytes = usize::try_from(number()?).ok()?,
                _ => return None,
            }
        }
        let whole = !parsed.into.as_os_str().is_empty() && !parsed.shared.as_os_str().is_empty();
        whole.then_some(parsed)
    }
}

/// The verb `unpack`; `arguments` are those after the verb. Reads the archive on stdin, prints one line of JSON: an
/// [`Unpacked`] with exit code 0, or an [`Explain`] with 1.
pub fn unpack_main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let Some(arguments) = Arguments::parse(arguments) else {
        eprintln!("usage: mainstay unpack --into DIR --shared DIR [--link PATH]... < ARCHIVE");
        return ExitCode::FAILURE;
    };
    limit_memory();
    let (line, code) = match unpack(&arguments, io::stdin().lock()) {
        Ok(done) => (serde_json::to_string(&done), ExitCode::SUCCESS),
        Err(error) => (serde_json::to_string(&error.explain()), ExitCode::FAILURE),
    };
    let said = line.is_ok_and(|line| writeln!(io::stdout(), "{line}").is_ok());
    if said { code } else { ExitCode::FAILURE }
}

/// A header may claim any length for a name: the process ends before the machine does.
fn limit_memory() {
    const MEMORY_BYTES_MAX: u64 = 1 << 30;
    let limit = rustix::process::Rlimit { current: Some(MEMORY_BYTES_MAX), maximum: Some(MEMORY_BYTES_MAX) };
    if let Err(error) = rustix::process::setrlimit(rustix::process::Resource::As, limit) {
        eprintln!("memory is not limited: {error}");
    }
}

pub(crate) fn unpack(arguments: &Arguments, archive: impl Read) -> Result<Unpacked, UnpackError> {
    let mut archive = BufReader::with_capacity(256 << 10, archive);
    let damaged = |source| UnpackError::Damaged { source };
    let form = form(archive.fill_buf().map_err(damaged)?).ok_or(UnpackError::Form)?;
    let tree = tree::Tree::open(&arguments.into)?;
    let done = match form {
        Form::Tar => extract::extract(&tree, archive, arguments.caps),
        Form::TarGz => extract::extract(&tree, flate2::bufread::MultiGzDecoder::new(archive), arguments.caps),
        Form::TarZst => {
            let decoder = zstd::stream::read::Decoder::with_buffer(archive).map_err(damaged)?;
            extract::extract(&tree, decoder, arguments.caps)
        }
    }?;
    shared::link_all(&tree, &arguments.into, &arguments.shared, &arguments.links)?;
    tree.sync()?;
    Ok(done)
}

/// By the first bytes; the name says nothing.
pub(crate) fn form(head: &[u8]) -> Option<Form> {
    if head.starts_with(&[0x1f, 0x8b]) {
        return Some(Form::TarGz);
    }
    if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return Some(Form::TarZst);
    }
    // `ustar` at 257 in POSIX and GNU archives; a v7 archive has only its checksum, which the reader checks.
    let ustar = head.get(257..262) == Some(b"ustar");
    let v7 = head.len() >= 512
        && head.get(148..154).is_some_and(|sum| sum.iter().all(|b| b.is_ascii_digit() || *b == b' '));
    (ustar || v7).then_some(Form::Tar)
}
