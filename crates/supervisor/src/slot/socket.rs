//! The edge's right to an app's unix socket (mechanism point 16 of the design): bind applies the app's umask, so most
//! sockets come out 0755 and refuse an edge of another uid.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::Path,
    time::Duration,
};

use rustix::fs::OFlags;

use model::Address;

use super::ground::Held;
use crate::Process;

const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Returns when the socket is there and the group may use it; at once where there is none to wait for. Never returns if
/// it never appears: the caller's deadline ends that. Cancel-safe.
pub(super) async fn grant_when_there(process: &impl Held) {
    let Some(Address::Unix(path)) = process.address() else { return };
    loop {
        match process.grant() {
            Ok(()) => return,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the edge gets no right to this socket");
                return;
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// To the group that the folder `s` names.
pub(super) fn grant(process: &Process) -> io::Result<()> {
    let Some(Address::Unix(path)) = process.address() else { return Ok(()) };
    let app = process.spec().user.as_ref().map_or_else(machine::users::own_uid, |ids| ids.uid);
    let group = fs::metadata(crate::dirs::socket_dir(process.dir())).ok().map(|meta| meta.gid());
    grant_to(path, app, group)
}

/// Through a descriptor that is the file itself and follows no link: the app owns the folder and may swap names.
fn grant_to(path: &Path, app: u32, group: Option<u32>) -> io::Result<()> {
    let flags = (OFlags::PATH | OFlags::NOFOLLOW).bits().cast_signed();
    let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let meta = file.metadata()?;
    if !meta.file_type().is_socket() || meta.uid() != app {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is no socket of the app's user"));
    }
    // An O_PATH descriptor takes no fchmod or fchown; its name in /proc leads to the same file.
    let same = crate::shim::through(&file);
    if meta.gid() != group.unwrap_or(meta.gid()) {
        std::os::unix::fs::chown(&same, None, group)?;
    }
    let mode = meta.permissions().mode();
    fs::set_permissions(&same, fs::Permissions::from_mode(mode | 0o660))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_socket_gets_the_groups_right_and_a_link_or_file_does_not() {
        let dir = tempfile::tempdir().expect("a folder");
        let (socket, link, file) =
            (dir.path().join("http"), dir.path().join("link"), dir.path().join("file"));
        let _listener = UnixListener::bind(&socket).expect("bound");
        fs::set_permissions(&socket, fs::Permissions::from_mode(0o755)).expect("as apps do");
        fs::write(&file, "").expect("written");
        std::os::unix::fs::symlink(&socket, &link).expect("linked");
        let own = machine::users::own_uid();
        grant_to(&socket, own, Some(machine::users::own_gid())).expect("granted");
        assert_eq!(fs::metadata(&socket).expect("there").permissions().mode() & 0o777, 0o775);
        for other in [link, file] {
            let error = grant_to(&other, own, None).expect_err("refused");
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        }
        assert!(grant_to(&socket, own + 1, None).is_err(), "another's socket");
    }
}
