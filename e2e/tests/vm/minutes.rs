//! From folders on a laptop, one with an Express app and one with a FastAPI app, to public production, and through what comes next: other
//! releases, a renewal, an upgrade, a reboot. Every command is one that a person types; each is printed with its seconds.
//!
//! Laptop, server and CA are one guest: `leo` sits at the laptop, `ana` may log in to the server and use sudo there, the CA is pebble. What a machine
//! in the world finds there (the names, the registries of npm and PyPI, npm itself) is put into the guest beforehand.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use serde_json::json;
use testkit::pebble;

use crate::guest::{self, Guest, Job};

/// Bound: of one command, on one processor with everything unoptimised.
const WITHIN: Duration = Duration::from_secs(240);
/// Seconds that the CA's certificates are valid. The first is renewed with a third of that left, while the journey goes on; a third is also more
/// than a reboot takes, during which there is no CA.
const VALID_S: u64 = 180;

/// An app in a folder of the laptop.
struct App {
    name: &'static str,
    host: &'static str,
    /// By which npm or pip knows its packages.
    packages: &'static [&'static str],
    /// Name and text of its program.
    source: (&'static str, &'static str),
}

const EXPRESS: App = App {
    name: "shop",
    host: "shop.example.com",
    packages: &["package.json", "package-lock.json"],
    source: (
        "server.js",
        "const app = require('express')();
app.get('/', (request, answer) => answer.json({ from: 'express', release: 'one' }));
app.listen(process.env.PORT, process.env.HOST);
",
    ),
};
const FASTAPI: App = App {
    name: "api",
    host: "api.example.com",
    packages: &["requirements.txt"],
    source: (
        "main.py",
        "from fastapi import FastAPI
app = FastAPI()
@app.get('/')
def hello(): return {'from': 'fastapi', 'release': 'one'}
",
    ),
};

/// TLS-06, TLS-07, EDGE-01, W-E8, W-E16.
#[test]
fn an_express_and_a_fastapi_app_are_public_in_minutes_and_nothing_fails_in_what_comes_next() {
    let guest = Guest::boot_with_memory("mem=1536M");
    world(&guest);
    laptop_and_server(&guest);
    let laptop = Laptop { guest: &guest, lines: Cell::default() };
    let began = Instant::now();
    server_is_installed(&laptop);
    goes_public(&laptop, &EXPRESS);
    laptop.tells("in all: from nothing to the first app by https", began);
    goes_public(&laptop, &FASTAPI);
    laptop.tells("in all: from nothing to both apps by https", began);

    let load = load(&guest);
    changes(&laptop, &EXPRESS, &load);
    upgrades(&laptop);
    is_renewed(&laptop, &load);
    guest.ok("echo enough >/run/asks");
    let said = load.end(WITHIN);
    println!("who asked all the while {said}");
    assert_eq!(said.status, 0, "{said}");

    let rebooted = Instant::now();
    guest.reboot();
    answers(&guest, &EXPRESS, "two");
    answers(&guest, &FASTAPI, "one");
    laptop.tells("sudo reboot, until both answer again", rebooted);
    laptop.tells("in all", began);
}

/// The laptop's terminal.
struct Laptop<'a> {
    guest: &'a Guest,
    lines: Cell<u32>,
}

impl<'a> Laptop<'a> {
    /// Types a line, and waits until it has ended well.
    ///
    /// # Panics
    /// When it has not.
    fn types(&self, line: &str) -> String {
        let began = Instant::now();
        let said = self.begins(line).end(WITHIN);
        assert_eq!(said.status, 0, "{line}\n{said}");
        self.tells(line, began);
        said.text
    }

    /// Types a line, and does not wait for its end.
    fn begins(&self, line: &str) -> Job<'a> {
        let number = self.lines.replace(self.lines.get() + 1);
        self.guest.put(&format!("typed/{number}"), format!("PATH=$HOME/bin:$PATH\n{line}\n"));
        self.guest.start(&format!("runuser -l leo -c 'sh -e /share/typed/{number}' 2>&1"))
    }

    fn tells(&self, what: &str, began: Instant) {
        println!("{:6.1} s  {what}", began.elapsed().as_secs_f64());
    }
}

/// What they have before anybody thinks of Mainstay.
fn laptop_and_server(guest: &Guest) {
    guest.lend("packages", &guest::given("MAINSTAY_TEST_PACKAGES"));
    let names =
        format!("127.0.0.1 localhost app.example.com {} {}\n127.0.1.1 guest", EXPRESS.host, FASTAPI.host);
    guest.ok(&format!(
        "set -e; echo '{names}' >>/etc/hosts; echo 'ana ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/ana
         for user in ana leo; do useradd --create-home --shell /bin/bash $user; mkdir -m 700 /home/$user/.ssh; done
         mkdir -p -m 755 /run/sshd; /usr/sbin/sshd; ssh-keygen -q -t ed25519 -N '' -f /home/leo/.ssh/id_ed25519
         cp /home/leo/.ssh/id_ed25519.pub /home/ana/.ssh/authorized_keys
         ssh-keyscan -t ed25519 app.example.com >/home/leo/.ssh/known_hosts
         mkdir /home/leo/bin; ln -s /share/bin/mainstay /home/leo/bin; cp /share/packages/*.deb /home/leo
         chown -R leo: /home/leo; chown -R ana: /home/ana"
    ));
    for app in [&EXPRESS, &FASTAPI] {
        place(guest, app);
    }
}

/// The registries of npm and PyPI, and a CA.
fn world(guest: &Guest) {
    guest.lend("mirror", &guest::given("MAINSTAY_TEST_MIRROR"));
    for (name, text) in pebble::own_certificate() {
        guest.put(&format!("ca/{name}"), text);
    }
    guest.put("ca/pebble.json", ca());
    // Not at their own addresses, which nobody reaches from here.
    guest.ok(
        "set -e; mkdir -p /usr/local/lib/node_modules /usr/etc; cd /usr/local/lib/node_modules
         tar -xzf /share/mirror/npm.tgz; mv package npm; ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
         chmod 755 npm/bin/npm-cli.js; printf 'registry=http://127.0.0.1:4873/\\nreplace-registry-host=always\\n' >/usr/etc/npmrc
         printf '[global]\\nindex-url = http://127.0.0.1:4873/simple/\\n' >/etc/pip.conf",
    );
    guest.start("exec python3 -m http.server --bind 127.0.0.1 --directory /share/mirror 4873 2>/dev/null");
    guest.start("exec pebble-challtestsrv -defaultIPv4 127.0.0.1 -defaultIPv6 '' -dns01 127.0.0.1:8053 -http01 '' -https01 '' -tlsalpn01 '' >/dev/null");
    guest.start("PEBBLE_VA_NOSLEEP=1 exec pebble -config /share/ca/pebble.json -dnsserver 127.0.0.1:8053 >/run/pebble.log");
    guest.until(
        "the CA says its root",
        WITHIN,
        "curl -sS --fail --cacert /share/ca/root.pem https://localhost:15000/roots/0 >/etc/ca.pem",
    );
}

/// Of pebble, which looks for names at the ports of the world.
fn ca() -> String {
    let said = json!({ "pebble": {
        "listenAddress": "127.0.0.1:14000",
        "managementListenAddress": "127.0.0.1:15000",
        "certificate": "/share/ca/own.pem",
        "privateKey": "/share/ca/own.key",
        "httpPort": 80,
        "tlsPort": 443,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": false,
        "certificateValidityPeriod": VALID_S,
    }});
    said.to_string()
}

/// A fresh folder: the program, and the files that name its packages.
fn place(guest: &Guest, app: &App) {
    let (file, text) = app.source;
    guest.put(&format!("apps/{}/{file}", app.name), text);
    let folder = format!("/home/leo/{}", app.name);
    let packages: Vec<String> = app.packages.iter().map(|file| format!("/share/mirror/app/{file}")).collect();
    guest.ok(&format!(
        "set -e; mkdir {folder}; cp /share/apps/{}/{file} {} {folder}; chown -R leo: {folder}",
        app.name,
        packages.join(" ")
    ));
}

/// A bare machine becomes a server with certificates: docs/guide/install.md and certificates.md.
fn server_is_installed(laptop: &Laptop<'_>) {
    laptop.types("scp -q mainstay_1.0_amd64.deb ana@app.example.com:");
    let said = laptop.types(
        "ssh ana@app.example.com 'sudo dpkg -i mainstay_1.0_amd64.deb && sudo usermod -aG mainstay ana'",
    );
    assert!(said.contains("made the account mainstay_login"), "{said}");
    // Of Let's Encrypt the first line and the contact would be enough.
    laptop.types(
        "ssh ana@app.example.com 'sudo cp /share/ca/root.pem /etc/mainstay/ca.pem && sudo tee -a /etc/mainstay/machine.toml' <<'END'
[acme]
terms_agreed = true
contact = [\"ops@example.com\"]
directory = \"https://localhost:14000/dir\"
ca_file = \"/etc/mainstay/ca.pem\"
END",
    );
    laptop.types("ssh ana@app.example.com sudo systemctl restart mainstay-keeper");
}

/// From a folder to an address that every client trusts: docs/guide/first-minutes.md.
fn goes_public(laptop: &Laptop<'_>, app: &App) {
    let App { name, host, .. } = app;
    let began = Instant::now();
    let said = laptop.types(&format!("cd {name} && mainstay init"));
    assert!(said.contains("says how it is built: on the server"), "{said}");
    // What a person decides. Two minutes of baking would show no more here than ten seconds.
    laptop.types(&format!(
        "cd {name} && sed -i 's|^# hosts = .*|hosts = [\"{host}\"]\\ntls = \"required\"|' mainstay.toml && printf '[deploy]\\nbake_time = \"10s\"\\n' >>mainstay.toml"
    ));
    laptop.types(&format!("cd {name} && mainstay check --fail-on error"));
    let line = deploy(app);
    let (asked, deploy) = (Instant::now(), laptop.begins(&line));
    answers(laptop.guest, app, "one");
    laptop
        .tells(&format!("(of the next line: until https://{host}/ answers by the CA's certificate)"), asked);
    let said = deploy.end(WITHIN);
    assert_eq!(said.status, 0, "{said}");
    laptop.tells(&line, asked);
    laptop.tells(&format!("in all: {name} from a folder to https, and baked"), began);
    let ask = format!("curl -sS -o /dev/null -w '%{{http_code}} %{{redirect_url}}' http://{host}/");
    assert_eq!(laptop.guest.ok(&ask), format!("301 https://{host}/"));
}

fn deploy(app: &App) -> String {
    format!("cd {} && mainstay --host ana@app.example.com deploy", app.name)
}

/// A client that trusts the CA alone gets this release's answer.
fn answers(guest: &Guest, app: &App, release: &str) {
    let ask = format!("curl -sS --fail --max-time 20 --cacert /etc/ca.pem https://{}/", app.host);
    // Until it is published the name shows a certificate of nobody's, or nobody listens.
    let said =
        guest.start(&format!("until {ask} 2>/dev/null | grep '\"release\":\"{release}\"'; do sleep 1; done"));
    assert_eq!(said.end(WITHIN).status, 0);
}

/// Asks both again and again, until it is told that it is enough. The judge has an app of its own, whose answers it knows to the byte; of these
/// apps' answers `ask.py` knows all there is to know.
fn load(guest: &Guest) -> Job<'_> {
    guest.put("ask.py", include_str!("minutes/ask.py"));
    let load = guest.start(&format!(
        "mkfifo /run/asks; exec python3 /share/ask.py /etc/ca.pem {}=express {}=fastapi <>/run/asks 2>&1",
        EXPRESS.host, FASTAPI.host
    ));
    for app in [&EXPRESS, &FASTAPI] {
        load.says(&format!("{} is shown its certificate 1", app.host), WITHIN);
    }
    load
}

/// Another release, under load. Once it is told that it serves, nobody gets the one before.
fn changes(laptop: &Laptop<'_>, app: &App, load: &Job<'_>) {
    let App { name, host, source: (file, _), .. } = app;
    let may_serve = |releases: &str| {
        laptop.guest.ok(&format!("echo {host} {releases} >/run/asks"));
        load.says(&format!("of {host} may serve: {releases}"), WITHIN);
    };
    laptop.types(&format!("cd {name} && sed -i \"s/'one'/'two'/\" {file}"));
    may_serve("one two");
    laptop.types(&deploy(app));
    may_serve("two");
}

/// Another version of Mainstay, under load; no instance is started anew.
fn upgrades(laptop: &Laptop<'_>) {
    let instances = || {
        let two_each = "test $(pgrep -xc 'node|python') = 4 && pgrep -x 'node|python'";
        laptop.guest.until("the instances of before are gone", WITHIN, two_each)
    };
    let before = instances();
    laptop.types("scp -q mainstay_1.1_amd64.deb ana@app.example.com:");
    laptop.types("ssh ana@app.example.com sudo dpkg -i mainstay_1.1_amd64.deb");
    laptop.guest.until(
        "the keeper is of the new build",
        Duration::from_secs(60),
        "cmp /usr/bin/mainstay /proc/$(systemctl show -P MainPID mainstay-keeper)/exe && mainstay --app shop status >/dev/null",
    );
    assert_eq!(instances(), before, "no instance was started anew");
}

/// By itself, and who asks is shown the new ones.
fn is_renewed(laptop: &Laptop<'_>, load: &Job<'_>) {
    let waited = Instant::now();
    for app in [&EXPRESS, &FASTAPI] {
        load.says(&format!("{} is shown its certificate 2", app.host), Duration::from_secs(VALID_S));
    }
    laptop.tells("(until both have been renewed by themselves)", waited);
    laptop.types("mainstay --host ana@app.example.com certs list");
}
