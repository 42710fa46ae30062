//! Where there is no cgroup tree, a killed shim takes only its app's main process along; what that had started lives on,
//! under another parent and perhaps in another session. It is known by what it inherited: the private folder for
//! temporary files in its environment, which bears the process's ulid and which an order cannot replace.
//!
//! What cleared its environment is not found. A process that claims the folder of another's harms only itself.

use std::{
    thread,
    time::{Duration, Instant},
};

use crate::{
    Spec,
    spawn::{Inner, folder},
};

const SIGKILL: i32 = 9;
/// Bound: what goes on forking for longer than this is left.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// SIGKILL to all that a dead shim's app has left, until nothing of it is found. Blocking; only where no cgroup does it.
pub(crate) fn kill(inner: &Inner, spec: &Spec) {
    if spec.cgroup.is_some() {
        return;
    }
    let folder = folder::tmp(inner, spec.id);
    let mark = [b"TMPDIR=", folder.as_os_str().as_encoded_bytes()].concat();
    let until = Instant::now() + PATIENCE;
    loop {
        let found = machine::proc::with_variable(&mark);
        if found.is_empty() {
            return;
        }
        if Instant::now() >= until {
            tracing::warn!(name = spec.name, left = found.len(), "what an app left behind does not die");
            return;
        }
        for pidfd in found {
            let _ = machine::pidfd::signal(&pidfd, SIGKILL);
        }
        thread::sleep(LOOK_AGAIN);
    }
}
