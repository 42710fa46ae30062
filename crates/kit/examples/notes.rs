//! A whole app on `kit`: settings, logs, health, metrics, a database with a migration, a drain.
//!
//!     cargo run -p kit --example notes
//!     curl -d 'buy milk' localhost:3000/notes && curl localhost:3000/notes

use std::{error::Error, path::Path, time::Duration};

use axum::{Router, extract::State, routing::post};
use kit::{
    Kit,
    config::{Field, Kind, Reading, Table},
    migrations::{Migration, Migrations},
    sqlite::{Database, DbError, Durability},
};

const FIELDS: &[Field] = &[
    Field { name: "LISTEN", kind: Kind::Text, default: Some("tcp:127.0.0.1:3000"), doc: "Where to listen." },
    Field { name: "NOTES_DB", kind: Kind::Text, default: Some("notes.db"), doc: "The database." },
];
const NOTES: Migration = Migration {
    version: 1,
    name: "notes",
    up: &["CREATE TABLE notes (text TEXT NOT NULL) STRICT"],
    down: &["DROP TABLE notes"],
    compatible_with: 1,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings = Reading::of_environment(Table::new("NOTES_", FIELDS)).finish()?;
    let kit = Kit::start("notes", "info", Duration::from_secs(25))?;
    let path = Path::new(settings.text("NOTES_DB").unwrap_or_default());
    let db = kit.database(path, Migrations { steps: &[NOTES], schema_min: 1 }, true).await?;
    let router = Router::new().route("/notes", post(add).get(all)).with_state(db);
    kit.serve(&settings.text("LISTEN").unwrap_or_default().parse()?, router).await?;
    Ok(())
}

async fn add(State(db): State<Database>, text: String) -> Result<(), String> {
    let insert = move |tx: &rusqlite::Transaction<'_>| {
        Ok(tx.execute("INSERT INTO notes VALUES (?1)", [text]).map(drop)?)
    };
    db.write(Durability::Full, insert).await.map_err(|error: DbError| error.to_string())
}

async fn all(State(db): State<Database>) -> Result<String, String> {
    let query = |c: &rusqlite::Connection| {
        Ok(c.query_row("SELECT coalesce(group_concat(text, '\n'), '') FROM notes", [], |row| row.get(0))?)
    };
    db.read(query).await.map_err(|error: DbError| error.to_string())
}
