//! The files of the first minute: the machine's, the app's, and the secrets.

use std::{
    fs,
    io::Write,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use crate::shell::{Doing, Error, Result};

/// The manifest that is deployed; an example that stands for itself.
const MANIFEST: &str = include_str!("../../../examples/assistant/mainstay.toml");
const USER: &str = "ana";
/// Ports that are tried before any free one is taken: what the README shows.
const WANTED_PORTS: [u16; 2] = [8080, 8443];

/// Where the first minute lives: `data` for Mainstay, `app` for what is deployed.
pub(crate) struct Folders {
    root: PathBuf,
    ports: [u16; 2],
}

/// The first account of the assistant.
pub(crate) struct Login {
    pub user: String,
    pub password: String,
}

impl Folders {
    /// Kept from run to run, so that a journal entry is still there tomorrow.
    pub(crate) fn lasting() -> Result<Self> {
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
        // As root the apps get users of their own, and those cannot enter root's home.
        let base = if rustix::process::getuid().is_root() {
            Some(PathBuf::from("/var/lib"))
        } else {
            std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).or_else(home)
        };
        let base = base.ok_or_else(|| Error("neither XDG_DATA_HOME nor HOME is set".into()))?;
        let [http, https] = WANTED_PORTS;
        Ok(Self { root: base.join("mainstay-first-minute"), ports: [free_or(http)?, free_or(https)?] })
    }

    /// A new one that [`Folders::remove`] takes away; on ports that nobody else uses.
    pub(crate) fn passing() -> Result<Self> {
        let root = std::env::temp_dir().join(format!("mainstay-check-{}", std::process::id()));
        Ok(Self { root, ports: [free_or(0)?, free_or(0)?] })
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// The folder that is deployed, with its mainstay.toml.
    pub(crate) fn app(&self) -> PathBuf {
        self.root.join("assistant")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.root.join("up.log")
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.ports[0])
    }

    /// Writes what is not there yet; the app's binary always anew.
    pub(crate) fn prepare(&self, binaries: &Path) -> Result<()> {
        for folder in [&self.root, &self.data(), &self.app()] {
            fs::create_dir_all(folder).doing(format!("making {}", folder.display()))?;
            // The app's own user must be able to enter.
            let open = fs::Permissions::from_mode(0o755);
            fs::set_permissions(folder, open).doing(format!("opening {}", folder.display()))?;
        }
        let [http, https] = self.ports;
        let machine = format!("[listen]\nhttp = [\"127.0.0.1:{http}\"]\nhttps = [\"127.0.0.1:{https}\"]\n");
        write(&self.data().join("machine.toml"), machine.as_bytes(), 0o644)?;
        write(&self.app().join("mainstay.toml"), MANIFEST.as_bytes(), 0o644)?;
        self.write_secrets()?;
        install(&binaries.join("assistant"), &self.app().join("assistant"))
    }

    /// Name and password of the first account, read from where the assistant gets them.
    pub(crate) fn login(&self) -> Result<Login> {
        let path = self.secrets();
        let text = fs::read_to_string(&path).doing(format!("reading {}", path.display()))?;
        let password = text.lines().find_map(|line| line.strip_prefix("ASSISTANT_FIRST_PASSWORD="));
        let password = password.ok_or_else(|| Error(format!("{} names no password", path.display())))?;
        Ok(Login { user: USER.into(), password: password.into() })
    }

    pub(crate) fn remove(&self) -> Result<()> {
        fs::remove_dir_all(&self.root).doing(format!("removing {}", self.root.display()))
    }

    fn secrets(&self) -> PathBuf {
        self.data().join("apps/assistant/production/secrets.env")
    }

    fn write_secrets(&self) -> Result<()> {
        let path = self.secrets();
        if path.exists() {
            return Ok(());
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).doing(format!("making {}", folder.display()))?;
        }
        let (key, password) = (random(48)?, random(14)?);
        let text = format!(
            "ASSISTANT_SECRET_KEY={key}\nASSISTANT_FIRST_USER={USER}\nASSISTANT_FIRST_PASSWORD={password}\n"
        );
        write(&path, text.as_bytes(), 0o600)
    }
}

/// `wanted` if nobody listens there, else any free port.
fn free_or(wanted: u16) -> Result<u16> {
    let bind = |port| TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let listener = bind(wanted).or_else(|_| bind(0)).doing("finding a free port")?;
    Ok(listener.local_addr().doing("reading the port")?.port())
}

/// Letters and digits from the kernel's random numbers.
fn random(characters: usize) -> Result<String> {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = vec![0; characters];
    let mut source = fs::File::open("/dev/urandom").doing("opening /dev/urandom")?;
    std::io::Read::read_exact(&mut source, &mut bytes).doing("reading /dev/urandom")?;
    Ok(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect())
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path);
    file.and_then(|mut file| file.write_all(bytes)).doing(format!("writing {}", path.display()))
}

/// A copy under a new inode: the old one may be running.
fn install(from: &Path, to: &Path) -> Result<()> {
    let temporary = to.with_extension("new");
    fs::copy(from, &temporary).doing(format!("copying {}", from.display()))?;
    // Symbols are four fifths of a debug build, and each release keeps its own copy.
    let strip =
        std::process::Command::new("strip").arg(&temporary).stderr(std::process::Stdio::null()).status();
    if !strip.is_ok_and(|status| status.success()) {
        println!("note: `strip` is not there; the artifact holds its symbols");
    }
    fs::rename(&temporary, to).doing(format!("placing {}", to.display()))
}
