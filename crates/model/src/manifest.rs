//! What a `mainstay.toml` means, after it was read, merged with its environment, defaulted and checked.
//!
//! The binary's `config` room turns text into this; nothing else reads TOML. A [`Manifest`] is a stored format: each
//! release keeps its own as JSON beside its files, with [`FORMAT`].

mod compress;
mod deploy;
pub mod files;
mod migrate;
mod rate_limit;
mod release;
mod rules;

use std::{collections::BTreeMap, num::NonZeroU32};

use serde::{Deserialize, Serialize};

pub use self::{
    compress::{Compress, Encoding},
    deploy::{AbortIf, Canary, Deploy, Drain, DrainHint, Smoke, Strategy},
    files::Files,
    migrate::{HALF_DONE, LEADS_TO, Migrate, MigrateStep, MigrateTool, MigrateWords},
    rate_limit::{LimitKey, RateLimit},
    release::{Build, BuildNetwork, BuildPlace, Proof, Release, Source, asset_retention},
    rules::{Access, Affinity, Cors, Headers, Redirect, Rewrite},
};
use crate::{AppName, ByteSize, EnvName, Sandbox, ServiceName, Span};

/// Version of the stored form; a reader accepts this and the one before.
pub const FORMAT: u32 = 1;

/// Bound: instances of one service, in the manifest and by `mainstay scale`.
pub const INSTANCES_MAX: u32 = 512;

/// Where the programs of an app are looked for unless its manifest sets `PATH`.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    pub app: AppName,
    /// The environment that these values were merged for.
    pub env: EnvName,
    pub release: Release,
    /// Of all that runs of the app; see [`Manifest::sandbox_of`].
    #[serde(default = "Sandbox::open")]
    pub sandbox: Sandbox,
    pub services: BTreeMap<ServiceName, Service>,
    /// Services that run at times and end by themselves; no name of these is one of `services`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cron: BTreeMap<ServiceName, Cron>,
    pub routes: Vec<Route>,
    pub deploy: Deploy,
    pub drain: Drain,
    pub migrate: Option<Migrate>,
    #[serde(default, skip_serializing_if = "Hooks::is_empty")]
    pub hooks: Hooks,
    pub logs: Logs,
}

/// Commands of the app around a deploy. Those before it may forbid it, those after it only warn.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hooks {
    /// When the new release is on disk and before anything of it runs or migrates.
    pub pre_deploy: Option<Hook>,
    /// When it serves and has baked.
    pub post_deploy: Option<Hook>,
    /// When a release was taken back, by Mainstay or by a person.
    pub on_rollback: Option<Hook>,
}

impl Hooks {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub fn all(&self) -> impl Iterator<Item = &Hook> {
        self.pre_deploy.iter().chain(&self.post_deploy).chain(&self.on_rollback)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Program and arguments; placeholders `{release_dir} {shared_dir}` allowed.
    pub command: Vec<String>,
    /// What runs longer is stopped, and has failed.
    pub timeout: Span,
    pub env: BTreeMap<String, String>,
    /// Names of secrets that are put into its environment.
    pub env_secrets: Vec<String>,
}

/// One kind of process of the app.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Program and arguments; placeholders `{port} {host} {socket} {release_dir} {shared_dir} {instance}` allowed.
    pub command: Vec<String>,
    /// Mainstay serves these, and there is no command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Files>,
    pub instances: NonZeroU32,
    #[serde(default)]
    pub overlap: Overlap,
    #[serde(default, skip_serializing_if = "StartAt::is_switch")]
    pub start_at: StartAt,
    /// How it takes requests; `None`: a worker, ready when it said `READY=1` or lived for `min_healthy_time`.
    pub listen: Option<Listen>,
    pub env: BTreeMap<String, String>,
    /// Names of secrets that are put into its environment.
    pub env_secrets: Vec<String>,
    pub stop_signal: StopSignal,
    pub stop_timeout: Span,
    pub limits: Limits,
    /// What it may beside the app's.
    #[serde(default)]
    pub sandbox: Sandbox,
    pub restart: Restart,
    pub probes: Probes,
    /// Production refuses an instance that listens on all interfaces unless this is said.
    pub allow_public_bind: bool,
    /// When an instance is replaced that works well; `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recycle: Option<Recycle>,
}

/// Whether two releases of a service may run side by side for a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// The new one is gated beside the old one, which is then drained.
    #[default]
    Allow,
    /// The old one is gone before the new one starts: one instance, to which no route leads.
    Never,
}

/// When a deploy starts a worker of the new release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartAt {
    /// Around the switch: before it, or right after it where `overlap` is `never`.
    #[default]
    Switch,
    /// When the bake has ended well; the old one works until then.
    AfterBake,
}

impl StartAt {
    fn is_switch(&self) -> bool {
        *self == Self::Switch
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Listen {
    /// On 127.0.0.1 and a port that Mainstay picks: `{port}`, `PORT`.
    Tcp,
    /// On the unix socket `{socket}`.
    Unix,
    /// On descriptor 3, bound by Mainstay: `LISTEN_FDS=1`.
    Inherit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopSignal {
    #[serde(rename = "SIGTERM")]
    Term,
    #[serde(rename = "SIGINT")]
    Int,
    #[serde(rename = "SIGQUIT")]
    Quit,
    #[serde(rename = "SIGHUP")]
    Hup,
    #[serde(rename = "SIGUSR1")]
    Usr1,
    #[serde(rename = "SIGUSR2")]
    Usr2,
    #[serde(rename = "SIGWINCH")]
    Winch,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Open descriptors (`RLIMIT_NOFILE`).
    pub nofile: u64,
    /// Above this the kernel reclaims and slows (cgroup v2 `memory.high`).
    pub memory_high: Option<ByteSize>,
    /// Above this the kernel kills (cgroup v2 `memory.max`).
    pub memory_max: Option<ByteSize>,
    /// Processes and threads (cgroup v2 `pids.max`, else `RLIMIT_NPROC`).
    pub tasks_max: Option<u64>,
    /// Share of the processor beside others when it is short: 1 to 10000 (cgroup v2 `cpu.weight`, where 100 is usual).
    #[serde(default)]
    pub cpu_weight: Option<u64>,
}

/// Back-off after an exit nobody asked for: never given up, only slower (RUN-03, W-C18).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Restart {
    pub backoff_initial: Span,
    pub backoff_factor: f64,
    pub backoff_max: Span,
    /// Share of the delay that is random, 0 to 1, so that instances do not restart in step.
    pub jitter: f64,
    /// Up for this long: the next delay is the first one again.
    pub reset_after: Span,
    /// More exits than this within `window`: degraded, tried every `degraded_every`.
    pub max_restarts: u32,
    pub window: Span,
    pub degraded_every: Span,
    #[serde(default)]
    pub on_crash_loop: OnCrashLoop,
}

/// When an instance is replaced though nothing is wrong with it: whichever comes first (RUN-05). Age and requests are
/// spread by a tenth, so that instances which began together do not go together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recycle {
    /// From the start of its process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Span>,
    /// Answered by its process, as the edge that runs now has counted them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_requests: Option<u64>,
    /// Held by all its processes together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
}

/// What becomes of a release whose instance is degraded within an hour of its deploy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnCrashLoop {
    /// It is tried on, and shown.
    #[default]
    Retry,
    /// The last stable release takes over, once.
    Rollback,
}

/// One job that runs at times: a command that ends by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cron {
    /// Program and arguments; placeholders `{release_dir} {shared_dir}` allowed.
    pub command: Vec<String>,
    /// When it is due, in cron's grammar, as it was written.
    pub schedule: String,
    /// The zone of the IANA's list in which that is read.
    pub timezone: String,
    /// What runs longer is stopped.
    pub timeout: Span,
    pub catch_up: CatchUp,
    pub while_running: WhileRunning,
    pub env: BTreeMap<String, String>,
    /// Names of secrets that are put into its environment.
    pub env_secrets: Vec<String>,
    pub stop_signal: StopSignal,
    pub stop_timeout: Span,
    pub limits: Limits,
    /// What it may beside the app's.
    #[serde(default)]
    pub sandbox: Sandbox,
}

/// What a service starts, and with what.
#[derive(Clone, Copy, Debug)]
pub struct Program<'m> {
    pub service: &'m ServiceName,
    pub command: &'m [String],
    pub env: &'m BTreeMap<String, String>,
    pub env_secrets: &'m [String],
    pub limits: Limits,
}

/// What becomes of times at which nobody was there to run it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    /// They are missed, and recorded.
    None,
    /// The last of them runs late, once; those before it are missed.
    #[default]
    Latest,
}

/// What becomes of a time at which the run before it still goes on. Two never run at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhileRunning {
    /// It is skipped, and recorded.
    #[default]
    Skip,
    /// It runs as soon as the other has ended; of several that wait the last.
    Wait,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probes {
    /// The supervisor's: until it passes, the instance is starting.
    pub startup: Option<StartupProbe>,
    /// The edge's: decides traffic, never restarts. Required where a route leads to the service.
    pub readiness: Option<ReadinessProbe>,
    /// The supervisor's: restarts a process that hangs.
    pub liveness: Option<LivenessProbe>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeRequest {
    /// Path of the GET.
    pub http: String,
    /// `Host` that is sent; default: the first host of the routes that lead to the service, else `localhost`.
    pub host: Option<String>,
    pub period: Span,
    pub timeout: Span,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartupProbe {
    pub request: ProbeRequest,
    /// From spawn to the first pass.
    pub deadline: Span,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadinessProbe {
    pub request: ProbeRequest,
    /// In a row, to become ready.
    pub success_threshold: u32,
    /// In a row, to become unready.
    pub failure_threshold: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LivenessProbe {
    pub request: ProbeRequest,
    /// In a row, to be restarted.
    pub failure_threshold: u32,
}

/// Which requests go to which service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Lower case, without port; empty: any host.
    pub hosts: Vec<String>,
    /// Starts with `/`; matches whole path segments.
    pub path_prefix: String,
    pub service: ServiceName,
    pub tls: RouteTls,
    pub balance: Balance,
    /// `None`: each request goes where there is room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// From the last byte of the request to the answer's head: a slow first token.
    pub response_header_timeout: Span,
    /// Between two bytes of an answer.
    pub idle_timeout: Span,
    pub max_request_body: ByteSize,
    /// Each must let a request pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rate_limits: Vec<RateLimit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
    #[serde(default, skip_serializing_if = "Headers::is_empty")]
    pub headers: Headers,
    /// The first that is meant counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redirects: Vec<Redirect>,
    /// As with redirects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rewrites: Vec<Rewrite>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Access>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compress: Option<Compress>,
}

impl Route {
    /// Any host and path to `service`, and every other key as it is when a manifest does not say it.
    pub fn to(service: ServiceName) -> Self {
        Self {
            hosts: Vec::new(),
            path_prefix: "/".to_owned(),
            service,
            tls: RouteTls::Optional,
            balance: Balance::LeastConnections,
            affinity: None,
            response_header_timeout: Span::secs(120),
            idle_timeout: Span::secs(300),
            max_request_body: ByteSize::mib(50),
            rate_limits: Vec::new(),
            cors: None,
            headers: Headers::default(),
            redirects: Vec::new(),
            rewrites: Vec::new(),
            access: None,
            compress: None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteTls {
    /// Plain HTTP redirects to HTTPS.
    Required,
    Optional,
    /// Only by plain HTTP.
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    LeastConnections,
    RoundRobin,
}

/// Per instance, on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logs {
    /// Of all files of one instance together.
    pub max_bytes: ByteSize,
    pub max_age: Span,
}

impl Default for Limits {
    fn default() -> Self {
        Self { nofile: 65_536, memory_high: None, memory_max: None, tasks_max: None, cpu_weight: None }
    }
}

impl Default for Restart {
    fn default() -> Self {
        Self {
            backoff_initial: Span::millis(500),
            backoff_factor: 2.0,
            backoff_max: Span::secs(30),
            jitter: 0.2,
            reset_after: Span::secs(60),
            max_restarts: 10,
            window: Span::secs(600),
            degraded_every: Span::secs(60),
            on_crash_loop: OnCrashLoop::Retry,
        }
    }
}

impl Default for Logs {
    fn default() -> Self {
        Self { max_bytes: ByteSize::mib(200), max_age: Span::secs(14 * 24 * 3600) }
    }
}

impl Manifest {
    /// The site that this manifest is for.
    pub fn site(&self) -> crate::Site {
        crate::Site { app: self.app.clone(), env: self.env.clone() }
    }

    /// Whether nothing older may run beside it.
    pub fn recreates(&self) -> bool {
        self.deploy.strategy == Strategy::Recreate
    }

    /// What runs of the app under a service's name, whether it lives on or ends by itself.
    pub fn programs(&self) -> impl Iterator<Item = Program<'_>> {
        let services = self.services.iter().map(|(service, s)| Program {
            service,
            command: &s.command,
            env: &s.env,
            env_secrets: &s.env_secrets,
            limits: s.limits,
        });
        services.chain(self.cron.iter().map(|(service, c)| Program {
            service,
            command: &c.command,
            env: &c.env,
            env_secrets: &c.env_secrets,
            limits: c.limits,
        }))
    }

    /// Who asks for which secrets: the programs by their service, build, migration and hooks by the table's name.
    pub fn secrets_by_user(&self) -> impl Iterator<Item = (&str, &[String])> {
        let programs = self.programs().map(|program| (program.service.as_str(), program.env_secrets));
        let build = self.release.build.iter().map(|build| ("release.build", build.env_secrets.as_slice()));
        let migration = self.migrate.iter().map(|migrate| ("migrate", migrate.env_secrets.as_slice()));
        let hooks = self.hooks.all().map(|hook| ("hooks", hook.env_secrets.as_slice()));
        programs.chain(build).chain(migration).chain(hooks)
    }

    /// What holds the processes of `service`: its own loosenings and the app's.
    pub fn sandbox_of(&self, service: &ServiceName) -> Sandbox {
        let living = self.services.get(service).map(|service| &service.sandbox);
        let own = living.or_else(|| self.cron.get(service).map(|cron| &cron.sandbox));
        own.map_or_else(|| self.sandbox.clone(), |own| self.sandbox.with(own))
    }

    /// The first host that leads to `service`, for probes that name none.
    pub fn host_of(&self, service: &ServiceName) -> Option<&str> {
        let leads_here = self.routes.iter().filter(|route| route.service == *service);
        leads_here.flat_map(|route| &route.hosts).next().map(String::as_str)
    }

    /// Whether requests reach `service` through the edge.
    pub fn is_routed(&self, service: &ServiceName) -> bool {
        self.routes.iter().any(|route| route.service == *service)
    }
}
