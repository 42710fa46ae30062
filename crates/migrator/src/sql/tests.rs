//! Against both databases, for real.

mod files;
mod server;

use std::{fs, path::Path};

use model::Explain;
use rusqlite::Connection;
use tempfile::TempDir;

use self::server::Server;
use super::{address::Address, move_database, open};
use crate::Verb;

/// A database and the folder that moves it.
struct Place {
    dir: TempDir,
    address: Address,
    /// Lives as long as the place.
    server: Option<Server>,
}

impl Place {
    fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let address = Address::parse(&format!("sqlite:{}", dir.path().join("app.db").display())).unwrap();
        Self { dir, address, server: None }
    }

    fn postgres() -> Self {
        let server = Server::start();
        let address = Address::parse(&server.url("postgres")).unwrap();
        Self { dir: tempfile::tempdir().unwrap(), address, server: Some(server) }
    }

    fn file(&self, name: &str, sql: &str) -> &Self {
        fs::write(self.dir.path().join(name), sql).unwrap();
        self
    }

    fn run(&self, verb: Verb) -> Result<u64, Explain> {
        move_database(self.dir.path(), &self.address, verb).map(|()| self.version())
    }

    fn code(&self, verb: Verb) -> String {
        self.run(verb).unwrap_err().code
    }

    fn version(&self) -> u64 {
        super::act::version(&open(&self.address).unwrap().applied().unwrap())
    }

    fn half_done(&self) -> Vec<String> {
        let applied = open(&self.address).unwrap().applied().unwrap();
        super::act::half_done(&applied).map(str::to_owned).collect()
    }

    /// What one number the database answers with.
    fn number(&self, sql: &str) -> i64 {
        match &self.server {
            Some(server) => server.number(sql),
            None => {
                let connection = Connection::open(self.dir.path().join("app.db")).unwrap();
                connection.query_row(sql, [], |row| row.get(0)).unwrap()
            }
        }
    }
}

/// The same on both.
fn everywhere(test: impl Fn(&Place)) {
    test(&Place::sqlite());
    test(&Place::postgres());
}

#[test]
fn files_go_up_once_in_their_order_and_back_to_a_version() {
    everywhere(|place| {
        assert_eq!(place.run(Verb::Status).unwrap(), 0, "a new database");
        place.file("0001_notes.up.sql", "CREATE TABLE notes (id integer primary key);");
        place.file("0001_notes.down.sql", "DROP TABLE notes;");
        place.file(
            "0010_more.sql",
            "ALTER TABLE notes ADD COLUMN body text; INSERT INTO notes VALUES (7, 'x');",
        );
        place.file("0010_more.down.sql", "ALTER TABLE notes DROP COLUMN body; DELETE FROM notes;");
        assert_eq!(place.run(Verb::Up).unwrap(), 10);
        assert_eq!(place.run(Verb::Up).unwrap(), 10);
        assert_eq!(place.number("SELECT count(*) FROM notes"), 1, "it was applied once");
        assert_eq!(place.run(Verb::Down { to: 1 }).unwrap(), 1);
        assert_eq!(place.number("SELECT count(*) FROM notes"), 0);
        assert_eq!(place.run(Verb::Down { to: 0 }).unwrap(), 0);
        assert_eq!(place.run(Verb::Up).unwrap(), 10);
    });
}

#[test]
fn a_file_that_fails_leaves_nothing_of_itself_and_the_ones_before_it_stand() {
    everywhere(|place| {
        place.file("1_a.sql", "CREATE TABLE a (id integer);");
        place.file("2_b.sql", "CREATE TABLE b (id integer); INSERT INTO nowhere VALUES (1);");
        let error = place.run(Verb::Up).unwrap_err();
        assert_eq!(error.code, "sql-migration-failed");
        assert!(error.message.contains("2_b.sql") && error.causes[0].contains("nowhere"), "{error:?}");
        assert_eq!(place.version(), 1);
        place.file("2_b.sql", "CREATE TABLE b (id integer);");
        assert_eq!(place.run(Verb::Up).unwrap(), 2);
    });
}

#[test]
fn a_file_may_not_end_the_transaction_that_it_runs_in() {
    everywhere(|place| {
        place.file("1_a.sql", "CREATE TABLE a (id integer); COMMIT; CREATE TABLE b (id integer);");
        assert_eq!(place.code(Verb::Up), "sql-transaction-ended");
        assert_eq!(place.version(), 0);
    });
}

#[test]
fn what_was_applied_is_not_edited_left_out_or_of_a_later_release() {
    everywhere(|place| {
        place.file("2_b.sql", "CREATE TABLE b (id integer);");
        place.run(Verb::Up).unwrap();
        place.file("1_a.sql", "CREATE TABLE a (id integer);");
        assert_eq!(place.code(Verb::Up), "sql-out-of-order");
        fs::remove_file(place.dir.path().join("1_a.sql")).unwrap();
        place.file("2_b.sql", "CREATE TABLE b (id bigint);");
        assert_eq!(place.code(Verb::Up), "sql-file-edited");
        fs::remove_file(place.dir.path().join("2_b.sql")).unwrap();
        place.file("1_a.sql", "CREATE TABLE a (id integer);");
        assert_eq!(place.code(Verb::Up), "sql-later-release");
        assert_eq!(place.version(), 2);
    });
}

#[test]
fn a_step_without_a_way_back_is_an_error_before_anything_begins() {
    everywhere(|place| {
        place.file("1_a.sql", "CREATE TABLE a (id integer);").file("2_b.sql", "CREATE TABLE b (id integer);");
        place.file("2_b.down.sql", "DROP TABLE b;");
        place.run(Verb::Up).unwrap();
        assert_eq!(place.code(Verb::Down { to: 0 }), "sql-irreversible");
        assert_eq!(place.version(), 2, "not even the step that has one");
        assert_eq!(place.run(Verb::Down { to: 1 }).unwrap(), 1);
    });
}

#[test]
fn a_contract_step_runs_by_itself_alone_and_bars_the_way_back() {
    everywhere(|place| {
        place.file("1_a.sql", "CREATE TABLE a (old integer);");
        place.file("2_new.up.sql", "ALTER TABLE a ADD COLUMN new integer;");
        place.file("2_new.down.sql", "ALTER TABLE a DROP COLUMN new;");
        place.file("2_new.contract.sql", "ALTER TABLE a DROP COLUMN old; INSERT INTO a VALUES (3);");
        assert_eq!(place.run(Verb::Up).unwrap(), 2);
        assert_eq!(place.number("SELECT count(old) FROM a"), 0, "it is there");
        assert_eq!(place.run(Verb::Contract).unwrap(), 2);
        assert_eq!(place.run(Verb::Contract).unwrap(), 2);
        assert_eq!(place.number("SELECT count(new) FROM a"), 1, "it ran once");
        assert_eq!(place.code(Verb::Down { to: 1 }), "sql-irreversible");
    });
}

#[test]
fn two_migrators_at_once_apply_each_file_once() {
    everywhere(|place| {
        place.file("1_a.sql", "CREATE TABLE a (id integer);");
        for n in 2..20 {
            place.file(&format!("{n}_row.sql"), &format!("INSERT INTO a VALUES ({n});"));
        }
        std::thread::scope(|scope| {
            let runs: Vec<_> = (0..3).map(|_| scope.spawn(|| place.run(Verb::Up))).collect();
            runs.into_iter().for_each(|run| assert_eq!(run.join().unwrap().unwrap(), 19));
        });
        assert_eq!(place.number("SELECT count(*) FROM a"), 18);
    });
}

#[test]
fn a_file_without_a_transaction_may_do_what_none_allows_and_is_begun_again() {
    let place = Place::sqlite();
    place.file("1_a.sql", "-- mainstay: no-transaction\nCREATE TABLE a (id integer); VACUUM; SELEC 1;");
    assert_eq!(place.code(Verb::Up), "sql-migration-failed");
    assert_eq!(place.version(), 0, "begun is not done");
    assert_eq!(place.half_done(), ["1_a.sql"], "and not undone either");
    place.file("1_a.sql", "-- mainstay: no-transaction\nCREATE TABLE IF NOT EXISTS a (id integer); VACUUM;");
    assert_eq!(place.run(Verb::Up).unwrap(), 1);
    assert!(place.half_done().is_empty());
}

#[test]
fn a_contract_step_that_is_half_done_keeps_no_release_out_and_is_run_again_once_it_is_mended() {
    let place = Place::sqlite();
    place.file("1_a.sql", "CREATE TABLE a (old integer, new integer);");
    place.file("1_a.contract.sql", "-- mainstay: no-transaction\nALTER TABLE a DROP COLUMN old; SELEC 1;");
    place.run(Verb::Up).unwrap();
    assert_eq!(place.code(Verb::Contract), "sql-migration-failed");
    assert!(place.half_done().is_empty(), "the way up is whole");
    place.file("2_b.sql", "CREATE TABLE b (id integer);");
    assert_eq!(place.run(Verb::Up).unwrap(), 2, "and goes on");
    assert_eq!(place.code(Verb::Contract), "sql-migration-failed");
    place.file("1_a.contract.sql", "-- mainstay: no-transaction\nSELECT 1;");
    assert_eq!(place.run(Verb::Contract).unwrap(), 2);
}

#[test]
fn the_folder_of_a_new_database_is_made_or_named() {
    let dir = tempfile::tempdir().unwrap();
    let address = |path: &str| Address::parse(&format!("sqlite:{}/{path}", dir.path().display())).unwrap();
    open(&address("data/of/app.db")).map(drop).unwrap();
    assert!(dir.path().join("data/of/app.db").exists());
    fs::write(dir.path().join("file"), "no folder").unwrap();
    let refused = open(&address("file/app.db")).map(drop).unwrap_err();
    assert!(refused.message.contains("/file, where"), "{refused:?}");
}

#[test]
fn rows_whose_parent_goes_are_refused_and_a_table_may_be_made_anew() {
    let place = Place::sqlite();
    place.file(
        "1_a.sql",
        "CREATE TABLE p (id integer primary key); CREATE TABLE c (p integer REFERENCES p ON DELETE CASCADE);
        INSERT INTO p VALUES (1); INSERT INTO c VALUES (1);",
    );
    place.run(Verb::Up).unwrap();
    place.file("2_b.sql", "DELETE FROM p;");
    assert_eq!(place.code(Verb::Up), "sql-foreign-keys");
    place.file(
        "2_b.sql",
        "CREATE TABLE n (id integer primary key, more text); INSERT INTO n SELECT id, '' FROM p;
        DROP TABLE p; ALTER TABLE n RENAME TO p;",
    );
    assert_eq!(place.run(Verb::Up).unwrap(), 2);
    assert_eq!(place.number("SELECT count(*) FROM c"), 1, "no child went with the old table");
}

#[test]
fn an_index_is_built_concurrently_and_one_that_was_left_half_built_is_dropped_first() {
    let place = Place::postgres();
    place.file("1_a.sql", "CREATE TABLE a (id integer); INSERT INTO a VALUES (1), (1);");
    let index =
        "-- mainstay: no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS one_id ON a (id);";
    place.file("2_index.sql", index);
    let invalid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
    assert_eq!(place.code(Verb::Up), "sql-migration-failed");
    assert_eq!((place.version(), place.number(invalid)), (1, 1), "PostgreSQL leaves a half of it");
    assert_eq!(place.half_done(), ["2_index.sql"]);
    place.server.as_ref().unwrap().execute("DELETE FROM a");
    // IF NOT EXISTS would be content with the half.
    assert_eq!(place.run(Verb::Up).unwrap(), 2);
    let valid = "SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
                 WHERE c.relname = 'one_id' AND i.indisvalid";
    assert_eq!((place.number(invalid), place.number(valid)), (0, 1));
}

#[test]
fn a_statement_that_waits_for_a_lock_gives_up_before_it_keeps_everybody_waiting() {
    let place = Place::postgres();
    place.file("1_a.sql", "CREATE TABLE a (id integer);");
    place.run(Verb::Up).unwrap();
    place.file("2_b.sql", "ALTER TABLE a ADD COLUMN b integer;");
    let holder = place.server.as_ref().unwrap().hold("LOCK TABLE a IN ACCESS SHARE MODE");
    let error = place.run(Verb::Up).unwrap_err();
    assert!(error.causes[0].contains("lock timeout"), "{error:?}");
    drop(holder);
    assert_eq!(place.run(Verb::Up).unwrap(), 2);
}

#[test]
fn a_role_without_the_right_to_make_tables_is_told_so() {
    let place = Place::postgres();
    let server = place.server.as_ref().unwrap();
    server.execute("CREATE ROLE app LOGIN PASSWORD 'x'");
    let address = Address::parse(&server.url("app")).unwrap();
    place.file("1_a.sql", "CREATE TABLE a (id integer);");
    let error = move_database(place.dir.path(), &address, Verb::Up).unwrap_err();
    assert_eq!(error.code, "sql-not-writable");
    assert!(error.causes[0].contains("permission denied for schema public (42501)"), "{error:?}");
    move_database(place.dir.path(), &address, Verb::Status).unwrap();
}

#[test]
fn a_far_server_is_spoken_to_with_verified_tls_alone() {
    let place = Place::postgres();
    let server = place.server.as_ref().unwrap();
    let connect = |query: &str| {
        let address = Address::parse(&format!("{}{query}", server.tcp_url())).unwrap();
        open(&address).map(drop).map_err(|error| error.causes.join("; "))
    };
    let refused = connect("?sslmode=require").unwrap_err();
    assert!(refused.contains("UnknownIssuer") || refused.contains("certificate"), "{refused}");
    let root = server.certificate();
    assert_eq!(connect(&format!("?sslmode=verify-full&sslrootcert={}", root.display())), Ok(()));
    assert!(connect("?sslmode=disable").unwrap_err().contains("no pg_hba.conf entry"));
}

/// What the file says of itself, for messages.
fn names(folder: &Path) -> Vec<u64> {
    super::steps::read(folder).unwrap().iter().map(|step| step.version).collect()
}
