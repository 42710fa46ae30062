//! Signing in, being slowed, sessions and the password.

use super::*;

#[tokio::test]
async fn a_wrong_password_is_no_and_the_eleventh_is_slow() {
    let bench = bench().await;
    let wrong = json!({"user": "ana", "password": "not this one"});
    for _ in 0..10 {
        assert_eq!(bench.post("", "/api/login", wrong.clone()).await.status, StatusCode::UNAUTHORIZED);
    }
    let slow = tokio::time::timeout(Duration::from_millis(700), bench.post("", "/api/login", wrong)).await;
    assert!(slow.is_err(), "the eleventh came at once");
    let right = bench.post("", "/api/login", json!({"user": "ana", "password": testing::PASSWORD})).await;
    assert_eq!(right.status, StatusCode::OK, "slowed, not locked out");
    let counted: i64 = bench
        .stored()
        .query_row("SELECT count(*) FROM login_failures WHERE who LIKE '%ana%'", [], |row| row.get(0))
        .expect("asks");
    assert_eq!(counted, 0, "the table of guesses names nobody");
}

#[tokio::test]
async fn sessions_are_listed_and_ended_one_or_all_others() {
    let bench = bench().await;
    let firefox = [
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/128.0"),
        ("x-forwarded-for", "203.0.113.9"),
    ];
    let login = json!({"user": "ana", "password": testing::PASSWORD});
    let here = bench.ask("", "POST", "/api/login", Some(login), &firefox).await.text("/token");
    let others = [bench.sign_in("ana").await, bench.sign_in("ana").await, bench.sign_in("ana").await];
    let ben = bench.sign_in("ben").await;
    let listed = bench.get(&here, "/api/sessions").await.json();
    let sessions = listed["sessions"].as_array().expect("a list");
    assert_eq!(sessions.len(), 4);
    assert_eq!(
        (&sessions[0]["device"], &sessions[0]["address"], &sessions[0]["current"]),
        (&json!("Firefox on Linux"), &json!("203.0.113.9"), &json!(true))
    );
    assert!(!listed.to_string().contains(&here), "a list of sessions opens none");
    let end = format!("/api/sessions/{}", sessions[1]["id"].as_str().expect("an id"));
    assert_eq!(bench.ask(&ben, "DELETE", &end, None, &[]).await.status, StatusCode::NOT_FOUND);
    let key = [("idempotency-key", "end-1")];
    for _ in 0..2 {
        assert_eq!(bench.ask(&here, "DELETE", &end, None, &key).await.status, StatusCode::OK);
    }
    let page = bench.get(&here, "/settings").await.body;
    assert!(page.contains("Firefox on Linux, from 203.0.113.9"), "{page}");
    let answer = bench.post(&here, "/api/sessions/end-others", json!({})).await;
    assert_eq!(answer.json(), json!({"ended": 2}));
    for other in others {
        assert_eq!(bench.get(&other, "/api/me").await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(bench.get(&here, "/api/me").await.status, StatusCode::OK);
    assert_eq!(bench.get(&ben, "/api/me").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_settings_page_ends_sessions() {
    let bench = bench().await;
    let (here, one, two) =
        (bench.sign_in("ana").await, bench.sign_in("ana").await, bench.sign_in("ana").await);
    let listed = bench.get(&one, "/api/sessions").await.json();
    let id = listed["sessions"][0]["id"].as_str().expect("an id");
    let ended = bench.form(&here, &format!("/settings/sessions/{id}/end"), "back=/settings").await;
    assert_eq!(ended.status, StatusCode::SEE_OTHER, "{}", ended.body);
    assert_eq!(bench.get(&one, "/api/me").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(bench.get(&two, "/api/me").await.status, StatusCode::OK);
    bench.form(&here, "/settings/sessions/end-others", "back=/settings").await;
    assert_eq!(bench.get(&two, "/api/me").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_new_password_ends_all_other_sessions_by_form_and_by_interface() {
    let bench = bench().await;
    let (here, elsewhere) = (bench.sign_in("ana").await, bench.sign_in("ana").await);
    let form = async |old: &str| {
        bench
            .form(&here, "/settings/password", &format!("back=/settings&old={old}&new=battery+staple"))
            .await
            .status
    };
    assert_eq!(form("wrong+horse").await, StatusCode::FORBIDDEN);
    assert_eq!(bench.get(&elsewhere, "/api/me").await.status, StatusCode::OK);
    assert_eq!(form("correct+horse").await, StatusCode::SEE_OTHER);
    assert_eq!(bench.get(&elsewhere, "/api/me").await.status, StatusCode::UNAUTHORIZED);
    let login = async |password: &str| {
        bench.post("", "/api/login", json!({"user": "ana", "password": password})).await
    };
    let elsewhere = login("battery staple").await.text("/token");
    let change = async |old: &str, new: &str| {
        bench.post(&here, "/api/password", json!({"old": old, "new": new})).await
    };
    assert_eq!(change("correct horse", "third one here").await.status, StatusCode::FORBIDDEN);
    assert_eq!(change("battery staple", "short").await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(bench.get(&elsewhere, "/api/me").await.status, StatusCode::OK);
    assert_eq!(change("battery staple", "third one here").await.status, StatusCode::NO_CONTENT);
    assert_eq!(bench.get(&elsewhere, "/api/me").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(bench.get(&here, "/api/me").await.status, StatusCode::OK);
    assert_eq!(login("third one here").await.status, StatusCode::OK);
    let recorded: i64 = bench
        .stored()
        .query_row("SELECT count(*) FROM audit WHERE action = 'password changed'", [], |row| row.get(0))
        .expect("asks");
    assert_eq!(recorded, 2);
    assert!(matches!(crate::audit::verify(&bench.stored(), None), Ok(Ok(_))));
}
