//! The search over everything: by programs, on its page, and through the box.

use super::*;

#[tokio::test]
async fn everything_is_searched_and_only_ones_own() {
    let bench = bench().await;
    let (ana, ben) = (bench.sign_in("ana").await, bench.sign_in("ben").await);
    bench.post(&ana, "/api/tasks", json!({"title": "Meet at the café"})).await;
    let entry = bench.post(&ana, "/api/journal", json!({"text": "cafes <b>&", "day": "2026-11-21"})).await;
    bench.upload(&ana, &entry.text("/entry/id"), "Café bill.txt", b"words").await;
    bench.post(&ana, "/api/conversations", json!({"title": "Cafe talk"})).await;
    let hits = bench.get(&ana, "/api/search?q=cafe").await.json();
    let mut kinds: Vec<&str> =
        hits["hits"].as_array().expect("hits").iter().filter_map(|hit| hit["kind"].as_str()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["attachment", "conversation", "entry", "task"], "{hits}");
    let task = bench.get(&ana, "/api/search?q=CAF%C3%89&kind=task").await.json();
    let expected = json!([{"text": "Meet at the ", "found": false}, {"text": "café", "found": true}]);
    assert_eq!((task["hits"].as_array().map(Vec::len), &task["hits"][0]["snippet"]), (Some(1), &expected));
    let shown = task["hits"][0]["address"].as_str().expect("an address").to_owned();
    assert_eq!(bench.get(&ana, &shown).await.status, StatusCode::OK);
    let first = bench.get(&ana, "/api/search?q=cafe&limit=3").await.json();
    assert_eq!((first["hits"].as_array().map(Vec::len), &first["next"]), (Some(3), &json!("3")));
    let rest = bench.get(&ana, "/api/search?q=cafe&limit=3&after=3").await.json();
    assert_eq!((rest["hits"].as_array().map(Vec::len), &rest["next"]), (Some(1), &Value::Null));
    assert_eq!(bench.get(&ben, "/api/search?q=cafe").await.json()["hits"], json!([]));
    assert!(!bench.get(&ben, "/search?q=cafe").await.body.contains("Meet at"));
    let page = bench.get(&ana, "/search?q=cafe").await.body;
    assert!(
        page.contains("Meet at the <mark>café</mark>") && page.contains("<mark>cafes</mark> &lt;b&gt;&amp;"),
        "{page}"
    );
    for (path, status) in [
        ("/api/search?q=cafe&kind=thing", 400),
        ("/api/search", 400),
        ("/api/search?q=", 200),
        ("/search", 200),
    ] {
        assert_eq!(bench.get(&ana, path).await.status.as_u16(), status, "{path}");
    }
}

#[tokio::test]
async fn the_box_finds_things_and_leads_to_the_search() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    bench.post(&token, "/api/tasks", json!({"title": "Paint the café"})).await;
    bench.post(&token, "/api/journal", json!({"text": "tea in the café", "day": "2026-02-01"})).await;
    for sentence in ["find cafe", "search for the cafe", "please look for cafe", "find everything about cafe"]
    {
        let said = bench.post(&token, "/api/say", json!({"text": sentence})).await.json();
        let reply = said["reply"].as_str().expect("a reply");
        assert!(reply.contains("• Task, today: Paint the café"), "{sentence}: {said}");
        assert!(
            reply.contains("• Journal, Sun 1 Feb") && reply.contains("tea in the café"),
            "{sentence}: {said}"
        );
        assert_eq!(said["undo_id"], Value::Null);
    }
    let nothing = bench.post(&token, "/api/say", json!({"text": "find the sea"})).await.json();
    assert_eq!(nothing["reply"], "Nothing has “the sea” in it.");
    // The journal alone is still asked by its name.
    let journal = bench.post(&token, "/api/say", json!({"text": "find cafe in my journal"})).await.json();
    assert!(!journal["reply"].as_str().is_some_and(|reply| reply.contains("Paint")), "{journal}");
    let answered = bench.form(&token, "/say", "text=find+caf%C3%A9&back=/tasks").await;
    let page = bench.get(&token, answered.headers[header::LOCATION].to_str().expect("text")).await.body;
    assert!(page.contains("href=\"/search?q=caf%C3%A9\""), "{page}");
    // In the chat the question is a message too, which is not what was looked for.
    let talk = bench.post(&token, "/api/conversations", json!({})).await.text("/id");
    let asked = bench
        .post(&token, &format!("/api/conversations/{talk}/messages"), json!({"text": "find cafe"}))
        .await;
    assert!(bench.get(&token, &asked.text("/stream")).await.body.contains("event: done"));
    let answer =
        bench.get(&token, &format!("/api/messages/{}", asked.text("/message_id"))).await.text("/text");
    assert!(answer.starts_with("2 things:"), "{answer}");
}
