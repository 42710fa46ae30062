//! Three proxies with the same routes, certificates and limits before the same app.

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use rcgen::{CertificateParams, KeyPair};
use testkit::{FakeApp, Mainstay};

use crate::edge::{peers::Peer, upstream};

/// More in one manifest would be longer than is read of one.
pub(super) const SERVED_APPS_ROUTES_MAX: usize = 1_000;
/// The first name is the one that the load tool asks for in its handshakes.
const FIRST: &str = "localhost";
/// A limit that counts every client and holds back nobody.
const LIMIT: &str =
    r#"rate_limit = [{ name = "clients", requests = 1000000, per = "1s", key = "header:x-client" }]"#;

pub(super) struct Rig {
    /// Mainstay, nginx, HAProxy. Before what they stand on, so that they end first.
    pub peers: Vec<Peer>,
    /// For the load tool: requests that name hosts and clients in turn, and keep their connection.
    pub kept: PathBuf,
    /// The same, each of which ends its connection.
    pub closed: PathBuf,
    /// With the folder that all of them have their files in.
    _mainstay: Mainstay,
}

impl Rig {
    /// # Panics
    /// When one of them does not start with so many.
    pub(super) fn start(debian: &Path, routes: usize) -> Self {
        let folder = tempfile::Builder::new().prefix("ms-").tempdir().expect("a temporary folder");
        // Apps and the edge have users of their own where this runs as root.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("own folder");
        let names = names(routes);
        // Beside machine.toml, where short paths lead to: a longer file than a mebibyte is not read.
        let data = folder.path().join("data");
        let certificates = data.join("c");
        certify(&certificates, &names);
        let mainstay = Mainstay::start_in(folder, data, &machine_toml(&names));
        deploy(&mainstay, &names);
        let upstream = upstream(&mainstay, "fake-0/production");
        let peers = mainstay.folder().join("peers");
        fs::create_dir(&peers).expect("written");
        symlink(&certificates, peers.join("certs")).expect("written");
        let map: String = names.iter().fold(String::new(), |text, name| text + name + " app\n");
        fs::write(peers.join("hosts.map"), map).expect("written");
        let kept = script(&peers, "kept.lua", routes, "");
        let closed = script(&peers, "closed.lua", routes, "[\"Connection\"] = \"close\", ");
        let peers = vec![
            Peer::mainstay(&mainstay),
            Peer::nginx(debian, &peers, &upstream, "nginx-routes.conf", &servers(&names)),
            Peer::haproxy(debian, &peers, &upstream, "haproxy-routes.cfg"),
        ];
        Self { peers, kept, closed, _mainstay: mainstay }
    }
}

fn names(routes: usize) -> Vec<String> {
    (0..routes).map(|n| if n == 0 { FIRST.to_owned() } else { format!("r{n}.test") }).collect()
}

/// A file for each name with its certificate and its key, ECDSA P-256.
fn certify(folder: &Path, names: &[String]) {
    fs::create_dir_all(folder).expect("a temporary folder can be written");
    for name in names {
        let key = KeyPair::generate().expect("a key");
        let made = CertificateParams::new([name.clone()]).expect("a name").self_signed(&key).expect("made");
        fs::write(folder.join(name), made.pem() + &key.serialize_pem()).expect("written");
    }
}

fn machine_toml(names: &[String]) -> String {
    let mut text = String::new();
    for name in names {
        let at = format!("c/{name}");
        writeln!(text, "[[certificate]]\nnames=[\"{name}\"]\ncert=\"{at}\"\nkey=\"{at}\"").expect("memory");
    }
    // One worker, as the peers have.
    text + "[edge]\nworkers = 1\n"
}

/// The apps that have the routes, a thousand each, of one instance each.
fn deploy(mainstay: &Mainstay, names: &[String]) {
    for (n, names) in names.chunks(SERVED_APPS_ROUTES_MAX).enumerate() {
        let mut routes = String::new();
        for name in names {
            let keys = format!("hosts = [\"{name}\"]\nservice = \"web\"\ntls = \"optional\"");
            writeln!(routes, "[[route]]\n{keys}\n{LIMIT}").expect("memory");
        }
        let app = FakeApp::new(mainstay, &format!("fake-{n}")).instances(1).tables(&routes);
        // A table with ten thousand routes takes its time on a machine with other work.
        let app = app.deploy("health_timeout", "\"2m\"");
        app.deploy_to(mainstay, &[]).expect_code(0);
    }
}

/// Of nginx.
fn servers(names: &[String]) -> String {
    let mut text = String::new();
    for name in names {
        writeln!(
            text,
            "    server {{ listen 127.0.0.1:@PLAIN@; listen 127.0.0.1:@TLS@ ssl; server_name {name}; ssl_certificate @DIR@/certs/{name}; ssl_certificate_key @DIR@/certs/{name}; location / {{ proxy_pass http://app; }} }}"
        )
        .expect("memory");
    }
    text
}

/// For wrk. All requests are made before the first is sent.
fn script(folder: &Path, name: &str, routes: usize, headers: &str) -> PathBuf {
    let path = folder.join(name);
    let text = format!(
        r#"local all, at = {{}}, 0
init = function()
  for n = 0, {routes} - 1 do
    local host = n == 0 and "{FIRST}" or "r" .. n .. ".test"
    all[n] = wrk.format("GET", "/plain/1024", {{ {headers}["Host"] = host, ["X-Client"] = "client-" .. n }})
  end
end
request = function()
  at = (at + 1) % {routes}
  return all[at]
end
"#
    );
    fs::write(&path, text).expect("written");
    path
}
