//! What is committed after a subscription is told, and nothing of before.

use super::*;

fn file() -> (tempfile::TempDir, PathBuf, Connection) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("t.db");
    let db = sqlite::open_writer(&path).expect("opens");
    (folder, path, db)
}

fn commit(db: &mut Connection, entity: &str) {
    let tx = db.transaction().expect("begins");
    tell(&tx, "ana", "task", entity).expect("tells");
    tx.commit().expect("commits");
}

async fn next(changes: &mut ChangeWatch) -> String {
    let next = tokio::time::timeout(Duration::from_secs(30), changes.next()).await;
    next.expect("a change comes").expect("none was missed").entity
}

#[tokio::test]
async fn what_is_committed_right_after_a_subscription_is_told() {
    let (_folder, path, mut db) = file();
    db.execute_batch(TABLE).expect("makes the table");
    commit(&mut db, "before");
    let live = Live::start(path).expect("starts");
    commit(&mut db, "between");
    let mut changes = live.changes();
    // Not one look of the poller lies between the subscription and the commit: it waits for this lock.
    let state = live.shared.lock();
    commit(&mut db, "after");
    drop(state);
    assert_eq!(next(&mut changes).await, "after");
    live.close();
}

#[tokio::test]
async fn a_table_that_a_migration_makes_later_is_looked_at() {
    let (_folder, path, mut db) = file();
    let live = Live::start(path).expect("starts");
    let mut changes = live.changes();
    db.execute_batch(TABLE).expect("makes the table");
    commit(&mut db, "first");
    assert_eq!(next(&mut changes).await, "first");
    live.close();
}

#[tokio::test]
async fn all_of_many_changes_of_one_commit_are_told_though_no_other_follows() {
    let (_folder, path, mut db) = file();
    db.execute_batch(TABLE).expect("makes the table");
    let live = Live::start(path).expect("starts");
    let mut changes = live.changes();
    let tx = db.transaction().expect("begins");
    let last = 2 * LOOK_MAX + 1;
    (1..=last).for_each(|n| tell(&tx, "ana", "task", &n.to_string()).expect("tells"));
    tx.commit().expect("commits");
    let to_the_last = async {
        // `None` says that this test was slow; the last one comes nevertheless.
        while changes.next().await.is_none_or(|change| change.entity != last.to_string()) {}
    };
    tokio::time::timeout(Duration::from_secs(30), to_the_last).await.expect("the last change comes");
    live.close();
}
