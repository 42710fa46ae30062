//! `mainstay.toml`: text becomes [`Manifest`], merged with one environment, defaulted and checked.
//!
//! [`parse`] is all that others need. The keys of each table stand in a file of their own under `manifest/`; what only
//! holds between tables (a route to a service that is missing) stands in [`check`].

mod check;
mod compress;
mod cron;
mod deploy;
mod files;
mod hooks;
mod loops;
mod merge;
mod migrate;
mod probes;
mod rate_limit;
mod release;
mod render;
mod route;
mod rules;
mod sandbox;
mod service;
#[cfg(test)]
mod tests;
mod text;

use std::{collections::BTreeMap, ops::Range};

use model::{
    AppName, EnvName, Explain, ServiceName,
    manifest::{Cron, FORMAT, Manifest, Service},
};
use serde_spanned::Spanned;
use toml::de::DeTable;

pub use self::render::{origins, render};
pub(crate) use self::{
    rules::{is_of_answers, is_of_requests},
    text::{Variable, host, is_host, is_plain_path, is_token, kind_of_variable as variable},
};
use super::{
    decode::{self, At, Later, Problems, Section},
    problem::{ConfigErrors, Problem, Warning},
};

/// What no manifest can do without.
const REQUIRED: [(&str, &str, &str); 3] = [
    ("app", "[app]", "[app]` with `name = \"my-app\""),
    ("release", "[release]", "[release]` with `dir = \".\""),
    ("service", "[service.NAME]", "[service.web]` with `command = [\"node\", \"server.js\"]"),
];

/// The number that `manifest = N` may have.
const MANIFEST_FORMAT: u64 = 1;

/// Bound: the longest manifest that is read; the API carries no longer one.
pub const TEXT_BYTES_MAX: usize = 256 << 10;

const LATER: &[Later] = &[
    Later {
        key: "backup",
        instead: "backups come in a later version; until then protect the shared folder yourself",
    },
    Later {
        key: "secrets",
        instead: "secrets reach a service by `env_secrets`; their source stands in machine.toml",
    },
];

/// For the question where a key belongs; `web` stands for any service.
const EVERY_TABLE: &str = "[app]\n[release]\n[sandbox]\n[service.web.limits]\n[service.web.restart]\n[service.web.recycle]\n[service.web.probes]\nstartup = {}\n\
    readiness = {}\nliveness = {}\n[[route]]\n[[route.rate_limit]]\n[route.cors]\n[route.headers]\n[[route.redirect]]\n[[route.rewrite]]\n[route.access]\n[route.compress]\n[deploy.canary]\n[deploy.abort_if]\n[drain]\n[migrate]\n[hooks]\npre_deploy = {}\n[secrets]\n[logs]\n";

/// What could be read, with the places that checks between tables need. Where something was wrong it holds a stand-in:
/// it is only ever given out when nothing was.
pub(crate) struct Draft {
    pub manifest: Manifest,
    pub services: BTreeMap<ServiceName, Written>,
    pub routes: Vec<Written<route::Places>>,
}

/// What a table `[service.NAME]` is.
enum AnyService {
    Living(Box<Service>),
    Cron(Box<Cron>),
}

/// Where something was written.
pub(crate) struct Written<P = Range<usize>> {
    pub at: P,
    /// Something in it is wrong: what it lacks may be due to that, and is not told.
    pub doubtful: bool,
}

/// Reads a manifest for one environment. `file_name` only stands in messages.
///
/// All environments of the file are looked at, so that a mistake in staging is told when production is deployed, not
/// on the evening when staging is.
///
/// # Errors
/// All mistakes of the file, in its order.
pub fn parse(text: &str, file_name: &str, env: &EnvName) -> Result<(Manifest, Vec<Warning>), ConfigErrors> {
    let mut problems = Problems::default();
    let meant = read(text, env, &mut problems);
    if !problems.is_empty() {
        let mut all = Problems::default();
        read(EVERY_TABLE, env, &mut all);
        problems.place_unknown(&all);
    }
    match meant {
        Some((manifest, warnings)) if problems.is_empty() => {
            Ok((manifest, warnings.into_iter().map(Warning).collect()))
        }
        _ => Err(ConfigErrors {
            file: file_name.to_owned(),
            text: text.to_owned(),
            problems: problems.into_sorted(),
        }),
    }
}

fn read(text: &str, env: &EnvName, problems: &mut Problems) -> Option<(Manifest, Vec<Explain>)> {
    if text.len() > TEXT_BYTES_MAX {
        problems.push(
            Problem::new(
                "too-long",
                0..0,
                format!("the manifest is longer than {} KiB", TEXT_BYTES_MAX >> 10),
            )
            .help("is this the right file?"),
        );
        return None;
    }
    let tree = decode::parse(text, problems)?;
    let environments = merge::environments(&tree, problems);
    let draft = read_merged(&tree, env, problems);
    for other in environments.iter().filter(|other| *other != env) {
        read_merged(&tree, other, problems);
    }
    let mut warnings = check::warnings(&draft);
    warnings.extend(unknown_environment(env, &environments));
    Some((draft.manifest, warnings))
}

fn read_merged(tree: &Spanned<DeTable<'_>>, env: &EnvName, problems: &mut Problems) -> Draft {
    let merged = merge::merged(tree.get_ref(), env.as_str());
    let mut top = Section::new("", 0..0, &merged, problems);
    let draft = manifest(&mut top, env);
    top.finish();
    check::between_tables(&draft, problems);
    draft
}

fn manifest(top: &mut Section<'_, '_, '_>, env: &EnvName) -> Draft {
    top.later(LATER);
    format(top);
    for (key, what, example) in REQUIRED {
        if !top.has(key) {
            top.missing(what, example);
        }
    }
    let app = top.table("app", app);
    let release = top.table("release", |section| Some(release::release(section)));
    let sandbox = top.table("sandbox", sandbox::sandbox);
    let services = top.named_tables("service", |_: &ServiceName, section| {
        let before = section.problem_count();
        let service = if section.has(cron::KEY) {
            AnyService::Cron(Box::new(cron::cron(section)))
        } else {
            AnyService::Living(Box::new(service::service(section)))
        };
        section.finish();
        Some((service, section.problem_count() > before))
    });
    let routes = top.tables("route", |section| {
        let before = section.problem_count();
        let (route, places) = route::route(section)?;
        section.finish();
        Some((route, Written { at: places, doubtful: section.problem_count() > before }))
    });
    let (routes, route_places) = routes.unwrap_or_default().into_iter().map(|at| at.value).unzip();
    let mut manifest = Manifest {
        format: machine::formats::current(FORMAT),
        app: app.unwrap_or_else(stand_in),
        env: env.clone(),
        release: release.unwrap_or_else(release::stand_in),
        sandbox: sandbox.unwrap_or_default(),
        services: BTreeMap::new(),
        cron: BTreeMap::new(),
        routes,
        deploy: top.table("deploy", |section| Some(deploy::deploy(section))).unwrap_or_default(),
        drain: top.table("drain", |section| Some(deploy::drain(section))).unwrap_or_default(),
        migrate: top.table("migrate", |section| Some(migrate::migrate(section))),
        hooks: top.table("hooks", |section| Some(hooks::hooks(section))).unwrap_or_default(),
        logs: top.table("logs", |section| Some(deploy::logs(section))).unwrap_or_default(),
    };
    let mut places = BTreeMap::new();
    for (name, At { value: (service, doubtful), span }) in services.unwrap_or_default() {
        places.insert(name.clone(), Written { at: span, doubtful });
        match service {
            AnyService::Living(service) => drop(manifest.services.insert(name, *service)),
            AnyService::Cron(cron) => drop(manifest.cron.insert(name, *cron)),
        }
    }
    Draft { manifest, services: places, routes: route_places }
}

fn format(top: &mut Section<'_, '_, '_>) {
    match top.integer("manifest", 1..=u64::MAX) {
        Some(MANIFEST_FORMAT) => {}
        Some(newer) => {
            let span = top.span();
            top.problem(
                Problem::new(
                    "newer-manifest",
                    span,
                    format!("this manifest is of format {newer}, and this version reads {MANIFEST_FORMAT}"),
                )
                .help("use a newer `mainstay`, on this machine and where you deploy to"),
            );
        }
        None if !top.has("manifest") => top.missing("manifest", "manifest = 1"),
        None => {}
    }
}

fn app(section: &mut Section<'_, '_, '_>) -> Option<AppName> {
    let name = section.parsed("name", "bad-name", "a name like `\"my-app\"`");
    if !section.has("name") {
        section.missing("name", "name = \"my-app\"");
    }
    name.map(|at| at.value)
}

/// A name for a manifest that has none and is therefore never given out.
fn stand_in() -> AppName {
    match "unnamed".parse() {
        Ok(name) => name,
        Err(_) => unreachable!("a literal that is a name"),
    }
}

/// A name that the file does not know is allowed (an environment needs no overrides), and more often a slip.
fn unknown_environment(env: &EnvName, known: &[EnvName]) -> Option<Explain> {
    if known.is_empty() || known.contains(env) || env.is_production() {
        return None;
    }
    let names: Vec<&str> = known.iter().map(EnvName::as_str).collect();
    let near = decode::nearest(env.as_str(), names.iter().copied());
    let meant = near.map_or_else(
        || format!("the file has {}", names.join(", ")),
        |near| format!("did you mean `--env {near}`?"),
    );
    Some(Explain::new("unknown-environment", format!("the manifest has no [environment.{env}]")).help(meant))
}

/// Whether a text may stand in a command or a value: it names no placeholder that stands for nothing.
pub fn is_plain(text: &str) -> bool {
    !text.contains('\0') && text::used(text).iter().all(|name| text::PLACEHOLDERS.contains(name))
}

/// The app's name, and nothing else of the file: it may be wrong everywhere else.
pub fn app_name(text: &str) -> Option<AppName> {
    let (tree, _) = DeTable::parse_recoverable(text);
    tree.get_ref().get("app")?.get_ref().get("name")?.get_ref().as_str()?.parse().ok()
}

/// The file as it stands for one environment, merged and not defaulted; `None` if it is no TOML.
pub fn merged_text(text: &str, env: &EnvName) -> Option<toml::Table> {
    let tree = DeTable::parse(text).ok()?;
    Some(merge::plain(merge::merged(tree.get_ref(), env.as_str())))
}
