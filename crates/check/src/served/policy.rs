//! Pages have a content security policy that holds: what runs is named, and nothing unsafe is.

use std::collections::BTreeMap;

use api::checks::{Severity, State};
use model::Explain;

use super::{FromOutside, Served, wrong_answers};
use crate::finding::{Check, count, found_if, not_run};

pub(super) const CHECK: Check<FromOutside> = Check {
    id: "served-policy",
    title: "pages say what may run in them",
    severity: Severity::Warning,
    sources: &["HDR-06", "HDR-07", "HDR-08", "HDR-09", "CHK-07a", "CHK-09f", "W-E21"],
    run,
};

fn run(context: &Served<'_>) -> State {
    if let Some(why) = context.unanswered() {
        return why;
    }
    let pages = context.answers().filter(|(_, answer)| answer.is_html()).count();
    if pages == 0 {
        return not_run("no page of HTML was answered");
    }
    let wrong = wrong_answers(context, |url, answer| {
        let lacks = match answer.header("content-security-policy") {
            _ if !answer.is_html() => Vec::new(),
            Some(policy) => weaknesses(policy),
            None => vec!["no Content-Security-Policy".to_owned()],
        };
        lacks.into_iter().map(|what| format!("{url}: {what}")).collect()
    });
    let explain = Explain::new("weak-policy", "a script that somebody slips in would run").help(
        "let the app send a policy with a nonce for its own scripts and `object-src 'none'; base-uri 'none'; form-action 'self'; \
         frame-ancestors 'none'`; docs/guide/headers.md",
    );
    found_if(wrong, explain, count(pages, "page"))
}

/// Content Security Policy Level 3: directives apart by `;`, the first of a name counts.
fn weaknesses(policy: &str) -> Vec<String> {
    let mut directives: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for directive in policy.split(';') {
        let mut words = directive.split_whitespace();
        if let Some(name) = words.next() {
            directives.entry(name.to_ascii_lowercase()).or_insert_with(|| words.collect());
        }
    }
    let fallback = directives.get("default-src");
    let scripts = directives.get("script-src").or(fallback);
    let mut wrong = Vec::new();
    match scripts {
        None => wrong.push("scripts may come from anywhere (no script-src, no default-src)".to_owned()),
        Some(scripts) => {
            // With a nonce or a hash browsers do not heed 'unsafe-inline'.
            let is_bound =
                scripts.iter().any(|source| source.starts_with("'nonce-") || source.starts_with("'sha"));
            let inline = scripts.contains(&"'unsafe-inline'") && !is_bound;
            wrong.extend(inline.then(|| "inline scripts may run ('unsafe-inline')".to_owned()));
            let evaluated = scripts.contains(&"'unsafe-eval'");
            wrong.extend(evaluated.then(|| "text may be run as a script ('unsafe-eval')".to_owned()));
            let open = scripts.iter().find(|source| ["*", "http:", "https:", "data:"].contains(source));
            wrong.extend(open.map(|source| format!("scripts may come from anywhere ({source})")));
        }
    }
    let is_none =
        |sources: Option<&Vec<&str>>| sources.is_some_and(|sources| sources.as_slice() == ["'none'"]);
    if !is_none(directives.get("object-src").or(fallback)) {
        wrong.push("plugins may run (object-src is not 'none')".to_owned());
    }
    let missing = ["base-uri", "form-action", "frame-ancestors"];
    wrong.extend(
        missing.into_iter().filter(|name| !directives.contains_key(*name)).map(|name| format!("no {name}")),
    );
    wrong
}

#[cfg(test)]
mod tests {
    use super::weaknesses;

    #[test]
    fn the_policies_of_the_guides_are_weak_and_one_with_a_nonce_is_not() {
        let strong = "default-src 'self'; script-src 'self' 'nonce-Yw' 'unsafe-inline'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
        assert_eq!(weaknesses(strong), Vec::<String>::new());
        assert_eq!(
            weaknesses("default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
            Vec::<String>::new()
        );
        let weak = weaknesses(
            "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self';",
        );
        assert_eq!(weak.len(), 6, "{weak:?}");
        assert!(weaknesses("script-src https:")[0].contains("anywhere"));
        assert!(weaknesses("")[0].contains("anywhere"));
        // The second of a name counts for nothing.
        assert_eq!(weaknesses(&format!("{strong}; script-src *")), Vec::<String>::new());
    }
}
