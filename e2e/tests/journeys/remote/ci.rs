//! The pipelines of `mainstay export ci`: taken by the schemas of their forges, and their script run as a CI runs it, against a
//! real sshd, by keys that may deploy one app to one environment.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use testkit::{
    FakeApp, Mainstay, Sshd, binaries,
    mainstay::{Running, Said},
    registry,
};

/// What a runner has: a checkout, a home, and the variables that the pipeline names.
struct Runner<'a> {
    sshd: &'a Sshd,
    home: PathBuf,
    known_hosts: String,
}

impl<'a> Runner<'a> {
    fn new(mainstay: &Mainstay, sshd: &'a Sshd) -> Self {
        let home = mainstay.folder().join("runner");
        fs::create_dir_all(home.join("tmp")).expect("own folder");
        let scan = Command::new("ssh-keyscan")
            .args(["-p", &sshd.address().port().to_string(), "127.0.0.1"])
            .output();
        let known_hosts = String::from_utf8(scan.expect("openssh-client is installed").stdout).expect("text");
        Self { sshd, home, known_hosts }
    }

    /// One step of a job in `folder`, with the key of that name.
    fn step(&self, folder: &Path, key: &str, words: &[&str]) -> Said {
        let mut sh = Command::new("sh");
        sh.arg("ci/mainstay.sh").args(words).current_dir(folder).env_clear();
        sh.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", &self.home)
            .env("TMPDIR", self.home.join("tmp"));
        sh.env("MAINSTAY_BIN", binaries::path("mainstay")).env("MAINSTAY_KNOWN_HOSTS", &self.known_hosts);
        sh.env("MAINSTAY_HOST", format!("{}@{}", Sshd::account(), self.sshd.address()));
        sh.env("MAINSTAY_SSH_KEY", self.secret(key));
        Running::start(sh, words.join(" ")).wait()
    }

    fn secret(&self, key: &str) -> String {
        fs::read_to_string(self.sshd.public_key_file(key).with_extension("")).expect("made before")
    }

    /// Nothing of a key is said or left behind.
    fn tells_no_secret(&self, key: &str, said: &Said) {
        let secret = self.secret(key);
        let line = secret.lines().nth(1).expect("a key has lines");
        assert!(!said.all().contains(line), "{said}");
        let left: Vec<_> = fs::read_dir(self.home.join("tmp")).expect("own folder").flatten().collect();
        assert!(left.is_empty(), "{left:?} after {said}");
    }
}

/// A key that the server's administrator made for one environment.
fn add_key(mainstay: &Mainstay, sshd: &Sshd, name: &str, site: &str) {
    sshd.make_key(name);
    let (keys, public) = (sshd.authorized_keys(), sshd.public_key_file(name));
    let words =
        ["user", "--authorized-keys", &keys.to_string_lossy(), "add-key", "--role", "deploy", "--app", site];
    mainstay.cli(&[&words[..], &[&public.to_string_lossy()]].concat()).expect_code(0);
}

/// CI-01, CI-02, CI-07, W-I1.
#[test]
fn what_was_tested_is_planned_deployed_to_staging_asked_and_deployed_to_production() {
    let mut mainstay = Mainstay::start();
    // A wildcard is no name that the smoke could ask the DNS for.
    let staging = "[environment.staging]\nroute = [{ hosts = [\"*.staging.test\"], service = \"web\" }]";
    let app = FakeApp::new(&mainstay, "shop").host("*.shop.test").tables(staging);
    app.deploy_to(&mainstay, &[]).expect_code(0);
    let sshd = Sshd::start_with(&format!(
        "SetEnv PATH={} MAINSTAY_DATA={}",
        path(&mainstay),
        mainstay.data().display()
    ));
    add_key(&mainstay, &sshd, "staging", "shop/staging");
    add_key(&mainstay, &sshd, "production", "shop/production");
    let app = app.next();
    app.write();
    let checkout = app.folder();
    let words = [
        "export",
        "ci",
        "github",
        "--build",
        "date +%N >built",
        "--test",
        "test -s built",
        "--audit",
        "true",
    ];
    mainstay.cli_in(checkout, &words).expect_code(0);
    let runner = Runner::new(&mainstay, &sshd);
    for verb in ["build", "test", "audit", "pack", "install", "check"] {
        runner.step(checkout, "staging", &[verb]).expect_code(0);
    }
    let sarif = fs::read_to_string(checkout.join("check.sarif")).expect("written");
    assert!(sarif.contains("\"version\":\"2.1.0\""), "{sarif}");
    // The jobs that deploy have the artifact alone.
    let job = mainstay.folder().join("job");
    fs::create_dir(&job).expect("own folder");
    let untar = Command::new("tar").arg("-xf").arg(checkout.join("release.tar")).current_dir(&job).status();
    assert!(untar.expect("tar").success());
    let said = runner.step(&job, "staging", &["plan", "staging"]).expect_code(0);
    runner.tells_no_secret("staging", &said);
    assert!(
        mainstay.api("/v1/apps/shop/staging/status").is_none_or(|status| status["serving"].is_null()),
        "a plan deploys nothing"
    );
    // Whoever does all of it by hand has one checkout.
    fs::copy(checkout.join("release.tar"), job.join("release.tar")).expect("own folder");
    fs::copy(checkout.join("check.sarif"), job.join("check.sarif")).expect("own folder");
    let said = runner.step(&job, "staging", &["deploy", "staging"]).expect_code(0);
    let released = mainstay.data().join("apps/shop/staging/releases/1/files");
    assert!(
        released.is_dir() && !released.join("release.tar").exists() && !released.join("check.sarif").exists()
    );
    runner.tells_no_secret("staging", &said);
    runner.step(&job, "staging", &["smoke", "staging"]).expect_code(0);
    assert_eq!((mainstay.serving("shop/staging"), mainstay.serving("shop/production")), (1, 1));
    // The key of one environment is none for the other, whatever the pipeline says.
    let said = runner.step(&job, "staging", &["deploy", "production"]).expect_code(1);
    assert!(said.err.contains("[not-allowed]"), "{said}");
    runner.step(&job, "production", &["deploy", "production"]).expect_code(0);
    runner.step(&job, "production", &["smoke", "production"]).expect_code(0);
    assert_eq!(mainstay.serving("shop/production"), 2);
    let digest = |site: &str| {
        let releases = mainstay.api(&format!("/v1/apps/{site}/releases")).expect("answered");
        let all = releases.as_array().cloned().unwrap_or_default();
        all.into_iter().find(|release| release["state"] == "serving").expect("one serves")["digest"]
            .to_string()
    };
    assert_eq!(digest("shop/staging"), digest("shop/production"), "the bytes that were tested");
    // A server with another key, and a program with another digest, get nothing.
    let stranger = Runner {
        known_hosts: runner.known_hosts.replace("AAAA", "AAAB"),
        home: runner.home.clone(),
        sshd: &sshd,
    };
    let said = stranger.step(&job, "staging", &["deploy", "staging"]).expect_code(1);
    assert!(said.err.contains("host-key-"), "{said}");
    let said = runner.step(&job, "staging", &["nonsense"]).expect_code(64);
    assert!(said.err.contains("smoke ENV"), "{said}");
    mainstay.down();
}

fn path(mainstay: &Mainstay) -> String {
    let folder = mainstay.folder().join("bin-there");
    fs::create_dir_all(&folder).expect("own folder");
    std::os::unix::fs::symlink(binaries::path("mainstay"), folder.join("mainstay")).expect("own folder");
    format!("{}:/usr/bin:/bin", folder.display())
}

/// W-I4, W-I5.
#[test]
fn the_schemas_of_the_forges_take_every_pipeline() {
    let mainstay = Mainstay::start();
    let app = FakeApp::new(&mainstay, "shop");
    app.write();
    let packages = registry::python("check-jsonschema", &["check-jsonschema==0.39.0"]);
    for (forge, file, schema) in [
        ("github", ".github/workflows/mainstay.yml", "vendor.github-workflows"),
        ("gitlab", ".gitlab-ci.yml", "vendor.gitlab-ci"),
        // Its language is GitHub's.
        ("forgejo", ".forgejo/workflows/mainstay.yml", "vendor.github-workflows"),
    ] {
        mainstay
            .cli_in(app.folder(), &["export", "ci", forge, "--force", "--test", "make test"])
            .expect_code(0);
        let path = app.folder().join(file);
        let judge = |path: &Path| {
            let mut judge = Command::new("/usr/bin/python3");
            judge
                .args(["-m", "check_jsonschema", "--builtin-schema", schema])
                .arg(path)
                .env("PYTHONPATH", &packages);
            let said = judge.output().expect("python3");
            (said.status.success(), String::from_utf8_lossy(&said.stdout).into_owned())
        };
        let (is_taken, said) = judge(&path);
        assert!(is_taken, "{forge}: {said}");
        let text = fs::read_to_string(&path).expect("written");
        assert!(
            !text.contains("@STAGING") && !text.contains("@PRODUCTION"),
            "every word is filled in: {text}"
        );
        // The judge is no yes-man.
        let broken = app.folder().join("broken.yml");
        fs::write(&broken, text.replace("script:", "scripd:").replace("steps:", "stebs:"))
            .expect("own folder");
        assert!(!judge(&broken).0, "{forge}");
    }
    let said = mainstay.cli_in(app.folder(), &["export", "ci", "github"]).expect_code(1);
    assert!(said.err.contains("[already-there]"), "{said}");
    let script = Command::new("sh").arg("-n").arg(app.folder().join("ci/mainstay.sh")).status().expect("sh");
    assert!(script.success());
}
