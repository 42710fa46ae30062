//! Files that are replaced whole: a reader sees the old or the new one, also after a power cut.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Writes `bytes` to `path` with `mode`, by temp file, fsync, rename and fsync of the folder. Blocking.
///
/// One writer at a time: the temp file's name is fixed, so that a crash leaves one at most.
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temp = path.as_os_str().to_owned();
    temp.push(".new");
    let temp = Path::new(&temp);
    match std::fs::remove_file(temp) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(temp)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    // Crash: the old file stands; the temp file is removed by the next writer.
    std::fs::rename(temp, path)?;
    File::open(folder)?.sync_all()
}
