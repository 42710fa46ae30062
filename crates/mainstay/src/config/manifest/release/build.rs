//! `[release.build]`: the command that makes of the files what runs.

use model::{
    Span,
    manifest::{Build, BuildNetwork, BuildPlace},
};

use crate::config::{
    decode::Section,
    manifest::{service, text},
    problem::Problem,
};

/// The words of `where`.
pub(in crate::config::manifest) const PLACES: [(&str, BuildPlace); 2] =
    [("server", BuildPlace::Server), ("client", BuildPlace::Client)];
/// The words of `network`.
pub(in crate::config::manifest) const NETWORKS: [(&str, BuildNetwork); 2] =
    [("machine", BuildNetwork::Machine), ("none", BuildNetwork::None)];
/// Unless it says another time.
const TIMEOUT: Span = Span::secs(15 * 60);
const TIMEOUT_MIN: Span = Span::secs(1);
/// Bound: a whole deploy has 45 minutes.
const TIMEOUT_MAX: Span = Span::secs(40 * 60);

pub(super) fn build(section: &mut Section<'_, '_, '_>) -> Option<Build> {
    let place = section.one_of("where", &PLACES).unwrap_or(BuildPlace::Server);
    let command = text::command(section, "command");
    if !section.has("command") {
        section.missing("command", "command = [\"npm\", \"ci\", \"--omit=dev\"]");
    }
    let timeout = section.duration("timeout").unwrap_or(TIMEOUT);
    if !(TIMEOUT_MIN..=TIMEOUT_MAX).contains(&timeout) {
        let span = section.span_of("timeout");
        section.problem(
            Problem::new("out-of-range", span, "`timeout` must be between 1s and 40m")
                .help("a whole deploy has 45 minutes; what takes longer is built elsewhere, and its result is deployed as `artifact`"),
        );
    }
    let env = text::env(section);
    let env_secrets = text::env_secrets(section, &env);
    let limits = section.table("limits", service::limits);
    let network = section.one_of("network", &NETWORKS).unwrap_or_default();
    for key in ["env_secrets", "limits", "network"] {
        if place == BuildPlace::Client && section.has(key) {
            let span = section.span_of(key);
            section.problem(
                Problem::new("not-on-client", span, format!("`{key}` is for a build on the server"))
                    .help("on the client the command runs as you, with the variables that you have"),
            );
        }
    }
    Some(Build {
        place,
        command: command.unwrap_or_default(),
        timeout,
        env,
        env_secrets,
        limits: limits.unwrap_or_default(),
        network,
    })
}
