//! Models behind the chat: their tools, who answers when one does not, what they may cost, how their words are shown.

use std::sync::{Arc, Mutex};

use super::{
    chat::{Talk, talk_with},
    *,
};
use crate::model::tests::streams::{Server, Wire, answering, says};

async fn with_one(url: &str, more: &[(&str, &str)]) -> Talk {
    let one = [("ASSISTANT_MODEL_URL", url), ("ASSISTANT_MODEL_NAME", "one")];
    talk_with(&[one.as_slice(), more].concat()).await
}

#[tokio::test]
async fn a_model_looks_and_acts_by_the_tools_and_each_act_can_be_undone() {
    let asked = Arc::new(Mutex::new(Vec::<String>::new()));
    let seen = Arc::clone(&asked);
    let url = answering(move |request| {
        let mut asked = seen.lock().expect("nobody panics");
        asked.push(request.to_owned());
        // The id that the first tool has told.
        let id = request
            .rsplit("\"content\":\"")
            .next()
            .and_then(|rest| rest.split(':').next())
            .unwrap_or("")
            .to_owned();
        match asked.len() {
            1 => says("Let me look. ", &[("list_tasks", json!({}))]),
            2 => says(
                "",
                &[
                    ("complete_task", json!({"id": id})),
                    ("add_task", json!({"title": "Water it", "due": {"day": "2030-01-02"}})),
                ],
            ),
            _ => says("Both are done.", &[]),
        }
    })
    .await;
    let talk = with_one(&url, &[]).await;
    talk.bench.post(&talk.ana, "/api/tasks", json!({"title": "Buy a plant"})).await;
    let answer = talk.say("whatever there is about plants, see to it").await;
    assert_eq!(answer["text"], "Let me look. Both are done.", "{answer}");
    let told: Vec<&str> = answer["by_tools"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|done| done["understood"].as_str().expect("words"))
        .collect();
    assert_eq!(told, ["Done: Buy a plant", "Task: Water it · Wed 2 Jan 2030"]);
    let requests = asked.lock().expect("nobody panics").clone();
    assert!(requests[0].contains("\"tools\":[") && requests[0].contains("complete_task"), "{}", requests[0]);
    assert!(requests[1].contains(": Buy a plant"), "the list is told: {}", requests[1]);
    assert!(requests[2].contains("“Buy a plant” is done."), "{}", requests[2]);
    assert!(talk.page().await.contains("<b>Done</b>"));
    for done in answer["by_tools"].as_array().expect("a list") {
        let undone = talk.post(&format!("/api/undo/{}", done["id"].as_str().expect("an id"))).await;
        assert_eq!(undone.status, StatusCode::OK, "{}", undone.body);
    }
    let tasks = talk.tasks().await;
    assert_eq!((tasks.len(), &tasks[0]["state"]), (1, &json!("open")));
}

#[tokio::test]
async fn what_a_model_gets_wrong_is_told_to_it_and_changes_nothing() {
    let asked = Arc::new(Mutex::new(Vec::<String>::new()));
    let seen = Arc::clone(&asked);
    let url = answering(move |request| {
        let mut asked = seen.lock().expect("nobody panics");
        asked.push(request.to_owned());
        if asked.len() > 1 {
            return says("I could not.", &[]);
        }
        says(
            "",
            &[
                ("drop_database", json!({})),
                ("add_task", json!({"titel": "x"})),
                ("add_task", json!("not an object")),
                ("complete_task", json!({"id": "none"})),
                (
                    "add_task",
                    json!({"do": "delete_conversation", "title": "half of it", "account_id": "ben"}),
                ),
            ],
        )
    })
    .await;
    let talk = with_one(&url, &[]).await;
    talk.say("do your worst").await;
    let told = asked.lock().expect("nobody panics")[1].clone();
    for part in [
        "There is no tool drop_database.",
        "Not done: add_task takes no titel. It takes due.day, due.time, title.",
        "Not done: add_task takes no account_id, do.",
        "one JSON object",
        "Not done: there is no such task.",
    ] {
        assert!(told.contains(part), "no {part} in {told}");
    }
    assert_eq!(talk.tasks().await, Vec::<Value>::new(), "half of a call was done");
}

#[tokio::test]
async fn tools_are_ended_after_eight_rounds() {
    let rounds = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&rounds);
    let url = answering(move |request| {
        *counted.lock().expect("nobody panics") += 1;
        // In its last round it has none, and says so.
        if request.contains("\"tools\"") {
            says("", &[("list_tasks", json!({}))])
        } else {
            says("Enough.", &[])
        }
    })
    .await;
    let talk = with_one(&url, &[]).await;
    assert_eq!(talk.say("go round and round").await["text"], "Enough.");
    assert_eq!(*rounds.lock().expect("nobody panics"), 9, "eight with tools and one without");
}

#[tokio::test]
async fn when_one_server_does_not_answer_the_next_is_asked_and_the_page_says_who_did() {
    let gone = Server::start(vec![Wire::plain("401 No", ""); 4]).await;
    let there = answering(|_| says("Paris.", &[])).await;
    let second = [("ASSISTANT_MODEL_2_URL", there.as_str()), ("ASSISTANT_MODEL_2_NAME", "two")];
    let talk = with_one(&gone.url, &second).await;
    let path = format!("{}/messages", talk.path.replace("/chat", "/api/conversations"));
    let said = talk.bench.post(&talk.ana, &path, json!({"text": "what is the capital of France"})).await;
    let stream = talk.bench.get(&talk.ana, &said.text("/stream")).await.body;
    assert!(stream.contains("one did not answer (it answered with status 401); asking two."), "{stream}");
    let answer = talk.message(&said.text("/message_id")).await;
    assert_eq!((&answer["text"], &answer["by"]), (&json!("Paris."), &json!("two")));
    let metrics = talk.bench.get("", "/metrics").await.body;
    for line in [
        "external_api_calls_total{service=\"openai\",endpoint=\"chat\",status=\"refused\"} 1",
        "external_api_calls_total{service=\"openai\",endpoint=\"chat\",status=\"ok\"} 1",
        "model_tokens_total{service=\"openai\",direction=\"input\"} 100",
        "model_tokens_total{service=\"openai\",direction=\"output\"} 20",
        "model_first_token_seconds_count{service=\"openai\"} 1",
    ] {
        assert!(metrics.contains(line), "no {line} in {metrics}");
    }
}

#[tokio::test]
async fn a_budget_is_held_before_a_model_is_asked_and_the_account_reads_of_it() {
    let asked = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&asked);
    let url = answering(move |_| {
        *counted.lock().expect("nobody panics") += 1;
        says("Gladly.", &[])
    })
    .await;
    let more = [
        ("ASSISTANT_BUDGET_TOKENS", "4000"),
        ("ASSISTANT_BUDGET_MONEY", "1"),
        ("ASSISTANT_MODEL_PRICE", "1000/2000"),
    ];
    // Tokens would do for more: 120 a question. Money does not: 0.14 a question, and more is reserved.
    let talk = with_one(&url, &more).await;
    let refused = talk.say("what is a river").await;
    assert!(
        refused["text"].as_str().is_some_and(|text| text.starts_with("I did not understand")),
        "{refused}"
    );
    assert_eq!(refused["by"], "built-in; one was not asked");
    assert_eq!(*asked.lock().expect("nobody panics"), 0);
    let spending = talk.bench.get(&talk.ana, "/api/spending").await.json();
    assert_eq!((&spending["tokens"], &spending["money_max"]), (&json!(0), &json!("1.00")));

    let talk = with_one(&url, &[("ASSISTANT_BUDGET_TOKENS", "4000"), ("ASSISTANT_MODEL_PRICE", "1/2")]).await;
    let answer = talk.say("what is a river").await;
    assert_eq!((&answer["text"], &answer["by"]), (&json!("Gladly."), &json!("one")));
    let spending = talk.bench.get(&talk.ana, "/api/spending").await.json();
    assert_eq!(
        (&spending["tokens"], &spending["tokens_max"], &spending["money"]),
        (&json!(120), &json!(4000), &json!("0.00014"))
    );
    assert!(talk.bench.get(&talk.ana, "/settings").await.body.contains("120 of 4000 tokens"));
    let ben = talk.bench.sign_in("ben").await;
    assert_eq!(talk.bench.get(&ben, "/api/spending").await.json()["tokens"], 0, "each account has its own");
    let mut answered = 1;
    while talk.say("and another one").await["by"] == "one" {
        answered += 1;
        assert!(answered < 40, "the budget never ends");
    }
    let spent = talk.bench.get(&talk.ana, "/api/spending").await.json()["tokens"].as_u64().expect("a number");
    assert!(spent <= 4_000, "{spent}");
}

#[tokio::test]
async fn a_models_markdown_is_shown_as_such_and_the_brains_text_is_not() {
    let url = answering(|_| {
        says("# Rivers\n\n- **long** ones\n- ![x](https://evil.test/x.png)\n\n<script>alert(1)</script>", &[])
    })
    .await;
    let talk = with_one(&url, &[]).await;
    talk.say("what is a river").await;
    let page = talk.page().await;
    assert!(page.contains("<h2>Rivers</h2>") && page.contains("<strong>long</strong>"), "{page}");
    assert!(page.contains("[picture: x] (evil.test)") && !page.contains("<img"), "{page}");
    assert!(page.contains("&lt;script&gt;alert(1)") && !page.contains("<script>alert"), "{page}");
    talk.say("add *buy* milk to my tasks").await;
    assert!(talk.page().await.contains("“*buy* milk”"), "{}", talk.page().await);
}

#[tokio::test]
async fn what_the_box_does_not_understand_is_said_to_the_model_once() {
    let url = answering(|_| says("Rivers carry rain to the sea.", &[])).await;
    let talk = with_one(&url, &[]).await;
    let question = json!({"text": "why do rivers never run dry"});
    let key = [("idempotency-key", "k-1")];
    let said = talk.bench.ask(&talk.ana, "POST", "/api/say", Some(question.clone()), &key).await;
    assert_eq!(
        (said.text("/outcome"), said.text("/reply")),
        ("talk".to_owned(), "one answers in the chat.".to_owned())
    );
    assert_eq!(said.headers[header::LOCATION], said.text("/stream").as_str());
    let again = talk.bench.ask(&talk.ana, "POST", "/api/say", Some(question), &key).await;
    assert_eq!(again.text("/conversation_id"), said.text("/conversation_id"));
    assert!(talk.bench.get(&talk.ana, &said.text("/stream")).await.body.contains("event: done"));
    let whole = talk
        .bench
        .get(&talk.ana, &format!("/api/conversations/{}", said.text("/conversation_id")))
        .await
        .json();
    assert_eq!(whole["title"], "why do rivers never run dry");
    let texts: Vec<&Value> =
        whole["messages"].as_array().expect("a list").iter().map(|one| &one["text"]).collect();
    assert_eq!(texts, ["why do rivers never run dry", "Rivers carry rain to the sea."]);

    let form = talk.bench.form(&talk.ana, "/say", "text=and+why+is+the+sea+salty&back=/dashboard").await;
    assert_eq!(form.status, StatusCode::SEE_OTHER, "{}", form.body);
    assert!(form.headers[header::LOCATION].to_str().is_ok_and(|to| to.starts_with("/chat/")));
    // What the brain does understand, and what it asks about, never gets there.
    for (sentence, outcome) in
        [("add buy milk to my tasks", "done"), ("remind me to call Anna tomorrow at 5", "ask")]
    {
        let said = talk.bench.post(&talk.ana, "/api/say", json!({"text": sentence})).await;
        assert_eq!(said.text("/outcome"), outcome);
        assert_eq!(said.json().get("conversation_id"), None);
    }
    let all = talk.bench.get(&talk.ana, "/api/conversations").await.json();
    // The one that `with_one` began, and two from the box.
    assert_eq!(all["conversations"].as_array().map(Vec::len), Some(3));
}
