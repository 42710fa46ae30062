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

/// The labels of a question that is open.
fn labels(message: &Value) -> Vec<String> {
    let choices = message["choices"].as_array().expect("a list").iter();
    choices.map(|choice| choice["label"].as_str().expect("a label").to_owned()).collect()
}

#[tokio::test]
async fn what_is_asked_back_in_the_chat_has_choices_and_is_answered_once_by_a_press_or_in_words() {
    let talk = talk().await;
    let asked = talk.say("remind me to call Ben tomorrow at 5").await;
    let offered = labels(&asked);
    assert!(offered.len() == 2 && offered[1].ends_with("17:00"), "{asked}");
    let id = asked["id"].as_str().expect("an id");
    let button = |label: &str| format!("name=\"text\" value=\"{label}\"");
    for _ in 0..2 {
        let page = talk.page().await;
        assert!(offered.iter().all(|label| page.contains(&button(label))), "{page}");
    }
    let form = format!("key=choice-{id}&text={}&back={}", offered[1].replace(' ', "+"), talk.path);
    for _ in 0..2 {
        assert_eq!(talk.bench.form(&talk.ana, &talk.path, &form).await.status, StatusCode::SEE_OTHER);
    }
    until_answered(&talk).await;
    assert_eq!(talk.tasks().await.len(), 1);
    assert_eq!(talk.tasks().await[0]["due_time"], "17:00");
    let way = talk.way().await;
    assert_eq!((way.len(), way[2].as_str()), (4, offered[1].as_str()), "{way:?}");
    assert!(way[3].contains("From now on"), "what the answer teaches is not told: {way:?}");
    assert_eq!(labels(&talk.message(id).await), Vec::<String>::new());
    assert!(!talk.page().await.contains(&button(&offered[0])));
    // The other one, from a page that is old by now, is words of its own.
    let stale = form.replace("17:00", "05:00");
    talk.bench.form(&talk.ana, &talk.path, &stale).await;
    until_answered(&talk).await;
    assert_eq!(talk.tasks().await.len(), 1);
}

#[tokio::test]
async fn an_answer_that_is_typed_is_understood_as_one_and_never_a_second_time() {
    let talk = talk().await;
    for title in ["Buy bread", "Buy coffee"] {
        talk.bench.post(&talk.ana, "/api/tasks", json!({"title": title})).await;
    }
    assert_eq!(labels(&talk.say("done with buy").await), ["Buy bread", "Buy coffee"]);
    let done = talk.say("the coffee").await;
    assert_eq!(done["command"]["understood"], "Done: Buy coffee");
    // Said otherwise afterwards, it would answer the same question again.
    let path = talk.path.replace("/chat", "/api/conversations");
    let way = talk.bench.get(&talk.ana, &path).await.json();
    let words = way["messages"][2]["id"].as_str().expect("an id").to_owned();
    let edited =
        talk.bench.post(&talk.ana, &format!("/api/messages/{words}/edit"), json!({"text": "bread"})).await;
    assert_eq!(talk.whole(&edited).await["command"], Value::Null);
    let open: Vec<_> = talk.tasks().await.into_iter().filter(|task| task["state"] == "open").collect();
    assert_eq!(open.len(), 1, "{open:?}");

    talk.say("remind me to call Ben tomorrow at 9").await;
    assert_eq!(talk.say("21").await["command"]["understood"], "Task: call Ben · tomorrow, 21:00");
    talk.say("what is due on 3/4").await;
    assert!(talk.say("april").await["text"].as_str().is_some_and(|text| text.contains("3 Apr")));
    // What is no answer is a sentence as any other.
    talk.say("remind me to call Cleo tomorrow at 6").await;
    assert_eq!(talk.say("task: pay rent").await["command"]["understood"], "Task: pay rent");
}

/// Waits for the answer that a form began.
async fn until_answered(talk: &Talk) {
    let path = talk.path.replace("/chat", "/api/conversations");
    let whole = talk.bench.get(&talk.ana, &path).await.json();
    let last = whole["messages"].as_array().and_then(|messages| messages.last()).expect("an answer");
    let id = last["id"].as_str().expect("an id");
    talk.bench.get(&talk.ana, &format!("/api/messages/{id}/stream")).await;
}
