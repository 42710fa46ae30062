//! What `mainstay check --live` says of a machine and of what strangers get: by a real DNS server, a real certificate and a real edge.

use std::{
    fs,
    net::Ipv4Addr,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::Value;
use testkit::{
    FakeApp, Mainstay,
    mainstay::{Running, Said, free_port},
    registry, wait,
};

use crate::assistant::MANIFEST;

const SOON: Duration = Duration::from_secs(20);

/// dnsmasq on loopback; ends when dropped.
struct Dns {
    child: Child,
    port: u16,
}

impl Dns {
    /// Knows `name` alone, by these addresses.
    fn start(name: &str, addresses: &[&str]) -> Self {
        let port = free_port();
        let mut dnsmasq = Command::new("/usr/sbin/dnsmasq");
        dnsmasq.args([
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--no-resolv",
            "--no-hosts",
            "--pid-file=",
            "--bind-interfaces",
        ]);
        dnsmasq.args(["--listen-address=127.0.0.1", &format!("--port={port}"), "--log-facility=-"]);
        dnsmasq.arg(format!("--host-record={name},{}", addresses.join(",")));
        // What it does not know of this name is not there, and is not refused.
        dnsmasq.arg(format!("--local=/{name}/"));
        let child = dnsmasq.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let dns = Self { child: child.expect("dnsmasq is installed"), port };
        wait::until("dnsmasq listens", SOON, || {
            std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
        });
        dns
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A CA of that name in `folder`, and a certificate of it for `name`.
fn certified(folder: &Path, ca: &str, name: &str) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, ca);
    fs::write(folder.join("root.pem"), params.self_signed(&key).expect("a root").pem()).expect("written");
    let authority = Issuer::new(params, key);
    let key = KeyPair::generate().expect("a key");
    let made = CertificateParams::new([name.to_owned()])
        .expect("a name")
        .signed_by(&key, &authority)
        .expect("signed");
    fs::write(folder.join("own.pem"), made.pem()).expect("written");
    fs::write(folder.join("own.key"), key.serialize_pem()).expect("written");
}

/// A machine with a certificate for `name`, and the folder of its CA.
fn machine(name: &str) -> (Mainstay, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    certified(folder.path(), "a CA of the test", name);
    let [cert, key] = ["own.pem", "own.key"].map(|file| folder.path().join(file).display().to_string());
    let toml = format!(
        "[[certificate]]\nnames = [\"{name}\"]\ncert = \"{cert}\"\nkey = \"{key}\"\n[tls]\nhsts = \"365d\"\n"
    );
    (Mainstay::start_with(&toml), folder)
}

/// `mainstay check --live` in the app's folder, which trusts `root` alone and asks `dns`.
fn check(mainstay: &Mainstay, app: &Path, root: &Path, dns: &Dns, more: &[&str]) -> Said {
    let server = dns.address();
    let words = [&["check", "--live", "--resolver", &server], more].concat();
    let mut command = mainstay.command(&words);
    command.current_dir(app).env("SSL_CERT_FILE", root).env_remove("SSL_CERT_DIR");
    Running::start(command, words.join(" ")).wait()
}

/// The state of each finding, by its id, and the whole of one.
fn states(said: &Said) -> impl Fn(&str) -> (String, String) + use<> {
    let all = said.json_lines();
    move |id: &str| {
        let found = all.iter().find(|finding| finding["id"] == id);
        let found: Value = found.cloned().unwrap_or_else(|| panic!("{id} is told"));
        (found["state"].as_str().unwrap_or_default().to_owned(), found.to_string())
    }
}

/// TLS-08, CHK-03h, W-E17.
#[test]
fn a_name_is_looked_at_as_strangers_do_and_what_is_wrong_is_found() {
    let (mut mainstay, ca) = machine("shop.test");
    let app = FakeApp::new(&mainstay, "shop").tls("required").tables("[route.headers]\nprofile = \"api\"");
    app.deploy_to(&mainstay, &[]).expect_code(0);
    let root = ca.path().join("root.pem");
    let dns = Dns::start("shop.test", &["127.0.0.1"]);
    let said = check(&mainstay, app.folder(), &root, &dns, &["--json"]);
    let of = states(&said);
    for id in [
        "dns-points-here",
        "served-certificate",
        "served-redirect",
        "served-hsts",
        "served-headers",
        "served-cookies",
    ] {
        let (state, whole) = of(id);
        assert_eq!(state, "passed", "{whole}");
    }
    let (state, whole) = of("reachable");
    assert!(state == "not_run" && whole.contains("from the machine itself"), "{whole}");
    // Another CA than the browser's.
    let other = tempfile::tempdir().expect("a folder");
    certified(other.path(), "another CA", "shop.test");
    let (state, whole) =
        states(&check(&mainstay, app.folder(), &other.path().join("root.pem"), &dns, &["--json"]))(
            "served-certificate",
        );
    assert!(
        state == "found" && whole.contains("UnknownIssuer") && whole.contains("a CA of the test"),
        "{whole}"
    );
    // An address where nobody listens, of the other family.
    drop(dns);
    let dns = Dns::start("shop.test", &["127.0.0.1", "::1"]);
    let (state, whole) = states(&check(&mainstay, app.folder(), &root, &dns, &["--json"]))("reachable");
    assert!(state == "found" && whole.contains("shop.test at ::1 over HTTPS"), "{whole}");
    // A name that the DNS does not know, and a DNS that does not answer.
    drop(dns);
    let dns = Dns::start("other.test", &["127.0.0.1"]);
    let of = states(&check(&mainstay, app.folder(), &root, &dns, &["--json"]));
    assert_ne!(of("dns-points-here").0, "passed", "{}", of("dns-points-here").1);
    assert_eq!(of("served-certificate").0, "not_run");
    mainstay.down();
}

/// HDR-01 to HDR-13, W-E21.
#[test]
fn the_assistant_passes_what_strangers_get() {
    let (mainstay, ca) = machine("chat.test");
    let manifest = MANIFEST.replace("tls = \"optional\"", "tls = \"required\"\nhosts = [\"chat.test\"]");
    let folder = mainstay.folder().join("assistant");
    crate::assistant::place_secrets(
        &mainstay,
        "ASSISTANT_FIRST_USER=ana\nASSISTANT_FIRST_PASSWORD=correct-horse\n",
    );
    fs::create_dir_all(&folder).expect("own folder");
    fs::write(folder.join("mainstay.toml"), &manifest).expect("own folder");
    fs::copy(testkit::binaries::path("assistant"), folder.join("assistant")).expect("it was built");
    mainstay.cli_in(&folder, &["deploy"]).expect_code(0);
    let dns = Dns::start("chat.test", &["127.0.0.1"]);
    let said = check(&mainstay, &folder, &ca.path().join("root.pem"), &dns, &["--json"]);
    let of = states(&said);
    for id in [
        "served-certificate",
        "served-redirect",
        "served-hsts",
        "served-headers",
        "served-policy",
        "served-cookies",
    ] {
        let (state, whole) = of(id);
        assert_eq!(state, "passed", "{whole}");
    }
}

/// SEC-01, CHK-09.
#[test]
fn the_machine_is_looked_at_and_a_profile_counts_what_is_seen_attested_and_open() {
    let (mut mainstay, app) = crate::serving_fake();
    let in_app = |words: &[&str]| mainstay.cli_in(app.folder(), words);
    let of = states(&in_app(&["check", "--live", "--json"]));
    for id in [
        "firewall",
        "ssh-keys-only",
        "listening-sockets",
        "open-databases",
        "automatic-updates",
        "clock",
        "memory",
        "open-files",
        "system-disks",
    ] {
        let (state, whole) = of(id);
        assert!(["found", "passed", "not_run"].contains(&state.as_str()), "{whole}");
        assert!(state != "not_run" || whole.contains("not known: "), "{whole}");
    }
    assert_eq!(of("open-files").0, "passed", "the edge's limit is seen: {}", of("open-files").1);
    // Nobody has said anything of the users, so it is open; then somebody does.
    let counts = |said: &Said| {
        let profile =
            said.json_lines().into_iter().find(|line| line["profile"] == "s4").expect("the profile");
        ["seen", "attested", "open"].map(|count| profile[count].as_u64().expect("a count"))
    };
    let before = counts(&in_app(&["check", "--live", "--profile", "S4", "--json"]));
    assert_eq!(before.iter().sum::<u64>(), 34);
    let until = jiff::Zoned::now().date().saturating_add(jiff::Span::new().days(100)).to_string();
    in_app(&["check", "--attest", "user-flows", "--until", &until, "--note", "signed in, bought, paid"])
        .expect_code(0);
    let after = counts(&in_app(&["check", "--live", "--profile", "s4", "--json"]));
    assert_eq!((after[1], after[2]), (before[1] + 1, before[2] - 1));
    let said = in_app(&["check", "--live", "--profile", "s4", "--fail-on", "open"]).expect_code(2);
    assert!(
        said.out.contains(&format!(
            "{} seen by a program, {} attested, {} open, of 34 items",
            after[0], after[1], after[2]
        )),
        "{said}"
    );
    let file = fs::read_to_string(app.folder().join("mainstay.attest.toml")).expect("written");
    assert!(file.contains("when = \"") && file.contains(&format!("until = \"{until}\"")), "{file}");
    let log = in_app(&["check", "--live", "--format", "sarif"]).out;
    by_its_types(mainstay.folder(), &log).expect("SARIF");
    let wrong = log.replacen("ruleIndex", "ruleIndx", 1);
    let wrong = by_its_types(mainstay.folder(), &wrong).expect_err("the judge is no yes-man");
    assert!(wrong.contains("ruleIndx"), "{wrong}");
    mainstay.down();
}

/// Whether TypeScript takes a log for one of SARIF 2.1.0, by the types that others wrote from its schema; else what it says.
fn by_its_types(folder: &Path, log: &str) -> Result<(), String> {
    let tools = registry::node("sarif", &["@types/sarif@2.1.7", "typescript@5.9.3"]);
    let modules = folder.join("node_modules");
    if !modules.exists() {
        std::os::unix::fs::symlink(tools.join("node_modules"), &modules).expect("own folder");
    }
    let file = folder.join("log.ts");
    let text = format!("import type {{ Log }} from \"sarif\";\nexport const log: Log = {log};\n");
    fs::write(&file, text).expect("own folder");
    let mut tsc = Command::new(tools.join("node_modules/.bin/tsc"));
    let said = tsc.args(["--noEmit", "--strict"]).arg(&file).current_dir(folder).output();
    let said = said.expect("node is installed");
    if said.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&said.stdout).into_owned()) }
}
