//! Databases that are moved by Mainstay's own migrator and by other people's, as the app's user.

use std::{fs, path::Path};

use testkit::{FakeApp, Mainstay, mainstay::Said, registry};

/// The app with a `[migrate]` for this schema.
fn app_at(mainstay: &Mainstay, name: &str, schema: u64, lines: &str) -> FakeApp {
    let table = format!("[migrate]\nschema = {schema}\nschema_min = 0\n{lines}");
    FakeApp::new(mainstay, name).next().env("SCHEMA", &schema.to_string()).tables(&table)
}

fn file(app: &FakeApp, name: &str, text: &str) {
    let path = app.folder().join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, text).expect("written");
}

fn migrate(mainstay: &Mainstay, app: &FakeApp, verb: &str) -> Said {
    mainstay.cli_in(app.folder(), &["migrate", verb])
}

/// How the schema stands, by `mainstay migrate status`.
fn schema(mainstay: &Mainstay, app: &FakeApp) -> (u64, u64) {
    let said = mainstay.cli_in(app.folder(), &["migrate", "status", "--json"]).expect_code(0);
    let data = &said.json_lines()[0]["data"];
    (data["version"].as_u64().expect("a version"), data["floor"].as_u64().expect("a floor"))
}

#[test]
fn a_folder_of_sql_files_moves_a_database_up_down_and_to_its_contract() {
    const TOOL: &str = "tool = \"sql\"\ncompatible_with = 1\nenv = { DATABASE_URL = \"sqlite:{shared_dir}/state/app.db\" }\n";
    let mainstay = Mainstay::start();
    let one = app_at(&mainstay, "sql", 1, TOOL);
    file(
        &one,
        "migrations/0001_notes.up.sql",
        "CREATE TABLE notes (body TEXT); INSERT INTO notes VALUES ('x');",
    );
    one.deploy_to(&mainstay, &[]).expect_code(0);
    assert_eq!(schema(&mainstay, &one), (1, 1));

    let two = app_at(&mainstay, "sql", 2, TOOL);
    file(
        &two,
        "migrations/0002_text.up.sql",
        "ALTER TABLE notes ADD COLUMN text TEXT; UPDATE nowhere SET x = 1;",
    );
    let said = two.deploy_to(&mainstay, &[]).expect_code(4);
    assert!(said.all().contains("0002_text.up.sql failed"), "the file is named\n{said}");
    assert!(said.all().contains("no such table: nowhere"), "and why it failed\n{said}");
    assert!(said.all().contains("the database is unchanged at schema 1"), "{said}");

    file(
        &two,
        "migrations/0002_text.up.sql",
        "ALTER TABLE notes ADD COLUMN text TEXT; UPDATE notes SET text = body;",
    );
    file(&two, "migrations/0002_text.down.sql", "ALTER TABLE notes DROP COLUMN text;");
    file(&two, "migrations/0002_text.contract.sql", "ALTER TABLE notes DROP COLUMN body;");
    two.deploy_to(&mainstay, &[]).expect_code(0);
    assert_eq!(schema(&mainstay, &two), (2, 1));

    // A file of which the manifest says nothing would never be run.
    file(&two, "migrations/0003_more.up.sql", "CREATE TABLE more (x);");
    let said = two.deploy_to(&mainstay, &[]).expect_code(4);
    assert!(said.all().contains("schema-not-of-files") && said.all().contains("lead to schema 3"), "{said}");
    assert!(said.all().contains("the database is unchanged at schema 2"), "{said}");
    fs::remove_file(two.folder().join("migrations/0003_more.up.sql")).expect("it was written");

    // The first file cannot be taken back.
    let refused = migrate(&mainstay, &two, "down").expect_code(4);
    assert!(refused.all().contains("has no way back"), "{refused}");
    assert_eq!(schema(&mainstay, &two), (2, 1), "nothing was begun, and nothing is held");

    let refused = migrate(&mainstay, &two, "contract").expect_code(1);
    assert!(refused.all().contains("deploy once more for schema 2"), "{refused}");
    app_at(&mainstay, "sql", 2, TOOL).env("MORE", "1").deploy_to(&mainstay, &[]).expect_code(0);
    let said = migrate(&mainstay, &two, "contract").expect_code(0);
    assert!(said.all().contains("only code of schema 2 and above runs"), "{said}");
    assert_eq!(schema(&mainstay, &two), (2, 2));
    let said = mainstay.cli_in(two.folder(), &["rollback", "1"]).expect_code(4);
    assert!(said.all().contains("schema-contract"), "{said}");
}

#[test]
fn a_file_that_is_half_done_is_held_and_a_mended_release_goes_on_with_it() {
    const TOOL: &str =
        "tool = \"sql\"\ncompatible_with = 0\nenv = { DATABASE_URL = \"sqlite:{shared_dir}/data/app.db\" }\n";
    let mainstay = Mainstay::start();
    FakeApp::new(&mainstay, "half").deploy_to(&mainstay, &[]).expect_code(0);
    let app = app_at(&mainstay, "half", 1, TOOL);
    let bad = "-- mainstay: no-transaction\nCREATE TABLE half(x);\nINSERT INTO nosuch VALUES(1);\n";
    file(&app, "migrations/0001_a.up.sql", bad);
    let said = app.deploy_to(&mainstay, &[]).expect_code(5);
    assert!(said.all().contains("0001_a.up.sql was begun"), "{said}");
    assert!(!said.all().contains("the database is unchanged"), "{said}");
    let said = migrate(&mainstay, &app, "status").expect_code(0);
    assert!(said.all().contains("0001_a.up.sql was begun, and did not come to its end"), "{said}");
    let said = mainstay.cli_in(app.folder(), &["resume"]).expect_code(0);
    assert!(said.all().contains("but a migration is held"), "{said}");
    assert!(!said.all().contains("are allowed"), "{said}");
    migrate(&mainstay, &app, "retry").expect_code(5);

    let good = "-- mainstay: no-transaction\nCREATE TABLE IF NOT EXISTS half(x);\n";
    file(&app, "migrations/0001_a.up.sql", good);
    app.deploy_to(&mainstay, &[]).expect_code(0);
    let said = migrate(&mainstay, &app, "status").expect_code(0);
    assert!(!said.all().contains("begun") && said.all().contains("is at schema 1"), "{said}");
}

const ENV_PY: &str = "
import os
from alembic import context
from sqlalchemy import create_engine
with create_engine(os.environ['DATABASE_URL']).begin() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
";

fn revision(app: &FakeApp, id: &str, after: &str, up: &str, down: &str) {
    let text = format!(
        "from alembic import op\nimport sqlalchemy as sa\nrevision = '{id}'\ndown_revision = {after}\n\
         def upgrade():\n    op.execute(\"{up}\")\ndef downgrade():\n    op.execute(\"{down}\")\n"
    );
    file(app, &format!("alembic/versions/{id}.py"), &text);
}

#[test]
fn alembics_revisions_are_a_schema_and_are_moved_by_alembic() {
    let packages = registry::python("alembic", &["alembic"]);
    let tool = |compatible_with| {
        format!(
            "tool = \"alembic\"\nprogram = [\"/usr/bin/python3\", \"-m\", \"alembic\"]\ncompatible_with = {compatible_with}\n\
             env = {{ PYTHONPATH = \"{{release_dir}}/lib\", DATABASE_URL = \"sqlite:///{{shared_dir}}/state/app.db\" }}\n"
        )
    };
    let mainstay = Mainstay::start();
    let one = app_at(&mainstay, "alembic", 1, &tool(0));
    link(&packages, &one.folder().join("lib"));
    file(&one, "alembic.ini", "[alembic]\nscript_location = alembic\n");
    file(&one, "alembic/env.py", ENV_PY);
    revision(&one, "aaa", "None", "CREATE TABLE notes (id INTEGER)", "DROP TABLE notes");
    one.deploy_to(&mainstay, &[]).expect_code(0);
    assert_eq!(schema(&mainstay, &one), (1, 0));

    let two = app_at(&mainstay, "alembic", 2, &tool(1));
    revision(&two, "bbb", "'aaa'", "ALTER TABLE nowhere ADD COLUMN x", "SELECT 1");
    let said = two.deploy_to(&mainstay, &[]).expect_code(4);
    assert!(said.all().contains("no such table: nowhere"), "{said}");
    revision(&two, "bbb", "'aaa'", "ALTER TABLE notes ADD COLUMN x", "ALTER TABLE notes DROP COLUMN x");
    two.deploy_to(&mainstay, &[]).expect_code(0);
    assert_eq!(schema(&mainstay, &two), (2, 1));
    migrate(&mainstay, &two, "down").expect_code(0);
    assert_eq!(schema(&mainstay, &two).0, 0, "to the lowest that the code bears");
}

fn link(packages: &Path, to: &Path) {
    let copied = std::process::Command::new("cp").arg("-rL").arg(packages).arg(to).status();
    assert!(copied.expect("cp runs").success());
}
