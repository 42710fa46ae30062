//! Which files a query reads.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use model::InstanceName;

use super::Query;

/// Bound: rotated files of one log that are looked at.
const ROTATED_MAX: u32 = 100;

/// One instance's log: its current file, with rotated ones beside it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Log {
    pub(super) instance: String,
    pub(super) path: PathBuf,
}

impl Log {
    pub(super) fn newest_first(&self) -> impl Iterator<Item = PathBuf> + '_ {
        std::iter::once(self.path.clone()).chain((1..=ROTATED_MAX).map(|n| rotated(&self.path, n)))
    }
}

pub(super) fn rotated(path: &Path, n: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{n}"));
    name.into()
}

/// `web.42.1` of `…/web.42.1.log` and of `…/web.42.1.log.3`.
pub(super) fn instance_of(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let (instance, rest) = name.split_once(".log")?;
    let is_log = rest.is_empty() || rest.strip_prefix('.').is_some_and(|n| n.parse::<u32>().is_ok());
    is_log.then(|| instance.to_owned())
}

/// The logs below `folder` that fit; none where it does not exist.
pub(super) fn of(folder: &Path, query: &Query) -> io::Result<Vec<Log>> {
    let mut logs = BTreeSet::new();
    for dir in entries(folder)? {
        let wanted = query.service.as_ref().is_none_or(|service| dir.ends_with(service.as_str()));
        if !wanted || !dir.is_dir() {
            continue;
        }
        let found = entries(&dir)?.into_iter().filter_map(|path| instance_of(&path));
        let fitting = found.filter(|instance| fits(instance, query));
        logs.extend(fitting.map(|instance| Log { path: dir.join(format!("{instance}.log")), instance }));
    }
    Ok(logs.into_iter().collect())
}

/// Folder and name of every log.
pub(super) fn names(folder: &Path) -> io::Result<Vec<(String, String)>> {
    let mut all = Vec::new();
    for dir in entries(folder)?.into_iter().filter(|dir| dir.is_dir()) {
        let Some(folder) = dir.file_name().and_then(|name| name.to_str()) else { continue };
        let names = entries(&dir)?.into_iter().filter_map(|path| instance_of(&path));
        all.extend(names.map(|name| (folder.to_owned(), name)));
    }
    Ok(all)
}

fn fits(instance: &str, query: &Query) -> bool {
    let name = instance.parse::<InstanceName>().ok();
    let by_instance = query.instance.as_ref().is_none_or(|wanted| name.as_ref() == Some(wanted));
    let by_release =
        query.release.is_none_or(|wanted| name.as_ref().is_some_and(|name| name.release.0 == wanted));
    by_instance && by_release
}

pub(super) fn entries(dir: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?.map(|entry| entry.map(|entry| entry.path())).collect(),
    }
}
