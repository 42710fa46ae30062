//! A running Mainstay: the real binary, its own data folder, its own ports, gone when the test ends, however it ends.

mod app;
mod cli;
pub mod processes;

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

pub use app::FakeApp;
pub use cli::{Running, Said};

use crate::{
    binaries, http,
    judge::{ANSWER_TIMEOUT, Target},
    wait,
};

/// Below the folder of a test: where processes are told to die.
const FAIL: &str = "fail";
/// How long a start may take on a machine with other work.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long `down` may take; longer than its own drain.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// A `mainstay up` in front. Dropping it stops everything that it started.
pub struct Mainstay {
    folder: TempDir,
    data: PathBuf,
    run: PathBuf,
    /// What `mainstay up` is of.
    program: PathBuf,
    http_port: u16,
    https_port: u16,
    /// More arguments of `mainstay up`.
    up_arguments: Vec<String>,
    /// What `mainstay up` has besides.
    environment: Option<(&'static str, String)>,
    up: Option<Child>,
}

impl Mainstay {
    /// # Panics
    /// When the keeper does not answer in 30 s; its log is the message.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// With more lines in machine.toml.
    ///
    /// # Panics
    /// As [`Mainstay::start`].
    pub fn start_with(machine_toml: &str) -> Self {
        let (folder, data) = own_folder();
        Self::start_in(folder, data, machine_toml)
    }

    /// By this executable, which need not be the one under test.
    ///
    /// # Panics
    /// As [`Mainstay::start`].
    pub fn start_from(program: PathBuf) -> Self {
        let (folder, data) = own_folder();
        Self::start_of(program, folder, data, "")
    }

    /// From a copy of the built binary, which is this Mainstay's alone to replace: [`Mainstay::program`]. `prepare` gets the
    /// folder that it will lie in.
    ///
    /// # Panics
    /// As [`Mainstay::start`]; no room for the copy.
    pub fn start_from_a_copy(machine_toml: &str, prepare: impl FnOnce(&Path)) -> Self {
        let (folder, data) = own_folder();
        let bin = folder.path().join("bin");
        fs::create_dir(&bin).expect("own folder");
        prepare(&bin);
        let program = bin.join("mainstay");
        fs::copy(binaries::path("mainstay"), &program).expect("a copy");
        Self::start_of(program, folder, data, machine_toml)
    }

    /// With its data below `data`, which may lie on a disk of its own.
    ///
    /// # Panics
    /// As [`Mainstay::start`].
    pub fn start_in(folder: TempDir, data: PathBuf, machine_toml: &str) -> Self {
        Self::start_of(binaries::path("mainstay"), folder, data, machine_toml)
    }

    fn start_of(program: PathBuf, folder: TempDir, data: PathBuf, machine_toml: &str) -> Self {
        fs::create_dir_all(&data).expect("the data folder");
        let (http_port, https_port) = (free_port(), free_port());
        let text = format!(
            "disk_reserve = \"1MiB\"\n{machine_toml}\n[listen]\nhttp = [\"127.0.0.1:{http_port}\"]\nhttps = [\"127.0.0.1:{https_port}\"]\n"
        );
        fs::write(data.join("machine.toml"), text).expect("machine.toml");
        // Processes that are held reach it only if it is there when they start, and whoever dies there takes its file away.
        let fail = folder.path().join(FAIL);
        fs::create_dir_all(&fail).expect("own folder");
        fs::set_permissions(&fail, fs::Permissions::from_mode(0o777)).expect("own folder");
        let run = run_folder(&data);
        let mut mainstay = Self {
            folder,
            data,
            run,
            program,
            http_port,
            https_port,
            up_arguments: Vec::new(),
            environment: None,
            up: None,
        };
        mainstay.up();
        mainstay
    }

    /// The next `mainstay up` replaces a keeper that is silent for this long.
    pub fn watch_every(&mut self, watchdog: Duration) {
        self.up_arguments = vec!["--watchdog".to_owned(), format!("{}s", watchdog.as_secs())];
    }

    /// Starts `mainstay up` (again) and waits until the keeper answers.
    ///
    /// # Panics
    /// As [`Mainstay::start`].
    pub fn up(&mut self) {
        self.spawn_up();
        wait::until(&format!("the keeper answers; log in {}", self.log().display()), START_LIMIT, || {
            let ended = self.up.as_mut().and_then(|up| up.try_wait().ok().flatten());
            assert!(ended.is_none(), "`mainstay up` ended ({ended:?}):\n{}", self.log_text());
            // One without a parent is the one before, which has not made room yet.
            self.api("/v1/machine").is_some_and(|machine| machine["has_parent"] == true)
        });
    }

    /// Starts `mainstay up` and waits for nothing.
    ///
    /// # Panics
    /// When the binary does not start.
    pub fn spawn_up(&mut self) {
        let mut up = self.above("up");
        up.args(&self.up_arguments).process_group(0);
        self.up = Some(up.spawn().expect("the built binary starts"));
    }

    /// Starts a keeper that has no parent, as it is after `mainstay up` died.
    ///
    /// # Panics
    /// When the binary does not start.
    pub fn spawn_keeper(&self) -> Child {
        self.above("keeper").spawn().expect("the built binary starts")
    }

    /// What nothing of this Mainstay's stands above.
    fn above(&self, verb: &str) -> Command {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log()).expect("a log");
        let mut command = Command::new(&self.program);
        command.arg(verb).arg("--data").arg(&self.data);
        command.env_remove("XDG_RUNTIME_DIR").env_remove("MAINSTAY_DATA");
        command.env("MAINSTAY_FAIL_AT", self.fail_folder()).envs(self.environment.clone());
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a second handle")).stderr(log);
        command
    }

    /// The next `mainstay up` is this executable: another build.
    pub fn run_from(&mut self, program: PathBuf) {
        self.program = program;
    }

    /// The next `mainstay up` has this variable, and what it starts.
    pub fn run_with(&mut self, variable: Option<(&'static str, &str)>) {
        self.environment = variable.map(|(name, value)| (name, value.to_owned()));
    }

    /// A build that differs from the one under test in nothing but its bytes: what comes after the image is not looked at.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn another_build(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::copy(binaries::path("mainstay"), &path).expect("copied");
        let mut file = fs::OpenOptions::new().append(true).open(&path).expect("opened");
        std::io::Write::write_all(&mut file, name.as_bytes()).expect("written");
        path
    }

    /// The judge's target for requests with this `Host`; half of the clients speak TLS.
    pub fn target(&self, host: &str) -> Target {
        Target {
            address: self.http(),
            tls: Some(self.https()),
            host: host.to_owned(),
            patience: ANSWER_TIMEOUT,
        }
    }

    /// Where the edge takes plain HTTP.
    pub fn http(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.http_port))
    }

    /// Where the edge takes TLS.
    pub fn https(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.https_port))
    }

    /// From now on plain HTTP is asked for on this port: machine.toml was changed.
    pub fn listen_on(&mut self, port: u16) {
        self.http_port = port;
    }

    /// A GET through the edge.
    ///
    /// # Errors
    /// As [`http::ask`].
    pub fn get(&self, host: &str, path: &str) -> Result<http::Answer, http::Error> {
        http::ask(self.http(), host, "GET", path, &[], &[])
    }

    /// GET of the admin API; `None`: nobody answers.
    pub fn api(&self, path: &str) -> Option<Value> {
        let answer = http::ask_unix(&self.run.join("api.sock"), "GET", path, &[]).ok()?;
        (answer.status == 200).then(|| answer.json())
    }

    /// `status` of a site.
    ///
    /// # Panics
    /// When the keeper does not answer in 10 s.
    pub fn status(&self, site: &str) -> Value {
        let path = format!("/v1/apps/{site}/status");
        wait::value(&format!("the status of {site}"), Duration::from_secs(10), || self.api(&path))
    }

    /// The release that the edge serves; 0: none.
    pub fn serving(&self, site: &str) -> u64 {
        self.status(site)["serving"].as_u64().unwrap_or(0)
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    pub fn run_folder(&self) -> &Path {
        &self.run
    }

    /// A folder beside the data, for apps and artifacts.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The file that `mainstay up` was started from.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// What outlives releases.
    pub fn shared(&self, site: &str) -> PathBuf {
        self.data.join("apps").join(site).join("shared")
    }

    pub fn log_text(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("up.log")
    }

    /// The pid of `mainstay up`.
    pub fn up_pid(&self) -> u32 {
        self.up.as_ref().map_or(0, Child::id)
    }

    /// SIGKILL to `mainstay up` alone; keeper and site live on. [`Mainstay::up`] starts the next one.
    pub fn kill_up(&mut self) {
        if let Some(mut up) = self.up.take() {
            let _ = up.kill();
            let _ = up.wait();
        }
    }

    /// The next process of Mainstay that comes by `place` dies there, as by SIGKILL (`machine::failpoint`; not in release builds).
    ///
    /// # Panics
    /// When its file cannot be written.
    pub fn die_at(&self, place: &str) {
        fs::write(self.fail_folder().join(place), "").expect("a file");
    }

    /// Whether nobody has died at `place` since [`Mainstay::die_at`].
    pub fn is_deadly(&self, place: &str) -> bool {
        self.fail_folder().join(place).exists()
    }

    /// Nobody dies at `place` any more who has not come by.
    pub fn spare_at(&self, place: &str) {
        let _ = fs::remove_file(self.fail_folder().join(place));
    }

    fn fail_folder(&self) -> PathBuf {
        self.folder.path().join(FAIL)
    }

    /// Everything dies at once and the run folder is gone, as after a power cut. [`Mainstay::up`] is the next boot.
    pub fn lose_power(&mut self) {
        self.kill_up();
        self.kill_what_is_left();
        let _ = fs::remove_dir_all(&self.run);
    }

    /// `mainstay down`, and a check that nothing of it is left.
    ///
    /// # Panics
    /// When a process is left 30 s later, or the run folder.
    pub fn down(&mut self) {
        self.down_within(Duration::from_secs(10));
    }

    /// The same with a drain of its own length.
    ///
    /// # Panics
    /// As [`Mainstay::down`].
    pub fn down_within(&mut self, within: Duration) {
        let said = self.cli(&["down", "--within", &format!("{}s", within.as_secs())]);
        assert_eq!(said.code, 0, "{said}");
        wait::until("`mainstay up` ends after `down`", STOP_LIMIT, || {
            self.up.as_mut().is_none_or(|up| matches!(up.try_wait(), Ok(Some(_))))
        });
        self.up = None;
        wait::until("no process is left after `down`", STOP_LIMIT, || self.processes().is_empty());
        let (run, log) = (self.run.display(), self.log_text());
        assert!(!self.run.exists(), "{run} stays after `down`, with {:?}:\n{log}", left_in(&self.run));
    }
}

impl Drop for Mainstay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- log of `mainstay up` (end)\n{}\n----", tail(&self.log_text(), 60));
        }
        self.lose_power();
    }
}

/// Folders of processes, each with its files.
fn left_in(run: &Path) -> Vec<(String, Vec<String>)> {
    let names = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    };
    let all = run.join("i");
    names(&all).into_iter().map(|name| (name.clone(), names(&all.join(name)))).collect()
}

/// A temporary folder, and the place of the data folder in it.
fn own_folder() -> (TempDir, PathBuf) {
    let folder = tempfile::Builder::new().prefix("ms-").tempdir().expect("a temporary folder");
    // Apps get users of their own when this runs as root, and must be able to enter.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("own folder");
    let data = folder.path().join("data");
    (folder, data)
}

/// `/tmp/mainstay-<uid>/<first 8 hex of the SHA-256 of the data folder's path>`, as ARCHITECTURE.md says.
fn run_folder(data: &Path) -> PathBuf {
    let data = data.canonicalize().expect("the data folder is there");
    let digest = Sha256::digest(data.as_os_str().as_encoded_bytes());
    let short: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    PathBuf::from(format!("/tmp/mainstay-{}", rustix::process::getuid().as_raw())).join(short)
}

/// A port that was free a moment ago.
///
/// # Panics
/// When the machine has none.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// The last `lines` lines.
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<_> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
