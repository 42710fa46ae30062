//! The processes of a running Mainstay: found by what they are, killed by pid.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use rustix::process::{Pid, Signal, kill_process};

use super::Mainstay;
use crate::wait;

/// How long the machine may take to notice a death and mend it.
const MEND_LIMIT: Duration = Duration::from_secs(20);

impl Mainstay {
    /// # Panics
    /// When the keeper does not answer.
    pub fn keeper_pid(&self) -> u32 {
        self.pid_of("keeper")
    }

    /// # Panics
    /// When the keeper knows no edge.
    pub fn edge_pid(&self) -> u32 {
        self.pid_of("edge")
    }

    /// # Panics
    /// When the keeper knows no station.
    pub fn station_pid(&self) -> u32 {
        self.pid_of("station")
    }

    fn pid_of(&self, what: &str) -> u32 {
        wait::value(&format!("the pid of the {what}"), MEND_LIMIT, || {
            let pid = self.api("/v1/machine")?[what]["pid"].as_u64()?;
            u32::try_from(pid).ok()
        })
    }

    /// Instances that run, by name.
    pub fn instances(&self, site: &str) -> BTreeMap<String, u32> {
        let status = self.status(site);
        let services = status["services"].as_array().cloned().unwrap_or_default();
        let instances =
            services.iter().flat_map(|service| service["instances"].as_array().cloned().unwrap_or_default());
        let named = instances.filter_map(|instance| {
            let pid = u32::try_from(instance["pid"].as_u64()?).ok()?;
            Some((instance["name"].as_str()?.to_owned(), pid))
        });
        named.collect()
    }

    /// Kills the keeper and waits for the next one.
    ///
    /// # Panics
    /// When none answers in 20 s.
    pub fn kill_keeper(&self) {
        let old = self.keeper_pid();
        kill(old);
        self.wait_for_another("keeper", old);
    }

    /// Kills the edge and waits for the next one.
    ///
    /// # Panics
    /// When none is up in 20 s.
    pub fn kill_edge(&self) {
        let old = self.edge_pid();
        kill(old);
        self.wait_for_another("edge", old);
    }

    /// Kills the station and waits for the next one.
    ///
    /// # Panics
    /// When none is up in 20 s.
    pub fn kill_station(&self) {
        let old = self.station_pid();
        kill(old);
        self.wait_for_another("station", old);
    }

    fn wait_for_another(&self, what: &str, old: u32) {
        wait::until(&format!("another {what} than {old}"), MEND_LIMIT, || self.pid_of(what) != old);
    }

    /// Every process of this Mainstay, by pid, with its command line: keeper, edge, shims, instances, and what those
    /// left behind. They are known by a path of this run in their arguments or environment.
    pub fn processes(&self) -> BTreeMap<u32, String> {
        let own = std::process::id();
        let marks = [self.data.display().to_string(), self.run.display().to_string()];
        let of_this_run = |pid: &u32| {
            let text = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            let all = [text("cmdline"), text("environ")].concat();
            let all = String::from_utf8_lossy(&all).into_owned();
            marks.iter().any(|mark| all.contains(mark)) && *pid != own && is_alive(*pid)
        };
        pids().filter(of_this_run).map(|pid| (pid, command_line(pid))).collect()
    }

    /// Memory of all processes of Mainstay itself; apps are not counted.
    pub fn memory(&self) -> Memory {
        let own = |line: &String| line.contains("mainstay") && !line.contains("fakeapp");
        let pids = self.processes().into_iter().filter(|(_, line)| own(line)).map(|(pid, _)| pid);
        pids.filter_map(memory).fold(Memory::default(), |sum, one| Memory {
            pss: sum.pss + one.pss,
            anonymous: sum.anonymous + one.anonymous,
        })
    }

    pub(super) fn kill_what_is_left(&self) {
        // Twice: a shim that dies takes its app along, but one that was just being started may have been missed.
        for _ in 0..2 {
            self.processes().into_keys().for_each(kill);
        }
    }
}

/// Memory of some processes, in bytes; pages that several share are divided among them (proportional set size).
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    pub pss: u64,
    /// Of it, what no file stands behind: heaps and stacks.
    pub anonymous: u64,
}

/// SIGKILL to one process; that it is gone already is fine.
pub fn kill(pid: u32) {
    signal(pid, Signal::KILL);
}

/// One signal to one process.
pub fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// The parent, from `/proc/PID/stat`.
pub fn parent(pid: u32) -> Option<u32> {
    stat_field(pid, 1)?.parse().ok()
}

/// Running, sleeping or stopped, with any of its threads: where the first one has ended it is shown as a zombie, and its
/// sockets are closed only when the last one has.
pub fn is_alive(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads
        .filter_map(|thread| field(&thread.path().join("stat"), 0))
        .any(|state| state != "Z" && state != "X")
}

/// Fields of `/proc/PID/stat` after the name, from 0: state, parent, ….
fn stat_field(pid: u32, n: usize) -> Option<String> {
    field(Path::new(&format!("/proc/{pid}/stat")), n)
}

fn field(stat: &Path, n: usize) -> Option<String> {
    let stat = fs::read_to_string(stat).ok()?;
    let after_name = stat.rsplit_once(')')?.1;
    after_name.split_whitespace().nth(n).map(str::to_owned)
}

/// The resident set of one process, in bytes; pages that it shares with others count whole. `None`: it is gone.
pub fn resident_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}

/// Of one process; `None`: it is gone.
pub fn memory(pid: u32) -> Option<Memory> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let bytes = |name: &str| {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
    };
    Some(Memory { pss: bytes("Pss:")?, anonymous: bytes("Pss_Anon:")? })
}

/// Every process of the machine.
pub fn pids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn command_line(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ").trim().to_owned()
}
