//! Each item has somebody who looks, and stands as what they saw.

use api::checks::{Finding, Severity, State};
use model::Explain;

use super::{Standing, answering, guides, judge, standing};
use crate::{attest, people};

fn finding(id: &str, state: State) -> Finding {
    Finding {
        id: id.to_owned(),
        title: String::new(),
        severity: Severity::Warning,
        sources: Vec::new(),
        state,
    }
}

fn passed() -> State {
    State::Passed { seen: String::new() }
}

fn attested() -> State {
    State::Attested { by: "ana".to_owned(), when: None, until: "2030-01-01".to_owned(), note: String::new() }
}

#[test]
fn every_item_of_every_guide_is_answered_by_a_check_or_a_person() {
    let answering = answering();
    let mut all = 0;
    for item in guides().iter().flat_map(|guide| guide.items) {
        assert!(answering.contains_key(item.0), "nobody looks at {item:?}");
        all += 1;
    }
    let demanded: Vec<_> = answering.keys().filter(|id| id.starts_with("CHK-")).collect();
    let listed = |id: &str| guides().iter().flat_map(|guide| guide.items).any(|(known, _)| *known == id);
    assert!(demanded.iter().all(|id| listed(id)), "a demand that no checklist has: {demanded:?}");
    assert_eq!(all, 90);
}

#[test]
fn an_item_is_seen_only_where_every_check_of_it_ran_and_passed() {
    let stands = |findings: &[Finding]| standing(&["a", "b"], findings);
    assert_eq!(stands(&[finding("a", passed()), finding("b", passed())]).0, Standing::Seen);
    assert_eq!(stands(&[finding("a", passed()), finding("b", attested())]).0, Standing::Attested);
    // One that nobody ran holds it open, and is named.
    assert_eq!(stands(&[finding("a", passed())]), (Standing::Open, vec!["b".to_owned()]));
    let found = State::Found { explain: Explain::new("x", "y") };
    assert_eq!(stands(&[finding("a", attested()), finding("b", found)]).0, Standing::Open);
    let not_run = State::NotRun { why: String::new() };
    assert_eq!(stands(&[finding("a", passed()), finding("b", not_run)]).1, ["b"]);
    assert_eq!(standing(&[], &[]).0, Standing::Open);
}

#[test]
fn people_alone_can_vouch_for_a_whole_checklist_of_theirs() {
    let all = attest::apply(Vec::new(), &[], "2026-01-01");
    let guide = super::by_name("S0").expect("known");
    assert!(judge(guide, &all).iter().all(|item| item.standing == Standing::Open));
    let words: Vec<_> = people::ids()
        .map(|id| crate::Attestation {
            id: id.to_owned(),
            by: "ana".to_owned(),
            when: Some("2026-01-01".to_owned()),
            until: "2026-12-31".to_owned(),
            note: String::new(),
        })
        .collect();
    let all = attest::apply(Vec::new(), &words, "2026-01-01");
    let open: Vec<_> = judge(guide, &all)
        .into_iter()
        .filter(|item| item.standing == Standing::Open)
        .map(|item| item.id)
        .collect();
    // That one is a program's.
    assert_eq!(open, ["CHK-02d"]);
}
