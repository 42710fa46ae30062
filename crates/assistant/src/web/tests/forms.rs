//! Forms of pages: a mistake is told at its field and nothing that was typed is lost; sent again they are done once; and
//! pages that hold nothing yet teach.

use super::{
    days::{field, submit},
    *,
};

/// The tag of the element of this name, from `<` to `>`, in the last form that is sent to `action`.
fn element<'p>(page: &'p str, action: &str, name: &str) -> &'p str {
    let mark = format!("method=\"post\" action=\"{action}\"");
    assert!(page.contains(&mark), "no {action} in {page}");
    let form = page.rsplit(&mark).next().expect("a form");
    let form = form.split("</form>").next().expect("a form");
    let at = form.find(&format!("name=\"{name}\"")).unwrap_or_else(|| panic!("no {name} in {form}"));
    let begin = form[..at].rfind('<').expect("a tag");
    &form[begin..begin + form[begin..].find('>').expect("its end")]
}

/// Whether the words stand once, and the field says that they are about it.
fn assert_told(answer: &Answer, action: &str, name: &str, words: &str) {
    let told = format!("<p class=\"error\" id=\"wrong\" role=\"alert\">{words}");
    assert_eq!(answer.body.matches(&told).count(), 1, "{action} {name}: no {told} in {}", answer.body);
    let element = element(&answer.body, action, name);
    for part in ["aria-describedby=\"wrong\"", "aria-invalid=\"true\"", "autofocus"] {
        assert!(element.contains(part), "{action}: no {part} in {element}");
    }
    assert_eq!(answer.body.matches("aria-invalid").count(), 1, "one field is wrong: {}", answer.body);
}

#[tokio::test]
async fn a_text_that_is_too_long_is_refused_with_its_count_and_all_of_it_stands_in_its_field() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    for (path, name, most, words) in [
        ("/chat", "text", 20_000, "A message has 1 to 20000 characters; 20431 are 431 too many."),
        ("/journal", "text", 50_000, "An entry has at most 50000 characters; 50431 are 431 too many."),
        ("/say", "text", 2_000, "A sentence has at most 2000 characters; 2431 are 431 too many."),
        ("/tasks", "title", 500, "A title has at most 500 characters; 931 are 431 too many."),
    ] {
        let page = bench.get(&token, path.replace("/say", "/dashboard").as_str()).await.body;
        let field = element(&page, path, name);
        assert!(field.contains(&format!("data-max=\"{most}\"")) && !field.contains("maxlength"), "{field}");
        // The longest letters on the way: twelve bytes each.
        let typed = "🌊".repeat(most + 431);
        let told = submit(&bench, &token, path, &[(name, &typed)]).await;
        assert_eq!(told.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
        assert_told(&told, path, name, words);
        assert!(told.body.contains(&typed), "{path}: some of it is lost");
        let fits = "🌊".repeat(most);
        assert!(
            submit(&bench, &token, path, &[(name, &fits)]).await.status.as_u16() < 400,
            "{path}: what fits is refused"
        );
    }
    // Lines are told apart by two characters on the way, and by one that was typed.
    let lines = "a\r\n".repeat(9_999) + "ab";
    let kept = submit(&bench, &token, "/chat", &[("text", &lines)]).await;
    assert_eq!(kept.status, StatusCode::SEE_OTHER, "{}", kept.body);
}

/// Names and values of a form.
type Fields<'a> = &'a [(&'a str, &'a str)];
type Owned<'a> = Vec<(&'a str, &'a str)>;

#[tokio::test]
async fn a_mistake_in_a_form_is_told_at_its_field_and_what_was_typed_stands_there() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    let long = "x".repeat(20_001);
    let cases: [(&str, Fields<'_>, &str, u16, &str, &str); 14] = [
        ("/settings/zone", &[("zone", "Mars/Base")], "zone", 422, "\"Mars/Base", "Mars/Base"),
        ("/settings/morning", &[("at", "late")], "at", 422, "\"late", "late"),
        (
            "/settings/password",
            &[("old", "not this"), ("new", "another one")],
            "old",
            403,
            "That is not the password that you have now",
            "",
        ),
        (
            "/settings/password",
            &[("old", testing::PASSWORD), ("new", "short")],
            "new",
            422,
            "A password has 8 characters",
            "",
        ),
        (
            "/settings/password",
            &[("old", testing::PASSWORD), ("new", testing::PASSWORD)],
            "new",
            422,
            "A new password is another one than you have now",
            "",
        ),
        ("/settings/erase", &[("password", "not this")], "password", 403, "The password is another", ""),
        ("/tasks", &[("title", ""), ("day", "2030-01-02")], "title", 422, "A task needs a title", ""),
        ("/tasks", &[("title", "Pay"), ("day", "soon")], "day", 422, "\"soon", "soon"),
        ("/tasks", &[("title", "Pay"), ("time", "25:00")], "time", 422, "\"25:00", "25:00"),
        ("/journal", &[("text", " ")], "text", 422, "An entry", ""),
        ("/journal", &[("text", " "), ("day", "2026-02-28")], "text", 422, "An entry", ""),
        (
            "/chat",
            &[("text", &long)],
            "text",
            422,
            "A message has 1 to 20000 characters; 20001 are 1 too many.",
            "",
        ),
        ("/say", &[("text", "")], "text", 422, "", ""),
        ("/say", &[("text", "help"), ("teaches", "nonsense")], "text", 422, "\"nonsense", "help"),
    ];
    for (path, fields, name, status, words, kept) in cases {
        let answer = submit(&bench, &token, path, fields).await;
        assert_eq!(answer.status.as_u16(), status, "{path} {fields:?}: {}", answer.body);
        assert_told(&answer, path, name, &words.replace('"', "&quot;"));
        if !kept.is_empty() {
            assert!(
                element(&answer.body, path, name).contains(&format!("value=\"{kept}\"")),
                "{path}: {kept} is lost"
            );
        }
        for (_, typed) in fields.iter().filter(|(name, _)| ["old", "new", "password"].contains(name)) {
            assert!(!answer.body.contains(&format!("\"{typed}\"")), "{path} shows a password");
        }
    }
    let answer = submit(&bench, &token, "/chat", &[("text", &long)]).await;
    assert!(answer.body.contains(&long), "a long message is lost");
    let answer =
        submit(&bench, &token, "/tasks", &[("title", "Pay rent"), ("day", "soon"), ("time", "09:00")]).await;
    assert_eq!(
        (field(&answer.body, "title"), field(&answer.body, "time")),
        ("Pay rent".to_owned(), "09:00".to_owned())
    );
    assert_eq!(bench.get(&token, "/api/tasks").await.json()["tasks"], json!([]));
    assert_eq!(bench.get(&token, "/api/journal").await.json()["entries"], json!([]));
    assert_eq!(bench.get(&token, "/api/conversations").await.json()["conversations"], json!([]));
}

#[tokio::test]
async fn a_mistake_in_a_conversation_is_told_in_it() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    let begun = submit(&bench, &token, "/chat", &[("text", "add buy milk to my tasks")]).await;
    let path = begun.headers[header::LOCATION].to_str().expect("text").to_owned();
    let id = path.rsplit('/').next().expect("an id");
    let talk =
        async || bench.get(&token, &format!("/api/conversations/{id}")).await.json()["messages"].clone();
    let (question, answer) = (talk().await[0]["id"].clone(), talk().await[1]["id"].clone());
    let (question, answer) = (question.as_str().expect("an id"), answer.as_str().expect("an id"));
    assert!(bench.get(&token, &format!("/api/messages/{answer}/stream")).await.body.contains("event: done"));
    let before = talk().await;

    let rename = format!("{path}/rename");
    let told = submit(&bench, &token, &rename, &[("title", &"x".repeat(81))]).await;
    assert_told(&told, &rename, "title", "A title has 1 to 80 characters");
    assert!(told.body.contains("<details class=\"keep\" open>") && told.body.contains(&"x".repeat(81)));
    let edit = format!("/messages/{question}/edit");
    let told = submit(&bench, &token, &edit, &[("text", "  ")]).await;
    assert_told(&told, &edit, "text", "A message has 1 to");
    assert!(told.body.contains("<details class=\"edit\" open>"), "{}", told.body);
    let told = submit(&bench, &token, &path, &[("text", "")]).await;
    assert_told(&told, &path, "text", "A message has 1 to");
    for (act, status, words) in [
        ("retry", 409, "That answer did something, which another would do again; undo it first."),
        ("continue", 409, "That answer was not interrupted."),
        ("edit", 409, "An answer is not edited; ask for another one."),
    ] {
        let told = submit(&bench, &token, &format!("/messages/{answer}/{act}"), &[("text", "x")]).await;
        assert_eq!(told.status.as_u16(), status, "{act}: {}", told.body);
        let below = told.body.split(&format!("id=\"m-{answer}\"")).nth(1).expect("the answer");
        let below = below.split("</article>").next().expect("its end");
        assert!(below.contains(&format!("role=\"alert\">{words}")), "{act}: {below}");
    }
    assert_eq!(talk().await, before);
}

#[tokio::test]
async fn a_form_that_comes_again_under_its_key_is_no_conflict_with_itself() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    let task = bench.post(&token, "/api/tasks", json!({"title": "Pay"})).await.text("/task/id");
    let entry = bench
        .post(&token, "/api/journal", json!({"text": "one", "day": "2026-02-28"}))
        .await
        .text("/entry/id");
    let forms: [(String, Owned<'_>, String); 2] = [
        (
            format!("/tasks/{task}"),
            vec![
                ("rev", "1"),
                ("was_title", "Pay"),
                ("title", "Pay rent"),
                ("back", "/tasks"),
                ("key", "k-1"),
            ],
            format!("/api/tasks/{task}"),
        ),
        (
            format!("/entries/{entry}"),
            vec![("rev", "1"), ("was_text", "one"), ("text", "two"), ("day", "2026-02-28"), ("key", "k-2")],
            format!("/api/journal/{entry}"),
        ),
    ];
    for (path, fields, stored) in forms {
        let first = submit(&bench, &token, &path, &fields).await;
        assert_eq!(first.status, StatusCode::SEE_OTHER, "{}", first.body);
        let again = submit(&bench, &token, &path, &fields).await;
        assert_eq!(again.status, StatusCode::SEE_OTHER, "it was stored: {}", again.body);
        assert_eq!(again.headers[header::LOCATION], first.headers[header::LOCATION]);
        assert_eq!(bench.get(&token, &stored).await.json()["rev"], 2, "{path} was done twice");
        // Sent from the same page with other words it is another change, of what is not there any more.
        let mut other = fields.clone();
        let typed = other.iter_mut().find(|(name, _)| ["title", "text"].contains(name)).expect("a field");
        typed.1 = "something else";
        let merge = submit(&bench, &token, &path, &other).await;
        assert_eq!(merge.status, StatusCode::PRECONDITION_FAILED, "{}", merge.body);
        assert!(merge.body.contains("<td>something else</td>"), "{}", merge.body);
        assert_eq!(bench.ask(&token, "DELETE", &stored, None, &[]).await.status, StatusCode::OK);
        let late = submit(&bench, &token, &path, &fields).await;
        assert_eq!(late.status, StatusCode::SEE_OTHER, "it was stored and deleted since: {}", late.body);
    }
}

/// Who goes back to the page, types something else and sends it means something else.
#[tokio::test]
async fn a_form_that_is_sent_again_with_other_words_is_another_thing_to_do() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    for text in ["one", "two", "one"] {
        let sent = submit(&bench, &token, "/journal", &[("text", text), ("key", "k-1")]).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.body);
    }
    let stored = bench.get(&token, "/api/journal").await.json();
    let texts: Vec<_> =
        stored["entries"].as_array().into_iter().flatten().map(|entry| &entry["text"]).collect();
    assert_eq!(texts, ["two", "one"]);
}

#[tokio::test]
async fn a_request_that_comes_again_under_its_key_is_answered_as_before_whatever_it_must_match() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    let task = bench.post(&token, "/api/tasks", json!({"title": "Pay"})).await.text("/task/id");
    let entry = bench.post(&token, "/api/journal", json!({"text": "one"})).await.text("/entry/id");
    for (path, body) in [
        (format!("/api/tasks/{task}"), json!({"title": "Pay rent"})),
        (format!("/api/journal/{entry}"), json!({"text": "two"})),
    ] {
        let send = async |key: &str| {
            let headers = [("if-match", "\"1\""), ("idempotency-key", key)];
            bench.ask(&token, "PATCH", &path, Some(body.clone()), &headers).await
        };
        let (first, again) = (send(&path).await, send(&path).await);
        assert_eq!((first.status, again.status), (StatusCode::OK, StatusCode::OK), "{}", again.body);
        assert_eq!((&again.body, &again.headers[header::ETAG]), (&first.body, &first.headers[header::ETAG]));
        assert!(again.headers.contains_key("idempotency-replayed"));
        assert_eq!(send("another").await.status, StatusCode::PRECONDITION_FAILED);
    }
}

#[tokio::test]
async fn of_forms_that_come_at_once_one_is_stored_and_the_others_see_both_versions() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    for turn in 0..4 {
        let task = bench.post(&token, "/api/tasks", json!({"title": "Pay"})).await.text("/task/id");
        let path = format!("/tasks/{task}");
        let (bench, token, path) = (&bench, &token, &path);
        let tab = |n: usize| async move {
            let (title, key) = (format!("Words of tab {n}"), format!("k-{turn}-{n}"));
            let fields = [("rev", "1"), ("was_title", "Pay"), ("title", title.as_str()), ("key", &key)];
            let answer = submit(bench, token, path, &fields).await;
            (title, answer)
        };
        let answers = join_all((0..8).map(tab)).await;
        let stored = answers.iter().filter(|(_, answer)| answer.status == StatusCode::SEE_OTHER);
        let stored: Vec<&str> = stored.map(|(title, _)| title.as_str()).collect();
        let now = bench.get(token, &format!("/api{path}")).await.text("/title");
        assert_eq!(stored, [now.as_str()], "whoever is sent on was stored");
        for (title, answer) in answers.iter().filter(|(title, _)| **title != now) {
            assert_eq!(answer.status, StatusCode::PRECONDITION_FAILED, "{title}: {}", answer.body);
            assert!(answer.body.contains(&format!("<td>{title}</td>")), "{title} is lost: {}", answer.body);
        }
    }
}

#[tokio::test]
async fn a_file_that_is_sent_twice_from_one_page_is_kept_once() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    let entry = bench.post(&token, "/api/journal", json!({"text": "At the river"})).await.text("/entry/id");
    let path = format!("/journal/{entry}/attachments");
    for _ in 0..2 {
        let sent = bench.file_under(&token, &path, "k-1", ("river.txt", b"words")).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.body);
    }
    let kept = bench.get(&token, &format!("/api{path}")).await.json();
    assert_eq!(kept["attachments"].as_array().map(Vec::len), Some(1), "{kept}");
    for _ in 0..2 {
        let sent = bench.file_under(&token, "/settings/import", "k-2", ("old.md", b"Long ago")).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.body);
    }
    let entries = bench.get(&token, "/api/journal?q=ago").await.json();
    assert_eq!(entries["entries"].as_array().map(Vec::len), Some(1), "{entries}");
    let refused = bench.file_under(&token, &path, "k-3", ("a.txt", b"\x7fELF\x02\x01\x01\0")).await;
    assert_eq!(refused.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let again = bench.file_under(&token, &path, "k-3", ("a.txt", b"\x7fELF\x02\x01\x01\0")).await;
    assert_told(&again, &path, "file", "This file was refused or removed since it was sent first");
    for (path, name, bytes, status, words) in [
        (path.as_str(), "", b"x".as_slice(), 422, "No file was chosen"),
        (&path, "a.txt", b"\x7fELF\x02\x01\x01\0", 415, ""),
        ("/settings/import", "a.zip", b"PK", 415, "An import is a file ending in .tar, .ics or .md"),
        ("/settings/import", "a.tar", b"words", 422, ""),
    ] {
        let refused = bench.file(&token, path, name, bytes).await;
        assert_eq!(refused.status.as_u16(), status, "{path} {name}: {}", refused.body);
        assert_told(&refused, path, "file", words);
    }
}

/// What the buttons of a page say, where pressing one says a sentence.
fn sentences(page: &str) -> Vec<String> {
    let buttons = page.split("<button type=\"submit\" name=\"text\" value=\"").skip(1);
    buttons.filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

#[tokio::test]
async fn every_empty_page_teaches_sentences_that_work() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    let talk = bench.post(&token, "/api/conversations", json!({})).await.text("/id");
    let pages: Vec<String> = ["/dashboard", "/tasks", "/journal", "/search", "/history"]
        .iter()
        .map(|path| (*path).to_owned())
        .chain([format!("/chat/{talk}")])
        .collect();
    for (path, words) in [
        ("/tasks?tag=nothing", "a task's title"),
        ("/journal?tag=nothing", "All of the journal"),
        ("/journal/2026-02-28", "A line above is enough"),
        ("/settings", "What you do stands here"),
        ("/search?q=nothing", "Fewer words find more"),
    ] {
        let page = bench.get(&token, path).await.body;
        assert!(page.contains(words), "{path} does not say what to do: {page}");
    }
    let mut taught = Vec::new();
    for path in &pages {
        let said = sentences(&bench.get(&token, path).await.body);
        assert!(said.len() >= 3, "{path} teaches {said:?}");
        taught.extend(said);
    }
    bench.ask(&token, "DELETE", &format!("/api/conversations/{talk}"), None, &[]).await;
    taught.extend(sentences(&bench.get(&token, "/chat").await.body));
    for sentence in taught {
        let said = bench.post(&token, "/api/say", json!({"text": sentence})).await;
        assert_eq!(said.text("/outcome"), "done", "{sentence}: {}", said.body);
    }
}
