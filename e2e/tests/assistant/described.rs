//! The description of the interface beside what the server does, by a program that nobody here wrote.

use std::process::Command;

use testkit::registry;

use crate::App;

/// What cannot be asked at random, and why.
const LEFT_OUT: [(&str, &str); 7] = [
    ("get_messages_id_stream", "an answer that is written is read elsewhere"),
    ("get_ws", "a WebSocket is no request"),
    ("post_logout", "ends the session that all others are asked with"),
    ("delete_sessions_id", "the same, once the list of sessions was read"),
    ("post_password", "wrong passwords are slowed"),
    ("post_erase", "wrong passwords are slowed"),
    ("post_login", "wrong passwords are slowed"),
];

#[test]
fn no_request_that_the_description_allows_or_forbids_gets_an_answer_that_it_does_not_know() {
    let tools = registry::python("schemathesis", &["schemathesis==4.32.5"]);
    let app = App::start();
    let token = app.person().token().to_owned();
    let site = format!("http://{}/openapi.json", app.at);
    let mut python = Command::new("/usr/bin/python3");
    python.env("PYTHONPATH", &tools).args([
        "-m",
        "schemathesis.cli",
        "run",
        &site,
        "--no-color",
        "--seed",
        "7",
    ]);
    python.args(["--max-examples", "25", "--generation-deterministic", "--header"]);
    python.arg(format!("Authorization: Bearer {token}"));
    for (operation, _why) in LEFT_OUT {
        python.args(["--exclude-operation-id", operation]);
    }
    let checks =
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";
    let seen = python.args(["--checks", checks]).output().expect("Python is there");
    let said = String::from_utf8_lossy(&seen.stdout);
    assert!(seen.status.success(), "{said}\n{}", String::from_utf8_lossy(&seen.stderr));
}
