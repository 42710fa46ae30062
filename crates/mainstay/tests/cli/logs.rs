//! `mainstay logs`.

use crate::support::{help, without_a_keeper};

#[test]
fn help_teaches() {
    insta::assert_snapshot!(help("logs"));
}

#[test]
fn without_a_keeper_it_says_how_to_start_one() {
    without_a_keeper(&["logs", "-f"]);
}

#[test]
fn lines_are_shown_and_cannot_move_the_cursor() {
    let place = crate::support::Place::with_app();
    let lines = concat!(
        r#"{"at":"2026-01-01T00:00:00.123456789Z","instance":"web.43.1","stream":"stdout","text":"ready \u001b[2J\u0007"}"#,
        "\n",
        r#"{"at":"2026-01-01T00:00:01.123456789Z","instance":"web.43.2","stream":"stderr","text":"Grüße"}"#,
        "\n"
    );
    place.keeper(&[("GET /v1/apps/assistant/production/logs", 200, lines)]);
    insta::assert_snapshot!(place.run(&["logs", "web", "--grep", "a b&c", "--since", "2h", "-n", "5"]));
    assert_eq!(
        place.asked(),
        ["GET /v1/apps/assistant/production/logs?service=web&since=2h&grep=a+b%26c&follow=false&tail=5"]
    );
}

#[test]
fn json_is_a_line_each() {
    let place = crate::support::Place::with_app();
    let line = r#"{"at":"2026-01-01T00:00:00Z","instance":"web.43.1","stream":"stdout","text":"x"}"#;
    place.keeper(&[("GET /v1/apps/assistant/production/logs", 200, &format!("{line}\n{line}\n"))]);
    let said = place.run(&["logs", "--json"]);
    assert_eq!(said.lines().skip(1).collect::<Vec<_>>(), [line, line]);
}
