//! A guest: its disk, its power, and commands that run in it.

use std::{
    cell::Cell,
    fmt, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::console::Console;

/// Bound: from power to the agent's word. Ten times what it takes alone.
const BOOTS_WITHIN: Duration = Duration::from_secs(90);
/// Bound: of a command whose journey says no other.
const COMMAND_WITHIN: Duration = Duration::from_secs(90);
/// More than one release of a debug build needs beside systemd; taken from the host only as it is touched.
const MEMORY: &str = "mem=640M";
/// Lines of the console that a failed journey shows.
const LINES_SHOWN: usize = 80;

/// Dropping it cuts its power and leaves nothing.
pub(crate) struct Guest {
    folder: TempDir,
    image: PathBuf,
    console: Console,
    /// The kernel's word for it.
    memory: &'static str,
    power: Option<Power>,
    commands: Cell<u32>,
}

/// The running kernel, as the one process whose end ends all of it.
struct Power {
    process: Child,
    input: ChildStdin,
    reader: JoinHandle<()>,
}

/// How a command in the guest ended, and its lines.
pub(crate) struct Said {
    pub(crate) status: i32,
    pub(crate) text: String,
}

/// A command that runs in the guest.
pub(crate) struct Job<'a> {
    guest: &'a Guest,
    number: u32,
    from: usize,
    script: String,
}

/// What the runner of the guests' tests has made.
///
/// # Panics
/// Without `cargo xtask vm`.
pub(crate) fn given(name: &str) -> PathBuf {
    let given = std::env::var_os(name).map(PathBuf::from);
    given.unwrap_or_else(|| panic!("{name} is not set: these tests are run by `cargo xtask vm`"))
}

/// The same file, or the same files in folders of their own.
fn link(from: &Path, to: &Path) {
    if !from.is_dir() {
        return fs::hard_link(from, to).expect("linked");
    }
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("read").flatten() {
        link(&entry.path(), &to.join(entry.file_name()));
    }
}

impl Guest {
    /// On a new disk, until commands can run.
    ///
    /// # Panics
    /// Without `cargo xtask vm`, which makes the disk; when the guest does not come up.
    pub(crate) fn boot() -> Self {
        let mut guest = Self::unpowered();
        guest.power_on();
        guest
    }

    /// The same with an empty second disk, `/dev/ubdb`, of 256 MiB.
    ///
    /// # Panics
    /// As [`Guest::boot`].
    pub(crate) fn boot_with_second_disk() -> Self {
        let mut guest = Self::unpowered();
        let disk = fs::File::create(guest.folder.path().join("second")).expect("a file");
        disk.set_len(256 << 20).expect("a sparse file");
        guest.power_on();
        guest
    }

    /// The same with as much memory as `mem=1G`, a word of the kernel's, says.
    ///
    /// # Panics
    /// As [`Guest::boot`].
    pub(crate) fn boot_with_memory(memory: &'static str) -> Self {
        let mut guest = Self::unpowered();
        guest.memory = memory;
        guest.power_on();
        guest
    }

    fn unpowered() -> Self {
        let image = given("MAINSTAY_TEST_IMAGE");
        let beside = image.parent().expect("the disk lies in a folder");
        let folder = tempfile::Builder::new()
            .prefix(&format!("guest-{}-", std::process::id()))
            .tempdir_in(beside)
            .expect("a folder");
        let share = folder.path().join("share");
        fs::create_dir_all(share.join("run")).expect("the shared folder");
        link(&given("MAINSTAY_TEST_GUEST_BINARIES"), &share.join("bin"));
        let console = Console::default();
        Self { folder, image, console, memory: MEMORY, power: None, commands: Cell::new(0) }
    }

    fn power_on(&mut self) {
        let from = self.console.now();
        let at = |name: &str| self.folder.path().join(name);
        let mut kernel = Command::new("setpriv");
        // The guest is one process namespace below one process: whatever ends that one ends the guest, also a test that
        // is killed.
        kernel.args(["--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]);
        if !rustix::process::getuid().is_root() {
            kernel.args(["--user", "--map-root-user"]);
        }
        kernel.arg("--").arg(given("MAINSTAY_TEST_KERNEL")).args([self.memory, "root=/dev/ubda", "rw"]);
        kernel.arg(format!("ubd0={},{}", at("changes").display(), self.image.display()));
        if at("second").exists() {
            kernel.arg(format!("ubd1={}", at("second").display()));
        }
        kernel.arg(format!("hostfs={}", at("share").display()));
        kernel.args(["init=/lib/systemd/systemd", "systemd.show_status=0", "quiet"]);
        kernel.args(["con=null", "con0=fd:0,fd:1"]);
        let errors = fs::File::options().create(true).append(true).open(at("errors")).expect("a log");
        kernel.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        let mut process = kernel.spawn().expect("setpriv is there");
        let input = process.stdin.take().expect("piped");
        let output = process.stdout.take().expect("piped");
        let reader = self.console.follow(output, &at("console"));
        self.power = Some(Power { process, input, reader });
        self.wait_for_agent(from);
    }

    fn wait_for_agent(&self, from: usize) {
        let up = self.console.wait(from, BOOTS_WITHIN, |line| line.strip_prefix("@up ").map(str::to_owned));
        assert!(up.is_some(), "the guest did not come up in {BOOTS_WITHIN:?}");
    }

    /// Runs a shell script to its end.
    ///
    /// # Panics
    /// When it takes longer than 90 s.
    pub(crate) fn run(&self, script: &str) -> Said {
        self.start(script).end(COMMAND_WITHIN)
    }

    /// What a script that must succeed has written.
    ///
    /// # Panics
    /// When it ends with anything but 0.
    pub(crate) fn ok(&self, script: &str) -> String {
        let said = self.run(script);
        assert_eq!(said.status, 0, "{script}\n{said}");
        said.text
    }

    /// Starts a shell script beside whatever else runs.
    ///
    /// # Panics
    /// When the guest is off.
    pub(crate) fn start(&self, script: &str) -> Job<'_> {
        let number = self.commands.replace(self.commands.get() + 1);
        fs::write(self.folder.path().join(format!("share/run/{number}")), script).expect("written");
        let from = self.console.now();
        let power = self.power.as_ref().expect("the guest is on");
        writeln!(&power.input, "{number}").expect("the guest hears");
        Job { guest: self, number, from, script: script.to_owned() }
    }

    /// Runs a script again and again until it succeeds.
    ///
    /// # Panics
    /// When it did not within `limit`.
    pub(crate) fn until(&self, what: &str, limit: Duration, script: &str) -> String {
        let deadline = Instant::now() + limit;
        loop {
            let said = self.run(script);
            if said.status == 0 {
                return said.text;
            }
            assert!(Instant::now() < deadline, "waited {limit:?} in vain: {what}\n{said}");
        }
    }

    /// A file in `/share`.
    ///
    /// # Panics
    /// When it cannot be written.
    pub(crate) fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.share(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, bytes).expect("written");
    }

    /// A folder of the tests' runner in `/share`, without a copy of its files.
    ///
    /// # Panics
    /// When it cannot be linked.
    pub(crate) fn lend(&self, name: &str, folder: &Path) {
        link(folder, &self.share(name));
    }

    fn share(&self, name: &str) -> PathBuf {
        self.folder.path().join("share").join(Path::new(name))
    }

    /// As a person reboots a machine; returns when commands can run again.
    ///
    /// # Panics
    /// When it does not come up.
    pub(crate) fn reboot(&self) {
        let from = self.console.now();
        self.start("systemctl reboot");
        self.wait_for_agent(from);
    }

    /// The power goes, with everything that was not synced; it comes back at once.
    ///
    /// # Panics
    /// When the guest does not come up.
    pub(crate) fn lose_power(&mut self) {
        self.power_off();
        self.power_on();
    }

    fn power_off(&mut self) {
        let Some(Power { mut process, input, reader }) = self.power.take() else { return };
        let _ = process.kill();
        let _ = process.wait();
        drop(input);
        // Its end says that no process of the guest holds the console any more.
        let _ = reader.join();
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- console of the guest (end)\n{}\n----", self.console.tail(LINES_SHOWN));
            let errors = fs::read_to_string(self.folder.path().join("errors")).unwrap_or_default();
            eprintln!("---- its kernel's process said\n{errors}\n----");
        }
        self.power_off();
    }
}

impl Job<'_> {
    /// Waits for a line of it that has `text` in it.
    ///
    /// # Panics
    /// When it ends or `limit` is over before.
    pub(crate) fn says(&self, text: &str, limit: Duration) -> String {
        let (line, end) = (self.prefix('>'), self.prefix('='));
        let heard = self.guest.console.wait(self.from, limit, |heard| match heard.strip_prefix(&line) {
            Some(said) if said.contains(text) => Some(Some(said.to_owned())),
            _ => heard.starts_with(&end).then_some(None),
        });
        heard.flatten().unwrap_or_else(|| panic!("{}\ndid not say `{text}`:\n{}", self.script, self.text()))
    }

    /// Waits until it ends.
    ///
    /// # Panics
    /// When it has not ended within `limit`.
    pub(crate) fn end(self, limit: Duration) -> Said {
        let end = self.prefix('=');
        let status =
            self.guest.console.wait(self.from, limit, |line| line.strip_prefix(&end)?.trim().parse().ok());
        let text = self.text();
        let status = status.unwrap_or_else(|| panic!("{}\ndid not end in {limit:?}:\n{text}", self.script));
        Said { status, text }
    }

    fn text(&self) -> String {
        let prefix = self.prefix('>');
        self.guest
            .console
            .all(self.from, |line| line.strip_prefix(&prefix).map(str::to_owned))
            .join("\n")
            .trim_end()
            .to_owned()
    }

    fn prefix(&self, kind: char) -> String {
        format!("@{}{kind} ", self.number)
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ended with {}:\n{}", self.status, self.text)
    }
}
