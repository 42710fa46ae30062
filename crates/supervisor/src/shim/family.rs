//! All that came out of the app: found and killed without ever meaning another process.
//!
//! With a cgroup the kernel kills the group. Without one only own children are signalled: their pids cannot be reused
//! before this process collects them, and what they leave behind becomes a child in turn (subreaper).

use std::path::PathBuf;

#[derive(Debug)]
pub(super) struct Family {
    /// The `app` group, if there is one.
    group: Option<PathBuf>,
}

impl Family {
    pub(super) fn new(group: Option<PathBuf>) -> Self {
        // The app may have started outside of it, if the tree went away before the fork.
        let joined = group.filter(|group| machine::cgroup::is_populated(group));
        Self { group: joined }
    }

    /// Whether somebody is left. Call it after all that ended were collected.
    pub(super) fn is_alive(&self) -> bool {
        self.has_children() || self.group.as_deref().is_some_and(machine::cgroup::is_populated)
    }

    fn has_children(&self) -> bool {
        machine::proc::own_children().is_ok_and(|children| !children.is_empty())
    }

    /// SIGKILL to all. What forks meanwhile is met by the next call.
    pub(super) fn kill(&self) {
        const SIGKILL: i32 = 9;
        if let Some(group) = &self.group {
            let _ = machine::cgroup::kill(group);
        }
        self.signal_children(SIGKILL);
    }

    /// A signal to everybody who is left when the main process has gone, as a stop goes on.
    pub(super) fn signal(&self, signal: i32) {
        self.signal_children(signal);
    }

    fn signal_children(&self, signal: i32) {
        for pid in machine::proc::own_children().unwrap_or_default() {
            // ESRCH: a zombie or gone; it is collected by the loop.
            let _ = machine::child::signal_child(pid, signal);
        }
    }

    pub(super) fn was_out_of_memory(&self) -> bool {
        self.group.as_deref().is_some_and(|group| machine::cgroup::oom_kills(group) > 0)
    }
}
