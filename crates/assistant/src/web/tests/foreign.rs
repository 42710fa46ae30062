//! What belongs to somebody else does not exist: every route, every form and every tool, with another account's ids and
//! words. A route or a tool that is new fails here until it has its case (W-A4: deny by default).

use std::sync::Mutex;

use super::{chat::talk_with, *};
use crate::{
    model::tests::streams::{answering, says},
    tools,
};

/// Stands in all that Ana writes, and in nothing that anybody else asks.
const MARK: &str = "zebra";

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
pub(super) struct Things(Vec<(&'static str, String)>);

impl Things {
    pub(super) async fn of(bench: &Bench, token: &str) -> Self {
        let task = bench.post(token, "/api/tasks", json!({"title": "Feed the zebra", "tags": [MARK]})).await;
        let entry = bench.post(token, "/api/journal", json!({"text": "zebra river #zebra"})).await;
        let entry = entry.text("/entry/id");
        let talk = json!({"title": "zebra talk"});
        let conversation = bench.post(token, "/api/conversations", talk).await.text("/id");
        let say = format!("/api/conversations/{conversation}/messages");
        let said = bench.post(token, &say, json!({"text": "the zebra, and help"})).await;
        assert!(bench.get(token, &said.text("/stream")).await.body.contains("event: done"));
        let file = bench.upload(token, &entry, "zebra.txt", b"zebra words").await;
        let session = bench.get(token, "/api/sessions").await.text("/sessions/0/id");
        let reminder = days::tell(bench, &task.text("/task/id"));
        let message = said.text("/message_id");
        let proposed = "INSERT INTO tool_calls (id, message_id, account_id, round, call, said, call_id, name, arguments, state)
                        SELECT 'proposed-to-ana', id, account_id, 99, 0, '', 'c', 'add_task', '{\"title\":\"zebra\"}', 'asked' FROM messages WHERE id = ?1";
        bench.stored().execute(proposed, [&message]).expect("inserts");
        let learnt = "INSERT INTO reading_habits (account_id, subject, lesson, learned_at)
                      SELECT account_id, 'zebra', 'zebra', 1 FROM tasks WHERE id = ?1";
        bench.stored().execute(learnt, [task.text("/task/id")]).expect("inserts");
        let asked = bench.form(token, "/say", "text=find+zebra&back=/tasks").await;
        let answer = asked.headers[header::LOCATION].to_str().expect("text").rsplit('/').next();
        Self(vec![
            ("answers", answer.expect("an id").to_owned()),
            ("proposals", "proposed-to-ana".to_owned()),
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

    pub(super) fn path(&self, pattern: &str) -> String {
        let (_, id) = self
            .0
            .iter()
            .find(|(word, _)| pattern.contains(word))
            .unwrap_or_else(|| panic!("no id for {pattern}"));
        pattern.replace("{id}", id)
    }

    fn get(&self, word: &str) -> &str {
        &self.0.iter().find(|(known, _)| *known == word).expect("is known").1
    }

    /// Whether `text` tells anything of them.
    fn are_in(&self, text: &str) -> bool {
        text.contains(MARK) || self.0.iter().any(|(_, id)| text.contains(id))
    }
}

fn account(bench: &Bench, name: &str) -> String {
    let sql = "SELECT id FROM accounts WHERE name = ?1";
    bench.stored().query_row(sql, [name], |row| row.get(0)).expect("asks")
}

#[tokio::test]
async fn another_accounts_things_do_not_exist_and_stay_as_they_are() {
    let bench = bench().await;
    let (ana, ben) = (bench.sign_in("ana").await, bench.sign_in("ben").await);
    let things = Things::of(&bench, &ana).await;
    let account = account(&bench, "ana");
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
            assert!(!answer.body.contains(MARK), "{} {path}: {}", operation.method, answer.body);
            tried += 1;
        }
    }
    let acts = "done reopen delete later tomorrow next-week retry edit continue choose stop accept decline";
    for (pattern, _) in pages::TABLE.iter().filter(|(path, _)| path.contains("{id}")) {
        for act in acts.split(' ') {
            let path = things.path(pattern).replace("{act}", act).replace("{answer}", act);
            let answer = bench.form(&ben, &path, "text=mine+now&title=mine+now&rev=1&back=/tasks").await;
            let page = bench.get(&ben, &path).await;
            let statuses = [answer.status, page.status];
            let is_denied = |status| matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED);
            assert!(statuses.into_iter().all(is_denied), "{path}: {statuses:?} {}", answer.body);
            assert!(statuses.contains(&StatusCode::NOT_FOUND), "{path}: {statuses:?}");
            assert!(![answer.body, page.body].iter().any(|body| body.contains(MARK)), "{path} tells of it");
            tried += 1;
        }
    }
    assert!(tried >= 20, "only {tried} were tried");
    assert_eq!(rows(&bench, &account), before);
    let own = bench.get(&ana, "/api/journal?q=river").await.json();
    assert_eq!(own["entries"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn no_list_search_or_export_holds_what_is_another_accounts() {
    let bench = bench().await;
    let (ana, ben) = (bench.sign_in("ana").await, bench.sign_in("ben").await);
    let things = Things::of(&bench, &ana).await;
    let described = routes::TABLE.iter().map(|route| route.path);
    let all: Vec<&str> = described.chain(pages::TABLE.iter().map(|(path, _)| *path)).collect();
    let day = bench.get(&ana, "/api/journal").await.text("/entries/0/day");
    // Begun words, which find whole ones and are no mark themselves; and the id of her command.
    let asked = format!("q=zeb&text=done+with+zeb&state=all&said={}", things.get("undo"));
    let (mut seen_by_her, mut read) = (0, 0);
    for path in all.into_iter().filter(|path| !path.contains("{id}")) {
        let path = path.replace("{day}", &day).replace("{token}", "none");
        let path = path.replace("{version}", "1").replace("{file}", "app.js");
        for path in [path.clone(), format!("{path}?{asked}")] {
            let answer = bench.get(&ben, &path).await;
            assert!(answer.status.as_u16() < 500, "{path}: {}", answer.body);
            assert!(!things.are_in(&answer.body), "{path}: {}", answer.body);
            seen_by_her += usize::from(bench.get(&ana, &path).await.body.contains(MARK));
            read += 1;
        }
    }
    assert!(
        read > 60 && seen_by_her > 15,
        "{read} were read, in {seen_by_her} of them Ana sees what is hers"
    );
}

/// A password that Ben changes his to.
const OTHER: &str = "battery staple";

/// What is sent to a form or a route that takes no id, as an attempt on Ana's things where it can be one. `None`: nobody
/// has thought about it yet.
fn attempt(path: &str) -> Option<(Value, &'static str)> {
    let password = "correct horse";
    Some(match path {
        "/api/tasks" | "/tasks" => (json!({"title": "x"}), "title=x"),
        "/api/journal" | "/journal" => (json!({"text": "x"}), "text=x"),
        "/api/conversations" => (json!({}), ""),
        "/chat" => (json!({}), "text=undo"),
        "/api/say" | "/say" => (json!({"text": "delete task feed the zebra"}), "text=undo"),
        "/api/summary" => (json!({"at": "06:00"}), ""),
        "/api/password" | "/settings/password" => {
            (json!({"old": password, "new": OTHER}), "old=correct+horse&new=battery+staple")
        }
        "/api/erase" => (json!({"password": OTHER}), ""),
        "/settings/erase" => (json!({}), "password=battery+staple"),
        "/settings/zone" => (json!({}), "zone=Europe/Lisbon"),
        "/settings/forget" => (json!({}), "subject=zebra"),
        "/settings/morning" => (json!({}), "at=06:00"),
        "/settings/erase/cancel" | "/settings/sessions/end-others" | "/api/sessions/end-others" => {
            (json!({}), "")
        }
        // In a session of its own, which it ends.
        "/api/logout" | "/logout" => (json!({}), ""),
        // As a file.
        "/api/import" | "/settings/import" => (json!({}), ""),
        _ => return None,
    })
}

#[tokio::test]
async fn nothing_that_takes_no_id_reaches_another_account() {
    let bench = bench().await;
    let (ana, ben) = (bench.sign_in("ana").await, bench.sign_in("ben").await);
    Things::of(&bench, &ana).await;
    let archive = bench.ask(&ana, "GET", "/api/export", None, &[]).await;
    assert_eq!(archive.status, StatusCode::OK);
    let account = account(&bench, "ana");
    let before = rows(&bench, &account);
    for route in routes::TABLE.iter().filter(|route| !route.path.contains("{id}")) {
        let changes = route.operations.iter().filter(|one| one.method != "get");
        for operation in changes.filter(|one| one.access == routes::Access::SignedIn) {
            let (body, _) = attempt(route.path).unwrap_or_else(|| panic!("no case for {}", route.path));
            let who = if route.path == "/api/logout" { bench.sign_in("ben").await } else { ben.clone() };
            let answer = match route.path {
                // Her own archive, ids and all: what comes in is his, under ids of its own.
                "/api/import" => {
                    let request = Request::post(route.path)
                        .header(header::AUTHORIZATION, format!("Bearer {who}"))
                        .header(header::CONTENT_TYPE, "application/x-tar");
                    bench.send(request.body(Body::from(archive.body.clone())).expect("a request")).await
                }
                path => bench.ask(&who, &operation.method.to_uppercase(), path, Some(body), &[]).await,
            };
            assert!(answer.status.is_success(), "{} {}: {}", operation.method, route.path, answer.body);
            assert_eq!(rows(&bench, &account), before, "{} {}", operation.method, route.path);
        }
    }
    // The forms begin with the password that the routes began with.
    let back = json!({"old": OTHER, "new": testing::PASSWORD});
    assert_eq!(bench.post(&ben, "/api/password", back).await.status, StatusCode::NO_CONTENT);
    for (path, _) in pages::TABLE.iter().filter(|(path, _)| !path.contains('{')) {
        let who = if *path == "/logout" { bench.sign_in("ben").await } else { ben.clone() };
        let answer = match attempt(path) {
            Some(_) if *path == "/settings/import" => bench.file(&who, path, "a.md", b"zebra").await,
            Some((_, fields)) => bench.form(&who, path, fields).await,
            // Forms of whoever is not signed in yet.
            None if *path == "/login" => continue,
            None => {
                let asked = bench.form(&who, path, "").await.status;
                assert_eq!(asked, StatusCode::METHOD_NOT_ALLOWED, "no case for {path}");
                continue;
            }
        };
        assert!(answer.status.as_u16() < 500, "{path}: {}", answer.body);
        assert_eq!(rows(&bench, &account), before, "{path}");
    }
    assert_eq!(bench.get(&ana, "/api/me").await.status, StatusCode::OK, "her session goes on");
}

/// What a model calls a tool with to reach what is not its person's. `None`: nobody has thought about it yet.
fn reach(tool: &str, task: &str, entry: &str) -> Option<Value> {
    Some(match tool {
        "list_tasks" => json!({"state": "open"}),
        "find_entries" => json!({"query": "zeb"}),
        "add_task" => json!({"title": "x"}),
        "add_entry" => json!({"text": "x"}),
        "complete_task" | "reopen_task" | "delete_task" => json!({"id": task}),
        "move_task" => json!({"id": task, "due": {"day": "2099-01-01"}}),
        "delete_entry" => json!({"id": entry}),
        _ => return None,
    })
}

#[tokio::test]
async fn no_tool_reaches_another_account() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let url = answering(move |request| {
        if request.rsplit("\"role\":\"user\"").next().is_some_and(|last| last.contains("\"role\":\"tool\"")) {
            heard.lock().expect("nobody panics").push(request.to_owned());
            return says("Done.", &[]);
        }
        let asked = request.rsplit("use the tool ").next().unwrap_or_default();
        let mut words = asked.split([' ', '"']);
        let mut next = || words.next().unwrap_or_default();
        let (name, task, entry) = (next(), next(), next());
        says("", &[(name, reach(name, task, entry).unwrap_or_default())])
    })
    .await;
    let talk = talk_with(&[("ASSISTANT_MODEL_URL", &url), ("ASSISTANT_MODEL_NAME", "tiny")]).await;
    let bench = talk.bench.share();
    let ben = bench.sign_in("ben").await;
    let things = Things::of(&bench, &ben).await;
    let account = account(&bench, "ben");
    let before = rows(&bench, &account);
    let (task, entry) = (things.get("tasks"), things.get("entries"));
    for tool in tools::offered() {
        assert!(reach(tool.name, task, entry).is_some(), "no case for {}", tool.name);
        talk.say(&format!("use the tool {} {task} {entry}", tool.name)).await;
        let request = told.lock().expect("nobody panics").pop().expect("the model was told what came of it");
        let body: Value =
            serde_json::from_str(request.split("\r\n\r\n").nth(1).expect("a body")).expect("JSON");
        let told = body["messages"].as_array().and_then(|all| all.last()).expect("a message").to_string();
        assert!(!told.contains(MARK), "{} tells of it: {told}", tool.name);
        let takes_id = (tool.schema)["properties"].get("id").is_some();
        assert!(!takes_id || told.contains("there is no such"), "{}: {told}", tool.name);
        assert_eq!(rows(&bench, &account), before, "{}", tool.name);
    }
    assert_eq!(talk.tasks().await.len(), 1, "what the tools did, they did to the person's own");
}
