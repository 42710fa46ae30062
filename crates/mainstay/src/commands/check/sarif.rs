//! Findings as SARIF 2.1.0 (OASIS, 27 March 2020), which code scanning of forges reads.
//!
//! A result is what was found; what somebody vouches for is a result that is suppressed. What did not run is a
//! notification of the run: it has neither failed nor passed.

use std::collections::BTreeMap;

use api::checks::{Finding, Severity, State};
use model::Explain;
use serde_json::{Value, json};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// One log of one run. `manifest` is as it is named from here: where a finding has no place of its own.
pub(super) fn log(findings: &[Finding], manifest: &str) -> Value {
    let mut rules: BTreeMap<&str, &Finding> = BTreeMap::new();
    findings.iter().for_each(|finding| _ = rules.entry(&finding.id).or_insert(finding));
    let order: Vec<&str> = rules.keys().copied().collect();
    let index = |id: &str| order.iter().position(|known| *known == id);
    let results = findings.iter().filter_map(|finding| result(finding, index(&finding.id)?, manifest));
    let notices = findings.iter().filter_map(|finding| notice(finding, index(&finding.id)?));
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "mainstay",
                "semanticVersion": crate::VERSION,
                "rules": rules.values().map(|finding| rule(finding)).collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": true,
                "toolExecutionNotifications": notices.collect::<Vec<_>>(),
            }],
            "results": results.collect::<Vec<_>>(),
        }],
    })
}

fn rule(finding: &Finding) -> Value {
    json!({
        "id": finding.id,
        "shortDescription": { "text": finding.title },
        "defaultConfiguration": { "level": level(finding.severity) },
        "properties": { "tags": finding.sources },
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "note",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

fn result(finding: &Finding, index: usize, manifest: &str) -> Option<Value> {
    let (text, place, suppressions) = match &finding.state {
        State::Found { explain } => (words(explain), place(explain, manifest), None),
        State::Attested { by, when, until, note } => {
            let since = when.as_ref().map_or(String::new(), |when| format!(" on {when}"));
            let why = format!("{by} vouches for it{since}, until {until}: {note}");
            let suppression = json!([{ "kind": "external", "status": "accepted", "justification": why }]);
            (finding.title.clone(), whole(manifest), Some(suppression))
        }
        State::Passed { .. } | State::NotRun { .. } => return None,
    };
    let mut result = json!({
        "ruleId": finding.id,
        "ruleIndex": index,
        "level": level(finding.severity),
        "message": { "text": text },
        "locations": [{ "physicalLocation": place }],
    });
    if let (Some(suppressions), Some(fields)) = (suppressions, result.as_object_mut()) {
        fields.insert("suppressions".to_owned(), suppressions);
    }
    Some(result)
}

fn notice(finding: &Finding, index: usize) -> Option<Value> {
    let State::NotRun { why } = &finding.state else { return None };
    Some(json!({
        "level": "note",
        "message": { "text": format!("not run: {}: {why}", finding.title) },
        "associatedRule": { "id": finding.id, "index": index },
    }))
}

/// What is wrong, why, and what helps, a sentence a line.
fn words(explain: &Explain) -> String {
    let now = explain.now.iter().map(|now| format!("now: {now}"));
    let help = explain.help.iter().map(|help| format!("help: {help}"));
    let causes = explain.causes.iter().map(|cause| format!("caused by: {cause}"));
    [explain.message.clone()].into_iter().chain(causes).chain(now).chain(help).collect::<Vec<_>>().join("\n")
}

fn place(explain: &Explain, manifest: &str) -> Value {
    match &explain.place {
        None => whole(manifest),
        Some(place) => json!({
            "artifactLocation": { "uri": uri(&place.file) },
            "region": { "startLine": place.line, "startColumn": place.column },
        }),
    }
}

/// A file without a line: forges want a place for everything.
fn whole(file: &str) -> Value {
    json!({ "artifactLocation": { "uri": uri(file) }, "region": { "startLine": 1 } })
}

/// RFC 3986: of the bytes that a path may have, those that are not to be written as they are.
fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    path.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(id: &str, severity: Severity, state: State) -> Finding {
        Finding {
            id: id.to_owned(),
            title: format!("{id} is well"),
            severity,
            sources: vec!["CHK-09a".to_owned()],
            state,
        }
    }

    #[test]
    fn what_was_found_is_a_result_and_what_did_not_run_is_no_pass() {
        let place = model::explain::Place {
            file: "my app/mainstay.toml".to_owned(),
            line: 3,
            column: 7,
            start: 0,
            end: 1,
        };
        let explain =
            Explain { place: Some(place), ..Explain::new("x", "wrong").caused_by("so").help("mend") };
        let attested = State::Attested {
            by: "ana".to_owned(),
            when: Some("2026-01-01".to_owned()),
            until: "2026-12-31".to_owned(),
            note: "seen".to_owned(),
        };
        let log = log(
            &[
                finding("b", Severity::Error, State::Found { explain }),
                finding("a", Severity::Warning, attested),
                finding("c", Severity::Info, State::NotRun { why: "nobody".to_owned() }),
                finding("d", Severity::Info, State::Passed { seen: "all".to_owned() }),
            ],
            "mainstay.toml",
        );
        let run = &log["runs"][0];
        let ids: Vec<_> =
            run["tool"]["driver"]["rules"].as_array().unwrap().iter().map(|rule| &rule["id"]).collect();
        assert_eq!(ids, ["a", "b", "c", "d"]);
        let results = run["results"].as_array().unwrap();
        assert_eq!(results.len(), 2, "{log}");
        assert_eq!((&results[0]["ruleIndex"], &results[0]["level"]), (&json!(1), &json!("error")));
        assert_eq!(results[0]["message"]["text"], "wrong\ncaused by: so\nhelp: mend");
        let at = &results[0]["locations"][0]["physicalLocation"];
        assert_eq!(at["artifactLocation"]["uri"], "my%20app/mainstay.toml");
        assert_eq!(at["region"], json!({ "startLine": 3, "startColumn": 7 }));
        assert_eq!(results[1]["suppressions"][0]["status"], "accepted");
        let notices = run["invocations"][0]["toolExecutionNotifications"].as_array().unwrap();
        assert_eq!((notices.len(), &notices[0]["associatedRule"]["index"]), (1, &json!(2)));
    }
}
