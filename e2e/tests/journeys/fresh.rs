//! A fresh app is deployed by what `mainstay init` wrote, without a hand on it: each by its own package manager.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use testkit::{Mainstay, wait};

/// A build fetches packages.
const BUILT_WITHIN: Duration = Duration::from_secs(180);

struct Fresh {
    mainstay: Mainstay,
    folder: PathBuf,
}

impl Fresh {
    fn new(files: &[(&str, &str)]) -> Self {
        let mainstay = Mainstay::start();
        let folder = mainstay.folder().join("fresh");
        fs::create_dir_all(&folder).expect("a folder");
        files.iter().for_each(|(name, text)| fs::write(folder.join(name), text).expect("written"));
        Self { mainstay, folder }
    }

    /// Makes the lock file, and nothing else that stays.
    fn locked(self, line: &str) -> Self {
        let made = Command::new("sh").args(["-ec", line]).current_dir(&self.folder).output().expect("sh");
        assert!(made.status.success(), "{line}: {}", String::from_utf8_lossy(&made.stderr));
        self
    }

    /// Init and deploy, and no more; what it answers at `/`.
    fn deployed(&self, word: &str) {
        let said = self.mainstay.cli_in(&self.folder, &["init"]).expect_code(0);
        assert!(said.out.contains("not sent"), "what the build makes stays here: {said}");
        // As long as the release bakes nobody has to wait for it.
        self.mainstay.cli_in(&self.folder, &["deploy", "--detach"]).expect_code(6);
        wait::until("it is built, and serves", BUILT_WITHIN, || {
            let status = self.mainstay.cli_in(&self.folder, &["status", "--json"]);
            let status = status.json_lines().first().cloned().unwrap_or_default();
            assert!(status["last"]["error"].is_null(), "{}", self.told());
            status["serving"] == 1
        });
        let answer = self.mainstay.get("any.test", "/").expect("an answer");
        assert!(answer.status == 200 && answer.text().contains(word), "{}: {}", answer.status, answer.text());
    }

    fn told(&self) -> String {
        let manifest = fs::read_to_string(self.folder.join("mainstay.toml")).unwrap_or_default();
        format!("{}\n{manifest}", self.mainstay.cli_in(&self.folder, &["attach"]))
    }
}

const SERVER: &str = "
const ms = require('ms');
require('http').createServer((q, r) => r.end('ms says ' + ms(60000))).listen(process.env.PORT, process.env.HOST);
";
const PACKAGE: &str = r#"{ "name": "fresh", "version": "1.0.0", "scripts": { "start": "node server.js" },
  "dependencies": { "ms": "2.1.3" }, "devDependencies": { "is-number": "7.0.0" } }"#;

#[test]
fn a_node_app_by_pnpm() {
    let fresh = Fresh::new(&[("package.json", PACKAGE), ("server.js", SERVER)]);
    fresh.locked("npx --yes pnpm@9 install --lockfile-only").deployed("ms says 1m");
}
