//! Attestations: a person vouches for what no program can see, or accepts a finding, until a date.

use api::checks::{Finding, Severity, State};
use model::Explain;

use crate::people;

/// One word of one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestation {
    /// Of the finding.
    pub id: String,
    pub by: String,
    /// The day that it was given; `None`: it was written by hand.
    pub when: Option<String>,
    /// The last day that it holds, `2026-12-31`.
    pub until: String,
    pub note: String,
}

/// `YYYY-MM-DD`, which sorts as it reads.
pub fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return false };
    let number = |text: &str, len: usize, range: std::ops::RangeInclusive<u32>| {
        text.len() == len
            && text.bytes().all(|b| b.is_ascii_digit())
            && text.parse().is_ok_and(|number| range.contains(&number))
    };
    number(year, 4, 2000..=9999) && number(month, 2, 1..=12) && number(day, 2, 1..=31)
}

/// Puts attestations over findings, and adds what only people can see. `today` is `YYYY-MM-DD`.
///
/// A finding that passed keeps its own word; one that was found or not run is attested while the date has not passed.
/// An attestation that ran out, or that names nothing, is a finding of its own.
pub fn apply(mut findings: Vec<Finding>, attestations: &[Attestation], today: &str) -> Vec<Finding> {
    // What a program saw needs nobody's word.
    let alone: Vec<Finding> =
        people::findings().filter(|item| !findings.iter().any(|known| known.id == item.id)).collect();
    findings.extend(alone);
    for attestation in attestations {
        let Some(finding) = findings.iter_mut().find(|finding| finding.id == attestation.id) else {
            findings.push(about(
                attestation,
                Explain::new(
                    "attests-nothing",
                    format!("the attestation of `{}` names no finding", attestation.id),
                )
                .help("remove it from mainstay.attest.toml, or mend its id: `mainstay check` lists them"),
            ));
            continue;
        };
        if matches!(finding.state, State::Passed { .. }) {
            continue;
        }
        if attestation.until.as_str() < today {
            let late = Explain::new(
                "attestation-ran-out",
                format!("{} vouched for `{}` until {}", attestation.by, attestation.id, attestation.until),
            )
            .help(format!("look again, then `mainstay check --attest {} --until DATE`", attestation.id));
            // A finding that is still there tells more than the word that ran out.
            if !matches!(finding.state, State::Found { .. }) {
                finding.severity = Severity::Warning;
                finding.state = State::Found { explain: late };
            }
            continue;
        }
        finding.state = State::Attested {
            by: attestation.by.clone(),
            when: attestation.when.clone(),
            until: attestation.until.clone(),
            note: attestation.note.clone(),
        };
    }
    findings
}

fn about(attestation: &Attestation, explain: Explain) -> Finding {
    Finding {
        id: attestation.id.clone(),
        title: "attestations name findings".to_owned(),
        severity: Severity::Warning,
        sources: Vec::new(),
        state: State::Found { explain },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attested(until: &str) -> Vec<Attestation> {
        vec![Attestation {
            id: "firewall".to_owned(),
            by: "alice".to_owned(),
            when: None,
            until: until.to_owned(),
            note: "hetzner rules".to_owned(),
        }]
    }

    fn firewall(findings: &[Finding]) -> &Finding {
        findings.iter().find(|finding| finding.id == "firewall").unwrap()
    }

    #[test]
    fn a_word_holds_until_its_day_and_not_longer() {
        let findings = apply(Vec::new(), &attested("2026-06-30"), "2026-06-30");
        assert!(matches!(firewall(&findings).state, State::Attested { .. }));
        let findings = apply(Vec::new(), &attested("2026-06-30"), "2026-07-01");
        let State::Found { explain } = &firewall(&findings).state else { panic!("not found") };
        assert_eq!(explain.code, "attestation-ran-out");
        assert_eq!(firewall(&findings).severity, Severity::Warning);
    }

    #[test]
    fn without_a_word_what_only_people_see_is_not_run() {
        let findings = apply(Vec::new(), &[], "2026-07-01");
        assert!(matches!(firewall(&findings).state, State::NotRun { .. }));
    }

    #[test]
    fn a_word_about_nothing_is_told() {
        let mut wrong = attested("2030-01-01");
        wrong[0].id = "firewal".to_owned();
        let findings = apply(Vec::new(), &wrong, "2026-07-01");
        assert!(
            findings
                .iter()
                .any(|finding| finding.id == "firewal" && matches!(finding.state, State::Found { .. }))
        );
    }

    #[test]
    fn dates_are_dates() {
        assert!(is_date("2026-12-31"));
        for wrong in ["2026-13-01", "26-01-01", "2026-1-1", "2026-01-32", "tomorrow", "2026-01-01T00:00"] {
            assert!(!is_date(wrong), "{wrong}");
        }
    }
}
