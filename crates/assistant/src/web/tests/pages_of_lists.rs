//! Lists come in pages: whatever was written is on one of them, and none of them grows without bound.

use super::{chat::talk_with, *};
use crate::model::tests::streams::{answering, says};

/// Puts `count` messages into Ana's conversation `talk`, behind each other: `m 1`, `m 2` …; those of even number are answers.
fn fill(bench: &Bench, talk: &str, count: u32) {
    let db = bench.stored();
    let mut parent = String::new();
    for n in 1..=count {
        let (id, role) = (format!("M{n:05}"), if n % 2 == 0 { "assistant" } else { "user" });
        let sql = "INSERT INTO messages (id, conversation_id, account_id, parent_id, role, text, status, answered_by, created_at)
                   SELECT ?1, ?2, account_id, ?3, ?4, ?5, 'done', 'built-in', ?6 FROM conversations WHERE id = ?2";
        db.execute(sql, rusqlite::params![id, talk, parent, role, format!("m {n}."), n]).expect("inserts");
        parent = id;
    }
}

async fn conversation(bench: &Bench, token: &str) -> String {
    bench.post(token, "/api/conversations", json!({"title": "long"})).await.text("/id")
}

/// The numbers of the messages that a page shows.
fn shown(page: &str) -> Vec<u32> {
    let articles = page.split("id=\"m-M").skip(1);
    articles.map(|rest| rest.chars().take(5).collect::<String>().parse().expect("a number")).collect()
}

/// The address behind the link of this name.
fn link(page: &str, name: &str) -> Option<String> {
    let before = page.split(&format!("\">{name}</a>")).next().filter(|before| before.len() < page.len())?;
    before.rsplit("href=\"").next().map(|address| address.replace("&amp;", "&"))
}

fn without_fragment(address: &str) -> &str {
    address.split('#').next().unwrap_or(address)
}

#[tokio::test]
async fn every_message_of_a_long_conversation_is_on_a_page_and_each_page_leads_to_the_next() {
    let bench = bench().await;
    let ana = bench.sign_in("ana").await;
    let talk = conversation(&bench, &ana).await;
    fill(&bench, &talk, 260);
    let mut page = bench.get(&ana, &format!("/chat/{talk}")).await.body;
    assert_eq!(shown(&page).last(), Some(&260));
    assert_eq!(link(&page, "Later messages"), None);
    let mut seen = shown(&page);
    let mut pages = 1;
    while let Some(earlier) = link(&page, "Earlier messages") {
        let first = seen[0];
        assert!(
            earlier.ends_with(&format!("#m-M{:05}", first - 1)),
            "{earlier} leads elsewhere than reading goes on"
        );
        page = bench.get(&ana, without_fragment(&earlier)).await.body;
        let more = shown(&page);
        assert_eq!(more.last(), Some(&(first - 1)));
        assert!(more.len() <= 50, "{} on a page", more.len());
        seen.splice(0..0, more);
        pages += 1;
    }
    assert_eq!(seen, (1..=260).collect::<Vec<_>>());
    assert_eq!(pages, 6);
    // And on to the end again.
    let mut forth = shown(&page);
    while let Some(later) = link(&page, "Later messages") {
        page = bench.get(&ana, &later).await.body;
        forth.extend(shown(&page));
    }
    assert_eq!(forth, (1..=260).collect::<Vec<_>>());
}

#[tokio::test]
async fn programs_read_a_long_conversation_page_by_page() {
    let bench = bench().await;
    let (ana, ben) = (bench.sign_in("ana").await, bench.sign_in("ben").await);
    let talk = conversation(&bench, &ana).await;
    fill(&bench, &talk, 450);
    let path = format!("/api/conversations/{talk}");
    let mut after = String::new();
    let mut texts = Vec::new();
    let mut sizes = Vec::new();
    loop {
        let page = bench.get(&ana, &format!("{path}?limit=200{after}")).await.json();
        let messages = page["messages"].as_array().expect("a list");
        sizes.push(messages.len());
        texts.splice(0..0, messages.iter().map(|one| one["text"].as_str().expect("a text").to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(sizes, [200, 200, 50]);
    assert_eq!(texts, (1..=450).map(|n| format!("m {n}.")).collect::<Vec<_>>());
    assert_eq!(bench.get(&ana, &path).await.json()["messages"].as_array().map(Vec::len), Some(200));
    assert_eq!(bench.get(&ana, &format!("{path}?after=nothing")).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(bench.get(&ben, &format!("{path}?after=M00300")).await.status, StatusCode::NOT_FOUND);
    let others = conversation(&bench, &ben).await;
    let stolen = bench.get(&ben, &format!("/api/conversations/{others}?after=M00300")).await;
    assert_eq!(
        stolen.status,
        StatusCode::BAD_REQUEST,
        "a message of another's conversation is no place in this one"
    );
}

#[tokio::test]
async fn what_the_search_finds_opens_the_page_that_holds_it() {
    let bench = bench().await;
    let ana = bench.sign_in("ana").await;
    let talk = conversation(&bench, &ana).await;
    fill(&bench, &talk, 260);
    bench
        .stored()
        .execute("UPDATE messages SET text = 'the kingfisher' WHERE id = 'M00061'", [])
        .expect("writes");
    let found = bench.get(&ana, "/api/search?q=kingfisher").await.text("/hits/0/address");
    assert_eq!(found, format!("/chat/{talk}?at=M00061#m-M00061"));
    let page = bench.get(&ana, without_fragment(&found)).await.body;
    let numbers = shown(&page);
    assert!(numbers.contains(&61) && numbers.len() == 50, "{numbers:?}");
    assert!(link(&page, "Earlier messages").is_some() && link(&page, "Later messages").is_some());
    // What is said goes to the end, which is not what stands here.
    assert!(!page.contains("data-follow"), "{page}");
    let near_the_end = bench.get(&ana, &format!("/chat/{talk}?at=M00240")).await.body;
    assert_eq!(shown(&near_the_end).last(), Some(&260));
    assert!(near_the_end.contains("data-follow"));
    assert_eq!(bench.get(&ana, &format!("/chat/{talk}?at=nothing")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_message_of_another_branch_is_shown_on_it_and_reading_can_go_on_there() {
    let url = answering(|_| says("an answer", &[])).await;
    let talk = talk_with(&[("ASSISTANT_MODEL_URL", &url), ("ASSISTANT_MODEL_NAME", "tiny")]).await;
    let first = talk.say("what is a kingfisher").await;
    talk.say("and what does it eat").await;
    let question = first["parent_id"].as_str().expect("an id");
    let edited = talk
        .bench
        .post(&talk.ana, &format!("/api/messages/{question}/edit"), json!({"text": "what is a heron"}))
        .await;
    talk.whole(&edited).await;
    assert_eq!(talk.way().await[0], "what is a heron");
    let found = talk
        .bench
        .get(&talk.ana, "/api/search?q=what+is+a+kingfisher&kind=message")
        .await
        .text("/hits/0/address");
    let page = talk.bench.get(&talk.ana, without_fragment(&found)).await.body;
    assert!(page.contains("what is a kingfisher") && page.contains("and what does it eat"), "{page}");
    assert!(page.contains("another branch") && !page.contains("data-follow"), "{page}");
    assert_eq!(talk.way().await[0], "what is a heron", "looking changes nothing");
    let choose = page
        .split("<form method=\"post\" action=\"/messages/")
        .nth(1)
        .and_then(|rest| rest.split('/').next());
    let leaf = choose.expect("a form").to_owned();
    talk.post(&format!("/api/messages/{leaf}/choose")).await;
    assert_eq!(talk.way().await, ["what is a kingfisher", "an answer", "and what does it eat", "an answer"]);
}

#[tokio::test]
async fn an_answer_is_written_while_an_earlier_page_is_read() {
    let bench = bench_with(&[("ASSISTANT_BUILTIN_PACE", "1s")]).await;
    let ana = bench.sign_in("ana").await;
    let talk = conversation(&bench, &ana).await;
    fill(&bench, &talk, 120);
    let said = bench
        .post(&ana, &format!("/api/conversations/{talk}/messages"), json!({"text": "count to 60"}))
        .await;
    let message = said.text("/message_id");
    let earlier = bench.get(&ana, &format!("/chat/{talk}?before=M00071")).await.body;
    assert_eq!((shown(&earlier).first(), shown(&earlier).last()), (Some(&21), Some(&70)));
    assert!(!earlier.contains("data-stream"), "{earlier}");
    let end = bench.get(&ana, &format!("/chat/{talk}")).await.body;
    assert!(end.contains(&format!("data-stream=\"/api/messages/{message}/stream\"")), "{end}");
}

#[tokio::test]
async fn what_is_undone_on_an_earlier_page_is_shown_there() {
    let talk = talk_with(&[]).await;
    let did = talk.say("add buy milk to my tasks").await;
    let id = did["id"].as_str().expect("an id").to_owned();
    for _ in 0..30 {
        talk.say("hello").await;
    }
    let last = talk.page().await;
    assert!(!last.contains(&format!("/undo/{id}")), "it is on the last page still");
    talk.post(&format!("/api/undo/{id}")).await;
    let back = talk.bench.get(&talk.ana, &format!("{}?said={id}", talk.path)).await.body;
    assert!(back.contains("id=\"said\"") && back.contains("Undone: Task: buy milk"), "{back}");
}

#[tokio::test]
async fn all_conversations_and_all_that_was_done_are_listed_page_by_page() {
    let bench = bench().await;
    let ana = bench.sign_in("ana").await;
    for n in 1..=120 {
        bench.post(&ana, "/api/conversations", json!({"title": format!("talk {n:03}")})).await;
        bench.post(&ana, "/api/tasks", json!({"title": format!("job {n:03}")})).await;
    }
    for (start, word, most) in [("/chat", "talk ", 50), ("/history", "job ", 50)] {
        let mut page = bench.get(&ana, start).await.body;
        let mut found = std::collections::BTreeSet::new();
        loop {
            let main = page.split("<div id=\"live\"").nth(1).expect("a list").to_owned();
            let here: std::collections::BTreeSet<String> =
                main.split(word).skip(1).map(|rest| rest.chars().take(3).collect()).collect();
            assert!(here.len() <= most, "{} on a page of {start}", here.len());
            found.extend(here);
            let Some(older) = link(&page, "Older") else { break };
            page = bench.get(&ana, &older).await.body;
        }
        assert_eq!(found.len(), 120, "{start}");
    }
    let first = bench.get(&ana, "/api/history?limit=100").await.json();
    assert_eq!((first["commands"].as_array().map(Vec::len), &first["next"]), (Some(100), &json!("100")));
    let rest = bench.get(&ana, "/api/history?limit=100&after=100").await.json();
    assert_eq!((rest["commands"].as_array().map(Vec::len), &rest["next"]), (Some(20), &Value::Null));
}

#[tokio::test]
async fn thousands_of_tasks_are_on_pages_of_bounded_size_and_counted_whole() {
    let bench = bench().await;
    let ana = bench.sign_in("ana").await;
    bench.post(&ana, "/api/tasks", json!({"title": "for today", "due_day": "2020-01-01"})).await;
    let sql = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ?1)
               INSERT INTO tasks (id, account_id, title, state, due_day, created_at, done_at, rev)
               SELECT ?2 || n, (SELECT id FROM accounts WHERE name = 'ana'), 'job ' || ?2 || n || '.', ?3, ?4, n, n, 1 FROM n";
    let db = bench.stored();
    db.execute(sql, rusqlite::params![3_000, "open-", "open", "2020-02-02"]).expect("inserts");
    db.execute(sql, rusqlite::params![250, "done-", "done", Option::<String>::None]).expect("inserts");
    let jobs = |page: &str, kind: &str| -> Vec<String> {
        let begin = format!(">job {kind}");
        let titles = page.split(&begin).skip(1);
        titles.map(|rest| rest.split('.').next().unwrap_or_default().to_owned()).collect()
    };
    let mut seen = std::collections::BTreeSet::new();
    let mut page = bench.get(&ana, "/tasks").await.body;
    assert!(page.contains("Carried over <span class=\"count\">3001</span>"), "{page}");
    assert!(page.len() < 300_000, "{} bytes", page.len());
    let done = link(&page, "All that is done").expect("a link");
    loop {
        seen.extend(jobs(&page, "open-"));
        let Some(more) = link(&page, "More") else { break };
        page = bench.get(&ana, &more).await.body;
    }
    assert_eq!(seen.len(), 3_000);
    let mut page = bench.get(&ana, &done).await.body;
    let mut over = std::collections::BTreeSet::new();
    loop {
        over.extend(jobs(&page, "done-"));
        let Some(more) = link(&page, "More") else { break };
        page = bench.get(&ana, &more).await.body;
    }
    assert_eq!(over.len(), 250);
    let told = bench.post(&ana, "/api/say", json!({"text": "what are my tasks"})).await.text("/reply");
    assert!(told.starts_with("Open (3001):") && told.ends_with("… and 2981 more"), "{told}");
    let dashboard = bench.get(&ana, "/dashboard").await.body;
    assert!(dashboard.len() < 200_000, "{} bytes", dashboard.len());
    assert!(dashboard.contains("Carried over: all of them"), "{dashboard}");
}

#[tokio::test]
async fn a_day_with_many_entries_has_pages_and_the_search_opens_the_right_one() {
    let bench = bench().await;
    let ana = bench.sign_in("ana").await;
    for n in 1..=120 {
        let text = if n == 3 { "the kingfisher".to_owned() } else { format!("line {n}.") };
        bench.post(&ana, "/api/journal", json!({"text": text, "day": "2026-02-28"})).await;
    }
    let found = bench.get(&ana, "/api/search?q=kingfisher").await.text("/hits/0/address");
    let page = bench.get(&ana, without_fragment(&found)).await.body;
    let (_, fragment) = found.split_once('#').expect("a place");
    assert!(page.contains(&format!("id=\"{fragment}\"")), "{found} leads to a page without it");
    let mut page = bench.get(&ana, "/journal/2026-02-28").await.body;
    let mut entries = 0;
    loop {
        let here = page.matches("<article class=\"entry\"").count();
        assert!(here <= 50);
        entries += here;
        let Some(older) = link(&page, "Older") else { break };
        page = bench.get(&ana, &older).await.body;
    }
    assert_eq!(entries, 120);
}

#[tokio::test]
async fn a_task_is_named_however_many_are_due_before_it() {
    let bench = bench().await;
    let ana = bench.sign_in("ana").await;
    let db = bench.stored();
    let many = "INSERT INTO tasks (id, account_id, title, state, due_day, created_at, rev)
                WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1500)
                SELECT 'n' || n, id, 'Chore with number ' || n, 'open', '2026-01-01', 0, 1 FROM n, accounts WHERE name = 'ana'";
    assert_eq!(db.execute(many, []).expect("fills"), 1_500);
    bench.post(&ana, "/api/tasks", json!({"title": "Walk the walrus"})).await;
    let said = bench.post(&ana, "/api/say", json!({"text": "done with walking the walrus"})).await.json();
    assert_eq!(said["understood"], "Done: Walk the walrus");
}
