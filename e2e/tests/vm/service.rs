//! Mainstay as a service of a guest, and the fake app on it.

use std::time::Duration;

use serde_json::Value;

use crate::guest::{Guest, Job};

/// Bound: of a deploy, on one processor with everything unoptimised.
pub(crate) const DEPLOYS_WITHIN: Duration = Duration::from_secs(90);
/// What stands in the fake app's folder in the guest.
pub(crate) const APP: &str = "/srv/fake";

/// The fake app with two instances, and what a journey adds to its manifest.
#[derive(Clone, Debug, Default)]
pub(crate) struct App {
    /// More tables.
    pub(crate) tables: String,
    pub(crate) bake_time: Option<&'static str>,
}

/// `mainstay install` on a guest that has none.
///
/// # Panics
/// When it fails.
pub(crate) fn install(guest: &Guest) {
    guest.ok("/share/bin/mainstay install");
}

impl App {
    /// Puts the app's folder into the guest, with `label` to tell its releases apart.
    pub(crate) fn place(&self, guest: &Guest, label: &str) {
        guest.put("fake/mainstay.toml", self.manifest());
        guest.put("fake/label", label);
        guest.ok(&format!("mkdir -p {APP} && cp /share/bin/fakeapp /share/fake/* {APP}"));
    }

    /// Deploys a release to its end.
    ///
    /// # Panics
    /// When the deploy fails.
    pub(crate) fn deploy(&self, guest: &Guest, label: &str) {
        self.place(guest, label);
        let said = guest.start(DEPLOY).end(DEPLOYS_WITHIN);
        assert_eq!(said.status, 0, "{said}");
    }

    fn manifest(&self) -> String {
        let Self { tables, bake_time } = self;
        let bake_time = bake_time.unwrap_or("1s");
        format!(
            r#"manifest = 1
[app]
name = "fake"
[release]
dir = "."
shared_paths = ["state"]
[service.web]
command = ["./fakeapp"]
instances = 2
listen = "tcp"
env = {{ FAKE_LEDGER = "{{shared_dir}}/state/ledger" }}
stop_timeout = "5s"
[service.web.probes]
startup = {{ http = "/up", period = "200ms", timeout = "5s", deadline = "30s" }}
readiness = {{ http = "/ready", period = "500ms", timeout = "5s", success_threshold = 1, failure_threshold = 3 }}
[[route]]
hosts = ["fake.test"]
path_prefix = "/"
service = "web"
tls = "optional"
[deploy]
min_healthy_time = "1s"
bake_time = "{bake_time}"
health_timeout = "60s"
{tables}
"#
        )
    }
}

/// The command of a deploy, in the app's folder. Its lines come when a phase is over.
pub(crate) const DEPLOY: &str = "cd /srv/fake && mainstay deploy";
/// The same, with a line as a phase begins.
pub(crate) const DEPLOY_WITH_EVENTS: &str = "cd /srv/fake && mainstay deploy --json";

/// What [`DEPLOY_WITH_EVENTS`] says as a phase begins.
pub(crate) fn entered(phase: &str) -> String {
    format!(r#""entered":{{"phase":"{phase}"}}"#)
}

const LEDGER: &str = "/var/lib/mainstay/apps/fake/production/shared/state/ledger";

/// `mainstay status --json` of the fake app.
///
/// # Panics
/// When the keeper does not answer.
pub(crate) fn status(guest: &Guest) -> Value {
    let text = guest.ok("mainstay --app fake status --json");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The release that the edge serves.
pub(crate) fn serving(guest: &Guest) -> u64 {
    status(guest)["serving"].as_u64().unwrap_or(0)
}

/// What an answer of the fake app says of who wrote it: `nonce=… release=N instance=…`.
pub(crate) fn answer(guest: &Guest) -> String {
    guest.ok("curl -sS --fail --max-time 20 -H 'Host: fake.test' http://127.0.0.1/up | head -1")
}

/// The fake app answers through the edge, as `release`, on a machine that nobody has touched since it started.
///
/// # Panics
/// When it does not within 60 s.
pub(crate) fn serves_by_itself(guest: &Guest, release: u64) {
    guest.until(
        &format!("release {release} answers"),
        Duration::from_secs(60),
        &format!("curl -sS --fail -H 'Host: fake.test' http://127.0.0.1/up | grep 'release={release} '"),
    );
    assert_eq!(serving(guest), release);
}

/// The judge's load, until [`enough`].
pub(crate) fn judge(guest: &Guest, release: u64) -> Job<'_> {
    let judge = guest.start(&format!(
        "rm -f /run/enough; mkfifo /run/enough; exec /share/bin/judge fake.test {release} {LEDGER} <>/run/enough"
    ));
    judge.says("at work", Duration::from_secs(60));
    judge
}

/// Ends the load; its report must say that nothing failed.
///
/// # Panics
/// When anything failed.
pub(crate) fn enough(guest: &Guest, judge: Job<'_>) {
    guest.ok("echo >/run/enough");
    let said = judge.end(Duration::from_secs(90));
    assert_eq!(said.status, 0, "the judge {said}");
}
