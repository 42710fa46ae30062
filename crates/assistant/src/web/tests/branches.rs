//! Another answer, another question, back again; a conversation renamed and deleted; all of it undone.

use super::{
    chat::{Talk, csrf, talk_with},
    *,
};
use crate::model::tests::streams::{answering, breaks_off, says};

/// Ana's conversation with a model that counts its answers.
async fn counting() -> Talk {
    let asked = std::sync::atomic::AtomicU32::new(0);
    let url = answering(move |_| {
        let n = asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        says(&format!("answer {n}"), &[])
    })
    .await;
    talk_with(&[("ASSISTANT_MODEL_URL", &url), ("ASSISTANT_MODEL_NAME", "tiny")]).await
}

fn id(message: &Value) -> &str {
    message["id"].as_str().expect("an id")
}

#[tokio::test]
async fn another_answer_stands_beside_the_first_and_both_can_be_read() {
    let talk = counting().await;
    let first = talk.say("what is a river").await;
    let retried = talk.post(&format!("/api/messages/{}/retry", id(&first))).await;
    let second = talk.whole(&retried).await;
    assert_eq!(talk.way().await, ["what is a river", "answer 1"]);
    assert_eq!((&second["branch"]["at"], &second["branch"]["of"]), (&json!(2), &json!(2)));
    assert_eq!(second["branch"]["before"], first["id"]);

    talk.say("and a lake").await;
    assert_eq!(talk.way().await, ["what is a river", "answer 1", "and a lake", "answer 2"]);
    talk.post(&format!("/api/messages/{}/choose", id(&first))).await;
    assert_eq!(talk.way().await, ["what is a river", "answer 0"]);
    // Back, to the end that was spoken last behind it.
    talk.post(&format!("/api/messages/{}/choose", id(&second))).await;
    assert_eq!(talk.way().await, ["what is a river", "answer 1", "and a lake", "answer 2"]);
    let page = talk.page().await;
    assert!(page.contains(&format!("action=\"/messages/{}/choose\"", id(&first))), "{page}");
    assert!(page.contains("2 of 2"), "{page}");
}

#[tokio::test]
async fn a_question_in_other_words_is_a_branch_and_the_first_one_stays() {
    let talk = counting().await;
    let first = talk.say("what is a river").await;
    talk.say("and a lake").await;
    let question = first["parent_id"].as_str().expect("an id");
    let form = format!("csrf={}&back={}&text=what+is+a+sea", csrf(&talk.page().await), talk.path);
    let request = Request::post(format!("/messages/{question}/edit"))
        .header("authorization", format!("Bearer {}", talk.ana))
        .header("content-type", "application/x-www-form-urlencoded");
    let sent = talk.bench.send(request.body(Body::from(form)).expect("a request")).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.body);
    assert_eq!(talk.way().await[0], "what is a sea");
    assert_eq!(talk.way().await.len(), 2, "what followed the first question is not on this way");
    talk.post(&format!("/api/messages/{question}/choose")).await;
    assert_eq!(talk.way().await, ["what is a river", "answer 0", "and a lake", "answer 1"]);
    let answer = talk.post(&format!("/api/messages/{}/edit", id(&first))).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "a body is needed");
}

#[tokio::test]
async fn an_answer_that_did_something_is_not_given_again_until_that_is_undone() {
    let talk = counting().await;
    let did = talk.say("add buy milk to my tasks").await;
    let retry = format!("/api/messages/{}/retry", id(&did));
    assert_eq!(talk.post(&retry).await.status, StatusCode::CONFLICT);
    assert_eq!(talk.tasks().await.len(), 1);
    talk.post(&format!("/api/undo/{}", id(&did))).await;
    let again = talk.post(&retry).await;
    assert!(talk.whole(&again).await["command"].is_object());
    assert_eq!(talk.tasks().await.len(), 1);
}

/// What does not fit is not passed off as the whole of it.
#[tokio::test]
async fn an_answer_that_is_longer_than_one_may_be_says_so_and_is_gone_on_with() {
    let long = "word ".repeat(60_000);
    let url = answering(move |_| says(&long, &[])).await;
    let talk = talk_with(&[("ASSISTANT_MODEL_URL", &url), ("ASSISTANT_MODEL_NAME", "tiny")]).await;
    let cut = talk.say("tell me a story").await;
    assert_eq!(cut["interrupted"], json!(true), "{}", cut["status"]);
    assert_eq!(cut["text"].as_str().map(str::len), Some(256 * 1_024));
    assert!(talk.page().await.contains(&format!("/messages/{}/continue", id(&cut))));
}

#[tokio::test]
async fn an_answer_that_broke_off_stands_and_is_gone_on_with() {
    let url =
        answering(
            |asked| {
                if asked.contains("broke off") { says("a time.", &[]) } else { breaks_off("Once upon ") }
            },
        )
        .await;
    let talk = talk_with(&[("ASSISTANT_MODEL_URL", &url), ("ASSISTANT_MODEL_NAME", "tiny")]).await;
    let cut = talk.say("tell me a story").await;
    assert_eq!(
        (&cut["interrupted"], &cut["text"], &cut["status"]),
        (&json!(true), &json!("Once upon "), &json!("done"))
    );
    let page = talk.page().await;
    let action = format!("/messages/{}/continue", id(&cut));
    assert!(page.contains(" · interrupted") && page.contains(&action), "{page}");
    let rest = talk.post(&format!("/api{action}")).await;
    let rest = talk.whole(&rest).await;
    assert_eq!((&rest["text"], &rest["interrupted"]), (&json!("a time."), &json!(false)));
    assert_eq!(talk.way().await, ["tell me a story", "Once upon ", "a time."]);
    let page = talk.page().await;
    assert!(page.contains(" · interrupted") && !page.contains(&action), "it is gone on with already: {page}");
    let whole = talk.post(&format!("/api/messages/{}/continue", id(&rest))).await;
    assert_eq!(whole.status, StatusCode::CONFLICT, "only what broke off goes on");
}

#[tokio::test]
async fn a_conversation_is_renamed_and_deleted_and_both_are_undone() {
    let talk = counting().await;
    talk.say("what is a river").await;
    let path = talk.path.replace("/chat", "/api/conversations");
    let titles = async || {
        let list = talk.bench.get(&talk.ana, "/api/conversations").await.json();
        let list = list["conversations"].as_array().expect("a list").clone();
        list.iter().map(|one| one["title"].as_str().expect("a title").to_owned()).collect::<Vec<_>>()
    };
    let rename = async |title: &str| {
        talk.bench.post(&talk.ana, &format!("{path}/rename"), json!({"title": title})).await
    };
    let renamed = rename("  Rivers\u{0}  ").await;
    assert_eq!(renamed.text("/understood"), "Conversation renamed: Rivers");
    assert_eq!(titles().await, ["Rivers"]);
    assert_eq!(rename("").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let undo = async |id: String| talk.post(&format!("/api/undo/{id}")).await.status;
    let again = rename("Lakes").await;
    assert_eq!(undo(renamed.text("/undo_id")).await, StatusCode::CONFLICT, "it was renamed since");
    assert_eq!(undo(again.text("/undo_id")).await, StatusCode::OK);
    assert_eq!(undo(renamed.text("/undo_id")).await, StatusCode::OK);
    assert_eq!(titles().await, ["what is a river"]);

    let deleted = talk.bench.ask(&talk.ana, "DELETE", &path, None, &[]).await;
    assert_eq!(titles().await, Vec::<String>::new());
    assert_eq!(talk.bench.get(&talk.ana, &path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(undo(deleted.text("/undo_id")).await, StatusCode::OK);
    assert_eq!(talk.way().await, ["what is a river", "answer 0"]);
}

#[tokio::test]
async fn what_is_still_being_written_is_not_asked_for_again() {
    let bench = bench_with(&[("ASSISTANT_BUILTIN_PACE", "1s")]).await;
    let token = bench.sign_in("ana").await;
    let conversation = bench.post(&token, "/api/conversations", json!({})).await.text("/id");
    let said = bench
        .post(&token, &format!("/api/conversations/{conversation}/messages"), json!({"text": "count to 60"}))
        .await;
    let message = said.text("/message_id");
    let retry = bench.post(&token, &format!("/api/messages/{message}/retry"), json!({})).await;
    assert_eq!(retry.status, StatusCode::CONFLICT);
    assert!(retry.body.contains("still being written"), "{}", retry.body);
    bench.ask(&token, "DELETE", &format!("/api/conversations/{conversation}"), None, &[]).await;
    // Deleted, it stops; nobody reads it.
    let stream = bench.get(&token, &said.text("/stream")).await;
    assert_eq!(stream.status, StatusCode::NOT_FOUND);
}
