//! One writer, many readers, and mistakes that stay with their caller.

use super::*;

async fn database() -> (tempfile::TempDir, Database) {
    let folder = tempfile::tempdir().expect("a folder");
    let db = Database::open(&folder.path().join("t.db")).expect("opens");
    db.write(Durability::Full, |tx| Ok::<_, DbError>(tx.execute_batch("CREATE TABLE t (n INTEGER) STRICT")?))
        .await
        .expect("creates");
    (folder, db)
}

async fn count(db: &Database) -> i64 {
    db.read(|c| Ok::<_, DbError>(c.query_row("SELECT count(*) FROM t", [], |row| row.get(0))?))
        .await
        .expect("counts")
}

fn insert(tx: &Transaction<'_>) -> Result<(), DbError> {
    tx.execute("INSERT INTO t VALUES (1)", [])?;
    Ok(())
}

#[tokio::test]
async fn two_hundred_writers_in_two_processes_worth_of_handles_lose_nothing() {
    let (_folder, db) = database().await;
    let other = Database::open(db.path()).expect("opens twice");
    let writes = (0..200).map(|n| {
        let db = if n % 2 == 0 { db.clone() } else { other.clone() };
        tokio::spawn(async move { db.write(Durability::Process, insert).await })
    });
    for write in writes.collect::<Vec<_>>() {
        write.await.expect("joins").expect("writes");
    }
    assert_eq!(count(&db).await, 200);
}

#[tokio::test]
async fn an_error_and_a_panic_roll_back_and_the_writer_lives() {
    let (_folder, db) = database().await;
    let failed: Result<(), DbError> = db
        .write(Durability::Full, |tx| {
            insert(tx)?;
            Err(DbError::Closed)
        })
        .await;
    assert!(failed.is_err());
    let panicked: Result<(), DbError> = db
        .write(Durability::Full, |tx| {
            insert(tx)?;
            panic!("on purpose")
        })
        .await;
    assert!(matches!(panicked, Err(DbError::Closed)));
    assert_eq!(count(&db).await, 0);
    db.write(Durability::Full, insert).await.expect("the writer still works");
    assert_eq!(count(&db).await, 1);
}

#[tokio::test]
async fn a_reader_cannot_write_and_a_refused_schema_writes_nothing() {
    let (_folder, db) = database().await;
    let sneaky: Result<usize, DbError> = db.read(|c| Ok(c.execute("INSERT INTO t VALUES (1)", [])?)).await;
    assert!(sneaky.is_err());
    db.refuse_writes(true);
    assert!(matches!(db.write(Durability::Full, insert).await, Err(DbError::SchemaRefused)));
    assert_eq!(count(&db).await, 0);
}
