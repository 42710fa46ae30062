//! What the tools say, word for word as their versions of today print it.

use super::{Said, alembic, prisma};

fn said(out: &str, succeeded: bool) -> Said {
    Said { out: out.to_owned(), all: out.to_owned(), succeeded }
}

#[test]
fn alembics_revisions_are_counted_from_the_oldest() {
    let history = "27c6a30d7c24 -> ae1027a6acf (head), Add a column\n1975ea83b712 -> 27c6a30d7c24, more\n<base> -> 1975ea83b712, first\n";
    let history = alembic::history(&said(history, true)).unwrap();
    let at = |current: &str| alembic::position(&history, &said(current, true)).map_err(|error| error.code);
    assert_eq!(at(""), Ok(0));
    assert_eq!(at("1975ea83b712\n"), Ok(1));
    assert_eq!(at("ae1027a6acf (head)\n"), Ok(3));
    assert_eq!(at("ffff\n"), Err("sql-later-release".to_owned()));
    assert_eq!(at("ae1027a6acf (head)\n27c6a30d7c24\n"), Err("migrate-tool-not-understood".to_owned()));
    let two = said("<base> -> a (head), x\n<base> -> b (head), y\n", true);
    assert_eq!(alembic::history(&two).unwrap_err().code, "alembic-heads");
}

#[test]
fn prismas_pending_migrations_are_taken_from_those_found() {
    let count = |out: &str, succeeded| prisma::applied(&said(out, succeeded)).map_err(|error| error.code);
    let to_date = "2 migrations found in prisma/migrations\n\nDatabase schema is up to date!\n";
    assert_eq!(count(to_date, true), Ok(2));
    let pending = "3 migrations found in prisma/migrations\nFollowing migrations have not yet been applied:\n\
                   20260101000000_b\n20260201000000_c\n\nTo apply migrations in production run prisma migrate deploy.\n";
    assert_eq!(count(pending, false), Ok(1));
    let one = "1 migration found in prisma/migrations\nFollowing migration have not yet been applied:\n20260101000000_a\n\nTo apply\n";
    assert_eq!(count(one, false), Ok(0));
    assert_eq!(
        count("No migration found in prisma/migrations\n\nDatabase schema is up to date!\n", true),
        Ok(0)
    );
    let failed =
        "2 migrations found in prisma/migrations\nFollowing migration have failed:\n20260101000000_a\n";
    assert_eq!(count(failed, false), Err("migrate-tool-not-understood".to_owned()));
    assert_eq!(
        count("Error: P1001: Can't reach database server", false),
        Err("migrate-tool-not-understood".to_owned())
    );
}
