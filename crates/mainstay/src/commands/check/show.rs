//! Findings as words: what is wrong first, then what was seen, then the count.

use api::checks::{Finding, Severity, State};

use crate::{
    output::{self, line, table},
    session::Session,
};

/// A finding a line.
pub(super) fn json(findings: &[Finding]) {
    findings.iter().for_each(output::json);
}

pub(super) fn show(session: &Session, findings: &[Finding]) {
    let rows: Vec<Vec<String>> = findings.iter().filter_map(row).collect();
    if !rows.is_empty() {
        line(table(&["STATE", "CHECK", "WHAT", "SEEN"], &rows));
    }
    let people: Vec<&str> =
        findings.iter().filter(|finding| is_for_people(finding)).map(|finding| finding.id.as_str()).collect();
    if !people.is_empty() {
        line(format!("\nOnly people can see: {}.", people.join(", ")));
        line("Vouch for one with `mainstay check --attest ID --until DATE --note TEXT`.");
    }
    found(session, findings);
    line(format!("\n{}", summary(findings)));
}

/// What is wrong, as errors, warnings and notes.
pub(super) fn found(session: &Session, findings: &[Finding]) {
    for finding in findings {
        if let State::Found { explain } = &finding.state {
            let explain = if finding.sources.is_empty() {
                explain.clone()
            } else {
                explain.clone().detail(
                    format!("demanded by {}; id `{}`", finding.sources.join(", "), finding.id),
                    Vec::new(),
                )
            };
            match finding.severity {
                Severity::Error => session.report.error(&explain),
                Severity::Warning => session.report.warning(&explain),
                Severity::Info => session.report.remark(&explain),
            }
        }
    }
}

fn is_for_people(finding: &Finding) -> bool {
    matches!(&finding.state, State::NotRun { why } if why == check::ONLY_PEOPLE)
}

fn row(finding: &Finding) -> Option<Vec<String>> {
    let (state, seen) = match &finding.state {
        State::Found { .. } => return None,
        State::NotRun { .. } if is_for_people(finding) => return None,
        State::Passed { seen } => ("passed", seen.clone()),
        State::NotRun { why } => ("not run", why.clone()),
        State::Attested { by, when, until, note } => {
            let since = when.as_ref().map_or(String::new(), |when| format!(" on {when}"));
            ("attested", format!("by {by}{since} until {until}: {note}"))
        }
    };
    Some(vec![state.to_owned(), finding.id.clone(), finding.title.clone(), seen])
}

fn summary(findings: &[Finding]) -> String {
    let count = |wanted: fn(&Finding) -> bool| findings.iter().filter(|finding| wanted(finding)).count();
    let found = |severity| {
        findings.iter().filter(|f| f.severity == severity && matches!(f.state, State::Found { .. })).count()
            as u64
    };
    format!(
        "{}, {}, {}; {} passed, {} attested, {} not run",
        output::count(found(Severity::Error), "error"),
        output::count(found(Severity::Warning), "warning"),
        output::count(found(Severity::Info), "note"),
        count(|f| matches!(f.state, State::Passed { .. })),
        count(|f| matches!(f.state, State::Attested { .. })),
        count(|f| matches!(f.state, State::NotRun { .. })),
    )
}
