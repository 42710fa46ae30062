//! What belongs to somebody else does not exist: every route and every form, with another account's ids.

use super::*;

/// All rows of all tables that belong to `account`, as text.
fn rows(bench: &Bench, account: &str) -> Vec<String> {
    let db = bench.stored();
    let sql = "SELECT m.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c ON c.name = 'account_id' WHERE m.type = 'table' ORDER BY 1";
    let mut query = db.prepare(sql).expect("prepares");
    let tables: Vec<String> =
        query.query_map([], |row| row.get(0)).expect("asks").map(|name| name.expect("a name")).collect();
    assert!(tables.len() >= 8, "{tables:?}");
    let of_table = |table: &String| {
        let mut query =
            db.prepare(&format!("SELECT * FROM {table} WHERE account_id = ?1")).expect("prepares");
        let columns = query.column_count();
        let row = |row: &rusqlite::Row<'_>| {
            let cells: Vec<rusqlite::types::Value> =
                (0..columns).map(|column| row.get(column)).collect::<Result<_, _>>()?;
            Ok(format!("{table} {cells:?}"))
        };
        query.query_map([account], row).expect("asks").map(|row| row.expect("a row")).collect::<Vec<_>>()
    };
    tables.iter().flat_map(of_table).collect()
}

/// Something of each kind that has an id, by the word in the paths that take it.
struct Things(Vec<(&'static str, String)>);

impl Things {
    async fn of(bench: &Bench, token: &str) -> Self {
        let task = bench.post(token, "/api/tasks", json!({"title": "Pay rent"})).await;
        let entry =
            bench.post(token, "/api/journal", json!({"text": "secret river"})).await.text("/entry/id");
        let conversation = bench.post(token, "/api/conversations", json!({})).await.text("/id");
        let say = format!("/api/conversations/{conversation}/messages");
        let said = bench.post(token, &say, json!({"text": "help"})).await;
        assert!(bench.get(token, &said.text("/stream")).await.body.contains("event: done"));
        let file = bench.upload(token, &entry, "river.txt", b"secret words").await;
        let session = bench.get(token, "/api/sessions").await.text("/sessions/0/id");
        let reminder = days::tell(bench, &task.text("/task/id"));
        let message = said.text("/message_id");
        let proposed = "INSERT INTO tool_calls (id, message_id, account_id, round, call, said, call_id, name, arguments, state)
                        SELECT 'proposed', id, account_id, 0, 0, '', 'c', 'add_task', '{\"title\":\"x\"}', 'asked' FROM messages WHERE id = ?1";
        bench.stored().execute(proposed, [&message]).expect("inserts");
        Self(vec![
            ("proposals", "proposed".to_owned()),
            ("reminders", reminder),
            ("sessions", session),
            ("/attachments/", file),
            ("entries", entry.clone()),
            ("journal", entry),
            ("tasks", task.text("/task/id")),
            ("undo", task.text("/undo_id")),
            ("messages/", message),
            ("conversations", conversation.clone()),
            ("chat", conversation),
        ])
    }

    fn path(&self, pattern: &str) -> String {
        let (_, id) = self
            .0
            .iter()
            .find(|(word, _)| pattern.contains(word))
            .unwrap_or_else(|| panic!("no id for {pattern}"));
        pattern.replace("{id}", id)
    }
}

#[tokio::test]
async fn another_accounts_things_do_not_exist_and_stay_as_they_are() {
    let bench = bench().await;
    let (ana, ben) = (bench.sign_in("ana").await, bench.sign_in("ben").await);
    let things = Things::of(&bench, &ana).await;
    let account: String = bench
        .stored()
        .query_row("SELECT id FROM accounts WHERE name = 'ana'", [], |row| row.get(0))
        .expect("asks");
    let before = rows(&bench, &account);
    assert!(before.len() > 8, "{before:?}");
    let mut tried = 0;
    for route in routes::TABLE.iter().filter(|route| route.path.contains("{id}")) {
        let path = things.path(route.path);
        for operation in route.operations.iter().filter(|one| one.access == routes::Access::SignedIn) {
            let body = operation.body.map(|body| match body {
                "TaskPatch" => json!({"title": "mine now"}),
                "Title" => json!({"title": "mine now"}),
                "Until" => json!({"until": "tomorrow"}),
                _ => json!({"text": "mine now"}),
            });
            let answer = bench.ask(&ben, &operation.method.to_uppercase(), &path, body, &[]).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{} {path}: {}", operation.method, answer.body);
            tried += 1;
        }
    }
    for (pattern, _) in pages::TABLE.iter().filter(|(path, _)| path.contains("{id}")) {
        for act in ["done", "reopen", "delete", "retry", "stop", "accept"] {
            let path = things.path(pattern).replace("{act}", act).replace("{answer}", act);
            let answer = bench.form(&ben, &path, "text=mine+now&title=mine+now&rev=1&back=/tasks").await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}: {}", answer.body);
            let page = bench.get(&ben, &path).await.status;
            assert!(matches!(page, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED), "{path}: {page}");
            tried += 1;
        }
    }
    assert!(tried >= 20, "only {tried} were tried");
    assert_eq!(rows(&bench, &account), before);
    assert_eq!(bench.get(&ben, "/api/tasks?state=all").await.json()["tasks"], json!([]));
    assert_eq!(bench.get(&ben, "/api/journal?q=river").await.json()["entries"], json!([]));
    let own = bench.get(&ana, "/api/journal?q=river").await.json();
    assert_eq!(own["entries"].as_array().map(Vec::len), Some(1));
}
