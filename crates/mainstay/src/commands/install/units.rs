//! The two units. No process of one is in the other's cgroup: the keeper can be killed, restarted and replaced, and an
//! app can run out of memory, without the other side noticing.

use std::path::{Path, PathBuf};

/// Where an administrator's units lie, and where a package's do.
pub(in crate::commands) const FOLDER: &str = "/etc/systemd/system";
pub(in crate::commands) const PACKAGES: &str = "/usr/lib/systemd/system";
pub(in crate::commands) const SERVICE: &str = "mainstay.service";
pub(in crate::commands) const KEEPER: &str = "mainstay-keeper.service";
/// How a unit begins that was written here.
pub(in crate::commands) const MARK: &str = "# Written by `mainstay install`";

/// Path and text of both, for the program that they start.
pub(super) fn all(folder: &Path, program: &Path) -> Vec<(PathBuf, String)> {
    vec![(folder.join(KEEPER), keeper(program)), (folder.join(SERVICE), service(program))]
}

/// The keeper alone, with systemd as its descriptor store.
///
/// `PartOf=`: `systemctl stop mainstay` ends the keeper too, last; on `systemctl restart mainstay` systemd keeps the
/// listeners, so that who connects meanwhile waits instead of being refused.
fn keeper(program: &Path) -> String {
    format!(
        "{MARK}; change it by `systemctl edit {KEEPER}`.
[Unit]
Description=Mainstay's keeper: deploys and supervision
PartOf={SERVICE}
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={program} keeper --wait-for-start
Restart=always
RestartSec=100ms
SuccessExitStatus={down} {upgrade}
RestartPreventExitStatus={down}
WatchdogSec=20s
FileDescriptorStoreMax={fds}
OOMScoreAdjust=-900
LimitNOFILE=1048576
",
        program = program.display(),
        down = supervisor::up::EXIT_DOWN,
        upgrade = supervisor::up::EXIT_UPGRADE,
        fds = supervisor::store::FDS_MAX,
    )
}

/// What the keeper starts: edge, apps and their shims live in this unit's cgroup.
///
/// `ExecStop=` may find that a person's `mainstay down` has stopped everything already: that is no failure.
fn service(program: &Path) -> String {
    format!(
        "{MARK}; change it by `systemctl edit {SERVICE}`.
[Unit]
Description=Mainstay: the edge and the apps of this machine
Wants={KEEPER} network-online.target
After={KEEPER} network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={program} start
ExecStop=-{program} down
TimeoutStartSec=180s
TimeoutStopSec=120s
Delegate=yes
OOMPolicy=continue
TasksMax=infinity

[Install]
WantedBy=multi-user.target
",
        program = program.display(),
    )
}
