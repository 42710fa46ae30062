//! Out and in again, what does not fit, and the end of an account as its owner asks for it.

use std::collections::{BTreeMap, HashMap};

use super::*;

type Files = BTreeMap<String, Vec<u8>>;

impl Bench {
    async fn export(&self, token: &str) -> (Vec<u8>, Files) {
        let request = Request::get("/api/export").header("authorization", format!("Bearer {token}"));
        let answer =
            self.router.clone().call(request.body(Body::empty()).expect("a request")).await.expect("answers");
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/x-tar");
        let length: usize =
            answer.headers()[header::CONTENT_LENGTH].to_str().expect("text").parse().expect("a number");
        let bytes = answer.into_body().collect().await.expect("a body").to_bytes().to_vec();
        assert_eq!(bytes.len(), length);
        let mut files = Files::new();
        for entry in tar::Archive::new(bytes.as_slice()).entries().expect("an archive") {
            let mut entry = entry.expect("an entry");
            let path = entry.path().expect("a path").to_str().expect("UTF-8").to_owned();
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut content).expect("reads");
            files.insert(path, content);
        }
        (bytes, files)
    }

    async fn import(&self, token: &str, kind: &str, key: &str, bytes: impl Into<Body>) -> Answer {
        let mut request = Request::post("/api/import")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", kind);
        if !key.is_empty() {
            request = request.header("idempotency-key", key);
        }
        self.send(request.body(bytes.into()).expect("a request")).await
    }

    /// Rows that `name` has, in all tables with things of people.
    fn rows_of(&self, name: &str) -> i64 {
        let tables = ["tasks", "journal_entries", "conversations", "messages", "commands", "attachments"];
        let count = |table: &str| -> i64 {
            let sql = format!(
                "SELECT count(*) FROM {table} t JOIN accounts a ON a.id = t.account_id WHERE a.name = ?1"
            );
            self.stored().query_row(&sql, [name], |row| row.get(0)).expect("asks")
        };
        tables.into_iter().map(count).sum()
    }
}

/// Something of every kind, some of it done, undone, dated, in other letters, beside files.
async fn fill(bench: &Bench, ana: &str) {
    for task in [
        json!({"title": "Pay; rent, \"now\""}),
        json!({"title": "Café ☕", "due_day": "2026-11-30"}),
        json!({"title": "Water", "tags": ["home"], "due_day": "2099-11-30", "due_time": "09:00", "recurrence": {"rule": "FREQ=WEEKLY;BYDAY=MO", "mode": "fixed"}}),
        json!({"title": "Call Anna", "due_day": "2026-03-29", "due_time": "17:00"}),
    ] {
        let made = bench.post(ana, "/api/tasks", task).await;
        if made.text("/task/title") == "Call Anna" {
            bench.post(ana, &format!("/api/tasks/{}/done", made.text("/task/id")), json!({})).await;
        }
    }
    let undone = bench.post(ana, "/api/tasks", json!({"title": "A mistake"})).await.text("/undo_id");
    assert_eq!(bench.post(ana, &format!("/api/undo/{undone}"), json!({})).await.status, StatusCode::OK);
    let entry = bench
        .post(
            ana,
            "/api/journal",
            json!({"text": "# 2026-11-21\n## 09:15\nAt the \\river", "day": "2026-11-20"}),
        )
        .await;
    bench.post(ana, "/api/journal", json!({"text": "Later\n\n- one\n- two"})).await;
    let entry = entry.text("/entry/id");
    bench.upload(ana, &entry, "Über uns.txt", "die Wörter".as_bytes()).await;
    bench.upload(ana, &entry, "two.txt", "die Wörter".as_bytes()).await;
    let conversation = bench.post(ana, "/api/conversations", json!({})).await.text("/id");
    let say = format!("/api/conversations/{conversation}/messages");
    for text in ["remind me to water the plants tomorrow", "count to 3"] {
        let said = bench.post(ana, &say, json!({"text": text})).await;
        assert!(bench.get(ana, &said.text("/stream")).await.body.contains("event: done"));
    }
}

/// The lines without the first one, every id replaced by the order in which it comes.
fn but_ids(files: &Files) -> Vec<String> {
    let text = std::str::from_utf8(&files["everything.jsonl"]).expect("UTF-8");
    let mut ids = HashMap::new();
    let lines: Vec<Value> =
        text.lines().skip(1).map(|line| serde_json::from_str(line).expect("JSON")).collect();
    for id in lines.iter().filter_map(|line| line["id"].as_str()) {
        let next = format!("id {}", ids.len());
        ids.entry(id.to_owned()).or_insert(next);
    }
    lines
        .iter()
        .map(|line| {
            let mut text = line.to_string();
            ids.iter().for_each(|(id, name)| text = text.replace(id, name));
            text
        })
        .collect()
}

#[tokio::test]
async fn what_is_exported_and_imported_is_exported_again_equal_but_ids() {
    let bench = bench().await;
    let (ana, ben) = (bench.sign_in("ana").await, bench.sign_in("ben").await);
    fill(&bench, &ana).await;
    let (bytes, first) = bench.export(&ana).await;
    let answer = bench.import(&ben, "application/x-tar", "import-1", bytes.clone()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let counts = json!({"tasks": 5, "entries": 2, "conversations": 1, "messages": 4, "commands": 9, "attachments": 2, "left_out": 0});
    assert_eq!(answer.json(), counts);
    let again = bench.import(&ben, "application/x-tar", "import-1", bytes).await;
    assert!(again.headers.contains_key("idempotency-replayed"), "{}", again.body);
    let (_, second) = bench.export(&ben).await;
    let (one, two) = (but_ids(&first), but_ids(&second));
    assert_eq!(one.len(), 23, "{one:#?}");
    assert_eq!(one, two);
    let days = |files: &Files| -> Vec<(String, Vec<u8>)> {
        files
            .iter()
            .filter(|(path, _)| path.starts_with("journal/"))
            .map(|(p, c)| (p.clone(), c.clone()))
            .collect()
    };
    assert_eq!((days(&first).len(), days(&first)), (2, days(&second)));
    let bytes_of = |files: &Files| -> Vec<Vec<u8>> {
        files
            .iter()
            .filter(|(path, _)| path.starts_with("attachments/"))
            .map(|(_, content)| content.clone())
            .collect()
    };
    assert_eq!(bytes_of(&first), [b"die W\xc3\xb6rter".to_vec(), b"die W\xc3\xb6rter".to_vec()]);
    assert_eq!(bytes_of(&first), bytes_of(&second));
    // It is theirs as if they had written it: found, done, and not to be mixed up with the first one's.
    let found = bench.get(&ben, "/api/journal?q=river").await.json();
    assert_eq!(found["entries"][0]["attachments"].as_array().map(Vec::len), Some(2), "{found}");
    let task = bench.get(&ben, "/api/tasks").await.text("/tasks/0/id");
    assert_eq!(bench.post(&ben, &format!("/api/tasks/{task}/done"), json!({})).await.status, StatusCode::OK);
    assert_eq!(bench.get(&ana, &format!("/api/tasks/{task}")).await.status, StatusCode::NOT_FOUND);
    let history = bench.get(&ben, "/api/history").await.json();
    let imported = history["commands"].as_array().expect("a list").last().expect("one").clone();
    let undo = format!("/api/undo/{}", imported["id"].as_str().expect("an id"));
    assert!(imported["stays"].is_string(), "{imported}");
    assert_eq!(bench.post(&ben, &undo, json!({})).await.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn tasks_and_journal_go_in_alone_also_by_the_page() {
    let bench = bench().await;
    let (ana, ben) = (bench.sign_in("ana").await, bench.sign_in("ben").await);
    fill(&bench, &ana).await;
    let (_, files) = bench.export(&ana).await;
    let ics = String::from_utf8_lossy(&files["tasks.ics"]).into_owned();
    let zones = ics.split("TZID=").skip(1).filter_map(|rest| rest.split([':', ';']).next());
    for zone in zones {
        assert!(ics.contains(&format!("BEGIN:VTIMEZONE\r\nTZID:{zone}\r\n")), "no rules of {zone} in {ics}");
    }
    assert!(ics.contains("TZID="), "no task has a time: {ics}");
    let tasks = bench.import(&ben, "text/calendar; charset=utf-8", "", files["tasks.ics"].clone()).await;
    assert_eq!(tasks.json()["tasks"], 5, "{}", tasks.body);
    let listed = bench.get(&ben, "/api/tasks?state=all").await.json();
    let titles: Vec<&str> = listed["tasks"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|task| task["title"].as_str())
        .collect();
    assert!(titles.contains(&"Café ☕") && titles.contains(&"Pay; rent, \"now\""), "{titles:?}");
    let csrf = bench.csrf(&ben).await;
    let part = |name: &str| format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"");
    let send = async |csrf: &str, name: &str, content: &[u8]| {
        let mut body =
            format!("{}\r\n\r\n{csrf}\r\n{}; filename=\"{name}\"\r\n\r\n", part("csrf"), part("file"))
                .into_bytes();
        body.extend([content, b"\r\n--edge--\r\n"].concat());
        let request = Request::post("/settings/import")
            .header("authorization", format!("Bearer {ben}"))
            .header("content-type", "multipart/form-data; boundary=edge");
        bench.send(request.body(Body::from(body)).expect("a request")).await
    };
    let day = &files["journal/2026-11-20.md"];
    assert_eq!(send("guess", "2026-11-20.md", day).await.status, StatusCode::FORBIDDEN);
    assert_eq!(send(&csrf, "day.exe", day).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let sent = send(&csrf, "2026-11-20.md", day).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.body);
    let calendar = b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:A party\r\nEND:VEVENT\r\nBEGIN:VTODO\r\nUID:2\r\nSUMMARY:Buy a cake\r\nEND:VTODO\r\nEND:VCALENDAR\r\n";
    let mixed = send(&csrf, "mixed.ics", calendar).await;
    let to = mixed.headers[header::LOCATION].to_str().expect("text");
    assert_eq!(to, "/settings?tasks=1&left_out=1#imported");
    let told = bench.get(&ben, to.split('#').next().expect("a path")).await.body;
    assert!(
        told.contains("Imported: 1 task. 1 event was left out: of a calendar the to-dos are taken."),
        "{told}"
    );
    let entries = bench.get(&ben, "/api/journal").await.json();
    assert_eq!(entries["entries"][0]["text"], "# 2026-11-21\n## 09:15\nAt the \\river");
    assert_eq!((&entries["entries"][0]["day"], &entries["entries"][1]), (&json!("2026-11-20"), &Value::Null));
}

/// An archive of these lines and files.
fn archive(lines: &[Value], files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |path: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, path, content).expect("adds");
    };
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    add("everything.jsonl", text.as_bytes());
    files.iter().for_each(|(path, content)| add(path, content));
    builder.into_inner().expect("ends")
}

#[tokio::test]
async fn what_does_not_fit_is_told_with_its_line_and_changes_nothing() {
    let bench = bench().await;
    let ben = bench.sign_in("ben").await;
    let head = json!({"kind": "export", "version": 1});
    let task =
        json!({"kind": "task", "id": "t", "title": "Fits", "state": "open", "created_at": 1, "rev": 1});
    let with = |name: &str, value: Value| {
        let mut line = task.clone();
        line[name] = value;
        line
    };
    let entry =
        json!({"kind": "entry", "id": "e", "day": "2026-11-21", "text": "x", "created_at": 1, "rev": 1});
    let file = json!({"kind": "attachment", "id": "f", "entry_id": "e", "name": "../up.txt", "created_at": 1, "file": "attachments/f/up.txt"});
    let other = json!({"kind": "attachment", "id": "f", "entry_id": "of nobody", "name": "up.txt", "created_at": 1, "file": "attachments/f/up.txt"});
    let named = |but: Value| {
        let mut line = file.clone();
        line["name"] = "up.txt".into();
        but.as_object().into_iter().flatten().for_each(|(name, value)| line[name] = value.clone());
        line
    };
    let words: &[(&str, &[u8])] = &[("attachments/f/up.txt", b"words")];
    let program: &[(&str, &[u8])] = &[("attachments/f/up.txt", b"\0\x01\x02")];
    for (lines, files, told) in [
        (
            vec![head.clone(), task.clone(), with("title", json!(" "))],
            words,
            "line 3 of everything.jsonl: a task needs a title",
        ),
        (
            vec![head.clone(), with("due_day", json!("soon"))],
            words,
            "line 2 of everything.jsonl: its due_day does not fit",
        ),
        (
            vec![head.clone(), with("state", json!("lost"))],
            words,
            "line 2 of everything.jsonl: one of its values is none that this release takes",
        ),
        (
            vec![head.clone(), with("tags", json!("home"))],
            words,
            "line 2 of everything.jsonl: its tags does not fit",
        ),
        (
            vec![
                head.clone(),
                with(
                    "recurrence",
                    json!(
                        "{\"rule\":\"FREQ=SECONDLY\",\"mode\":\"fixed\",\"start\":{\"day\":\"2026-01-01\",\"time\":null}}"
                    ),
                ),
            ],
            words,
            "line 2 of everything.jsonl: its recurrence does not fit",
        ),
        (
            vec![head.clone(), task.clone(), task.clone()],
            words,
            "line 3 of everything.jsonl: a line before it has the same id",
        ),
        (vec![head.clone(), with("rev", json!("one"))], words, "line 2 of everything.jsonl: "),
        (vec![head.clone(), with("account_id", json!("x"))], words, "this release knows no \"account_id\""),
        (vec![head.clone(), with("x) VALUES (1); --", json!("x"))], words, "this release knows no"),
        (vec![head.clone(), with("colour", json!("red"))], words, "line 2 of everything.jsonl: "),
        (vec![head.clone(), with("created_at", json!(-1))], words, "its created_at does not fit"),
        (
            vec![head.clone(), json!({"kind": "account", "id": "a"})],
            words,
            "this release knows no \"account\"",
        ),
        (
            vec![head.clone(), entry.clone(), file.clone()],
            words,
            "line 3 of everything.jsonl: the file's name reads like a path",
        ),
        (
            vec![head.clone(), entry.clone(), named(json!({"file": "attachments/f/gone.txt"}))],
            words,
            "line 3 of everything.jsonl: attachments/f/gone.txt is not in the archive, or is no plain file",
        ),
        (
            vec![head.clone(), entry.clone(), named(json!({"digest": "00"}))],
            words,
            "line 3 of everything.jsonl: attachments/f/up.txt has other bytes than its digest says",
        ),
        (
            vec![head.clone(), entry.clone(), named(json!({"name": "."}))],
            words,
            "line 3 of everything.jsonl: the file's name reads like a path",
        ),
        (vec![head.clone(), entry.clone(), other], words, "its entry_id is of no line before it"),
        (
            vec![head.clone(), entry.clone()],
            program,
            "attachments/f/up.txt: images, PDF and plain text in UTF-8 are taken",
        ),
        (vec![json!({"kind": "export", "version": 9})], words, "this release reads version 1"),
        (vec![task.clone()], words, "the first line does not say that this is an export"),
    ] {
        let answer = bench.import(&ben, "application/x-tar", "", archive(&lines, files)).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{lines:?}: {}", answer.body);
        assert!(answer.text("/detail").contains(told), "{told}: {}", answer.body);
    }
    for (kind, bytes) in [
        ("application/x-tar", b"no archive".to_vec()),
        ("application/x-tar", archive(&[head], &[])[..700].to_vec()),
        ("text/calendar", b"words".to_vec()),
        ("text/markdown", b"\xff\xfe".to_vec()),
        ("text/markdown", b"  \n".to_vec()),
    ] {
        let answer = bench.import(&ben, kind, "", bytes).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{kind}: {}", answer.body);
    }
    let unknown = bench.import(&ben, "application/zip", "", Vec::new()).await;
    assert_eq!(unknown.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(bench.rows_of("ben"), 0);
    assert_eq!(bench.files(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn the_settings_name_who_gets_text_and_how_long_it_is_kept() {
    let alone = bench().await;
    let ana = alone.sign_in("ana").await;
    assert!(alone.get(&ana, "/settings").await.body.contains("all of it stays on this machine"));
    assert_eq!(alone.get(&ana, "/api/privacy").await.json()["vendors"], json!([]));
    let bench = bench_with(&[
        ("ASSISTANT_MODEL_URL", "http://127.0.0.1:9/v1"),
        ("ASSISTANT_MODEL_NAME", "large-1"),
        ("ASSISTANT_KEEP_CHATS_DAYS", "30"),
    ])
    .await;
    let ana = bench.sign_in("ana").await;
    let page = bench.get(&ana, "/settings").await.body;
    assert!(
        page.contains("127.0.0.1:9") && page.contains("large-1, a service outside this program"),
        "{page}"
    );
    assert!(page.contains("kept 30 days"), "{page}");
    let told = bench.get(&ana, "/api/privacy").await.json();
    assert_eq!(
        (&told["vendors"][0]["host"], &told["kept_days"]["conversations"]),
        (&json!("127.0.0.1:9"), &json!(30))
    );
}

#[tokio::test]
async fn erasing_is_asked_for_with_the_password_and_can_be_cancelled() {
    let bench = bench().await;
    let ana = bench.sign_in("ana").await;
    let ask = async |password: &str| bench.post(&ana, "/api/erase", json!({"password": password})).await;
    assert_eq!(ask("not this one").await.status, StatusCode::FORBIDDEN);
    assert_eq!(bench.get(&ana, "/api/privacy").await.json()["erase_at"], Value::Null);
    let asked = ask(testing::PASSWORD).await;
    assert_eq!(asked.status, StatusCode::OK, "{}", asked.body);
    let at = asked.text("/erase_at");
    let in_days = |at: &str| {
        let at: jiff::Timestamp = at.parse().expect("an instant");
        (at.as_millisecond() - kit::clock::now_ms()) / 3_600_000
    };
    assert!((166..=168).contains(&in_days(&at)), "{at}");
    assert_eq!(ask(testing::PASSWORD).await.text("/erase_at"), at, "the first time stands");
    assert!(bench.get(&ana, "/settings").await.body.contains("Keep my account"));
    let cancel = async || bench.ask(&ana, "DELETE", "/api/erase", None, &[]).await.status;
    assert_eq!((cancel().await, cancel().await), (StatusCode::OK, StatusCode::NOT_FOUND));
    let form = async |password: &str| {
        bench.form(&ana, "/settings/erase", &format!("back=/settings&password={password}")).await.status
    };
    assert_eq!(form("not+this").await, StatusCode::FORBIDDEN);
    assert_eq!(form("correct+horse").await, StatusCode::SEE_OTHER);
    assert_ne!(bench.get(&ana, "/api/privacy").await.json()["erase_at"], Value::Null);
    bench.form(&ana, "/settings/erase/cancel", "back=/settings").await;
    assert_eq!(bench.get(&ana, "/api/privacy").await.json()["erase_at"], Value::Null);
}

/// Each may lay 256 MiB on the disk before anything of it is known to be of use.
#[tokio::test]
async fn only_so_many_imports_are_received_at_once_and_others_are_told_to_come_back() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    let text = "## 2026-02-28\n\na walk\n";
    let slow: Vec<_> = (0..api::data::IMPORTS_AT_ONCE)
        .map(|_| {
            let (piece, pieces) = tokio::sync::oneshot::channel::<&str>();
            let (taken, is_taken) = tokio::sync::oneshot::channel::<()>();
            let body = futures_util::stream::once(async move {
                taken.send(()).expect("somebody waits");
                pieces.await.map_err(std::io::Error::other)
            });
            let (bench, token) = (bench.share(), token.clone());
            let answer = tokio::spawn(async move {
                bench.import(&token, "text/markdown", "", Body::from_stream(body)).await
            });
            (piece, is_taken, answer)
        })
        .collect();
    let mut open = Vec::new();
    for (piece, is_taken, answer) in slow {
        is_taken.await.expect("its body is asked for");
        open.push((piece, answer));
    }
    let busy = bench.import(&token, "text/markdown", "", text).await;
    assert_eq!(busy.status, StatusCode::SERVICE_UNAVAILABLE, "{}", busy.body);
    assert!(busy.body.contains("Other imports are being read"), "{}", busy.body);
    for (piece, answer) in open {
        piece.send(text).expect("it waits");
        assert_eq!(answer.await.expect("no panic").status, StatusCode::OK);
    }
    assert_eq!(bench.import(&token, "text/markdown", "", text).await.status, StatusCode::OK);
}
