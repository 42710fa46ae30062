//! `mainstay.toml`: text becomes [`Manifest`], merged with one environment, defaulted and checked.
//!
//! [`parse`] is all that others need. The keys of each table stand in a file of their own under `manifest/`; what only
//! holds between tables (a route to a service that is missing) stands in [`check`].

mod check;
mod deploy;
mod merge;
mod migrate;
mod probes;
mod release;
mod route;
mod service;
#[cfg(test)]
mod tests;
mod text;

use std::ops::Range;

use model::{
    AppName, EnvName, Explain, ServiceName,
    manifest::{FORMAT, Manifest},
};
use serde_spanned::Spanned;
use toml::de::DeTable;

use super::{
    decode::{self, At, Later, Problems, Section},
    problem::{ConfigErrors, Problem, Warning},
};

/// The number that `manifest = N` may have.
const MANIFEST_FORMAT: u64 = 1;

/// Bound: the longest manifest that is read; the API carries no longer one.
pub const TEXT_BYTES_MAX: usize = 256 << 10;

const LATER: &[Later] = &[
    Later {
        key: "backup",
        instead: "backups come in a later version; until then protect the shared folder yourself",
    },
    Later { key: "hooks", instead: "hooks come in a later version; a migration stands in [migrate]" },
    Later {
        key: "sandbox",
        instead: "sandboxing beyond user, no_new_privs and limits comes in a later version",
    },
    Later {
        key: "secrets",
        instead: "secrets reach a service by `env_secrets`; their source stands in machine.toml",
    },
];

/// The manifest with the places that checks between tables need.
pub(crate) struct Draft {
    pub manifest: Manifest,
    pub services: std::collections::BTreeMap<ServiceName, Range<usize>>,
    pub routes: Vec<route::Places>,
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
    let read = read(text, env, &mut problems);
    match read {
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
    let draft = draft?;
    let mut warnings = check::warnings(&draft);
    warnings.extend(unknown_environment(env, &environments));
    Some((draft.manifest, warnings))
}

fn read_merged(tree: &Spanned<DeTable<'_>>, env: &EnvName, problems: &mut Problems) -> Option<Draft> {
    let merged = merge::merged(tree.get_ref(), env.as_str());
    let mut top = Section::new("", tree.span().start..tree.span().start, &merged, problems);
    let draft = manifest(&mut top, env);
    top.finish();
    let draft = draft?;
    check::between_tables(&draft, problems);
    Some(draft)
}

fn manifest(top: &mut Section<'_, '_, '_>, env: &EnvName) -> Option<Draft> {
    top.later(LATER);
    format(top);
    let app = top.table("app", app);
    if !top.has("app") {
        top.missing("[app]", "[app]\nname = \"my-app\"");
    }
    let release = top.table("release", release::release);
    if !top.has("release") {
        top.missing("[release]", "[release]\ndir = \".\"");
    }
    let services = top.named_tables("service", service::service);
    if services.as_ref().is_none_or(std::collections::BTreeMap::is_empty) && !top.has("service") {
        top.missing("[service.NAME]", "[service.web]\ncommand = [\"node\", \"server.js\"]");
    }
    let routes = top.tables("route", route::route).unwrap_or_default();
    let deploy = top.table("deploy", deploy::deploy);
    let drain = top.table("drain", deploy::drain);
    let migrate = top.table("migrate", migrate::migrate);
    let logs = top.table("logs", deploy::logs);
    let (services, places) = split(services?);
    let (routes, route_places) = routes.into_iter().map(|at| at.value).unzip();
    let manifest = Manifest {
        format: FORMAT,
        app: app?,
        env: env.clone(),
        release: release?,
        services,
        routes,
        deploy: deploy.unwrap_or_default(),
        drain: drain.unwrap_or_default(),
        migrate,
        logs: logs.unwrap_or_default(),
    };
    Some(Draft { manifest, services: places, routes: route_places })
}

type Services<T> = std::collections::BTreeMap<ServiceName, T>;

fn split(
    services: Services<At<model::manifest::Service>>,
) -> (Services<model::manifest::Service>, Services<Range<usize>>) {
    let places = services.iter().map(|(name, at)| (name.clone(), at.span.clone())).collect();
    (services.into_iter().map(|(name, at)| (name, at.value)).collect(), places)
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
