//! Times on the clocks of other places, told in Madrid.

use super::*;

const KEEP: &str = "No date, keep the words";

#[test]
fn a_time_of_another_place_is_told_by_ones_own_clock() {
    check("call NYC tomorrow at 9am New York time", "2026-11-22 15:00 = call NYC");
    check("call Ben at 3pm London time", "2026-11-21 16:00 = call Ben");
    check("call Ben tomorrow 14:00Z", "2026-11-22 15:00 = call Ben");
    check("standup at 14:00 GMT tomorrow", "2026-11-22 15:00 = standup");
    check("call Kenji tomorrow at 09:00 UTC+9", "2026-11-22 01:00 = call Kenji");
    check("call Kenji tomorrow at 09:00 UTC +9", "2026-11-22 01:00 = call Kenji");
    check("call Ben tomorrow at 09:00 UTC-05:30", "2026-11-22 15:30 = call Ben");
    check("call Ben tomorrow at 3pm EST", "2026-11-22 21:00 = call Ben");
    check("call Ben tomorrow at 3pm ET", "2026-11-22 21:00 = call Ben");
    check("call Ben on Monday at 9am San Francisco time", "2026-11-23 18:00 = call Ben");
    // Midnight there is the next day there, and may be the day after that here.
    check("deploy tomorrow at midnight Pacific time", "2026-11-23 09:00 = deploy");
}

#[test]
fn a_clock_that_may_be_another_one_is_asked_about() {
    check("meet Ana tomorrow at 09:00 in New York", "ask Sun 22 Nov, 15:00 | Sun 22 Nov, 09:00");
    check("meet Ana tomorrow at 09:00 in Madrid", "2026-11-22 09:00 = meet Ana in Madrid");
    check("call Ben on 1 July at 3pm EST", "ask Thu 1 Jul, 21:00 | Thu 1 Jul, 22:00");
    check("call Raj tomorrow at 3pm IST", "ask Sun 22 Nov, 10:30 | Sun 22 Nov, 16:00 | Sun 22 Nov, 14:00");
    check("call Ben tomorrow at 9 New York time", "ask Sun 22 Nov, 15:00 | Mon 23 Nov, 03:00");
    check("call Ben tomorrow UTC+99", &format!("ask Sun 22 Nov | {KEEP}"));
}

#[test]
fn an_end_is_told_by_the_same_clock() {
    let reading = read("call Ben tomorrow from 9am to 10:30am New York time", &context(Direction::Ahead));
    let Reading::Found { meaning, end, .. } = reading else { panic!("{reading:?}") };
    assert_eq!(
        (meaning.time(), end.and_then(|end| end.time)),
        (Some(time(15, 0, 0, 0)), Some(time(16, 30, 0, 0)))
    );
}
