//! A PostgreSQL server of the test's own: on a unix socket in a folder, and with TLS on a port; as an unprivileged user.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_postgres::{Client, Config, NoTls};

/// PostgreSQL refuses to run as root.
const NOBODY: u32 = 65534;
const READY_LIMIT: Duration = Duration::from_secs(60);

pub(super) struct Server {
    dir: TempDir,
    port: u16,
    process: Child,
}

/// An open transaction; it ends with this value.
pub(super) struct Holder(#[expect(dead_code, reason = "what it holds is all there is to it")] Session);

struct Session {
    runtime: Runtime,
    client: Client,
}

fn programs() -> PathBuf {
    let versions =
        fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed: apt-get install postgresql");
    let newest = versions.filter_map(|version| version.ok().map(|entry| entry.path())).max();
    newest.expect("a version of PostgreSQL").join("bin")
}

fn as_nobody(program: &Path) -> Command {
    if !fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0) {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}"), "--clear-groups", "--"])
        .arg(program);
    command
}

impl Server {
    pub(super) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (data, programs) = (dir.path().join("data"), programs());
        // As root it is given away; a plain user keeps it.
        let _ = chown(dir.path(), Some(NOBODY), Some(NOBODY));
        let made = as_nobody(&programs.join("initdb"))
            .args(["-U", "postgres", "-A", "trust", "-N", "-E", "UTF8", "--locale=C", "-D"])
            .arg(&data)
            .stdout(Stdio::null())
            .status();
        assert!(made.unwrap().success(), "initdb");
        certify(&data);
        let hba = "local all all trust\nhostssl all all 127.0.0.1/32 trust\n";
        fs::write(data.join("pg_hba.conf"), hba).unwrap();
        // Bound and let go: the server says it itself if somebody was faster.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings = [
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={port}"),
            format!("unix_socket_directories={}", dir.path().display()),
            "ssl=on".to_owned(),
            "fsync=off".to_owned(),
            "shared_buffers=32MB".to_owned(),
        ];
        let process = as_nobody(&programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(settings.iter().flat_map(|setting| ["-c", setting]))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut server = Self { dir, port, process: process.unwrap() };
        server.wait_until_ready();
        server
    }

    fn wait_until_ready(&mut self) {
        let until = Instant::now() + READY_LIMIT;
        while self.session().is_none() {
            assert!(self.process.try_wait().unwrap().is_none(), "PostgreSQL ended");
            assert!(Instant::now() < until, "PostgreSQL is not ready");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(super) fn url(&self, role: &str) -> String {
        format!("postgres:///postgres?host={}&port={}&user={role}", self.dir.path().display(), self.port)
    }

    pub(super) fn tcp_url(&self) -> String {
        format!("postgres://postgres@localhost:{}/postgres", self.port)
    }

    pub(super) fn certificate(&self) -> PathBuf {
        self.dir.path().join("data/server.crt")
    }

    pub(super) fn number(&self, sql: &str) -> i64 {
        let session = self.session().unwrap();
        session.runtime.block_on(session.client.query_one(sql, &[])).unwrap().get(0)
    }

    pub(super) fn execute(&self, sql: &str) {
        let session = self.session().unwrap();
        session.runtime.block_on(session.client.batch_execute(sql)).unwrap();
    }

    pub(super) fn hold(&self, sql: &str) -> Holder {
        let session = self.session().unwrap();
        session.runtime.block_on(session.client.batch_execute(&format!("BEGIN; {sql}"))).unwrap();
        Holder(session)
    }

    fn session(&self) -> Option<Session> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let config: Config = self.url("postgres").parse().unwrap();
        let client = runtime.block_on(async {
            let (client, connection) = config.connect(NoTls).await.ok()?;
            tokio::spawn(connection);
            Some(client)
        });
        client.map(|client| Session { runtime, client })
    }
}

/// A certificate for `localhost`, of its own authority.
fn certify(data: &Path) {
    let (key, certificate) = (data.join("server.key"), data.join("server.crt"));
    let made = Command::new("openssl")
        .args(["req", "-new", "-x509", "-days", "30", "-nodes", "-newkey", "ec", "-subj", "/CN=localhost"])
        .args(["-pkeyopt", "ec_paramgen_curve:prime256v1", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .stderr(Stdio::null())
        .status();
    assert!(made.unwrap().success(), "openssl");
    for file in [&key, &certificate] {
        let _ = chown(file, Some(NOBODY), Some(NOBODY));
    }
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    fs::set_permissions(&certificate, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
}

impl Drop for Server {
    fn drop(&mut self) {
        // The immediate end: nothing of it is kept.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
