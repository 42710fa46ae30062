//! The same app under Mainstay and under PM2.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use testkit::{
    Mainstay, Target,
    mainstay::{free_port, processes::kill},
    wait,
};

type Variables = [(&'static str, &'static str)];

/// Who runs the app.
pub(super) trait Rig {
    fn target(&self) -> Target;
    /// Replaces the running release by one with these variables; the exit code of the command.
    fn deploy(&mut self, variables: &Variables) -> i32;
    fn kill_instance(&mut self) -> i32;
    fn kill_keeper(&mut self) -> i32;
}

const SITE: &str = "bench/production";
const APP: &str = include_str!("../../config/app.js");

pub(super) struct Mainstays {
    mainstay: Mainstay,
    folder: PathBuf,
    instances: u32,
}

impl Mainstays {
    pub(super) fn start(instances: u32, variables: &Variables) -> Self {
        let mainstay = Mainstay::start();
        let folder = mainstay.folder().join("app");
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("app.js"), APP).expect("written");
        let mut rig = Self { mainstay, folder, instances };
        assert_eq!(rig.deploy(variables), 0, "the first release serves");
        rig
    }

    /// `None` before the first deploy.
    fn serving(&self) -> Option<u64> {
        self.mainstay.api(&format!("/v1/apps/{SITE}/status"))?["serving"].as_u64()
    }
}

impl Rig for Mainstays {
    fn target(&self) -> Target {
        // PM2 has no TLS: both are asked in plain HTTP.
        Target { tls: None, ..self.mainstay.target("bench.test") }
    }

    fn deploy(&mut self, variables: &Variables) -> i32 {
        let env: Vec<_> = variables.iter().map(|(name, value)| format!("{name} = {value:?}")).collect();
        let instances = self.instances;
        let text = format!(
            r#"manifest = 1
[app]
name = "bench"
[release]
dir = "."
[service.web]
command = ["node", "app.js"]
instances = {instances}
listen = "tcp"
env = {{ {} }}
[service.web.probes]
startup = {{ http = "/up", period = "200ms", timeout = "2s", deadline = "15s" }}
readiness = {{ http = "/ready", period = "200ms", timeout = "2s", success_threshold = 1 }}
[[route]]
hosts = ["bench.test"]
path_prefix = "/"
service = "web"
tls = "optional"
[deploy]
min_healthy_time = "1s"
bake_time = "1s"
health_timeout = "15s"
"#,
            env.join(", ")
        );
        fs::write(self.folder.join("mainstay.toml"), text).expect("written");
        let before = self.serving();
        let code = self.mainstay.cli_in(&self.folder, &["deploy"]).code;
        assert!(code != 0 || self.serving() != before, "a deploy that replaces nothing measures nothing");
        code
    }

    fn kill_instance(&mut self) -> i32 {
        self.mainstay.instances(SITE).into_values().take(1).for_each(kill);
        0
    }

    fn kill_keeper(&mut self) -> i32 {
        kill(self.mainstay.keeper_pid());
        0
    }
}

pub(super) struct Pm2s {
    pm2: PathBuf,
    home: tempfile::TempDir,
    port: u16,
    instances: u32,
}

impl Pm2s {
    pub(super) fn start(pm2: &Path, instances: u32, variables: &Variables) -> Self {
        let home = tempfile::tempdir().expect("a temporary folder");
        fs::write(home.path().join("app.js"), APP).expect("written");
        let rig = Self { pm2: pm2.to_owned(), home, port: free_port(), instances };
        rig.configure(variables);
        assert_eq!(rig.run(&["start", "ecosystem.json"]), 0, "PM2 starts");
        wait::until("the app listens under PM2", Duration::from_secs(20), || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, rig.port)).is_ok()
        });
        rig
    }

    fn configure(&self, variables: &Variables) {
        let mut env = serde_json::json!({ "PORT": self.port.to_string() });
        variables.iter().for_each(|(name, value)| env[*name] = (*value).into());
        let script = self.home.path().join("app.js");
        let app = serde_json::json!({
            "name": "bench", "script": script, "exec_mode": "cluster", "instances": self.instances, "env": env,
        });
        let text = serde_json::json!({ "apps": [app] }).to_string();
        fs::write(self.home.path().join("ecosystem.json"), text).expect("written");
    }

    fn run(&self, arguments: &[&str]) -> i32 {
        let mut command = Command::new(&self.pm2);
        command.args(arguments).current_dir(self.home.path()).env("PM2_HOME", self.home.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().ok().and_then(|status| status.code()).unwrap_or(-1)
    }

    fn pid(&self, file: &str) -> Option<u32> {
        fs::read_to_string(self.home.path().join(file)).ok()?.trim().parse().ok()
    }
}

impl Rig for Pm2s {
    fn target(&self) -> Target {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        Target { address, tls: None, host: "bench.test".into(), patience: testkit::judge::ANSWER_TIMEOUT }
    }

    fn deploy(&mut self, variables: &Variables) -> i32 {
        self.configure(variables);
        self.run(&["reload", "ecosystem.json", "--update-env"])
    }

    fn kill_instance(&mut self) -> i32 {
        self.pid("pids/bench-0.pid").into_iter().for_each(kill);
        0
    }

    fn kill_keeper(&mut self) -> i32 {
        self.pid("pm2.pid").into_iter().for_each(kill);
        0
    }
}

impl Drop for Pm2s {
    fn drop(&mut self) {
        self.run(&["kill"]);
        // After the daemon was killed its workers may live on.
        for file in ["pids/bench-0.pid", "pids/bench-1.pid"] {
            self.pid(file).into_iter().for_each(kill);
        }
    }
}
