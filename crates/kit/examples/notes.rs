//! A whole app on `kit`: settings, logs, health, metrics, a database with a migration, a drain.
//!
//!     cargo run -p kit --example notes
//!     curl -d 'buy milk' localhost:3000/notes && curl localhost:3000/notes

use std::{error::Error, path::Path, time::Duration};

use axum::{Router, extract::State, routing::post};
use kit::{
    Drain,
    config::{Field, Kind, Reading},
    health::{Check, Health, Weight},
    migrations::{Migration, Migrations},
    serve::{Bound, Listen, serve},
    sqlite::{Database, DbError, Durability, open_writer},
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
    let settings = Reading::of_environment(FIELDS, "NOTES_").finish()?;
    kit::logs::start("notes", "info");
    let path = Path::new(settings.text("NOTES_DB").unwrap_or_default());
    Migrations { steps: &[NOTES], schema_min: 1 }.up(&mut open_writer(path)?)?;
    let db = Database::open(path)?;
    let drain = Drain::new(Duration::from_secs(25));
    drain.watch_signals()?;
    let health = Health::new(drain.clone());
    let pinged = db.clone();
    health.watch(Check::new("database", Weight::Ready, move || {
        let db = pinged.clone();
        async move {
            db.read(|c| Ok::<_, DbError>(c.execute_batch("SELECT 1")?))
                .await
                .map_err(|error| error.to_string())
        }
    }));
    let listen: Listen = settings.text("LISTEN").unwrap_or_default().parse()?;
    let router = Router::new().route("/notes", post(add).get(all)).merge(health.routes()).with_state(db);
    Ok(serve(Bound::bind(&listen).await?, router, &drain).await?)
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
