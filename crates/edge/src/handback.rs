//! The listeners, given back: a keeper that died together with its parent left them nowhere but here. The next keeper
//! asks, since binding anew would share the connections with listeners that nobody serves.

use std::{
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::net::{UnixListener, UnixStream};

use crate::listeners::{ListenError, bind_unix};

/// Bound: how long the asking side may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Beside the control socket: `handback.sock`.
pub fn socket(control: &Path) -> PathBuf {
    control.with_file_name("handback.sock")
}

/// Answers everyone who may, one after the other, until the process ends.
pub(crate) async fn serve(control: PathBuf, spare: Vec<(String, OwnedFd)>) -> Result<(), ListenError> {
    let path = socket(&control);
    let unusable = |source| ListenError::Bind { path: path.clone(), source };
    let listener = UnixListener::from_std(bind_unix(&path)?).map_err(unusable)?;
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        match give(stream, &spare) {
            Ok(()) => tracing::info!(count = spare.len(), "the listeners were given back to a keeper"),
            Err(error) => tracing::warn!(%error, "somebody asked for the listeners and did not get them"),
        }
    }
}

/// Root, or the edge's own user: who else may open the socket is in its group and gets nothing.
fn give(stream: UnixStream, spare: &[(String, OwnedFd)]) -> std::io::Result<()> {
    let uid = machine::fds::peer(&stream)?.uid;
    if uid != 0 && uid != machine::users::own_uid() {
        return Err(std::io::Error::other(format!("uid {uid} asked")));
    }
    let stream = stream.into_std()?;
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(LIMIT))?;
    let named: Vec<_> = spare.iter().map(|(name, fd)| (name.clone(), fd.as_fd())).collect();
    machine::fds::send_named(&stream, &named)
}
