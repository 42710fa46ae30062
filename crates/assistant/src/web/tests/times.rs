//! Times that can be meant in two ways: asked once, remembered, forgotten in the settings; and dates kept as words.

use super::*;

impl Bench {
    async fn say(&self, token: &str, body: Value) -> Answer {
        self.post(token, "/api/say", body).await
    }

    /// Sends a form of the page `/settings` to `path`.
    async fn send_form(&self, token: &str, path: &str, fields: &str) -> StatusCode {
        let page = self.get(token, "/settings").await.body;
        let csrf = page.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        let form = format!("csrf={}&back=/settings&{fields}", csrf.expect("a token"));
        let request = Request::post(path)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(form)).expect("a request")).await.status
    }
}

#[tokio::test]
async fn a_bare_hour_is_asked_once_and_remembered_until_it_is_forgotten() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    let sentence = |what: &str| json!({"text": format!("remind me to {what} tomorrow at 5")});
    let asked = bench.say(&token, sentence("call Anna")).await;
    assert_eq!(asked.json()["outcome"], "ask");
    let choice = asked.json()["choices"][1].clone();
    assert_eq!(choice["teaches"], "hour:5:pm", "{choice}");
    // Saying the whole sentence without what it teaches leaves the question open.
    bench.say(&token, json!({"text": choice["text"]})).await;
    assert_eq!(bench.say(&token, sentence("call Ben")).await.json()["outcome"], "ask");
    let answered = bench.say(&token, json!({"text": choice["text"], "teaches": choice["teaches"]})).await;
    assert!(answered.text("/reply").contains("“at 5” is 17:00"), "{}", answered.body);

    let known = bench.say(&token, sentence("call Cleo")).await;
    assert_eq!(known.json()["understood"], "Task: call Cleo · tomorrow, 17:00");
    let other_hour = bench.say(&token, json!({"text": "remind me to run tomorrow at 6"})).await;
    assert_eq!(other_hour.json()["outcome"], "ask", "another hour was not taught");
    let ben = bench.sign_in("ben").await;
    assert_eq!(bench.say(&ben, sentence("call Anna")).await.json()["outcome"], "ask", "another's habit");

    assert!(bench.get(&token, "/settings").await.body.contains("“at 5” is 17:00"));
    let forget = bench.send_form(&token, "/settings/forget", "subject=hour:5").await;
    assert_eq!(forget, StatusCode::SEE_OTHER);
    assert!(!bench.get(&token, "/settings").await.body.contains("“at 5” is 17:00"));
    assert_eq!(bench.say(&token, sentence("call Dora")).await.json()["outcome"], "ask");
    let again = bench.send_form(&token, "/settings/forget", "subject=hour:5").await;
    assert_eq!(again, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_order_of_day_and_month_is_remembered_and_the_last_answer_counts() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    let day = async |text: &str| {
        let said = bench.say(&token, json!({"text": text})).await.json();
        said["undo_id"].is_string().then(|| said["understood"].as_str().unwrap_or_default().to_owned())
    };
    for (teaches, shown) in [("order:day", "3 Apr"), ("order:month", "4 Mar")] {
        let taught = json!({"text": "task: dentist on 2099-01-01", "teaches": teaches});
        assert_eq!(bench.say(&token, taught).await.json()["outcome"], "done");
        let read = day("task: haircut on 3/4/2099").await.expect("it is not asked any more");
        assert!(read.contains(shown), "{read}");
    }
    let bad = bench.say(&token, json!({"text": "task: x", "teaches": "hour:25:pm"})).await;
    assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(bad.body.contains("teaches nothing"), "{}", bad.body);
    assert!(day("task: x").await.is_some());
    let tasks = bench.get(&token, "/api/tasks").await.json();
    let titled = |title: &str| {
        tasks["tasks"].as_array().into_iter().flatten().filter(|task| task["title"] == title).count()
    };
    assert_eq!(titled("x"), 1, "what was refused did nothing");
}

#[tokio::test]
async fn a_date_can_be_kept_as_words_before_and_while_it_is_said() {
    let bench = bench().await;
    let token = bench.sign_in("ana").await;
    let path = "/api/read?text=task:%20watch%20it%20tomorrow";
    let read = bench.get(&token, path).await.json();
    assert_eq!(read, json!({"understood": "Task: watch it · tomorrow", "dated": true}));
    let kept = bench.get(&token, &format!("{path}&dates=keep")).await.json();
    assert_eq!(kept, json!({"understood": "Task: watch it tomorrow", "dated": false}));
    bench.say(&token, json!({"text": "task: watch it tomorrow", "dates": "keep"})).await;
    let form = bench.send_form(&token, "/say", "text=task:+read+it+today&dates=keep").await;
    assert_eq!(form, StatusCode::SEE_OTHER);
    let tasks = bench.get(&token, "/api/tasks").await.json();
    let mut titles: Vec<_> =
        tasks["tasks"].as_array().into_iter().flatten().map(|task| task["title"].clone()).collect();
    titles.sort_by_key(ToString::to_string);
    assert_eq!(titles, ["read it today", "watch it tomorrow"]);
}
