//! Two releases of an app on one database: up, back, and an old release that must keep away.
//!
//!     cargo run -p kit --no-default-features --features migrations --example migrations

use std::{error::Error, path::Path};

use kit::{
    migrations::{Migration, Migrations},
    sqlite::open_writer,
};

const NOTES: Migration = Migration {
    version: 1,
    name: "notes",
    up: &["CREATE TABLE notes (text TEXT NOT NULL) STRICT"],
    down: &["DROP TABLE notes"],
    compatible_with: 1,
};
/// Takes away what release 1 reads: code below schema 2 may not run on it.
const RENAMED: Migration = Migration {
    version: 2,
    name: "renamed",
    up: &["ALTER TABLE notes RENAME COLUMN text TO body"],
    down: &["ALTER TABLE notes RENAME COLUMN body TO text"],
    compatible_with: 2,
};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "notes.db".to_owned());
    let mut db = open_writer(Path::new(&path))?;
    let old = Migrations { steps: &[NOTES], schema_min: 1 };
    let new = Migrations { steps: &[NOTES, RENAMED], schema_min: 2 };
    println!("applied {:?}", new.up(&mut db)?);
    println!("again {:?}", new.up(&mut db)?);
    if let Err(refusal) = old.admit(old.state(&db)?) {
        println!("{refusal}");
    }
    println!("undone {:?}", new.down(&mut db, 1)?);
    println!("old fits: {}", old.admit(old.state(&db)?).is_ok());
    Ok(())
}
