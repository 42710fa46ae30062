//! Where the cgroups of processes lie: `<parent>/mainstay/<8 hex of the run folder>/<app>.<env>/<name>-<ulid>/{shim,app}`.
//! The hex keeps two keepers of one machine apart.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use model::{ProcessId, Site, manifest::Limits};

use crate::protocol;

/// What an `app` group is limited with.
pub(super) const WANTED: [&str; 3] = ["memory", "pids", "cpu"];
/// How long removal waits for what was killed.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Tree {
    root: PathBuf,
    controllers: Vec<String>,
}

impl Tree {
    /// Makes and tries the tree; `None`: this machine or user has no place for one.
    pub(crate) fn open(parent: Option<&Path>, run_dir: &Path) -> Option<Self> {
        let parent = parent.map(Path::to_owned).or_else(machine::cgroup::own)?;
        let key: String = protocol::digest(run_dir.as_os_str().as_encoded_bytes()).chars().take(8).collect();
        let ours = parent.join("mainstay");
        let root = ours.join(key);
        let probe = root.join("probe");
        // Another keeper that ends may remove the common parent between two steps of this.
        (0..3).find_map(|_| machine::cgroup::make(&probe).ok())?;
        let joins = machine::cgroup::can_join(&probe);
        let _ = machine::cgroup::remove(&probe, PATIENCE);
        if !joins {
            let _ = std::fs::remove_dir(&root);
            let _ = std::fs::remove_dir(&ours);
            return None;
        }
        machine::cgroup::enable(&parent, &WANTED);
        machine::cgroup::enable(&ours, &WANTED);
        let controllers = machine::cgroup::enable(&root, &WANTED);
        Some(Self { root, controllers })
    }

    pub(crate) fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|name| name == controller)
    }

    pub(crate) fn place(&self, site: Option<&Site>, name: &str, id: ProcessId) -> PathBuf {
        // An app's folder has a dot, Mainstay's own has none.
        let folder = site.map_or("mainstay".to_owned(), |site| format!("{}.{}", site.app, site.env));
        self.root.join(folder).join(format!("{name}-{id}"))
    }

    /// Makes the groups and sets the limits on `app` alone: the OOM killer must never take the log pump.
    pub(crate) fn make(&self, place: &Path, limits: &Limits) -> std::io::Result<()> {
        machine::cgroup::make(&place.join("shim"))?;
        let app = place.join("app");
        machine::cgroup::make(&app)?;
        if let Some(site) = place.parent() {
            machine::cgroup::enable(site, &WANTED);
        }
        machine::cgroup::enable(place, &WANTED);
        let set = |controller, file, value: Option<u64>| match value {
            Some(value) if self.has(controller) => machine::cgroup::set(&app, file, &value.to_string()),
            _ => Ok(()),
        };
        set("memory", "memory.high", limits.memory_high.map(|size| size.0))?;
        set("memory", "memory.max", limits.memory_max.map(|size| size.0))?;
        set("cpu", "cpu.weight", limits.cpu_weight)?;
        set("pids", "pids.max", limits.tasks_max)
    }

    /// Kills and removes all groups whose process is not in `known`.
    pub(crate) fn kill_unknown(&self, known: &[ProcessId]) {
        for site in machine::cgroup::children(&self.root) {
            for place in machine::cgroup::children(&site) {
                let name = place.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                let id = name.rsplit_once('-').and_then(|(_, id)| id.parse::<ProcessId>().ok());
                if !id.is_some_and(|id| known.contains(&id)) {
                    remove(&place);
                }
            }
        }
    }
}

/// Kills whoever is in the group and removes it, with its site's folder if that is empty then.
pub(crate) fn remove(place: &Path) {
    let _ = machine::cgroup::kill(place);
    if machine::cgroup::remove(place, PATIENCE).is_err() {
        tracing::warn!(group = %place.display(), "a cgroup could not be removed: something in it does not die");
    }
    if let Some(site) = place.parent() {
        let _ = std::fs::remove_dir(site);
    }
}

impl Drop for Tree {
    /// Leaves nothing behind where nothing runs; groups with processes stay, rmdir refuses them.
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.root);
        if let Some(ours) = self.root.parent() {
            let _ = std::fs::remove_dir(ours);
        }
    }
}
