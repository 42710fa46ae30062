//! A folder that can be deployed: the fake app with its manifest.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{Mainstay, Running, Said};
use crate::binaries;

/// The fake app in a folder, with the manifest of journey 1. Every change is written at the next deploy.
#[derive(Clone, Debug)]
pub struct FakeApp {
    folder: PathBuf,
    name: String,
    host: String,
    instances: u32,
    listen: &'static str,
    tls: &'static str,
    arguments: Vec<String>,
    env: BTreeMap<String, String>,
    deploy: BTreeMap<&'static str, String>,
    service: String,
    tables: String,
    label: u32,
}

impl FakeApp {
    /// In `<folder of mainstay>/apps/<name>`, for requests with the host `<name>.test`.
    ///
    /// # Panics
    /// When the folder cannot be written.
    pub fn new(mainstay: &Mainstay, name: &str) -> Self {
        let folder = mainstay.folder().join("apps").join(name);
        fs::create_dir_all(&folder).expect("the app's folder");
        place_binary(&folder.join("fakeapp"));
        let values = [
            ("min_healthy_time", "\"1s\""),
            ("bake_time", "\"1s\""),
            ("max_generations", "6"),
            ("health_timeout", "\"20s\""),
        ];
        let env = [("FAKE_LEDGER".to_owned(), "{shared_dir}/state/ledger".to_owned())];
        Self {
            folder,
            name: name.to_owned(),
            host: format!("{name}.test"),
            instances: 2,
            listen: "tcp",
            tls: "optional",
            arguments: Vec::new(),
            env: env.into(),
            deploy: values.map(|(key, value)| (key, value.to_owned())).into(),
            service: String::new(),
            tables: String::new(),
            label: 0,
        }
    }

    /// A variable of the app, as `FAKE_BOOT`; see [`crate::fakeapp::settings::Settings`].
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Its route takes every host.
    #[must_use]
    pub fn any_host(self) -> Self {
        self.host("")
    }

    /// `tcp`, `unix` or `inherit`.
    #[must_use]
    pub fn listen(mut self, listen: &'static str) -> Self {
        self.listen = listen;
        if listen == "unix" {
            self.env.insert("SOCKET".into(), "{socket}".into());
        }
        self
    }

    /// Of its route: `required`, `optional` or `off`.
    #[must_use]
    pub fn tls(mut self, tls: &'static str) -> Self {
        self.tls = tls;
        self
    }

    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        self.host = host.to_owned();
        self
    }

    #[must_use]
    pub fn instances(mut self, instances: u32) -> Self {
        self.instances = instances;
        self
    }

    /// An argument of the command.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// A key of `[deploy]` with its TOML value.
    #[must_use]
    pub fn deploy(mut self, key: &'static str, value: &str) -> Self {
        self.deploy.insert(key, value.to_owned());
        self
    }

    /// More lines in `[service.web]`.
    #[must_use]
    pub fn service(mut self, lines: &str) -> Self {
        self.service.push_str(lines);
        self.service.push('\n');
        self
    }

    /// More tables at the end of the manifest.
    #[must_use]
    pub fn tables(mut self, lines: &str) -> Self {
        self.tables.push_str(lines);
        self.tables.push('\n');
        self
    }

    /// Another release than any before it.
    #[must_use]
    pub fn next(mut self) -> Self {
        self.label += 1;
        self
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// `<name>/production`.
    pub fn site(&self) -> String {
        format!("{}/production", self.name)
    }

    /// The ledger of writes in production.
    pub fn ledger(&self, mainstay: &Mainstay) -> PathBuf {
        mainstay.shared(&self.site()).join("state/ledger")
    }

    /// The host that its route answers to.
    pub fn host_name(&self) -> &str {
        &self.host
    }

    /// `mainstay deploy` to its end.
    ///
    /// # Panics
    /// When it takes longer than the bound of a command.
    pub fn deploy_to(&self, mainstay: &Mainstay, more: &[&str]) -> Said {
        self.start_deploy(mainstay, more).wait()
    }

    /// `mainstay deploy` at work.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_deploy(&self, mainstay: &Mainstay, more: &[&str]) -> Running {
        self.write();
        mainstay.spawn_in(&self.folder, &[&["deploy"], more].concat())
    }

    /// Writes the manifest.
    ///
    /// # Panics
    /// When the folder cannot be written.
    pub fn write(&self) {
        fs::write(self.folder.join("mainstay.toml"), self.manifest()).expect("the manifest");
        fs::write(self.folder.join("label"), self.label.to_string()).expect("the label");
    }

    fn manifest(&self) -> String {
        let Self { name, host, instances, listen, tls, service, tables, .. } = self;
        let mut arguments = String::new();
        self.arguments.iter().for_each(|argument| write!(arguments, ", {argument:?}").expect("memory"));
        let pairs: Vec<_> = self.env.iter().map(|(name, value)| format!("{name} = {value:?}")).collect();
        let hosts = if host.is_empty() { String::new() } else { format!("hosts = [{host:?}]") };
        let deploy: Vec<_> = self.deploy.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        format!(
            r#"manifest = 1
[app]
name = "{name}"
[release]
dir = "."
shared_paths = ["state"]
[service.web]
command = ["./fakeapp"{arguments}]
instances = {instances}
listen = "{listen}"
env = {{ {env} }}
stop_timeout = "5s"
{service}
[service.web.probes]
startup = {{ http = "/up", period = "100ms", timeout = "1s", deadline = "12s" }}
readiness = {{ http = "/ready", period = "200ms", timeout = "1s", success_threshold = 1, failure_threshold = 3 }}
[[route]]
{hosts}
path_prefix = "/"
service = "web"
tls = "{tls}"
[deploy]
{deploy}
[drain]
websocket_timeout = "5s"
close_jitter = "1s"
{tables}
"#,
            env = pairs.join(", "),
            deploy = deploy.join("\n"),
        )
    }
}

/// A stripped copy: a debug build is ten times as big as what the test needs to send.
fn place_binary(to: &Path) {
    let from = binaries::path("fakeapp");
    let mut strip = Command::new("strip");
    strip.arg("-o").arg(to).arg(&from).stdout(Stdio::null()).stderr(Stdio::null());
    if !strip.status().is_ok_and(|status| status.success()) {
        fs::copy(&from, to).expect("the fake app was built");
    }
}
