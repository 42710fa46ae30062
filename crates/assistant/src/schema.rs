//! The database's versions. What was released is never edited; a change is a new step at the end.

use kit::migrations::{Migration, Migrations};

pub(crate) const MIGRATIONS: Migrations = Migrations {
    steps: &[
        START,
        JOURNAL_SEARCH,
        SIGN_UP_LINKS,
        READING_HABITS,
        DAYS,
        PRIVACY,
        BRANCHES_AND_TOOLS,
        SEARCH,
        ANSWERS,
        QUESTIONS,
    ],
    schema_min: 10,
};

const START: Migration = Migration {
    version: 1,
    name: "start",
    up: &[
        kit::jobs::TABLE,
        kit::stream::TABLE,
        kit::live::TABLE,
        include_str!("../migrations/0001_start.up.sql"),
    ],
    down: &[include_str!("../migrations/0001_start.down.sql")],
    compatible_with: 1,
};

/// Code of version 1 never looks at the index, and triggers keep it fresh behind its back: it still works.
const JOURNAL_SEARCH: Migration = Migration {
    version: 2,
    name: "journal_search",
    up: &[include_str!("../migrations/0002_journal_search.up.sql")],
    down: &[include_str!("../migrations/0002_journal_search.down.sql")],
    compatible_with: 1,
};

/// Older code never looks at the table: it still works.
const SIGN_UP_LINKS: Migration = Migration {
    version: 3,
    name: "sign_up_links",
    up: &[include_str!("../migrations/0003_sign_up_links.up.sql")],
    down: &[include_str!("../migrations/0003_sign_up_links.down.sql")],
    compatible_with: 1,
};

/// Older code asks what it need not ask: it still works.
const READING_HABITS: Migration = Migration {
    version: 4,
    name: "reading_habits",
    up: &[include_str!("../migrations/0004_reading_habits.up.sql")],
    down: &[include_str!("../migrations/0004_reading_habits.down.sql")],
    compatible_with: 1,
};

/// Older code names the columns that it writes, and the new ones have defaults: it still works. A task that comes again
/// it completes without the next one.
const DAYS: Migration = Migration {
    version: 5,
    name: "days",
    up: &[kit::jobs::BY_TIME, include_str!("../migrations/0005_days.up.sql")],
    down: &["DROP INDEX jobs_by_time", include_str!("../migrations/0005_days.down.sql")],
    compatible_with: 1,
};

/// Older code names the columns that it fills, and a trigger names the sessions that it opens: it still works.
const PRIVACY: Migration = Migration {
    version: 6,
    name: "privacy",
    up: &[include_str!("../migrations/0006_privacy.up.sql")],
    down: &[include_str!("../migrations/0006_privacy.down.sql")],
    compatible_with: 1,
};

/// Older code reads the new columns of nothing, and a trigger gives what it writes its place in the conversation.
const BRANCHES_AND_TOOLS: Migration = Migration {
    version: 7,
    name: "branches_and_tools",
    up: &[include_str!("../migrations/0007_branches_and_tools.up.sql")],
    down: &[include_str!("../migrations/0007_branches_and_tools.down.sql")],
    compatible_with: 1,
};

/// Triggers keep the index behind the back of older code, which goes on with the journal's own one; a later release
/// drops that.
const SEARCH: Migration = Migration {
    version: 8,
    name: "search",
    up: &[include_str!("../migrations/0008_search.up.sql")],
    down: &[include_str!("../migrations/0008_search.down.sql")],
    compatible_with: 1,
};

/// Older code never looks at the table: it still works.
const ANSWERS: Migration = Migration {
    version: 9,
    name: "answers",
    up: &[include_str!("../migrations/0009_answers.up.sql")],
    down: &[include_str!("../migrations/0009_answers.down.sql")],
    compatible_with: 1,
};

/// Older code asks without choices: it still works.
const QUESTIONS: Migration = Migration {
    version: 10,
    name: "questions",
    up: &[include_str!("../migrations/0010_questions.up.sql")],
    down: &[include_str!("../migrations/0010_questions.down.sql")],
    compatible_with: 1,
};

#[cfg(test)]
mod tests {
    use kit::sqlite::open_writer;

    use super::*;

    fn objects(db: &rusqlite::Connection) -> Vec<String> {
        let sql = "SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name";
        let mut query = db.prepare(sql).expect("prepares");
        query.query_map([], |row| row.get(0)).expect("runs").map(|name| name.expect("a name")).collect()
    }

    #[test]
    fn the_manifest_promises_what_the_code_holds() {
        let manifest = include_str!("../../../examples/assistant/mainstay.toml");
        let promises = [
            format!("schema = {}", MIGRATIONS.schema()),
            format!("schema_min = {}", MIGRATIONS.schema_min),
            format!("compatible_with = {}", MIGRATIONS.steps.last().map_or(0, |step| step.compatible_with)),
        ];
        for promise in promises {
            assert!(
                manifest.lines().any(|line| line.trim() == promise),
                "no line `{promise}` in\n{manifest}"
            );
        }
    }

    #[test]
    fn every_step_goes_up_and_down_to_what_was_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut db = open_writer(&folder.path().join("t.db")).expect("opens");
        MIGRATIONS.up(&mut db).expect("up");
        let full = objects(&db);
        MIGRATIONS.down(&mut db, 1).expect("down to the first");
        assert!(!objects(&db).iter().any(|name| name.contains("search")));
        MIGRATIONS.up(&mut db).expect("up again");
        assert_eq!(objects(&db), full);
        MIGRATIONS.down(&mut db, 0).expect("down all");
        assert_eq!(objects(&db), ["schema_migrations"]);
    }

    #[test]
    fn sessions_that_older_code_opens_have_a_name_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut db = open_writer(&folder.path().join("t.db")).expect("opens");
        Migrations { steps: &MIGRATIONS.steps[..3], schema_min: 3 }.up(&mut db).expect("up to 3");
        db.execute_batch("INSERT INTO accounts VALUES ('a', 'ana', '', 'UTC', 0)").expect("an account");
        let open =
            "INSERT INTO sessions (token_hash, account_id, created_at, seen_at) VALUES (?1, 'a', 0, 0)";
        db.execute(open, ["before"]).expect("old code writes");
        MIGRATIONS.up(&mut db).expect("up");
        db.execute(open, ["after"]).expect("old code writes");
        let named: i64 = db
            .query_row("SELECT count(DISTINCT id) FROM sessions WHERE length(id) = 32", [], |row| row.get(0))
            .expect("asks");
        assert_eq!(named, 2);
    }

    #[test]
    fn search_finds_what_was_written_before_the_index_existed() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut db = open_writer(&folder.path().join("t.db")).expect("opens");
        Migrations { steps: &MIGRATIONS.steps[..1], schema_min: 1 }.up(&mut db).expect("up to 1");
        db.execute_batch(
            "INSERT INTO accounts VALUES ('a', 'ana', '', 'UTC', 0);
             INSERT INTO journal_entries (id, account_id, day, text, created_at, rev) VALUES ('e', 'a', '2026-11-21', 'at the café', 0, 1)",
        )
        .expect("old code writes");
        MIGRATIONS.up(&mut db).expect("up to 2");
        let found: i64 = db
            .query_row("SELECT count(*) FROM journal_search WHERE journal_search MATCH 'cafe'", [], |row| {
                row.get(0)
            })
            .expect("asks");
        assert_eq!(found, 1);
    }

    #[test]
    fn conversations_of_before_and_of_older_code_are_one_line_of_messages() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut db = open_writer(&folder.path().join("t.db")).expect("opens");
        Migrations { steps: &MIGRATIONS.steps[..3], schema_min: 3 }.up(&mut db).expect("up to 3");
        let say = |db: &rusqlite::Connection, id: &str, talk: &str| {
            let sql = "INSERT INTO messages (id, conversation_id, account_id, role, text, status, created_at) VALUES (?1, ?2, 'a', 'user', '', 'done', 0)";
            db.execute(sql, [id, talk]).expect("old code writes");
        };
        db.execute_batch(
            "INSERT INTO accounts VALUES ('a', 'ana', '', 'UTC', 0);
             INSERT INTO conversations (id, account_id, title, created_at, updated_at) VALUES ('x', 'a', '', 0, 0), ('y', 'a', '', 0, 0)",
        )
        .expect("old code writes");
        for (id, talk) in [("x1", "x"), ("y1", "y"), ("x2", "x")] {
            say(&db, id, talk);
        }
        MIGRATIONS.up(&mut db).expect("up to 4");
        say(&db, "x3", "x");
        say(&db, "y2", "y");
        let mut query =
            db.prepare("SELECT id || '<' || parent_id FROM messages ORDER BY n").expect("prepares");
        let line: Vec<String> =
            query.query_map([], |row| row.get(0)).expect("runs").map(|row| row.expect("a row")).collect();
        assert_eq!(line, ["x1<", "y1<", "x2<x1", "x3<x2", "y2<y1"]);
        let leaves: String = db
            .query_row("SELECT group_concat(leaf_id) FROM conversations", [], |row| row.get(0))
            .expect("asks");
        assert_eq!(leaves, "x3,y2");
    }
}
