//! What a look at the clock decides.

use jiff::{SignedDuration, Timestamp};
use model::{
    Explain, ProcessId, ReleaseNumber,
    manifest::{CatchUp, WhileRunning},
};
use proptest::prelude::*;
use ulid::Ulid;

use super::{at, table};
use crate::{Book, Entry, Logbook, Outcome, Plan, Unrun, Wanted, plan};

const BEGIN: &str = "2026-11-29T10:00:30Z";

fn wanted(schedule: &str, catch_up: CatchUp, while_running: WhileRunning) -> Wanted {
    Wanted { timetable: table(schedule, "UTC"), catch_up, while_running }
}

fn entry() -> Entry {
    let mut entry = Book::default().entry(&"job".parse().unwrap(), at(BEGIN)).clone();
    entry.follow("*/10 * * * *", "UTC", None, at(BEGIN));
    entry
}

fn process(n: u64) -> ProcessId {
    ProcessId(Ulid(u128::from(n)))
}

fn decided(entry: &mut Entry, plan: &Plan, now: Timestamp) {
    entry.decided(plan, process(1), ReleaseNumber(1), now);
}

const TEN: &str = "*/10 * * * *";

#[test]
fn a_run_begins_when_it_is_due_and_once() {
    let wanted = wanted(TEN, CatchUp::None, WhileRunning::Skip);
    let mut entry = entry();
    assert_eq!(plan(&wanted, &entry, at("2026-11-29T10:09:59Z")).begin, None);
    let now = at("2026-11-29T10:10:00Z");
    let due = plan(&wanted, &entry, now);
    assert_eq!((due.begin, due.unrun.len()), (Some(now), 0));
    decided(&mut entry, &due, now);
    entry.ended(process(1), Outcome::Succeeded, None, now);
    for later in [now, now + SignedDuration::from_secs(1), now - SignedDuration::from_mins(90)] {
        assert_eq!(plan(&wanted, &entry, later).begin, None, "{later}");
    }
}

#[test]
fn what_nobody_was_there_for_is_caught_up_once_or_missed() {
    let now = at("2026-11-29T12:05:00Z");
    let late = plan(&wanted(TEN, CatchUp::Latest, WhileRunning::Skip), &entry(), now);
    assert_eq!(late.begin, Some(at("2026-11-29T12:00:00Z")));
    let before = Unrun::Missed { last: at("2026-11-29T11:50:00Z"), count: 11 };
    assert_eq!(late.unrun, [before]);
    let missed = plan(&wanted(TEN, CatchUp::None, WhileRunning::Skip), &entry(), now);
    assert_eq!(missed.begin, None);
    assert_eq!(missed.unrun, [Unrun::Missed { last: at("2026-11-29T12:00:00Z"), count: 12 }]);
    // Less than a minute late is on time: a keeper that is replaced costs no run.
    let soon = plan(&wanted(TEN, CatchUp::None, WhileRunning::Skip), &entry(), at("2026-11-29T12:00:59Z"));
    assert_eq!(soon.begin, Some(at("2026-11-29T12:00:00Z")));
}

#[test]
fn two_runs_of_a_job_are_never_begun_at_once() {
    let first = at("2026-11-29T10:10:00Z");
    let second = at("2026-11-29T10:20:00Z");
    for (while_running, wait, unrun) in [
        (WhileRunning::Skip, None, vec![Unrun::Skipped { due: second }]),
        (WhileRunning::Wait, Some(second), vec![]),
    ] {
        let wanted = wanted(TEN, CatchUp::None, while_running);
        let mut entry = entry();
        decided(&mut entry, &plan(&wanted, &self::entry(), first), first);
        let busy = plan(&wanted, &entry, second);
        assert_eq!((busy.begin, busy.wait, &busy.unrun), (None, wait, &unrun));
        decided(&mut entry, &busy, second);
        let third = at("2026-11-29T10:30:00Z");
        let busier = plan(&wanted, &entry, third);
        decided(&mut entry, &busier, third);
        assert_eq!(entry.waiting, wait.map(|_| third), "of two that wait the last");
        entry.ended(process(1), Outcome::Succeeded, None, third);
        let now = at("2026-11-29T10:31:30Z");
        assert_eq!(plan(&wanted, &entry, now).begin, entry.waiting);
    }
}

#[test]
fn a_clock_that_was_wrong_neither_stops_a_job_nor_runs_it_twice() {
    let wanted = wanted("0 2 * * *", CatchUp::Latest, WhileRunning::Skip);
    let mut entry = entry();
    let today = at("2026-11-30T02:00:00Z");
    decided(&mut entry, &plan(&wanted, &self::entry(), today), today);
    entry.ended(process(1), Outcome::Succeeded, None, today);
    // The machine starts with a clock of 1970 and hears later what time it is.
    let wrong = at("1970-01-01T00:10:00Z");
    let back = plan(&wanted, &entry, wrong);
    assert!(back.clock_went_back && back.begin.is_none());
    decided(&mut entry, &back, wrong);
    let right = plan(&wanted, &entry, at("2026-11-30T10:00:00Z"));
    assert_eq!(right.begin, None, "it ran today");
    decided(&mut entry, &right, at("2026-11-30T10:00:00Z"));
    assert_eq!(plan(&wanted, &entry, at("2026-12-01T02:00:00Z")).begin, Some(at("2026-12-01T02:00:00Z")));
}

#[test]
fn what_a_clock_that_was_ahead_had_missed_runs_when_its_time_comes() {
    let tomorrow = at("2026-11-30T02:00:00Z");
    for (catch_up, missed, comes) in [(CatchUp::None, 1, Some(tomorrow)), (CatchUp::Latest, 0, None)] {
        let wanted = wanted("0 2 * * *", catch_up, WhileRunning::Skip);
        let mut entry = entry();
        let (right, ahead) = (at("2026-11-29T12:00:00Z"), at("2026-11-30T12:00:00Z"));
        let settled = plan(&wanted, &entry, right);
        decided(&mut entry, &settled, right);
        entry.ended(process(1), Outcome::Succeeded, None, right);
        let wrong = plan(&wanted, &entry, ahead);
        assert_eq!(wrong.unrun.len(), missed, "{catch_up:?}");
        decided(&mut entry, &wrong, ahead);
        entry.ended(process(1), Outcome::Succeeded, None, ahead);
        let back = plan(&wanted, &entry, right);
        assert!(back.clock_went_back);
        decided(&mut entry, &back, right);
        assert_eq!(plan(&wanted, &entry, tomorrow).begin, comes, "{catch_up:?}: what ran does not run again");
    }
}

#[test]
fn another_schedule_begins_where_the_old_one_was_left() {
    let mut entry = entry();
    let wanted = wanted("* * * * *", CatchUp::Latest, WhileRunning::Skip);
    let now = at("2026-11-29T15:00:00Z");
    entry.follow("* * * * *", "UTC", Some(at("2026-11-29T14:59:59Z")), now);
    let plan = plan(&wanted, &entry, now);
    assert_eq!(
        (plan.begin, plan.unrun.len()),
        (Some(now), 0),
        "neither lost nor five hours of missed minutes"
    );
}

#[test]
fn a_keeper_that_finds_another_schedule_than_the_one_before_it_followed_loses_no_run() {
    // It died between the switch and its next look.
    let mut entry = entry();
    let wanted = wanted("* * * * *", CatchUp::None, WhileRunning::Skip);
    let now = at("2026-11-29T15:00:03Z");
    entry.follow("* * * * *", "UTC", None, now);
    let plan = plan(&wanted, &entry, now);
    assert_eq!((plan.begin, plan.unrun.len()), (Some(at("2026-11-29T15:00:00Z")), 0));
    // A job that was not there before begins with its release.
    let mut fresh = Entry::new(now);
    fresh.follow("* * * * *", "UTC", None, now);
    assert!(self::plan(&wanted, &fresh, now).is_quiet());
}

#[test]
fn the_logbook_outlives_its_keeper_and_refuses_what_a_newer_one_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("schedule.json");
    let job: model::ServiceName = "job".parse().unwrap();
    let now = at(BEGIN);
    Logbook::new(path.clone()).change(|book| *book.entry(&job, now) = entry()).unwrap();
    let again = Logbook::new(path.clone());
    assert_eq!(again.read().jobs[&job], entry());
    let newer = std::fs::read_to_string(&path).unwrap().replace("\"format\": 1", "\"format\": 2");
    std::fs::write(&path, newer).unwrap();
    let refused = Logbook::new(path.clone());
    assert!(refused.problem().unwrap().to_string().contains("newer"));
    refused.change(|book| book.jobs.clear()).unwrap_err();
    std::fs::write(&path, "{").unwrap();
    assert!(refused.problem().is_some() && refused.read().jobs.is_empty());
    // Moved away, it begins anew without another keeper.
    std::fs::remove_file(&path).unwrap();
    assert!(refused.problem().is_none());
    refused.change(|book| *book.entry(&job, now) = entry()).unwrap();
}

#[test]
fn a_logbook_of_version_1_is_read() {
    let text = include_str!("../../tests/recorded/v1/schedule.json");
    let book: Book = serde_json::from_str(text).unwrap();
    let written = serde_json::to_value(&book).unwrap();
    assert_eq!(written, serde_json::from_str::<serde_json::Value>(text).unwrap(), "neither more nor less");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("schedule.json");
    std::fs::write(&path, text).unwrap();
    let read = Logbook::new(path);
    assert!(read.problem().is_none());
    assert_eq!(read.read().jobs[&"tidy".parse::<model::ServiceName>().unwrap()].schedule, "*/5 * * * *");
}

#[test]
fn a_job_of_every_minute_does_not_push_out_why_it_failed() {
    let mut entry = entry();
    let wanted = wanted("* * * * *", CatchUp::None, WhileRunning::Skip);
    for n in 0..500 {
        let now = at("2026-11-29T11:00:00Z") + SignedDuration::from_mins(n);
        let due = plan(&wanted, &entry, now);
        decided(&mut entry, &due, now);
        let (outcome, why) = match n {
            7 => (Outcome::Failed, Some(Explain::new("job-failed", "it failed"))),
            _ => (Outcome::Succeeded, None),
        };
        entry.ended(process(1), outcome, why, now);
    }
    assert_eq!(entry.past.iter().filter(|run| run.outcome == Outcome::Failed).count(), 1);
    assert!(entry.past.len() <= 12, "{}", entry.past.len());
}

proptest! {
    /// Whatever the clock shows and however long runs take: each moment is decided once, and one run goes on at a time.
    #[test]
    fn every_moment_is_begun_or_accounted_for_exactly_once(
        looks in proptest::collection::vec((1..4000i64, any::<bool>()), 1..60),
        latest in any::<bool>(), waits in any::<bool>(), set_back in 0..120i64,
    ) {
        let catch_up = if latest { CatchUp::Latest } else { CatchUp::None };
        let while_running = if waits { WhileRunning::Wait } else { WhileRunning::Skip };
        let wanted = wanted(TEN, catch_up, while_running);
        let mut entry = entry();
        let (mut now, mut begun, mut unrun) = (at(BEGIN), Vec::new(), 0);
        for (n, (passes_s, ends)) in looks.into_iter().enumerate() {
            now += SignedDuration::from_secs(passes_s);
            if n % 7 == 3 {
                now -= SignedDuration::from_mins(set_back);
            }
            if ends {
                entry.ended(process(1), Outcome::Succeeded, None, now);
            }
            let plan = plan(&wanted, &entry, now);
            prop_assert!(plan.begin.is_none() || entry.running.is_none());
            begun.extend(plan.begin);
            unrun += plan.unrun.iter().map(|unrun| match unrun {
                Unrun::Missed { count, .. } => *count,
                Unrun::Skipped { .. } => 1,
            }).sum::<usize>();
            decided(&mut entry, &plan, now);
        }
        let mut once = begun.clone();
        once.dedup();
        prop_assert_eq!(&once, &begun, "no moment twice, and in order");
        prop_assert!(begun.is_sorted());
        let all = (1..).map(|n| wanted.timetable.last_until(at(BEGIN) + SignedDuration::from_mins(10 * n)).unwrap())
            .take_while(|due| *due <= entry.settled).count();
        prop_assert_eq!(begun.len() + unrun + usize::from(entry.waiting.is_some()), all);
    }
}
