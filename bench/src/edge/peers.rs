//! The proxies: how each is started, where it listens, which processes are its own.

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use testkit::{Mainstay, mainstay::free_port, wait};

use crate::cpu;

/// Of one with many certificates to read.
const START_LIMIT: Duration = Duration::from_secs(120);

/// What Mainstay is called in tables.
pub(crate) const OURS: &str = "mainstay";

pub(crate) struct Peer {
    pub name: &'static str,
    pub version: String,
    /// HTTP/1.1, and HTTP/2 with prior knowledge unless `plain_h2` says otherwise.
    pub plain: u16,
    pub plain_h2: u16,
    pub tls: u16,
    /// What its CPU time is read from.
    pub pids: Vec<u32>,
    child: Option<Child>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Workers first: nginx's outlive a master that is killed.
        if let Some(child) = &mut self.child {
            cpu::tree(&self.pids).into_iter().rev().for_each(testkit::mainstay::processes::kill);
            let _ = child.wait();
        }
    }
}

impl Peer {
    pub(crate) fn mainstay(mainstay: &Mainstay) -> Self {
        let version = mainstay.cli(&["version"]).out.lines().next().unwrap_or_default().to_owned();
        let (plain, tls) = (mainstay.http().port(), mainstay.https().port());
        Self {
            name: OURS,
            version,
            plain,
            plain_h2: plain,
            tls,
            pids: vec![mainstay.edge_pid()],
            child: None,
        }
    }

    /// nginx, HAProxy and Caddy of the Debian in `root`, before `upstream`, with their files in `folder`.
    pub(crate) fn all_of_debian(root: &Path, folder: &Path, upstream: &str) -> Vec<Self> {
        certificate(folder);
        let caddy = root.join("usr/bin/caddy");
        vec![
            Self::nginx(root, folder, upstream, "nginx.conf", ""),
            Self::haproxy(root, folder, upstream, "haproxy.cfg"),
            Self::start(
                root,
                "caddy",
                &caddy,
                "Caddyfile",
                "",
                folder,
                upstream,
                &["version"],
                |command, config| {
                    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(config);
                    command.env("GOMAXPROCS", "1").env("HOME", folder);
                    command.env("XDG_CONFIG_HOME", folder).env("XDG_DATA_HOME", folder);
                },
            ),
        ]
    }

    /// nginx with the servers in `servers`, where `@DIR@`, `@PLAIN@` and `@TLS@` stand for what only the start knows.
    pub(crate) fn nginx(root: &Path, folder: &Path, upstream: &str, config: &str, servers: &str) -> Self {
        let program = root.join("usr/sbin/nginx");
        Self::start(root, "nginx", &program, config, servers, folder, upstream, &["-v"], |command, config| {
            command.arg("-c").arg(config).arg("-e").arg(folder.join("nginx.err"));
        })
    }

    pub(crate) fn haproxy(root: &Path, folder: &Path, upstream: &str, config: &str) -> Self {
        let program = root.join("usr/sbin/haproxy");
        Self::start(root, "haproxy", &program, config, "", folder, upstream, &["-v"], |command, config| {
            command.arg("-db").arg("-f").arg(config);
        })
    }

    #[expect(clippy::too_many_arguments, reason = "one place starts all three, each with its own words")]
    fn start(
        root: &Path,
        name: &'static str,
        program: &Path,
        config: &str,
        servers: &str,
        folder: &Path,
        upstream: &str,
        version: &[&str],
        arguments: impl FnOnce(&mut Command, &Path),
    ) -> Self {
        let (plain, plain_h2, tls) = (free_port(), free_port(), free_port());
        let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(config);
        let text = fs::read_to_string(template).expect("the configuration is in the repository");
        let text = text.replace("@SERVERS@", servers);
        let text = text.replace("@DIR@", &folder.display().to_string()).replace("@UPSTREAM@", upstream);
        let text = text.replace("@PLAIN@", &plain.to_string()).replace("@PLAIN_H2@", &plain_h2.to_string());
        let text = text.replace("@TLS@", &tls.to_string());
        let config = folder.join(config);
        fs::write(&config, text).expect("a temporary folder can be written");
        let mut command = foreign(root, program);
        arguments(&mut command, &config);
        let log = fs::File::create(folder.join(format!("{name}.out"))).expect("a log");
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a handle")).stderr(log);
        let child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        let pid = child.id();
        for port in [plain, tls] {
            wait::until(&format!("{name} listens on {port}"), START_LIMIT, || {
                TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
            });
        }
        let own_h2 = name == "haproxy";
        let version = version_of(root, program, version);
        let plain_h2 = if own_h2 { plain_h2 } else { plain };
        Self { name, version, plain, plain_h2, tls, pids: cpu::tree(&[pid]), child: Some(child) }
    }

    /// All threads of all its processes on the first core: one core's worth of proxy each.
    pub(crate) fn pin_to_first_core(&self) {
        for pid in cpu::tree(&self.pids) {
            let mut taskset = Command::new("taskset");
            taskset.args(["-a", "-p", "-c", "0", &pid.to_string()]).stdout(Stdio::null());
            assert!(taskset.status().is_ok_and(|status| status.success()), "{} can be pinned", self.name);
        }
    }
}

/// A program of another Debian, with that one's loader and libraries and without a chroot.
fn foreign(root: &Path, program: &Path) -> Command {
    let loader = ["lib64/ld-linux-x86-64.so.2", "lib/ld-linux-aarch64.so.1"].map(|path| root.join(path));
    let loader = loader.into_iter().find(|path| path.exists()).expect("the folder holds a Debian");
    let libraries = ["usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu"].map(|path| root.join(path));
    let libraries = libraries.map(|path| path.display().to_string()).join(":");
    let mut command = Command::new(loader);
    command.arg("--library-path").arg(libraries).arg(program);
    command
}

fn version_of(root: &Path, program: &Path, arguments: &[&str]) -> String {
    let output = foreign(root, program).args(arguments).output().expect("it says its version");
    let text = [output.stdout, output.stderr].concat();
    format!("{} (Debian 13, 2025)", String::from_utf8_lossy(&text).lines().next().unwrap_or_default())
}

/// An ECDSA P-256 certificate, the kind that Mainstay makes for itself.
fn certificate(folder: &Path) {
    let (key, cert) = (folder.join("key.pem"), folder.join("cert.pem"));
    let mut openssl = Command::new("openssl");
    openssl.args([
        "req",
        "-new",
        "-x509",
        "-days",
        "30",
        "-nodes",
        "-newkey",
        "ec",
        "-subj",
        "/CN=localhost",
    ]);
    openssl.args([
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-addext",
        "subjectAltName=DNS:localhost,IP:127.0.0.1",
    ]);
    openssl.arg("-keyout").arg(&key).arg("-out").arg(&cert).stderr(Stdio::null());
    assert!(openssl.status().is_ok_and(|status| status.success()), "openssl makes a certificate");
    let both = [fs::read(&cert).expect("made"), fs::read(&key).expect("made")].concat();
    fs::write(folder.join("both.pem"), both).expect("written");
}
