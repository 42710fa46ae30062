//! The two units. No process of one is in the other's cgroup: the keeper can be killed, restarted and replaced, and an
//! app can run out of memory, without the other side noticing.

use std::path::Path;

/// Where an administrator's units lie; a package's would be in `/usr/lib`.
pub(super) const FOLDER: &str = "/etc/systemd/system";
pub(super) const SERVICE: &str = "mainstay.service";
pub(super) const KEEPER: &str = "mainstay-keeper.service";

/// The keeper alone, with systemd as its descriptor store.
///
/// `PartOf=`: `systemctl stop mainstay` ends the keeper too, last; on `systemctl restart mainstay` systemd keeps the
/// listeners, so that who connects meanwhile waits instead of being refused.
pub(super) fn keeper(program: &Path) -> String {
    format!(
        "# Written by `mainstay install`; change it by `systemctl edit {KEEPER}`.
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
pub(super) fn service(program: &Path) -> String {
    format!(
        "# Written by `mainstay install`; change it by `systemctl edit {SERVICE}`.
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
