//! What the box answers has a page of its own: led to by the form however often it is sent, there after a reload, nobody
//! else's; and a question on it is answered once.

use super::{days::submit, *};

/// Where a form led.
fn led(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    answer.headers[header::LOCATION].to_str().expect("text").to_owned()
}

/// The buttons of a question, as fields of their forms.
fn offers(page: &str) -> Vec<Vec<(String, String)>> {
    let forms = page.split("action=\"/say\">").skip(1).filter_map(|rest| rest.split("</form>").next());
    let fields = |form: &str| {
        let inputs = form.split("<input type=\"hidden\" name=\"").skip(1);
        let pair = inputs.filter_map(|input| {
            let (name, rest) = input.split_once("\" value=\"")?;
            Some((name.to_owned(), rest.split('"').next()?.to_owned()))
        });
        pair.collect::<Vec<_>>()
    };
    forms.map(fields).filter(|form| form.iter().any(|(name, _)| name == "question")).collect()
}

async fn press(bench: &Bench, token: &str, offer: &[(String, String)]) -> Answer {
    let plain = |value: &str| value.replace("&quot;", "\"").replace("&amp;", "&");
    let fields: Vec<_> =
        offer.iter().filter(|(name, _)| name != "csrf").map(|(name, value)| (name, plain(value))).collect();
    let fields: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    submit(bench, token, "/say", &fields).await
}

async fn titles(bench: &Bench, token: &str) -> Vec<Value> {
    let tasks = bench.get(token, "/api/tasks").await.json();
    tasks["tasks"].as_array().into_iter().flatten().map(|task| task["title"].clone()).collect()
}

#[tokio::test]
async fn a_form_of_the_box_leads_to_its_answer_however_often_it_is_sent() {
    let bench = bench().await;
    let (ana, ben) = (bench.sign_in("ana").await, bench.sign_in("ben").await);
    for (n, (sentence, shown)) in [
        ("task: pay rent", "Noted: “pay rent”. It has no date."),
        ("what is on my plate today", "Nothing is due today. Enjoy it."),
        ("remind me to call Ben tomorrow at 5", "When do you mean?"),
        ("email Anna that I am late", "I do not know what to do with that."),
    ]
    .into_iter()
    .enumerate()
    {
        let key = format!("k-{n}");
        let fields = [("text", sentence), ("key", &key), ("back", "/tasks")];
        let to = led(&submit(&bench, &ana, "/say", &fields).await);
        assert!(to.starts_with("/answers/"), "{sentence} leads to {to}");
        assert_eq!(led(&submit(&bench, &ana, "/say", &fields).await), to, "{sentence}");
        for _ in 0..2 {
            let page = bench.get(&ana, &to).await;
            assert_eq!(page.status, StatusCode::OK);
            for part in [sentence, shown, "href=\"/tasks\">Back"] {
                assert!(page.body.contains(part), "{sentence}: no {part} in {}", page.body);
            }
        }
        let stranger = bench.get(&ben, &to).await;
        assert_eq!(stranger.status, StatusCode::NOT_FOUND);
        assert!(!stranger.body.contains(sentence), "{}", stranger.body);
    }
    assert_eq!(titles(&bench, &ana).await, ["pay rent"]);
}

#[tokio::test]
async fn of_two_tasks_with_one_name_the_one_that_is_chosen_is_done_and_the_reply_says_which() {
    let bench = bench().await;
    let ana = bench.sign_in("ana").await;
    for (n, text) in ["task: dup today", "task: dup tomorrow", "done with dup"].into_iter().enumerate() {
        let to = led(&submit(&bench, &ana, "/say", &[("text", text), ("key", &*format!("d-{n}"))]).await);
        let page = bench.get(&ana, &to).await.body;
        let Some(second) = offers(&page).get(1).cloned() else { continue };
        let done = led(&press(&bench, &ana, &second).await);
        let page = bench.get(&ana, &done).await.body;
        assert!(page.contains("“dup” (tomorrow) is done."), "{page}");
    }
    let tasks = bench.get(&ana, "/api/tasks").await.json();
    let open = tasks["tasks"].as_array().into_iter().flatten().filter(|task| task["state"] == "open");
    assert_eq!(open.count(), 1, "{tasks}");
}

/// Nor is a model asked: it knows no more of the list.
#[tokio::test]
async fn a_task_that_is_not_there_is_told_as_such() {
    let bench = bench().await;
    let ana = bench.sign_in("ana").await;
    for (text, reply) in [
        ("delete yoga", "“yoga” is not among your open tasks. Nothing was changed."),
        ("done with buy milk", "“buy milk” is not among your open tasks. Nothing was changed."),
    ] {
        let said = bench.post(&ana, "/api/say", json!({"text": text})).await;
        assert_eq!((said.text("/outcome"), said.text("/reply")), ("done".to_owned(), reply.to_owned()));
    }
    for _ in 0..2 {
        bench.post(&ana, "/api/say", json!({"text": "task: buy milk"})).await;
        bench.post(&ana, "/api/say", json!({"text": "done with buy milk"})).await;
        let again = bench.post(&ana, "/api/say", json!({"text": "done with buy milk"})).await;
        assert_eq!(again.text("/reply"), "“buy milk” is done already. Nothing was changed.");
    }
}

/// The words are read as of when they were typed, which a form that waited says.
#[tokio::test]
async fn what_waited_to_be_sent_is_read_as_of_when_it_was_typed() {
    let bench = bench().await;
    let ana = bench.sign_in("ana").await;
    let day_ms = 24 * 3_600_000;
    let sent = async |n: usize, text: &str, waited: u64| {
        let waited = waited.to_string();
        let fields = [("text", text), ("key", &*format!("w-{n}")), ("waited", waited.as_str())];
        submit(&bench, &ana, "/say", &fields).await
    };
    let told = async |n, text, waited| bench.get(&ana, &led(&sent(n, text, waited).await)).await.body;
    let page = told(0, "remind me in 10 minutes to stretch", 3_600_000).await;
    assert!(page.contains("That is past by now"), "{page}");
    let page = told(1, "remind me in 3 hours to call Ben", 3_600_000).await;
    assert!(!page.contains("past by now"), "{page}");
    let page = told(2, "task: pay rent tomorrow", day_ms).await;
    assert!(page.contains("Noted: “pay rent”, today."), "{page}");
    let page = told(3, "journal: it rained", day_ms).await;
    assert!(page.contains("Written in your journal for yesterday."), "{page}");
    // The same form that waits longer is the same form.
    let (first, again) = (sent(4, "task: once", 0).await, sent(4, "task: once", 60_000).await);
    assert_eq!(led(&first), led(&again));
    submit(&bench, &ana, "/journal", &[("text", "typed offline"), ("key", "w-5"), ("waited", "86400000")])
        .await;
    let entries = bench.get(&ana, "/api/journal").await.json();
    assert_eq!(entries["entries"][0]["day"], entries["entries"][1]["day"], "{entries}");
    let old = sent(6, "task: pay rent tomorrow", 31 * day_ms).await;
    assert_eq!(old.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(old.body.contains("typed 31 days ago"), "{}", old.body);
}

/// Whoever sent it from a queue of their own keeps the words until then.
#[tokio::test]
async fn an_answer_says_whether_somebody_is_still_to_decide() {
    let bench = bench().await;
    let ana = bench.sign_in("ana").await;
    for (n, (sentence, open)) in [
        ("task: pay rent", false),
        ("what is on my plate today", false),
        ("remind me to call Ben tomorrow at 5", true),
        ("email Anna that I am late", true),
    ]
    .into_iter()
    .enumerate()
    {
        let fields = [("text", sentence), ("key", &*format!("o-{n}"))];
        let to = led(&submit(&bench, &ana, "/say", &fields).await);
        let page = bench.get(&ana, &to).await.body;
        assert_eq!(page.contains("data-unanswered"), open, "{sentence}");
        let Some(first) = offers(&page).first().cloned() else { continue };
        press(&bench, &ana, &first).await;
        assert!(!bench.get(&ana, &to).await.body.contains("data-unanswered"), "{sentence}");
    }
}

#[tokio::test]
async fn what_was_done_is_taken_back_on_its_page() {
    let bench = bench().await;
    let ana = bench.sign_in("ana").await;
    let to = led(&submit(&bench, &ana, "/say", &[("text", "task: pay rent"), ("back", "/tasks")]).await);
    let id = to.rsplit('/').next().expect("an id");
    let undo = format!("/undo/{id}");
    assert!(bench.get(&ana, &to).await.body.contains(&format!("action=\"{undo}\"")));
    let back = led(&submit(&bench, &ana, &undo, &[("back", &to)]).await);
    assert_eq!(back, format!("{to}?said={id}#said"));
    let page = bench.get(&ana, &to).await.body;
    assert!(page.contains("<small>undone</small>") && !page.contains(&undo), "{page}");
    // What was done elsewhere has such a page too.
    let done = bench.post(&ana, "/api/tasks", json!({"title": "feed the cat"})).await.text("/undo_id");
    let page = bench.get(&ana, &format!("/answers/{done}")).await.body;
    assert!(page.contains("Task: feed the cat") && page.contains(&format!("/undo/{done}")), "{page}");
}

#[tokio::test]
async fn a_question_is_answered_once_whichever_button_is_pressed_again() {
    let bench = bench().await;
    let ana = bench.sign_in("ana").await;
    let fields = [("text", "remind me to call Ben tomorrow at 5"), ("back", "/tasks")];
    let question = led(&submit(&bench, &ana, "/say", &fields).await);
    // Two tabs, and the keys of their forms are others.
    let (tab, other) = (bench.get(&ana, &question).await.body, bench.get(&ana, &question).await.body);
    let (tab, other) = (offers(&tab), offers(&other));
    assert_eq!((tab.len(), other.len()), (2, 2));
    let to = led(&press(&bench, &ana, &tab[1]).await);
    assert!(bench.get(&ana, &to).await.body.contains("call Ben"));
    for again in [&tab[1], &other[1], &other[0]] {
        assert_eq!(led(&press(&bench, &ana, again).await), to);
    }
    assert_eq!(titles(&bench, &ana).await, ["call Ben"]);
    let page = bench.get(&ana, &question).await.body;
    assert!(offers(&page).is_empty() && page.contains(&format!("href=\"{to}\"")), "{page}");
}

#[tokio::test]
async fn a_page_with_script_keeps_whoever_did_something_where_they_are() {
    let bench = bench().await;
    let ana = bench.sign_in("ana").await;
    let stay = |text| [("text", text), ("back", "/tasks"), ("stay", "yes")];
    let done = led(&submit(&bench, &ana, "/say", &stay("task: pay rent")).await);
    let id = done.strip_prefix("/tasks?said=").and_then(|rest| rest.strip_suffix("#said")).expect(&done);
    let chip = bench.get(&ana, &format!("/tasks?said={id}")).await.body;
    assert!(chip.contains(&format!("href=\"/answers/{id}\"")), "{chip}");
    let told = led(&submit(&bench, &ana, "/say", &stay("what is on my plate today")).await);
    assert!(told.starts_with("/answers/"), "{told}");
}

#[tokio::test]
async fn answers_are_kept_no_longer_than_what_was_done() {
    let bench = bench().await;
    let ana = bench.sign_in("ana").await;
    let to = led(&submit(&bench, &ana, "/say", &[("text", "what is on my plate today")]).await);
    bench.stored().execute("UPDATE answers SET at = 0", []).expect("ages");
    let retention = Retention { journal: Some(1), ..Retention::default() };
    let (mut db, store) = (bench.stored(), Store::new(bench.folder.path()));
    let tx = db.transaction().expect("begins");
    retention.clear(&tx, &store, 10).expect("clears");
    tx.commit().expect("commits");
    assert_eq!(bench.get(&ana, &to).await.status, StatusCode::NOT_FOUND);
}
