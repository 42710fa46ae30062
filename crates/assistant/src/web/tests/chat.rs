//! The chat: what the assistant did from a sentence is shown below its answer and taken back from there; the empty page teaches.

use super::*;

/// Ana's conversation, as its page and as JSON.
pub(super) struct Talk {
    pub(super) bench: Bench,
    pub(super) ana: String,
    pub(super) path: String,
}

async fn talk() -> Talk {
    talk_with(&[]).await
}

/// With these settings more.
pub(super) async fn talk_with(more: &[(&str, &str)]) -> Talk {
    let bench = bench_with(more).await;
    let ana = bench.sign_in("ana").await;
    let conversation = bench.post(&ana, "/api/conversations", json!({})).await.text("/id");
    Talk { bench, ana, path: format!("/chat/{conversation}") }
}

impl Talk {
    /// Says `text` and waits for the whole answer; its message.
    pub(super) async fn say(&self, text: &str) -> Value {
        self.say_with(json!({"text": text})).await
    }

    pub(super) async fn say_with(&self, words: Value) -> Value {
        let path = format!("{}/messages", self.path.replace("/chat", "/api/conversations"));
        let said = self.bench.post(&self.ana, &path, words).await;
        self.whole(&said).await
    }

    /// Waits for the whole answer that was begun by `said`.
    pub(super) async fn whole(&self, said: &Answer) -> Value {
        assert_eq!(said.status, StatusCode::ACCEPTED, "{}", said.body);
        let stream = self.bench.get(&self.ana, &said.text("/stream")).await.body;
        assert!(stream.contains("event: done"), "{stream}");
        self.message(&said.text("/message_id")).await
    }

    pub(super) async fn message(&self, id: &str) -> Value {
        self.bench.get(&self.ana, &format!("/api/messages/{id}")).await.json()
    }

    pub(super) async fn page(&self) -> String {
        self.bench.get(&self.ana, &self.path).await.body
    }

    pub(super) async fn tasks(&self) -> Vec<Value> {
        let tasks = self.bench.get(&self.ana, "/api/tasks?state=all").await.json();
        tasks["tasks"].as_array().expect("a list").clone()
    }

    /// Posts to `/api/…` without a body.
    pub(super) async fn post(&self, path: &str) -> Answer {
        self.bench.post(&self.ana, path, json!({})).await
    }

    /// The texts of the way that is read.
    pub(super) async fn way(&self) -> Vec<String> {
        let path = self.path.replace("/chat", "/api/conversations");
        let whole = self.bench.get(&self.ana, &path).await.json();
        let messages = whole["messages"].as_array().expect("a list");
        messages.iter().map(|message| message["text"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Presses Undo as a browser without script does.
    async fn press(&self, token: &str, id: &str, csrf: &str) -> Answer {
        let request = Request::post(format!("/undo/{id}"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/x-www-form-urlencoded");
        let form = format!("csrf={csrf}&back={}", self.path);
        self.bench.send(request.body(Body::from(form)).expect("a request")).await
    }
}

pub(super) fn csrf(page: &str) -> &str {
    page.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a token")
}

/// Where Undo of `id` can be pressed.
fn form(id: &str) -> String {
    format!("action=\"/undo/{id}\"")
}

#[tokio::test]
async fn what_a_sentence_did_stands_below_its_answer_and_is_undone_there_once() {
    let talk = talk().await;
    let answer = talk.say("remind me to call Anna tomorrow at 5pm").await;
    assert_eq!(answer["command"]["understood"], "Task: call Anna · tomorrow, 17:00");
    assert_eq!((&answer["command"]["undone"], &answer["command"]["stays"]), (&json!(false), &Value::Null));
    let id = answer["command"]["id"].as_str().expect("an id");
    let page = talk.page().await;
    for part in ["<b>Task</b>", "call Anna", "<small>tomorrow, 17:00</small>", &form(id)] {
        assert!(page.contains(part), "no {part} in {page}");
    }

    let done = talk.press(&talk.ana, id, csrf(&page)).await;
    let back = format!("{}?said={id}#said", talk.path);
    assert_eq!(
        (done.status, done.headers[header::LOCATION].to_str().ok()),
        (StatusCode::SEE_OTHER, Some(back.as_str()))
    );
    assert_eq!(talk.tasks().await, Vec::<Value>::new());
    let told = talk.bench.get(&talk.ana, back.split('#').next().expect("a path")).await.body;
    assert!(told.contains("role=\"status\">Undone: Task: call Anna · tomorrow, 17:00<"), "{told}");
    assert!(
        told.contains("id=\"said\"") && told.contains("<small>undone</small>") && !told.contains(&form(id)),
        "{told}"
    );
    let reloaded = talk.page().await;
    assert!(reloaded.contains("<small>undone</small>") && !reloaded.contains(&form(id)), "{reloaded}");

    let again = talk.press(&talk.ana, id, csrf(&page)).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(
        again.body.contains("That was undone already.")
            && again.body.contains(&format!("href=\"{}\"", talk.path)),
        "{}",
        again.body
    );
    assert_eq!(talk.message(id).await["command"]["undone"], true);
}

#[tokio::test]
async fn nobody_else_and_no_other_site_undoes_it() {
    let talk = talk().await;
    let answer = talk.say("add buy milk to my tasks").await;
    let id = answer["command"]["id"].as_str().expect("an id");
    assert_eq!(talk.press(&talk.ana, id, "guess").await.status, StatusCode::FORBIDDEN);
    let ben = talk.bench.sign_in("ben").await;
    let bens = talk.bench.get(&ben, "/tasks").await.body;
    assert_eq!(talk.press(&ben, id, csrf(&bens)).await.status, StatusCode::NOT_FOUND);
    assert_eq!(talk.tasks().await.len(), 1);
    assert!(talk.page().await.contains(&form(id)));
}

#[tokio::test]
async fn what_has_changed_since_stays_and_says_so() {
    let talk = talk().await;
    let answer = talk.say("add buy milk to my tasks").await;
    let id = answer["command"]["id"].as_str().expect("an id");
    let before = talk.page().await;
    let task = talk.tasks().await[0]["id"].as_str().expect("an id").to_owned();
    let done = talk.bench.post(&talk.ana, &format!("/api/tasks/{task}/done"), json!({})).await;
    let page = talk.page().await;
    assert!(
        page.contains("it has changed since, so it stays as it is") && !page.contains(&form(id)),
        "{page}"
    );
    assert_eq!(talk.message(id).await["command"]["stays"], "it has changed since, so it stays as it is");
    // A page that was loaded before still has the button.
    let late = talk.press(&talk.ana, id, csrf(&before)).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert!(late.body.contains("It has changed since, so it stays as it is."), "{}", late.body);
    assert_eq!(talk.tasks().await[0]["state"], "done");
    // Once that change is taken back, it is as the sentence left it.
    talk.bench.post(&talk.ana, &format!("/api/undo/{}", done.text("/undo_id")), json!({})).await;
    assert_eq!(talk.press(&talk.ana, id, csrf(&before)).await.status, StatusCode::SEE_OTHER);
    assert_eq!(talk.tasks().await, Vec::<Value>::new());
}

#[tokio::test]
async fn the_word_undo_and_the_button_are_one_thing_and_a_question_has_neither() {
    let talk = talk().await;
    let answer = talk.say("journal: rain at the café").await;
    let id = answer["command"]["id"].as_str().expect("an id");
    assert_eq!(answer["command"]["understood"], "Journal: rain at the café · today");
    for told in ["undo", "what is on my plate today"] {
        assert_eq!(talk.say(told).await["command"], Value::Null, "{told}");
    }
    assert_eq!(talk.message(id).await["command"]["undone"], true);
    assert!(!talk.page().await.contains("action=\"/undo/"));
}

#[tokio::test]
async fn the_empty_chat_teaches_sentences_that_work() {
    let talk = talk().await;
    let empty = talk.bench.sign_in("ben").await;
    let page = talk.bench.get(&empty, "/chat").await.body;
    for sentence in pages::chat::STARTERS {
        assert!(page.contains(&format!("value=\"{sentence}\"")), "no {sentence} in {page}");
        let answer = talk.say(sentence).await;
        let text = answer["text"].as_str().expect("a text");
        assert!(!text.contains("did not understand"), "{sentence}: {text}");
    }
}
