//! How events are called, and which of them a webhook asks for.

/// What is done to an app, as `mainstay events` lists it.
const VERBS: [&str; 6] = ["deploy", "rollback", "restart", "scale", "migrate", "resume"];
/// Its beginning, and each way in which it may end.
const STAGES: [&str; 6] = ["started", "served", "unchanged", "rolled_back", "aborted", "held"];
/// What may become of a scheduled run that did not go well.
const RUNS: [&str; 4] = ["run.failed", "run.lost", "run.missed", "run.skipped"];
/// A deploy that another operator has to approve.
const WAITING: &str = "deploy.waiting";
/// What `mainstay webhook test` sends; it asks nobody whether they want it.
pub const TEST: &str = "webhook.test";

/// Every name of an event that can be asked for.
pub fn names() -> Vec<String> {
    let done = VERBS.iter().flat_map(|verb| STAGES.iter().map(move |stage| format!("{verb}.{stage}")));
    done.chain([WAITING.to_owned()]).chain(RUNS.map(str::to_owned)).collect()
}

/// Whether `pattern`, in which a `*` stands for any text, means the event.
pub fn means(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text_and_nothing_else_is_more_than_itself() {
        let wanted = ["deploy.*", "*", "*.aborted", "deploy.served", "d*.s*d"];
        assert!(wanted.iter().filter(|pattern| means(pattern, "deploy.served")).count() == 4);
        assert!(means("*.aborted", "scale.aborted"));
        assert!(!means("deploy", "deploy.served") && !means("deploy.served.", "deploy.served"));
        assert!(!means("a*a", "a"), "one letter is not two");
        assert!(names().iter().any(|name| name == "run.missed") && names().len() == 41);
    }
}
