//! `[hooks]`: commands of the app around a deploy.

use model::{
    Span,
    manifest::{Hook, Hooks},
};

use super::text;
use crate::config::{
    decode::{Later, Section},
    problem::Problem,
};

/// Unless it says another time.
const TIMEOUT: Span = Span::secs(60);
const TIMEOUT_MIN: Span = Span::secs(1);
/// Bound: the lock of the site is held meanwhile.
const TIMEOUT_MAX: Span = Span::secs(3600);

pub(super) fn hooks(section: &mut Section<'_, '_, '_>) -> Hooks {
    section.later(&[
        Later { key: "on_backup_failed", instead: "it comes with backups" },
        Later { key: "post_restore", instead: "it comes with backups" },
    ]);
    Hooks {
        pre_deploy: section.table("pre_deploy", hook),
        post_deploy: section.table("post_deploy", hook),
        on_rollback: section.table("on_rollback", hook),
    }
}

fn hook(section: &mut Section<'_, '_, '_>) -> Option<Hook> {
    let command = text::command(section, "command");
    if !section.has("command") {
        section.missing("command", "command = [\"./bin/check\"]");
    }
    let timeout = section.duration("timeout").unwrap_or(TIMEOUT);
    if !(TIMEOUT_MIN..=TIMEOUT_MAX).contains(&timeout) {
        let span = section.span_of("timeout");
        let problem = Problem::new("out-of-range", span, "`timeout` must be between 1s and 1h");
        section.problem(
            problem.help("a deploy waits for its hooks; what takes longer belongs in a job with `schedule`"),
        );
    }
    let env = text::env(section);
    let env_secrets = text::env_secrets(section, &env);
    Some(Hook { command: command.unwrap_or_default(), timeout, env, env_secrets })
}
