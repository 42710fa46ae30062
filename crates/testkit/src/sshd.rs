//! A real sshd on loopback: its own host key, its own keys that it lets in, its own configuration of the client. Nothing of the
//! machine's or of a user's own ssh is read or written.

use std::{
    fmt::Write as _,
    fs,
    io::Read as _,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::{mainstay::free_port, wait};

const START_LIMIT: Duration = Duration::from_secs(20);
/// By which the client knows the host's key, whatever the port.
const ALIAS: &str = "live.test";

/// An sshd; gone when dropped, with its sessions.
pub struct Sshd {
    folder: TempDir,
    port: u16,
    /// More lines of its configuration.
    settings: String,
    child: Option<Child>,
}

impl Sshd {
    /// One that lets `ana` in as the account that runs this test.
    ///
    /// # Panics
    /// When openssh-server is missing (`cargo xtask test` installs it), or it does not answer in 20 s.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// With more lines in its configuration.
    ///
    /// # Panics
    /// As [`Sshd::start`].
    pub fn start_with(settings: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("ms-ssh-").tempdir().expect("a temporary folder");
        // Accounts of their own read their keys here.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("own folder");
        let mut sshd = Self { folder, port: free_port(), settings: settings.to_owned(), child: None };
        sshd.new_host_key();
        sshd.trust_host_key();
        sshd.make_key("ana");
        sshd.authorize(&sshd.public_key("ana"));
        sshd.up();
        sshd
    }

    /// Starts it again, after [`Sshd::stop`].
    ///
    /// # Panics
    /// As [`Sshd::start`].
    pub fn up(&mut self) {
        if rustix::process::getuid().is_root() {
            // Where it keeps what may not touch anything; Debian's unit makes it.
            fs::create_dir_all("/run/sshd").expect("root makes it");
        }
        let config = self.path("sshd_config");
        fs::write(&config, self.server_config()).expect("own folder");
        let log =
            fs::OpenOptions::new().create(true).append(true).open(self.path("log")).expect("own folder");
        let mut command = Command::new("/usr/sbin/sshd");
        command.args(["-D", "-e", "-f"]).arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().expect("openssh-server is installed"));
        wait::until(&format!("sshd greets; it said {}", self.log()), START_LIMIT, || {
            let stream = TcpStream::connect_timeout(&self.address(), Duration::from_secs(1));
            let mut banner = [0; 4];
            stream.is_ok_and(|mut stream| stream.read_exact(&mut banner).is_ok() && &banner == b"SSH-")
        });
    }

    fn server_config(&self) -> String {
        let folder = self.folder.path().display();
        format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized_keys\n\
             PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             PermitRootLogin prohibit-password\nMaxStartups 100\n{settings}\n",
            port = self.port,
            settings = self.settings,
        )
    }

    /// Ends the listener and every session.
    pub fn stop(&mut self) {
        self.cut();
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Ends every session, as a network that goes away does; it goes on listening. How many processes that were.
    pub fn cut(&self) -> usize {
        let Some(child) = &self.child else { return 0 };
        let sessions = children(child.id());
        for session in &sessions {
            // Its own child, the login's sshd, too: the connection is open in both.
            children(*session).into_iter().chain([*session]).for_each(kill);
        }
        sessions.len()
    }

    /// Another host key than before; clients still know the old one.
    ///
    /// # Panics
    /// When ssh-keygen is missing.
    pub fn new_host_key(&self) {
        keygen(&self.path("host"), "host");
    }

    /// Clients know the host key that it has now.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn trust_host_key(&self) {
        let key = fs::read_to_string(self.path("host.pub")).expect("made before");
        fs::write(self.path("known_hosts"), format!("{ALIAS} {key}")).expect("own folder");
    }

    /// Clients know no host key.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn forget_host_key(&self) {
        fs::write(self.path("known_hosts"), "").expect("own folder");
    }

    /// A new pair of keys, whose comment is `name`.
    ///
    /// # Panics
    /// When ssh-keygen is missing.
    pub fn make_key(&self, name: &str) {
        keygen(&self.path(name), name);
        let mut config = String::new();
        let folder = self.folder.path().display();
        for (key, value) in [
            ("HostKeyAlias", ALIAS.to_owned()),
            ("IdentityFile", format!("{folder}/{name}")),
            ("IdentitiesOnly", "yes".to_owned()),
            ("IdentityAgent", "none".to_owned()),
            ("UserKnownHostsFile", format!("{folder}/known_hosts")),
            ("GlobalKnownHostsFile", "/dev/null".to_owned()),
            ("StrictHostKeyChecking", "yes".to_owned()),
            ("UpdateHostKeys", "no".to_owned()),
        ] {
            writeln!(config, "{key} {value}").expect("memory");
        }
        fs::write(self.path(&format!("{name}.config")), config).expect("own folder");
    }

    /// The client with that key finds this sshd under a name.
    ///
    /// # Panics
    /// When there is no such key.
    pub fn name_host(&self, key: &str, name: &str) {
        let path = self.path(&format!("{key}.config"));
        let config = fs::read_to_string(&path).expect("made before");
        let own = format!("Host {name}\nHostName 127.0.0.1\nPort {}\n", self.port);
        fs::write(path, format!("{config}{own}")).expect("own folder");
    }

    /// The line of the public key.
    ///
    /// # Panics
    /// When there is none of that name.
    pub fn public_key(&self, name: &str) -> String {
        fs::read_to_string(self.public_key_file(name)).expect("made before")
    }

    pub fn public_key_file(&self, name: &str) -> PathBuf {
        self.path(&format!("{name}.pub"))
    }

    /// Lets in whom this line of `authorized_keys` names.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn authorize(&self, line: &str) {
        let mut text = fs::read_to_string(self.authorized_keys()).unwrap_or_default();
        writeln!(text, "{}", line.trim_end()).expect("memory");
        fs::write(self.authorized_keys(), text).expect("own folder");
    }

    pub fn authorized_keys(&self) -> PathBuf {
        self.path("authorized_keys")
    }

    /// The client with the key of that name, as `MAINSTAY_SSH` takes it.
    pub fn client(&self, name: &str) -> String {
        format!("ssh -F {}", self.path(&format!("{name}.config")).display())
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// The account that it lets in.
    ///
    /// # Panics
    /// When the account has no name.
    pub fn account() -> String {
        let said = Command::new("id").arg("-un").output().expect("coreutils");
        String::from_utf8(said.stdout).expect("a name").trim().to_owned()
    }

    /// What it has said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
    }
}

fn keygen(path: &Path, comment: &str) {
    let _ = fs::remove_file(path);
    let mut keygen = Command::new("ssh-keygen");
    keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"]).arg(path).stdin(Stdio::null());
    let made = keygen.status().expect("openssh-client is installed");
    assert!(made.success(), "ssh-keygen makes {}", path.display());
}

/// Its direct children, by the kernel's list.
fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

fn kill(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}
