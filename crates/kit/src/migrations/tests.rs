//! Up, down, and what must be refused.

use super::*;

const ONE: Migration = Migration {
    version: 1,
    name: "one",
    up: &["CREATE TABLE a (n INTEGER) STRICT"],
    down: &["DROP TABLE a"],
    compatible_with: 1,
};
const TWO: Migration = Migration {
    version: 2,
    name: "two",
    up: &["ALTER TABLE a ADD COLUMN m TEXT"],
    down: &["ALTER TABLE a DROP COLUMN m"],
    compatible_with: 1,
};
const BROKEN: Migration = Migration {
    version: 2,
    name: "broken",
    up: &["CREATE TABLE b (n INTEGER)", "INSERT INTO nowhere VALUES (1)"],
    down: &[],
    compatible_with: 2,
};
const EDITED: Migration = Migration { up: &["CREATE TABLE a (n TEXT) STRICT"], ..ONE };
const BREAKING: Migration = Migration { compatible_with: 2, ..TWO };

const OLD: Migrations = Migrations { steps: &[ONE], schema_min: 1 };
const NEW: Migrations = Migrations { steps: &[ONE, TWO], schema_min: 1 };

fn memory() -> Connection {
    Connection::open_in_memory().expect("opens")
}

fn tables(connection: &Connection) -> Vec<String> {
    let mut query =
        connection.prepare("SELECT sql FROM sqlite_schema WHERE name IN ('a', 'b')").expect("prepares");
    query.query_map([], |row| row.get(0)).expect("runs").map(|row| row.expect("a row")).collect()
}

#[test]
fn up_and_down_end_where_they_began() {
    let mut db = memory();
    assert_eq!(OLD.up(&mut db).expect("up"), [1]);
    let before = tables(&db);
    assert_eq!(NEW.up(&mut db).expect("up"), [2]);
    assert_eq!(NEW.up(&mut db).expect("nothing to do"), [] as [u64; 0]);
    assert_eq!(NEW.down(&mut db, 1).expect("down"), [2]);
    assert_eq!(tables(&db), before);
    assert_eq!(NEW.down(&mut db, 0).expect("down"), [1]);
    assert_eq!(NEW.state(&db).expect("state"), State::default());
}

#[test]
fn a_step_that_fails_leaves_nothing_of_itself() {
    let mut db = memory();
    let error = Migrations { steps: &[ONE, BROKEN], schema_min: 1 }.up(&mut db).expect_err("fails");
    assert!(error.to_string().starts_with("migration 2 (broken) failed, nothing of it remains"), "{error}");
    assert_eq!(OLD.state(&db).expect("state"), State { version: 1, floor: 1 });
    assert_eq!(tables(&db).len(), 1);
}

#[test]
fn an_edited_migration_is_refused() {
    let mut db = memory();
    OLD.up(&mut db).expect("up");
    let edited = Migrations { steps: &[EDITED], schema_min: 1 };
    assert!(matches!(edited.up(&mut db), Err(MigrateError::Edited(1))));
}

#[test]
fn old_code_runs_after_an_expanding_step_and_not_after_a_breaking_one() {
    let mut db = memory();
    NEW.up(&mut db).expect("up");
    assert!(OLD.admit(OLD.state(&db).expect("state")).is_ok());
    assert!(matches!(OLD.down(&mut db, 0), Err(MigrateError::Future { found: 2, known: 1 })));

    let mut db = memory();
    Migrations { steps: &[ONE, BREAKING], schema_min: 2 }.up(&mut db).expect("up");
    let refused = OLD.admit(OLD.state(&db).expect("state"));
    assert!(matches!(refused, Err(MigrateError::Refused { floor: 2, schema: 1 })));
}

#[test]
fn code_that_needs_more_says_which_version() {
    let mut db = memory();
    OLD.up(&mut db).expect("up");
    let needs_two = Migrations { steps: &[ONE, TWO], schema_min: 2 };
    assert!(matches!(
        needs_two.admit(needs_two.state(&db).expect("state")),
        Err(MigrateError::TooOld { found: 1, needed: 2 })
    ));
}
