//! What the fake app is told by its environment. Every variable has a default: an empty environment is a good app.

use std::{env, path::PathBuf, time::Duration};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boot {
    Listen,
    /// Ends with status 1 and a message on stderr.
    Throw,
    /// Lives and binds nothing.
    NeverListen,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Finishes what is open, then ends with 0.
    Graceful,
    Ignore,
    /// Ends at once, as plain Node does.
    Die,
}

#[derive(Clone, Debug)]
pub struct Settings {
    /// `MAINSTAY_RELEASE`, as it was given.
    pub release: String,
    /// `MAINSTAY_INSTANCE`.
    pub instance: String,
    /// `FAKE_HOST`, else `HOST`.
    pub host: String,
    /// `FAKE_PORT`, else the first argument that is a number, else `PORT`.
    pub port: u16,
    /// `SOCKET`: listens there instead.
    pub socket: Option<PathBuf>,
    /// `FAKE_BOOT` = `listen`, `throw`, `never-listen`.
    pub boot: Boot,
    /// `FAKE_BOOT_DELAY_MS`: time before it listens.
    pub boot_delay: Duration,
    /// `FAKE_READY_AFTER_MS`: time in which `/ready` answers 503.
    pub ready_after: Duration,
    /// `FAKE_STATUS`: every answer's status.
    pub status: u16,
    /// `FAKE_HANG` = 1: takes requests and never answers.
    pub hang: bool,
    /// `FAKE_STOP` = `graceful`, `ignore`, `die`.
    pub stop: Stop,
    /// `FAKE_SICK`: a file; what it says while it is there ails the app: `unready`, `500` (every answer but
    /// that of `/ready`), `every-third`
    /// (fails), `crash`.
    pub sick: Option<PathBuf>,
    /// `FAKE_SLOW`: a file; while it is there each answer to users takes so many milliseconds longer as it says.
    pub slow: Option<PathBuf>,
    /// `FAKE_LEAK_KIB`: memory that each answer costs for ever.
    pub leak_kib: usize,
    /// `FAKE_LEDGER`: file to which each write is appended.
    pub ledger: Option<PathBuf>,
    /// `FAKE_WRITE_MS`: time for which each fourth write stands in the ledger before it is answered.
    pub write: Duration,
    /// `FAKE_MISCHIEF`: words of `mischief.rs`, with commas.
    pub mischief: Vec<String>,
}

impl Settings {
    pub fn from_env() -> Self {
        let argument = env::args().skip(1).find_map(|argument| argument.parse().ok());
        let port = number("FAKE_PORT").or(argument).or(number("PORT")).unwrap_or(3000);
        Self {
            release: text("MAINSTAY_RELEASE").unwrap_or_else(|| "0".into()),
            instance: text("MAINSTAY_INSTANCE").unwrap_or_else(|| format!("alone.0.{}", std::process::id())),
            host: text("FAKE_HOST").or(text("HOST")).unwrap_or_else(|| "127.0.0.1".into()),
            port,
            socket: text("SOCKET").map(PathBuf::from),
            boot: match text("FAKE_BOOT").as_deref() {
                Some("throw") => Boot::Throw,
                Some("never-listen") => Boot::NeverListen,
                _ => Boot::Listen,
            },
            boot_delay: millis("FAKE_BOOT_DELAY_MS"),
            ready_after: millis("FAKE_READY_AFTER_MS"),
            status: number("FAKE_STATUS").unwrap_or(200),
            hang: text("FAKE_HANG").is_some(),
            stop: match text("FAKE_STOP").as_deref() {
                Some("ignore") => Stop::Ignore,
                Some("die") => Stop::Die,
                _ => Stop::Graceful,
            },
            sick: text("FAKE_SICK").map(PathBuf::from),
            slow: text("FAKE_SLOW").map(PathBuf::from),
            leak_kib: number("FAKE_LEAK_KIB").unwrap_or(0),
            ledger: text("FAKE_LEDGER").map(PathBuf::from),
            write: millis("FAKE_WRITE_MS"),
            mischief: text("FAKE_MISCHIEF").map(words).unwrap_or_default(),
        }
    }

    pub(super) fn socket(&self) -> Option<PathBuf> {
        self.socket.clone()
    }

    /// Whether the app has this illness now.
    pub fn ails(&self, illness: &str) -> bool {
        let said = self.sick.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
        said.is_some_and(|said| said.trim() == illness)
    }

    /// How much longer an answer to users takes now.
    pub fn slowness(&self) -> Duration {
        let said = self.slow.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
        Duration::from_millis(said.and_then(|said| said.trim().parse().ok()).unwrap_or(0))
    }

    /// Whether `word` stands in `FAKE_MISCHIEF`.
    pub fn does(&self, word: &str) -> bool {
        self.mischief.iter().any(|mischief| mischief == word)
    }
}

fn words(text: String) -> Vec<String> {
    text.split(',').map(|word| word.trim().to_owned()).collect()
}

fn text(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn number<T: std::str::FromStr>(name: &str) -> Option<T> {
    text(name)?.parse().ok()
}

fn millis(name: &str) -> Duration {
    Duration::from_millis(number(name).unwrap_or(0))
}
