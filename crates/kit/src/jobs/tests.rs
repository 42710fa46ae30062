//! Leases and fences, with time moved in the table instead of waited for.

use rusqlite::TransactionBehavior;

use super::*;

fn database() -> Connection {
    let db = Connection::open_in_memory().expect("opens");
    db.execute_batch(TABLE).expect("makes the table");
    db
}

fn within<T>(db: &mut Connection, work: impl FnOnce(&Transaction<'_>) -> Result<T, DbError>) -> T {
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate).expect("begins");
    let value = work(&tx).expect("works");
    tx.commit().expect("commits");
    value
}

fn let_lease_run_out(db: &Connection) {
    db.execute("UPDATE jobs SET lease_until = 1", []).expect("moves time");
}

#[test]
fn a_job_is_taken_by_one_and_again_only_when_its_lease_ran_out() {
    let mut db = database();
    within(&mut db, |tx| enqueue(tx, "j1", "answer", "m1", 3));
    let first = within(&mut db, |tx| take(tx, "answer", "a")).expect("is there");
    assert_eq!((first.attempt, first.owner.as_str()), (1, "a"));
    assert_eq!(within(&mut db, |tx| take(tx, "answer", "b")), None);
    let_lease_run_out(&db);
    assert!(waiting(&db, "answer").expect("reads"));
    let second = within(&mut db, |tx| take(tx, "answer", "b")).expect("is there again");
    assert_eq!((second.attempt, second.owner.as_str()), (2, "b"));
}

#[test]
fn a_job_with_a_time_waits_for_it_and_moves_until_it_is_taken() {
    let mut db = database();
    db.execute_batch(BY_TIME).expect("makes the index");
    let at = |db: &mut Connection, id: &str, from_ms| {
        within(db, |tx| enqueue_at(tx, id, "day", "t1", 3, from_ms));
    };
    let soon = clock::now_ms() + 3_600_000;
    at(&mut db, "j1", soon);
    assert!(!waiting(&db, "day").expect("reads"));
    assert_eq!(within(&mut db, |tx| take(tx, "day", "a")), None);
    at(&mut db, "j2", 1);
    assert!(waiting(&db, "day").expect("reads"));
    let job = within(&mut db, |tx| take(tx, "day", "a")).expect("its time has come");
    assert_eq!((job.id.as_str(), job.attempt), ("j1", 1), "moved, not stored twice");
    at(&mut db, "j3", 1);
    assert_eq!(within(&mut db, |tx| take(tx, "day", "b")), None, "whoever has it keeps it");
    within(&mut db, |tx| job.finish(tx, false));
    at(&mut db, "j4", 1);
    assert!(!waiting(&db, "day").expect("reads"), "what was done stays done");
    assert!(is_stored(&db, "day", "t1").expect("reads") && !is_stored(&db, "day", "t2").expect("reads"));
}

#[test]
fn the_old_owner_is_fenced_and_cannot_end_the_new_attempt() {
    let mut db = database();
    within(&mut db, |tx| enqueue(tx, "j1", "answer", "m1", 3));
    let first = within(&mut db, |tx| take(tx, "answer", "a")).expect("taken");
    let_lease_run_out(&db);
    assert_eq!(within(&mut db, |tx| first.renew(tx)), Fence::Held, "nobody else took it");
    let_lease_run_out(&db);
    let second = within(&mut db, |tx| take(tx, "answer", "b")).expect("taken");
    assert_eq!(within(&mut db, |tx| first.renew(tx)), Fence::Lost);
    within(&mut db, |tx| first.finish(tx, false));
    within(&mut db, |tx| first.give_back(tx, true));
    assert_eq!(within(&mut db, |tx| second.fence(tx)), Fence::Held);
    within(&mut db, |tx| second.finish(tx, false));
    assert!(!waiting(&db, "answer").expect("reads"));
}

#[test]
fn given_back_is_taken_at_once_and_a_stop_is_seen_by_the_owner() {
    let mut db = database();
    within(&mut db, |tx| enqueue(tx, "j1", "answer", "m1", 1));
    let first = within(&mut db, |tx| take(tx, "answer", "a")).expect("taken");
    within(&mut db, |tx| first.give_back(tx, true));
    let second = within(&mut db, |tx| take(tx, "answer", "b")).expect("taken");
    assert!(second.is_exhausted());
    assert!(within(&mut db, |tx| ask_to_stop(tx, "answer", "m1")));
    assert_eq!(within(&mut db, |tx| second.fence(tx)), Fence::StopAsked);
}

#[test]
fn attempts_that_end_with_their_process_do_not_use_the_job_up() {
    let mut db = database();
    within(&mut db, |tx| enqueue(tx, "j1", "answer", "m1", 2));
    for deploy in 1..20 {
        let job = within(&mut db, |tx| take(tx, "answer", "a")).expect("taken");
        assert_eq!((job.attempt, job.is_exhausted()), (deploy, false));
        within(&mut db, |tx| job.give_back(tx, false));
    }
}
