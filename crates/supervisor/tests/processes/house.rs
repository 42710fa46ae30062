//! A place for one test: folders, a supervisor, orders; and the keeper that can be killed.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use machine::child::Executable;
use model::{ByteSize, Span, manifest::Limits, manifest::Logs};
use supervisor::{Found, Kind, LogTo, Order, Process, Program, Settings, StopPlan, Supervisor};

#[derive(Debug)]
pub(crate) struct House {
    folder: tempfile::TempDir,
    pub(crate) supervisor: Supervisor,
}

impl House {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        // Apps of another uid must be able to pass through.
        machine::fs::make_dir(folder.path(), 0o755).expect("open to all");
        let supervisor = open(folder.path());
        Self { folder, supervisor }
    }

    /// On a machine that gives no cgroup tree: an ordinary folder is none.
    pub(crate) fn without_cgroups() -> Self {
        let mut house = Self::new();
        let mut settings = settings(house.path(), Executable::own().expect("own executable"));
        settings.cgroup_parent = Some(house.path().join("no-cgroup"));
        house.supervisor = Supervisor::open(settings).expect("a supervisor");
        house
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What a keeper that begins now would have: nothing of the first one's memory.
    pub(crate) fn next_keeper(&self) -> Supervisor {
        open(self.folder.path())
    }

    /// A supervisor whose shims are that executable.
    pub(crate) fn supervisor_of(&self, exe: &Path) -> Supervisor {
        open_with(self.folder.path(), Executable::open(exe).expect("opened"))
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.path().join("logs/web.1.1.log")
    }

    pub(crate) fn logged(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// The texts of the log's lines, without time, stream and mark.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.logged().lines().filter_map(|line| Some(line.splitn(4, ' ').nth(3)?.to_owned())).collect()
    }

    pub(crate) fn order(&self, words: &[&str]) -> Order {
        order(self.folder.path(), words)
    }

    /// A shell line as the app.
    pub(crate) fn shell(&self, line: &str) -> Order {
        self.order(&["/bin/sh", "-c", line])
    }

    /// A part of this executable as the app.
    pub(crate) fn app(&self, words: &[&str]) -> Order {
        let own = own_path();
        let mut all = vec![own.as_str(), "app"];
        all.extend(words);
        self.order(&all)
    }

    pub(crate) async fn spawn(&self, order: &Order) -> Process {
        self.supervisor.spawn(order).await.expect("it starts")
    }

    /// What is in `<run>/i`.
    pub(crate) fn folders(&self) -> usize {
        std::fs::read_dir(self.folder.path().join("run/i")).expect("there").count()
    }
}

impl Drop for House {
    /// A failed test leaves no process: all that has a folder here is killed by its shim's lock holder.
    fn drop(&mut self) {
        let run = self.folder.path().join("run/i");
        for entry in std::fs::read_dir(run).into_iter().flatten().flatten() {
            for pid in pids_of(&entry.path()) {
                let _ = machine::pidfd::open(pid).and_then(|pidfd| machine::pidfd::signal(pidfd, 9));
            }
            let spec = std::fs::read(entry.path().join("spec.json")).unwrap_or_default();
            let spec: Option<supervisor::Spec> = serde_json::from_slice(&spec).ok();
            if let Some(place) = spec.and_then(|spec| spec.cgroup) {
                let _ = machine::cgroup::kill(&place);
                let _ = machine::cgroup::remove(&place, Duration::from_secs(2));
                let _ = place.parent().map(std::fs::remove_dir);
            }
        }
    }
}

/// The shims of a folder: their last argument is its path.
pub(crate) fn pids_of(dir: &Path) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").expect("proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let wanted = dir.as_os_str().as_encoded_bytes();
    let is_shim = |pid: &i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        words.get(1) == Some(&b"shim".as_slice()) && words.get(2) == Some(&wanted)
    };
    pids.filter(is_shim).collect()
}

pub(crate) fn own_path() -> String {
    std::env::current_exe().expect("a path").display().to_string()
}

fn open(folder: &Path) -> Supervisor {
    open_with(folder, Executable::own().expect("own executable"))
}

fn open_with(folder: &Path, exe: Executable) -> Supervisor {
    Supervisor::open(settings(folder, exe)).expect("a supervisor")
}

fn settings(folder: &Path, exe: Executable) -> Settings {
    Settings {
        run_dir: folder.join("run"),
        exe,
        cgroup_parent: None,
        ports: 20_000..=29_999,
        tmp_dir: Some(folder.join("tmp")),
        edge_gid: None,
    }
}

fn order(folder: &Path, words: &[&str]) -> Order {
    Order {
        site: Some("shop/production".parse().expect("a site")),
        name: "web.1.1".to_owned(),
        kind: Kind::Instance,
        release: Some(model::ReleaseNumber(1)),
        labels: BTreeMap::new(),
        program: Program::Command(words.iter().map(|word| (*word).to_owned()).collect()),
        cwd: folder.to_owned(),
        shared_dir: None,
        user: None,
        env: BTreeMap::new(),
        secrets: BTreeMap::new(),
        told: BTreeMap::new(),
        redact: Vec::new(),
        listen: None,
        notify: false,
        fds: Vec::new(),
        limits: Limits { nofile: 1024, ..Limits::default() },
        sandbox: None,
        stop: StopPlan { signal: 15, grace: Duration::from_secs(5) },
        log: LogTo {
            path: folder.join("logs/web.1.1.log"),
            limits: Logs { max_bytes: ByteSize::mib(5), max_age: Span::secs(3600) },
        },
    }
}

/// A keeper in a process of its own, which spawns one app and then waits to be killed.
#[derive(Debug)]
pub(crate) struct Keeper {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Keeper {
    /// `fail_at`: where it or its shim dies.
    pub(crate) fn start(house: &House, verb: &str, fail_at: &str, words: &[&str]) -> Self {
        let mut command = Command::new(own_path());
        command
            .arg("keeper")
            .arg(house.path())
            .arg(verb)
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = command.env("MAINSTAY_FAIL_AT", fail_at).spawn().expect("a keeper");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, out }
    }

    /// The next line that it says; empty: it is dead.
    pub(crate) fn says(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("text");
        line.trim().to_owned()
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("collected");
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The keeper's part: `<folder> spawn|stop <argv…>`.
pub(crate) fn keeper(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let folder = PathBuf::from(args.next().expect("a folder"));
    let verb = args.next().expect("a verb");
    let words: Vec<String> = args.map(|word| word.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        match open(&folder).spawn(&order(&folder, &words)).await {
            Ok(process) => {
                if verb == "stop" {
                    let plan = StopPlan { signal: 15, grace: Duration::from_millis(700) };
                    process.stop_with(plan).await.expect("it takes the stop");
                }
                println!("{} {}", process.id(), process.pid());
            }
            Err(error) => println!("failed {error}"),
        }
        let _ = std::io::stdout().flush();
        std::future::pending::<()>().await;
    });
    ExitCode::SUCCESS
}

pub(crate) fn adopted(found: &[Found]) -> Vec<&Process> {
    let processes = found.iter().filter_map(|found| match found {
        Found::Adopted(process) => Some(process),
        Found::Ended { .. } => None,
    });
    processes.collect()
}

/// Looks until it is so. Not a wait for luck: the deadline fails the test.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "never so: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whether a process is there and no zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z') && !rest.starts_with('X'))
}
