//! Tables of sentences by what is easily read wrongly in them: each is read as it says here, or asks what it says here.
//!
//! On the left what stands behind "task: ", on the right `title · day time · rule`, or `asks` and its buttons.

use super::*;

/// As the right side of a table.
pub(super) fn read(sentence: &str) -> String {
    match understood(sentence) {
        Understood::Do(Command::AddTask(Draft { title, due, recurrence, .. })) => {
            let due = due.map_or_else(String::new, |due| {
                let time = due.time.map_or_else(String::new, |time| time.strftime(" %H:%M").to_string());
                format!(" · {}{time}", due.day)
            });
            let rule = recurrence.map_or_else(String::new, |recurrence| format!(" · {}", recurrence.rule));
            format!("{title}{due}{rule}")
        }
        Understood::Choose { choices, .. } => {
            let labels: Vec<String> = choices.into_iter().map(|choice| choice.label).collect();
            format!("asks {}", labels.join(" | "))
        }
        other => format!("{other:?}"),
    }
}

pub(super) fn check_all(table: &[(&str, &str)]) {
    let wrong: Vec<String> = table
        .iter()
        .map(|(sentence, expected)| (sentence, expected, read(&format!("task: {sentence}"))))
        .filter(|(_, expected, found)| expected != &found)
        .map(|(sentence, expected, found)| format!("{sentence}\n  wanted {expected}\n  read   {found}"))
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), table.len(), wrong.join("\n"));
}

const KEEP: &str = "No date, keep the words";

#[test]
fn days_of_the_month_are_those_that_are_said_wherever_they_stand() {
    check_all(&[
        (
            "buy flowers every valentine's day",
            "buy flowers · 2027-02-14 · FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=14",
        ),
        ("pay rent on the 1st of every month", "pay rent · 2026-12-01 · FREQ=MONTHLY;BYMONTHDAY=1"),
        ("pay rent on the first of each month", "pay rent · 2026-12-01 · FREQ=MONTHLY;BYMONTHDAY=1"),
        ("pay salaries 15th of each month", "pay salaries · 2026-12-15 · FREQ=MONTHLY;BYMONTHDAY=15"),
        ("pay salaries every 15th of the month", "pay salaries · 2026-12-15 · FREQ=MONTHLY;BYMONTHDAY=15"),
        ("back up on the last day of every month", "back up · 2026-11-30 · FREQ=MONTHLY;BYMONTHDAY=-1"),
        ("back up last day of the month every month", "back up · 2026-11-30 · FREQ=MONTHLY;BYMONTHDAY=-1"),
        ("pay Ben 1st and 15th every month", "pay Ben · 2026-12-01 · FREQ=MONTHLY;BYMONTHDAY=1,15"),
        ("pay Ben on the 1st and 15th of every month", "pay Ben · 2026-12-01 · FREQ=MONTHLY;BYMONTHDAY=1,15"),
        (
            "pay Ben every month on the 15th and the 1st",
            "pay Ben · 2026-12-01 · FREQ=MONTHLY;BYMONTHDAY=1,15",
        ),
        ("pay Ben every 1st and 15th", "pay Ben · 2026-12-01 · FREQ=MONTHLY;BYMONTHDAY=1,15"),
        ("on the 1st of every month pay rent", "pay rent · 2026-12-01 · FREQ=MONTHLY;BYMONTHDAY=1"),
        (
            "on the 1st of every month at 9am pay rent",
            "pay rent · 2026-12-01 09:00 · FREQ=MONTHLY;BYMONTHDAY=1",
        ),
        (
            "pay rent at 9am on the 1st of every month",
            "pay rent · 2026-12-01 09:00 · FREQ=MONTHLY;BYMONTHDAY=1",
        ),
        (
            "check the meter the 3rd of every second month",
            "check the meter · 2026-12-03 · FREQ=MONTHLY;INTERVAL=2;BYMONTHDAY=3",
        ),
        (
            "check the meter every 3 months on the 3rd",
            "check the meter · 2026-12-03 · FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=3",
        ),
        ("book club first Monday of every month", "book club · 2026-12-07 · FREQ=MONTHLY;BYDAY=1MO"),
        (
            "book club on the second and fourth Tuesday of each month",
            "book club · 2026-11-24 · FREQ=MONTHLY;BYDAY=2TU,4TU",
        ),
        ("drinks the last Friday of the month every month", "drinks · 2026-11-27 · FREQ=MONTHLY;BYDAY=-1FR"),
        ("report on the twentieth of every month", "report · 2026-12-20 · FREQ=MONTHLY;BYMONTHDAY=20"),
        ("report every month by the 5th", "report · 2026-12-05 · FREQ=MONTHLY;BYMONTHDAY=5"),
        ("invoice at the end of every month", "invoice · 2026-11-30 · FREQ=MONTHLY;BYMONTHDAY=-1"),
        ("budget at the beginning of each month", "budget · 2026-12-01 · FREQ=MONTHLY;BYMONTHDAY=1"),
        ("report every month on the 31st", "asks every month on the 31st only | every month on the last day"),
        (
            "report on the 31st of every month",
            "asks every month on the 31st only | every month on the last day",
        ),
        (
            "report on the 15th and 30th of every month",
            "asks every month on the 15th and 30th only | every month on the 15th and the last day",
        ),
        (
            "send flowers on 3 May every year",
            "send flowers · 2027-05-03 · FREQ=YEARLY;BYMONTH=5;BYMONTHDAY=3",
        ),
        (
            "send flowers 3rd of May each year",
            "send flowers · 2027-05-03 · FREQ=YEARLY;BYMONTH=5;BYMONTHDAY=3",
        ),
        // Once.
        ("clean up on the first of the month", "clean up · 2026-12-01"),
        ("pay on the 15th", "pay · 2026-12-15"),
    ]);
}

#[test]
fn of_two_times_of_day_none_is_dropped() {
    let keep = |choices: &str| format!("asks {choices} | {KEEP}");
    check_all(&[
        ("take pills 8am & 8pm", &keep("Sun 22 Nov, 08:00 | Sat 21 Nov, 20:00")),
        ("take pills at 8 and 20", &keep("Sun 22 Nov, 08:00 | Sat 21 Nov, 20:00")),
        ("meet Ben tomorrow at 5pm or friday at 6pm", &keep("Sun 22 Nov, 17:00 | Fri 27 Nov, 18:00")),
        ("take pills every day at 8am and 8pm", "asks every day at 08:00 | every day at 20:00"),
        ("take pills at 8am and 8pm every day", "asks every day at 08:00 | every day at 20:00"),
        ("take pills daily 8am, 8pm", "asks every day at 08:00 | every day at 20:00"),
        ("feed the cat every day at 7 and 19:00", "asks every day at 07:00 | every day at 19:00"),
        ("walk the dog every morning and evening", "asks every day at 09:00 | every day at 20:00"),
        ("take pills at 8am and 8pm", &keep("Sun 22 Nov, 08:00 | Sat 21 Nov, 20:00")),
        ("take pills at 8am and at 20:00", &keep("Sun 22 Nov, 08:00 | Sat 21 Nov, 20:00")),
        ("take pills tomorrow at 8am and 8pm", &keep("Sun 22 Nov, 08:00 | Sun 22 Nov, 20:00")),
        ("call Anna at 3pm or 4pm", &keep("Sat 21 Nov, 15:00 | Sat 21 Nov, 16:00")),
        (
            "take pills at 8am, 1pm and 8pm",
            &keep("Sun 22 Nov, 08:00 | Sat 21 Nov, 13:00 | Sat 21 Nov, 20:00"),
        ),
        // A range is one time.
        ("meet Ben between 3pm and 4pm", "meet Ben (until 16:00) · 2026-11-21 15:00"),
        (
            "standup every weekday from 9 to 10am",
            "standup (until 10:00) · 2026-11-23 09:00 · FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
        ),
        (
            "pills every monday at 9 and every thursday at 10",
            "asks every Monday at 09:00 | every Thursday at 10:00",
        ),
        (
            "gym every monday at 9am and thursday at 10am",
            "asks every Monday at 09:00 | every Thursday at 10:00",
        ),
    ]);
}

#[test]
fn weekdays_that_come_again_are_no_single_days() {
    check_all(&[
        ("english class every tue thu 6pm", "english class · 2026-11-24 18:00 · FREQ=WEEKLY;BYDAY=TU,TH"),
        (
            "english class Tuesdays/Thursdays 6pm",
            "english class · 2026-11-24 18:00 · FREQ=WEEKLY;BYDAY=TU,TH",
        ),
        ("gym Mon-Fri at 6am", "asks every weekday at 06:00 | No date, keep the words"),
        ("review friday of every week", "review · 2026-11-27 · FREQ=WEEKLY;BYDAY=FR"),
        ("review on the Friday of each week", "review · 2026-11-27 · FREQ=WEEKLY;BYDAY=FR"),
        ("review fridays every 2 weeks", "review · 2026-11-27 · FREQ=WEEKLY;INTERVAL=2;BYDAY=FR"),
        ("review every 2 weeks friday", "review · 2026-11-27 · FREQ=WEEKLY;INTERVAL=2;BYDAY=FR"),
        ("gym sundays at 10am", "gym · 2026-11-22 10:00 · FREQ=WEEKLY;BYDAY=SU"),
        ("gym sundays", "gym · 2026-11-22 · FREQ=WEEKLY;BYDAY=SU"),
        ("gym Sundays 10am", "gym · 2026-11-22 10:00 · FREQ=WEEKLY;BYDAY=SU"),
        ("yoga on fridays at 6pm", "yoga · 2026-11-27 18:00 · FREQ=WEEKLY;BYDAY=FR"),
        ("sundays at 10am gym", "gym · 2026-11-22 10:00 · FREQ=WEEKLY;BYDAY=SU"),
        ("standup weekdays at 9", "standup · 2026-11-23 09:00 · FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"),
        ("standup on weekdays at 9:15", "standup · 2026-11-23 09:15 · FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"),
        ("long run weekends at 8am", "long run · 2026-11-22 08:00 · FREQ=WEEKLY;BYDAY=SA,SU"),
        ("long run on weekends", "long run · 2026-11-21 · FREQ=WEEKLY;BYDAY=SA,SU"),
        ("piano tuesdays and thursdays at 5pm", "piano · 2026-11-24 17:00 · FREQ=WEEKLY;BYDAY=TU,TH"),
        (
            "gym every monday, wednesday and friday at 7am",
            "gym · 2026-11-23 07:00 · FREQ=WEEKLY;BYDAY=MO,WE,FR",
        ),
        ("gym every mon & thu", "gym · 2026-11-23 · FREQ=WEEKLY;BYDAY=MO,TH"),
        ("bins every monday and every thursday", "bins · 2026-11-23 · FREQ=WEEKLY;BYDAY=MO,TH"),
        (
            "standup every monday to friday at 9",
            "standup · 2026-11-23 09:00 · FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR",
        ),
        ("standup every mon-fri 9am", "standup · 2026-11-23 09:00 · FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"),
        (
            "water plants every day except sunday",
            "water plants · 2026-11-21 · FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR,SA",
        ),
        ("standup every weekday but friday", "standup · 2026-11-23 · FREQ=WEEKLY;BYDAY=MO,TU,WE,TH"),
        ("gym every saturday or sunday", "asks every Saturday | every Sunday | every weekend"),
        ("bins alternate wednesdays", "bins · 2026-11-25 · FREQ=WEEKLY;INTERVAL=2;BYDAY=WE"),
        ("bins every alternate wednesday", "bins · 2026-11-25 · FREQ=WEEKLY;INTERVAL=2;BYDAY=WE"),
        ("lights out weeknights at 11pm", "lights out · 2026-11-23 23:00 · FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"),
        ("lights out every weeknight", "lights out · 2026-11-23 20:00 · FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"),
        ("laundry once every two weeks", "laundry · 2026-11-21 · FREQ=WEEKLY;INTERVAL=2"),
        ("tidy up at the end of every day", "tidy up · 2026-11-21 · FREQ=DAILY"),
        ("tidy up at the end of each week", "asks every Friday | every Sunday"),
        ("invoice every end of the month", "invoice · 2026-11-30 · FREQ=MONTHLY;BYMONTHDAY=-1"),
        ("invoice every month end", "invoice · 2026-11-30 · FREQ=MONTHLY;BYMONTHDAY=-1"),
        // Single days in a row.
        ("water plants mon wed fri", "asks Mon 23 Nov | Wed 25 Nov | Fri 27 Nov | No date, keep the words"),
        ("gym mon/wed 7am", "asks Mon 23 Nov, 07:00 | Wed 25 Nov, 07:00 | No date, keep the words"),
        ("swim sat & sun at 9am", "asks Sat 28 Nov, 09:00 | Sun 22 Nov, 09:00 | No date, keep the words"),
        ("call Ben tonight or tomorrow", "asks Sat 21 Nov, 20:00 | Sun 22 Nov | No date, keep the words"),
        ("call the plumber on Mon, otherwise Tue", "asks Mon 23 Nov | Tue 24 Nov | No date, keep the words"),
        ("bins every other tuesday", "bins · 2026-11-24 · FREQ=WEEKLY;INTERVAL=2;BYDAY=TU"),
        ("bins every fortnight", "bins · 2026-11-21 · FREQ=WEEKLY;INTERVAL=2"),
        ("bins every fortnight on thursday", "bins · 2026-11-26 · FREQ=WEEKLY;INTERVAL=2;BYDAY=TH"),
        ("call mum once a week", "call mum · 2026-11-21 · FREQ=WEEKLY"),
        ("call mum once a week on sunday", "call mum · 2026-11-22 · FREQ=WEEKLY;BYDAY=SU"),
        ("exercise everyday at 7am", "exercise · 2026-11-22 07:00 · FREQ=DAILY"),
        ("exercise every single day", "exercise · 2026-11-21 · FREQ=DAILY"),
        ("buy everyday shoes", "buy everyday shoes"),
        ("write about why mondays are hard", "write about why mondays are hard"),
        ("plan for weekends", "plan for weekends"),
    ]);
}

#[test]
fn parts_of_the_day_say_which_half_and_which_hour_comes_again() {
    check_all(&[
        ("walk every morning at 7", "walk · 2026-11-22 07:00 · FREQ=DAILY"),
        ("walk every morning", "walk · 2026-11-22 09:00 · FREQ=DAILY"),
        ("walk at 7 every morning", "walk · 2026-11-22 07:00 · FREQ=DAILY"),
        ("read every evening at 8", "read · 2026-11-21 20:00 · FREQ=DAILY"),
        ("read every night at 10:30", "read · 2026-11-21 22:30 · FREQ=DAILY"),
        ("eat each noon", "eat · 2026-11-21 12:00 · FREQ=DAILY"),
        ("eat every day at noon", "eat · 2026-11-21 12:00 · FREQ=DAILY"),
        ("tea every afternoon at 4", "tea · 2026-11-21 16:00 · FREQ=DAILY"),
        ("every morning at 7 walk the dog", "walk the dog · 2026-11-22 07:00 · FREQ=DAILY"),
        ("every evening walk the dog", "walk the dog · 2026-11-21 20:00 · FREQ=DAILY"),
        ("run every day at 7 in the morning", "run · 2026-11-22 07:00 · FREQ=DAILY"),
        ("run every day in the morning", "run · 2026-11-22 09:00 · FREQ=DAILY"),
        ("pub quiz every friday night at 8", "pub quiz · 2026-11-27 20:00 · FREQ=WEEKLY;BYDAY=FR"),
        ("gym every monday morning", "gym · 2026-11-23 09:00 · FREQ=WEEKLY;BYDAY=MO"),
        ("gym every weekday evening at 6", "gym · 2026-11-23 18:00 · FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"),
        ("church sunday mornings at 10", "church · 2026-11-22 10:00 · FREQ=WEEKLY;BYDAY=SU"),
        ("walk mornings at 6", "walk · 2026-11-22 06:00 · FREQ=DAILY"),
        ("gym every monday at 18:00", "gym · 2026-11-23 18:00 · FREQ=WEEKLY;BYDAY=MO"),
        ("gym every monday 6pm", "gym · 2026-11-23 18:00 · FREQ=WEEKLY;BYDAY=MO"),
        ("gym 6pm every monday", "gym · 2026-11-23 18:00 · FREQ=WEEKLY;BYDAY=MO"),
        ("gym every day at 5", "asks every day at 05:00 | every day at 17:00"),
        ("dinner with Anna every friday at 8", "asks every Friday at 08:00 | every Friday at 20:00"),
        ("lock up every day by midnight", "lock up · 2026-11-22 00:00 · FREQ=DAILY"),
        ("call Anna every day around 6pm", "call Anna · 2026-11-21 18:00 · FREQ=DAILY"),
    ]);
}

#[test]
fn until_when_and_from_when_is_kept() {
    check_all(&[
        ("practice every day this week", "practice · 2026-11-21 · FREQ=DAILY;UNTIL=20261122T235959Z"),
        ("each day next week practice", "practice · 2026-11-23 · FREQ=DAILY;UNTIL=20261129T235959Z"),
        ("no sugar every day in december", "no sugar · 2026-12-01 · FREQ=DAILY;UNTIL=20261231T235959Z"),
        ("practice for 30 days every day", "practice · 2026-11-21 · FREQ=DAILY;UNTIL=20261220T235959Z"),
        ("every monday gym at 8", "gym · 2026-11-23 08:00 · FREQ=WEEKLY;BYDAY=MO"),
        ("pay the rent every month before the 5th", "pay the rent · 2026-12-05 · FREQ=MONTHLY;BYMONTHDAY=5"),
        (
            "water plants every day until friday",
            "water plants · 2026-11-21 · FREQ=DAILY;UNTIL=20261127T235959Z",
        ),
        (
            "until friday every day water plants",
            "water plants · 2026-11-21 · FREQ=DAILY;UNTIL=20261127T235959Z",
        ),
        (
            "until friday water plants every day",
            "water plants · 2026-11-21 · FREQ=DAILY;UNTIL=20261127T235959Z",
        ),
        (
            "water plants every day at 9am till 5 December",
            "water plants · 2026-11-22 09:00 · FREQ=DAILY;UNTIL=20261205T235959Z",
        ),
        (
            "gym every monday until christmas at 7am",
            "gym · 2026-11-23 07:00 · FREQ=WEEKLY;BYDAY=MO;UNTIL=20261225T235959Z",
        ),
        ("pills every day for 2 weeks", "pills · 2026-11-21 · FREQ=DAILY;UNTIL=20261204T235959Z"),
        (
            "pills every day for a week starting monday",
            "pills · 2026-11-23 · FREQ=DAILY;UNTIL=20261129T235959Z",
        ),
        ("water plants every day starting monday", "water plants · 2026-11-23 · FREQ=DAILY"),
        ("water plants every 2 days from 1 December", "water plants · 2026-12-01 · FREQ=DAILY;INTERVAL=2"),
        ("starting tomorrow meditate every day at 7am", "meditate · 2026-11-22 07:00 · FREQ=DAILY"),
        (
            "meditate every day until next sunday",
            "asks every day until 22 November 2026 | every day until 29 November 2026",
        ),
        ("call mum tomorrow at 17:00 every day", "call mum · 2026-11-22 17:00 · FREQ=DAILY"),
        ("read for 20 minutes every day", "read for 20 minutes · 2026-11-21 · FREQ=DAILY"),
        ("read every day for 20 minutes", "read for 20 minutes · 2026-11-21 · FREQ=DAILY"),
    ]);
    for (sentence, expected) in [
        ("remind me on Friday to water plants every week", "water plants · 2026-11-27 · FREQ=WEEKLY"),
        ("remind me tomorrow at 8am to take pills every day", "take pills · 2026-11-22 08:00 · FREQ=DAILY"),
        (
            "remind me every day until Friday to water plants",
            "water plants · 2026-11-21 · FREQ=DAILY;UNTIL=20261127T235959Z",
        ),
        ("remind me at 7 every morning to walk", "walk · 2026-11-22 07:00 · FREQ=DAILY"),
        (
            "remind me on the 1st of every month to pay rent",
            "pay rent · 2026-12-01 · FREQ=MONTHLY;BYMONTHDAY=1",
        ),
        (
            "add pay rent on the 1st of every month to my tasks",
            "pay rent · 2026-12-01 · FREQ=MONTHLY;BYMONTHDAY=1",
        ),
    ] {
        assert_eq!(read(sentence), expected, "{sentence}");
    }
}

#[test]
fn what_comes_again_otherwise_than_a_rule_can_is_asked() {
    let keep = |choices: &str| format!("asks {choices} | {KEEP}");
    check_all(&[
        ("back up every 2-3 days", &keep("every 2 days | every 3 days")),
        ("back up every two or three weeks", &keep("every 2 weeks | every 3 weeks")),
        ("back up every few weeks", &keep("every 3 weeks")),
        ("back up every couple of weeks", "back up · 2026-11-21 · FREQ=WEEKLY;INTERVAL=2"),
        ("back up at least every week", &keep("every week")),
        ("back up every Monday until further notice", &keep("every Monday")),
        ("back up every Monday from now on", "back up · 2026-11-23 · FREQ=WEEKLY;BYDAY=MO"),
        ("gym every monday pool every tuesday", &keep("every Tuesday | every Monday")),
        ("gym daily at 6am except sundays", "gym · 2026-11-23 06:00 · FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR,SA"),
        (
            "renew the pass every january",
            &keep("every year on 1 January | every year on the last day of January"),
        ),
        ("swim 2x a week", &keep("every week")),
        ("compare daily and weekly rates", "compare daily and weekly rates"),
        ("read Tuesdays with Morrie", "read Tuesdays with Morrie"),
        ("walk every day in the park", "walk in the park · 2026-11-21 · FREQ=DAILY"),
        ("call mum every sunday about dinner", "call mum about dinner · 2026-11-22 · FREQ=WEEKLY;BYDAY=SU"),
        ("call mum every year on my birthday", &keep("every year")),
        ("every year on my birthday call mum", &keep("every year")),
        ("pay Ben every month after payday", &keep("every month")),
        ("water the plants every week or so", &keep("every week")),
        ("water the plants every week except in december", &keep("every week")),
        ("mow the lawn every sunday in summer", &keep("every Sunday")),
        ("drink water every hour", &keep("every day")),
        ("stretch every 30 minutes", &keep("every day")),
        ("take pills twice a day at 8am", &keep("every day at 08:00")),
        ("swim 3 times a week", &keep("every week")),
        ("newsletter biweekly", &keep("every 2 weeks")),
        ("remember the best of every day", &keep("every day")),
        ("not every day", "not every day"),
    ]);
}

#[test]
fn capitals_are_no_matter_but_for_names() {
    let keep = |choices: &str| format!("asks {choices} | {KEEP}");
    check_all(&[
        ("call Ben On Friday", &keep("Fri 27 Nov")),
        ("call Ben By The 5th", "call Ben · 2026-12-05"),
        ("dentist Tomorrow at 5PM", "dentist · 2026-11-22 17:00"),
        ("dentist Tomorrow At 5pm", "dentist · 2026-11-22 17:00"),
        ("Dentist Tomorrow At 5PM", "Dentist · 2026-11-22 17:00"),
        ("TOMORROW AT 5PM DENTIST", "DENTIST · 2026-11-22 17:00"),
        ("Tomorrow at 5PM call Anna", "call Anna · 2026-11-22 17:00"),
        ("CALL MUM TOMORROW", "CALL MUM · 2026-11-22"),
        ("Dentist Tomorrow", &keep("Sun 22 Nov")),
        ("Call Mum On Friday", &keep("Fri 27 Nov")),
        ("call mum EVERY MONDAY", "call mum · 2026-11-23 · FREQ=WEEKLY;BYDAY=MO"),
        ("CALL MUM EVERY MONDAY AT 9AM", "CALL MUM · 2026-11-23 09:00 · FREQ=WEEKLY;BYDAY=MO"),
        ("Gym Every Monday At 9am", "Gym · 2026-11-23 09:00 · FREQ=WEEKLY;BYDAY=MO"),
        ("gym Every Monday", &keep("every Monday")),
        ("Pay Rent On The 1st Of Every Month", "Pay Rent · 2026-12-01 · FREQ=MONTHLY;BYMONTHDAY=1"),
        ("dentist NEXT TUESDAY AT 3PM", "dentist · 2026-11-24 15:00"),
        ("stretch IN 20 MINUTES", "stretch · 2026-11-21 10:20"),
        ("stretch In 20 Minutes", "stretch · 2026-11-21 10:20"),
        ("dentist 3 DECEMBER", "dentist · 2026-12-03"),
        ("dentist on THE 5TH", "dentist · 2026-12-05"),
        ("call Anna TONIGHT", "call Anna · 2026-11-21 20:00"),
        ("watch Tomorrow Never Dies", "watch Tomorrow Never Dies"),
        ("watch The Day After Tomorrow", "watch The Day After Tomorrow"),
        ("Every Breath You Take", "Every Breath You Take"),
    ]);
}

#[test]
fn months_and_days_that_are_names_are_no_dates() {
    let title = |sentence: &'static str| (sentence, sentence);
    check_all(&[
        ("Sunday roast every sunday", "Sunday roast · 2026-11-22 · FREQ=WEEKLY;BYDAY=SU"),
        title("read book by May Sarton"),
        title("buy flowers for April Jones"),
        title("reply to letter from June Carter"),
        title("listen to August Burns Red"),
        title("visit August Macke exhibition"),
        title("read The Guns of August"),
        title("call Jan"),
        title("call Jan about the car"),
        title("ask Will about the keys"),
        title("fly to Friday Harbor"),
        title("buy Sunday Times"),
        title("read poems by April Bernard"),
        title("meet Summer and June"),
        title("watch March of the Penguins"),
        title("say hello to Wednesday Addams"),
        title("play with May Chen"),
        title("email Mark"),
        ("ferry from Friday Harbor", "asks Fri 27 Nov | No date, keep the words"),
        ("ask Jan 3 questions", "asks Sun 3 Jan | No date, keep the words"),
        ("march 5 miles", "asks Fri 5 Mar | No date, keep the words"),
        ("finish the draft by May", "finish the draft · 2027-05-01"),
        ("dentist Jan 3", "dentist · 2027-01-03"),
        ("read book by May Sarton on Friday", "read book by May Sarton · 2026-11-27"),
        ("call April tomorrow", "call April · 2026-11-22"),
        ("call May at 5pm", "call May · 2026-11-21 17:00"),
    ]);
}

#[test]
fn what_counts_from_something_else_is_not_counted_from_now() {
    let keep = |choices: &str| format!("asks {choices} | {KEEP}");
    check_all(&[
        ("prepare 30 min before the 5pm call tomorrow", &keep("Sun 22 Nov")),
        ("prepare 30 min before 5pm tomorrow", &keep("Sun 22 Nov, 17:00")),
        ("leave 2h before the flight on 3 dec at 6:45am", &keep("Thu 3 Dec, 06:45")),
        ("stretch after 2 hours", "stretch after 2 hours"),
        ("check in in 24 hours before flight", &keep("Sun 22 Nov, 10:00")),
        ("check in 24 hours before flight", &keep("Sun 22 Nov, 10:00")),
        ("celebrate 2 days after the exam", "celebrate 2 days after the exam"),
        ("celebrate in 2 days after the exam", &keep("Mon 23 Nov")),
        ("cook an hour before dinner", "cook an hour before dinner"),
        ("cook an hour before dinner tomorrow", &keep("Sun 22 Nov")),
        ("take the pill 30 minutes before breakfast", "take the pill 30 minutes before breakfast"),
        ("call the vet a week after the surgery", "call the vet a week after the surgery"),
        ("pack the day before the trip", "pack the day before the trip"),
        ("pack the day before Christmas", "pack · 2026-12-24"),
        ("call Anna in 2 hours", "call Anna · 2026-11-21 12:00"),
        ("call Anna tomorrow after lunch", "call Anna after lunch · 2026-11-22"),
        ("jog on Friday before work", "jog before work · 2026-11-27"),
    ]);
}

#[test]
fn years_that_nobody_plans_for_are_said_to_be_out_of_reach() {
    let keep = |choices: &str| format!("asks {choices} | {KEEP}");
    check_all(&[
        ("party on 1 January 9999", &keep("Fri 1 Jan")),
        ("party on 1 January 12000", &keep("Fri 1 Jan")),
        ("party on January 1st, 9999", &keep("Fri 1 Jan")),
        ("party on 9999-12-31", &format!("asks {KEEP}")),
        ("party on 31.12.9999", &format!("asks {KEEP}")),
        ("party on 31/12/2999", &format!("asks {KEEP}")),
        ("party in 500 years", &format!("asks {KEEP}")),
        ("party in 9999 years", &format!("asks {KEEP}")),
        ("party in year 12000", "party in year 12000"),
        ("party on 31 December 2199", "party · 2199-12-31"),
    ]);
    let Understood::Choose { prompt, .. } = understood("task: party on 9999-12-31") else {
        panic!("must be asked")
    };
    assert!(prompt.contains("2200"), "the bound is said: {prompt}");
}

#[test]
fn days_and_hours_that_are_easily_mixed_up() {
    let keep = |choices: &str| format!("asks {choices} | {KEEP}");
    check_all(&[
        ("pay the rent on the 3rd of December and January", &keep("Thu 3 Dec")),
        ("pay the rent in december and january", &keep("Tue 1 Dec to Thu 31 Dec")),
        ("gym on monday at 6pm and wednesday at 7pm", &keep("Mon 23 Nov, 18:00 | Wed 25 Nov, 19:00")),
        ("pay the rent on the 1st and the 15th", &keep("Tue 1 Dec | Tue 15 Dec")),
        ("pay the rent on the 1st or 2nd", &keep("Tue 1 Dec | Wed 2 Dec")),
        ("party on 3 May or 5 May", &keep("Mon 3 May | Wed 5 May")),
        ("call Anna (tomorrow)", "call Anna · 2026-11-22"),
        ("pay the rent 5 Dec 26", "pay the rent · 2026-12-05"),
        ("pay the rent 5 Dec 27 at 9am", "pay the rent · 2027-12-05 09:00"),
        ("pay the rent 5 Dec '27", "pay the rent · 2027-12-05"),
        ("call Ben next month on the 25th", "call Ben · 2026-12-25"),
        ("call Ben on the 25th next month", "call Ben · 2026-12-25"),
        ("call Ben this time tomorrow", &keep("Sun 22 Nov")),
        ("call Ben tonight at 2", "asks Sat 21 Nov, 14:00 | Sun 22 Nov, 02:00"),
        ("call Ben tonight at 9", "call Ben · 2026-11-21 21:00"),
        ("say 'goodbye' to Ben tomorrow", "say 'goodbye' to Ben · 2026-11-22"),
    ]);
}

#[test]
fn what_is_over_is_asked_about() {
    let over = |choices: &str| format!("asks {choices} | {KEEP}");
    check_all(&[
        ("run today at 6am", &over("Sun 22 Nov, 06:00 | Sat 21 Nov, 06:00")),
        ("run at 6am today", &over("Sun 22 Nov, 06:00 | Sat 21 Nov, 06:00")),
        ("run today at 9:59 am", &over("Sun 22 Nov, 09:59 | Sat 21 Nov, 09:59")),
        ("run today at 11am", "run · 2026-11-21 11:00"),
        ("run at 6am", "run · 2026-11-22 06:00"),
        ("pay on 2026-11-21 at 06:00", "pay · 2026-11-21 06:00"),
        ("pay yesterday", &over("Fri 20 Nov")),
    ]);
}

#[test]
fn a_task_that_is_moved_to_an_hour_stays_on_its_day() {
    let moved = |day: &str, time: &str| {
        format!("{{\"do\":\"move_task\",\"id\":\"t1\",\"due\":{{\"day\":\"{day}\",\"time\":\"{time}:00\"}}}}")
    };
    check("push call Anna to 6pm", &moved("2026-11-22", "18:00"));
    check("move call Anna to 8am", &moved("2026-11-22", "08:00"));
    check("postpone call Anna until 18:30", &moved("2026-11-22", "18:30"));
    check("move call Anna to noon", &moved("2026-11-22", "12:00"));
    check("move call Anna to today at 6pm", &moved("2026-11-21", "18:00"));
    check("move call Anna to Friday at 6pm", &moved("2026-11-27", "18:00"));
    check(
        "push call Anna to 6",
        "ask: push call Anna to on 2026-11-22 at 06:00 | push call Anna to on 2026-11-22 at 18:00",
    );
    // Without a day of its own it is the next such time.
    check(
        "move buy coffee to 6pm",
        "{\"do\":\"move_task\",\"id\":\"t2\",\"due\":{\"day\":\"2026-11-21\",\"time\":\"18:00:00\"}}",
    );
}

#[test]
fn every_answer_to_a_question_of_these_tables_asks_no_more() {
    let mut answers = 0;
    for sentence in [
        "report on the 15th and 30th of every month",
        "take pills every day at 8am and 8pm",
        "take pills at 8am, 1pm and 8pm",
        "gym every monday at 9am and thursday at 10am",
        "gym every saturday or sunday",
        "meditate every day until next sunday",
        "call mum every year on my birthday",
        "every year on my birthday call mum",
        "water the plants every week or so",
        "drink water every hour",
        "take pills twice a day at 8am",
        "remember the best of every day",
        "gym Every Monday",
        "Dentist Tomorrow",
        "ferry from Friday Harbor",
        "ask Jan 3 questions",
        "check in in 24 hours before flight",
        "party on 1 January 9999",
        "party on 9999-12-31",
        "run today at 6am",
    ] {
        let Understood::Choose { choices, .. } = understood(&format!("task: {sentence}")) else {
            panic!("\"{sentence}\" is not asked about")
        };
        for choice in choices {
            let Understood::Do(Command::AddTask(draft)) = understood(&choice.instead) else {
                panic!("{sentence}: {} is {:?}", choice.instead, understood(&choice.instead))
            };
            assert_eq!(draft.due.is_none(), choice.label == KEEP, "{}", choice.instead);
            answers += 1;
        }
    }
    assert!(answers > 40, "only {answers} answers were tried");
}
