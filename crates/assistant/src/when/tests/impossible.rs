//! What is on no calendar and no clock is asked about, and never made another date.

use super::*;

const KEEP: &str = "No date, keep the words";

#[test]
fn a_day_that_no_month_has_is_asked_about() {
    for (text, near) in [
        ("x on 31 April 2027", "Fri 30 Apr 2027 | Sat 1 May 2027"),
        ("x on the 31st of April 2027", "Fri 30 Apr 2027 | Sat 1 May 2027"),
        ("x on 31 Feb 2027", "Sun 28 Feb | Mon 1 Mar"),
        ("x on February 30th, 2027", "Sun 28 Feb | Mon 1 Mar"),
        ("x on 29 Feb 2027", "Sun 28 Feb | Mon 1 Mar"),
        ("x on 32 March 2027", "Wed 31 Mar | Thu 1 Apr"),
        ("x on 0 March 2027", "Mon 1 Mar"),
        ("x on June 31st at 5pm", "Wed 30 Jun | Thu 1 Jul"),
        ("x on 31 April", "Fri 30 Apr | Sat 1 May"),
        ("x 31 april", "Fri 30 Apr | Sat 1 May"),
        ("x on 30/2", "Sun 28 Feb | Mon 1 Mar"),
        ("x on 30/02/2027", "Sun 28 Feb | Mon 1 Mar"),
        ("x on 31.04.2027", "Fri 30 Apr | Sat 1 May"),
        ("x on 2027-02-30", "Sun 28 Feb | Mon 1 Mar"),
    ] {
        let near = near.replace("Apr 2027", "Apr").replace("May 2027", "May");
        check(text, &format!("ask {near} | {KEEP}"));
    }
    check("x on 29 February", "2028-02-29 = x");
    check("x on 31 May 2027", "2027-05-31 = x");
}

#[test]
fn a_time_that_no_clock_shows_is_asked_about() {
    check("call Ben at 25:00", &format!("ask {KEEP}"));
    check("call Ben at 24:00", &format!("ask Sun 22 Nov, 00:00 | {KEEP}"));
    check("call Ben at 5:75pm", &format!("ask Sat 21 Nov, 17:00 | {KEEP}"));
    check("call Ben 13pm", &format!("ask Sat 21 Nov, 13:00 | {KEEP}"));
    check("call Ben tomorrow at 13:30 pm", &format!("ask Sat 21 Nov, 13:30 | {KEEP}"));
}

#[test]
fn numbers_beside_months_and_colons_that_are_none_of_them_stay_words() {
    for text in
        ["read Psalm 119:105", "mix 30/70 sand", "buy 40 May flowers", "flat 31/4", "set the ratio 75:25"]
    {
        check(text, "-");
    }
}

/// Each of these was another day, told by nobody.
#[test]
fn a_day_that_is_said_in_a_roundabout_way_is_that_day_or_asked_about() {
    check("x two fridays from now", "2026-12-04 = x");
    check("x three Mondays from now", "2026-12-07 = x");
    check("x friday after next", "2026-12-04 = x");
    check("x the Sunday after next", "ask Sun 29 Nov | Sun 6 Dec");
    check("x the Wednesday after next", "2026-12-02 = x");
    check("x early next week", &format!("ask Mon 23 Nov to Sun 29 Nov | {KEEP}"));
    check("x late next month", &format!("ask Tue 1 Dec to Thu 31 Dec | {KEEP}"));
    check("x in early May", &format!("ask Sat 1 May to Mon 31 May | {KEEP}"));
    check("x tomorrow night at 1am", "ask Sun 22 Nov, 01:00 | Mon 23 Nov, 01:00");
    check("x tonight at 1am", "2026-11-22 01:00 = x");
    check("x tomorrow night at 11pm", "2026-11-22 23:00 = x");
}
