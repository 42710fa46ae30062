//! Why the edge cannot run, as whoever runs the machine is told.

use std::{io, path::Path};

use model::Explain;

use super::RunError;

impl From<RunError> for Explain {
    fn from(error: RunError) -> Self {
        let explain = match error {
            RunError::AccessLog { path, source } => {
                let explain =
                    Self::new("edge-access-log", format!("cannot open the access log {}", path.display()))
                        .because(&source);
                let remedy = remedy(&path, &source, "the edge makes a new file");
                with_owner(explain, &path, &source)
                    .help(format!("{remedy}; or set `access_log = false` in `[edge]` of machine.toml"))
            }
            RunError::State { path, source } => {
                let explain =
                    Self::new("edge-state", format!("cannot use the edge's folder {}", path.display()))
                        .because(&source);
                with_owner(explain, &path, &source).help(remedy(
                    &path,
                    &source,
                    "the edge makes a new folder",
                ))
            }
            error => Self::new("edge-ends", "the edge cannot run").because(&error),
        };
        explain.now("nothing is served: connections wait in the listen queues")
    }
}

/// Adds whose `path` is, if that is why.
fn with_owner(explain: Explain, path: &Path, source: &io::Error) -> Explain {
    match owner(path) {
        Some(owner) if source.kind() == io::ErrorKind::PermissionDenied => explain.caused_by(format!(
            "it belongs to {}, and the edge runs as {}",
            account(owner),
            account(machine::users::own_uid())
        )),
        _ => explain,
    }
}

fn remedy(path: &Path, source: &io::Error, made: &str) -> String {
    match source.kind() {
        io::ErrorKind::PermissionDenied if owner(path).is_some() => {
            let own = machine::users::own_uid();
            format!("`chown {own} {}`, or move it away: {made}", path.display())
        }
        io::ErrorKind::PermissionDenied => {
            format!("let {} write there", account(machine::users::own_uid()))
        }
        _ => format!("move what is in its place away: {made}"),
    }
}

/// `None`: it is not there, or not to be seen.
fn owner(path: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    std::fs::symlink_metadata(path).ok().map(|found| found.uid())
}

fn account(uid: u32) -> String {
    let known = machine::users::by_uid(uid).ok().flatten();
    known.map_or_else(|| format!("uid {uid}"), |account| format!("`{}` (uid {uid})", account.name))
}

#[cfg(test)]
mod tests {
    use crate::{access_log::Log, settings::AccessLog};

    use super::*;

    fn told(path: &Path, source: io::Error) -> Explain {
        Explain::from(RunError::AccessLog { path: path.to_owned(), source })
    }

    #[test]
    fn an_access_log_of_another_account_is_told_with_path_owner_and_remedy() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("access.log");
        std::fs::write(&path, "").expect("a file");
        let shown = path.display().to_string();
        let explain = told(&path, io::ErrorKind::PermissionDenied.into());
        assert_eq!(explain.code, "edge-access-log");
        assert!(explain.message.contains(&shown), "{explain:?}");
        let own = format!("(uid {})", machine::users::own_uid());
        assert!(
            explain.causes[1].starts_with("it belongs to ") && explain.causes[1].ends_with(&own),
            "{explain:?}"
        );
        let help = explain.help.expect("a remedy");
        assert!(
            help.contains("chown") && help.contains(&shown) && help.contains("access_log = false"),
            "{help}"
        );
    }

    #[test]
    fn what_stands_in_the_access_logs_place_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().to_owned();
        let settings =
            AccessLog { path: path.clone(), max_bytes: model::ByteSize::mib(1), keep: 1, query: false };
        let error = Log::start(Some(&settings)).expect_err("a folder is no file");
        let explain = Explain::from(error);
        assert!(explain.message.contains(&path.display().to_string()), "{explain:?}");
        assert!(explain.help.is_some_and(|help| help.starts_with("move what is in its place away")));
    }
}
