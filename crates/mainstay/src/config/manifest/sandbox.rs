//! `[sandbox]` and `[service.NAME.sandbox]`: what the app, or one service of it, may beyond what every web app needs.

use model::sandbox::{Allow, Sandbox};

use super::text::no_nul;
use crate::config::{
    decode::{At, Section, nearest, or_list},
    problem::Problem,
};

pub(super) fn sandbox(section: &mut Section<'_, '_, '_>) -> Option<Sandbox> {
    let landlock = section.boolean("landlock").unwrap_or(true);
    let seccomp = section.boolean("seccomp").unwrap_or(true);
    let write = write(section);
    if !landlock && !write.is_empty() {
        let span = section.span_of("write");
        section.problem(
            Problem::new("has-no-effect", span, "`write` opens nothing where `landlock` is off")
                .help("remove `landlock = false`: with `write` the rest stays closed"),
        );
    }
    Some(Sandbox { landlock, seccomp, write, allow: allow(section) })
}

fn write(section: &mut Section<'_, '_, '_>) -> Vec<String> {
    let mut paths: Vec<String> = Vec::new();
    for path in section.strings("write").map(|all| all.value).unwrap_or_default() {
        no_nul(section, &path);
        if let Some((code, why, help)) = refusal(&path.value) {
            section.problem(Problem::new(code, path.span, why).help(help));
        } else if !paths.contains(&path.value) {
            paths.push(path.value);
        }
    }
    paths
}

fn refusal(path: &str) -> Option<(&'static str, String, &'static str)> {
    if path == "/" {
        let help = "name the folders that the app writes; `landlock = false` opens all of it";
        return Some(("bad-path", "`/` would open the whole file system".to_owned(), help));
    }
    let is_plain = path.starts_with('/') && !path.split('/').any(|step| step == ".." || step == ".");
    let help = "write a whole path: `write = [\"/var/cache/shop\"]`; what the app's own shared folder holds is open anyway";
    (!is_plain).then(|| ("bad-path", format!("`{path}` is no absolute path without `..`"), help))
}

fn allow(section: &mut Section<'_, '_, '_>) -> Vec<Allow> {
    let mut all: Vec<Allow> = Vec::new();
    for At { value, span } in section.strings("allow").map(|all| all.value).unwrap_or_default() {
        match Allow::WORDS.iter().find(|(word, _)| *word == value) {
            Some((_, allow)) => all.push(*allow),
            None => {
                let words = Allow::WORDS.map(|(word, _)| word);
                let problem =
                    Problem::new("unknown-value", span, format!("`{value}` is nothing that `allow` knows"));
                let near = nearest(&value, words.into_iter());
                let problem = near
                    .iter()
                    .fold(problem, |problem, near| problem.label(format!("did you mean `{near}`?")));
                section.problem(problem.help(format!("write {}", or_list(&words))));
            }
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}
