//! Sentences and what they mean. Saturday 21 November 2026, 10:00 in Madrid.

use jiff::civil::{Time, date, datetime};

use super::*;
use crate::tasks::{Draft, State};

mod ends;
mod guide;
mod picking;
mod properties;
mod sentences;

fn task(id: &str, title: &str, state: State) -> Task {
    Task {
        id: id.to_owned(),
        title: title.to_owned(),
        state,
        tags: Vec::new(),
        recurrence: None,
        due: None,
        zone: None,
        due_at: None,
        created_at: 0,
        done_at: None,
        rev: 1,
    }
}

fn open() -> [Task; 4] {
    [
        Task {
            due: Some(Due::new(date(2026, 11, 22), Some(Time::constant(17, 0, 0, 0)))),
            ..task("t1", "Call Anna", State::Open)
        },
        task("t2", "Buy coffee", State::Open),
        task("t3", "Buy bread", State::Open),
        task("t4", "Watch \"Friday\"", State::Open),
    ]
}

fn done() -> [Task; 1] {
    [task("t9", "Pay rent", State::Done)]
}

fn understood(sentence: &str) -> Understood {
    let (open, done) = (open(), done());
    let now = datetime(2026, 11, 21, 10, 0, 0, 0).in_tz("Europe/Madrid").expect("a zone");
    understand(
        sentence,
        &Knowledge { now, open: &open, done: &done, habits: &Habits::default(), dates: Dates::Read },
    )
}

fn meaning(sentence: &str) -> String {
    match understood(sentence) {
        Understood::Do(command) => serde_json::to_string(&command).expect("serialises"),
        Understood::Tell(question) => format!("{question:?}"),
        Understood::Choose { choices, .. } => format!(
            "ask: {}",
            choices.into_iter().map(|choice| choice.instead).collect::<Vec<_>>().join(" | ")
        ),
        Understood::Refuse { why } => format!("refused: {why}"),
        Understood::Nothing { .. } => "-".to_owned(),
    }
}

fn check(sentence: &str, expected: &str) {
    assert_eq!(meaning(sentence), expected, "{sentence}");
}

fn adds(sentence: &str, title: &str, day: &str, time: &str) {
    let due = match (day, time) {
        ("", _) => "null".to_owned(),
        (day, "") => format!("{{\"day\":\"{day}\",\"time\":null}}"),
        (day, time) => format!("{{\"day\":\"{day}\",\"time\":\"{time}\"}}"),
    };
    check(sentence, &format!("{{\"do\":\"add_task\",\"title\":{title:?},\"due\":{due}}}"));
}

#[test]
fn reminders_and_tasks() {
    adds("remind me to call Anna tomorrow at 5pm", "call Anna", "2026-11-22", "17:00:00");
    adds("Please remind me tomorrow to call Anna.", "call Anna", "2026-11-22", "");
    adds("remind me tomorrow to call Anna at 17:00", "call Anna", "2026-11-22", "17:00:00");
    adds("remind me to water the plants", "water the plants", "", "");
    adds("add buy milk to my tasks", "buy milk", "", "");
    adds("add call Ben on Friday to my todo list", "call Ben", "2026-11-27", "");
    adds("Add a task to read The 5th Wave", "read The 5th Wave", "", "");
    adds("task: watch \"Tomorrow\"", "watch \"Tomorrow\"", "", "");
    adds("I need to buy a monitor", "buy a monitor", "", "");
    adds("don’t let me forget to pay rent on 1 December", "pay rent", "2026-12-01", "");
    adds("remind me to tidy up this week", "tidy up", "2026-11-21", "");
    adds("remind me to stretch in 20 minutes", "stretch", "2026-11-21", "10:20:00");
}

#[test]
fn two_meanings_are_asked_with_whole_sentences() {
    check(
        "remind me to call Anna at 5",
        "ask: remind me to call Anna on 2026-11-22 at 05:00 | remind me to call Anna on 2026-11-21 at 17:00",
    );
    check(
        "task: party the night before Christmas at 5pm",
        "ask: task: party the night on 2026-12-25 at 17:00 | task: \"party the night before Christmas at 5pm\"",
    );
    adds(
        "task: \"party the night before Christmas at 5pm\"",
        "party the night before Christmas at 5pm",
        "",
        "",
    );
    check("done with buy", "ask: done with \"Buy coffee\" | done with \"Buy bread\"");
    for answered in ["remind me to call Anna on 2026-11-21 at 17:00", "done with \"Buy coffee\""] {
        assert!(meaning(answered).starts_with("{\"do\""), "{answered}");
    }
}

#[test]
fn an_entry_of_a_day_that_no_month_has_is_not_put_on_another() {
    check(
        "journal on 31 April 2026: hi",
        "ask: journal on 2026-04-30: hi | journal on 2026-05-01: hi | journal: on 31 April 2026: hi",
    );
    check("journal on 2026-04-30: hi", "{\"do\":\"add_entry\",\"text\":\"hi\",\"day\":\"2026-04-30\"}");
    check(
        "journal: on 31 April 2026: hi",
        "{\"do\":\"add_entry\",\"text\":\"on 31 April 2026: hi\",\"day\":null}",
    );
    check(
        "move call Anna to 31 April",
        "ask: move call Anna to on 2027-04-30 | move call Anna to on 2027-05-01",
    );
}

#[test]
fn tasks_are_found_by_their_words() {
    check("done with buy coffee", "{\"do\":\"complete_task\",\"id\":\"t2\"}");
    check("I finished calling Anna!", "{\"do\":\"complete_task\",\"id\":\"t1\"}");
    check("mark coffee as done", "{\"do\":\"complete_task\",\"id\":\"t2\"}");
    check("bread is done", "{\"do\":\"complete_task\",\"id\":\"t3\"}");
    check("reopen pay rent", "{\"do\":\"reopen_task\",\"id\":\"t9\"}");
    check("delete task buy bread", "{\"do\":\"delete_task\",\"id\":\"t3\"}");
    check("I did the dishes", "-");
    check(
        "move call Anna to Friday",
        "{\"do\":\"move_task\",\"id\":\"t1\",\"due\":{\"day\":\"2026-11-27\",\"time\":\"17:00:00\"}}",
    );
    check(
        "postpone buy coffee until tomorrow at 9am",
        "{\"do\":\"move_task\",\"id\":\"t2\",\"due\":{\"day\":\"2026-11-22\",\"time\":\"09:00:00\"}}",
    );
    check("move house to the country", "-");
}

#[test]
fn the_journal_is_written_and_searched() {
    check(
        "journal: slept well, run at 7",
        "{\"do\":\"add_entry\",\"text\":\"slept well, run at 7\",\"day\":null}",
    );
    check("Dear diary, it rained.", "{\"do\":\"add_entry\",\"text\":\"it rained.\",\"day\":null}");
    check("find river in my journal", "Find { query: \"river\" }");
    check("what did I write about \"the long walk\"?", "Find { query: \"the long walk\" }");
    check("what did I do yesterday?", "Entries { from: 2026-11-20, to: 2026-11-20 }");
    check("what did I do on Monday", "Entries { from: 2026-11-16, to: 2026-11-16 }");
}

#[test]
fn questions() {
    check("what is on my plate today", "Plan { from: 2026-11-21, to: 2026-11-21 }");
    check("What's on my plate?", "Plan { from: 2026-11-21, to: 2026-11-21 }");
    check("what’s on my plate tomorrow", "Plan { from: 2026-11-22, to: 2026-11-22 }");
    check("what do I have next week", "Plan { from: 2026-11-23, to: 2026-11-29 }");
    check("show me my tasks", "Tasks");
    check("undo that", "Undo");
    check("help", "Help");
    check("Hi there!", "Hello");
    check("count to 60 slowly", "Count { to: 60, slowly: true }");
    check("count to 200", "Count { to: 200, slowly: false }");
}

#[test]
fn what_it_does_not_know_it_does_not_guess() {
    for sentence in [
        "what is the capital of France",
        "write me a poem about rain",
        "count to 99999999",
        "is it raining in Bergen",
        "remind me",
        "??",
        "add",
        "move",
        "",
    ] {
        check(sentence, "-");
    }
    assert_eq!(meaning(&"remind me to x ".repeat(500)), "-", "too long for a sentence");
}

proptest::proptest! {
    #[test]
    fn any_sentence_is_read_without_panic(sentence in "\\PC{0,80}", head in "(remind me to |done with |move |count to |find |\\{what\\})?") {
        let _ = meaning(&format!("{head}{sentence}"));
    }
}

#[test]
fn talk_is_not_taken_for_a_command() {
    check(
        "I have to say it was a great day",
        "ask: task: say it was a great day | journal: I have to say it was a great day",
    );
    adds("I need to buy milk tomorrow", "buy milk", "2026-11-22", "");
    check("drop it", "-");
    check("delete everything", "-");
    check("don't remind me to call Anna", "-");
}

#[test]
fn an_entry_is_for_the_day_before_its_colon_only() {
    let entry = |text: &str, day: &str| format!("{{\"do\":\"add_entry\",\"text\":{text:?},\"day\":{day}}}");
    check("journal yesterday: rained all day", &entry("rained all day", "\"2026-11-20\""));
    check("journal for Monday: met Anna", &entry("met Anna", "\"2026-11-16\""));
    check("journal: yesterday it rained", &entry("yesterday it rained", "null"));
    check("journal: last week: a mess", &entry("last week: a mess", "null"));
}

#[test]
fn a_question_about_an_unclear_day_is_asked_back() {
    check("what is due on 3/4", "ask: what is due on 2027-03-04 | what is due on 2027-04-03");
    check("what is due Saturday", "Plan { from: 2026-11-28, to: 2026-11-28 }");
    check("what is due this weekend", "Plan { from: 2026-11-21, to: 2026-11-22 }");
    check("find everything about Anna in my journal", "Find { query: \"Anna\" }");
}

#[test]
fn a_date_that_is_kept_stays_in_the_title() {
    let read = |sentence: &str, dates| {
        let now = datetime(2026, 11, 21, 10, 0, 0, 0).in_tz("Europe/Madrid").expect("a zone");
        let habits = Habits::default();
        understand(sentence, &Knowledge { now, open: &[], done: &[], habits: &habits, dates })
    };
    let kept =
        |title: &str| Understood::Do(Command::AddTask(Draft { title: title.to_owned(), ..Draft::default() }));
    let sentence = "remind me to watch Tomorrow tomorrow";
    assert_eq!(read(sentence, Dates::Keep), kept("watch Tomorrow tomorrow"));
    assert_ne!(read(sentence, Dates::Read), kept("watch Tomorrow tomorrow"));
    assert_eq!(read("task: call Anna at 5", Dates::Keep), kept("call Anna at 5"), "nothing is asked");
}

fn recurs(sentence: &str, title: &str, due: &str, rule: &str) {
    let Understood::Do(Command::AddTask(draft)) = understood(sentence) else {
        panic!("\"{sentence}\" is no task: {:?}", understood(sentence))
    };
    let recurrence = draft.recurrence.unwrap_or_else(|| panic!("\"{sentence}\" does not come again"));
    let first = draft.due.expect("a day");
    let time = first.time.map_or_else(String::new, |time| format!(" {time}"));
    assert_eq!((draft.title.as_str(), format!("{}{time}", first.day).as_str()), (title, due), "{sentence}");
    assert_eq!(recurrence.rule, rule, "{sentence}");
}

#[test]
fn tasks_that_come_again() {
    recurs(
        "remind me to water the plants every Monday at 9",
        "water the plants",
        "2026-11-23 09:00:00",
        "FREQ=WEEKLY;BYDAY=MO",
    );
    recurs(
        "remind me every Monday at 9 to water the plants",
        "water the plants",
        "2026-11-23 09:00:00",
        "FREQ=WEEKLY;BYDAY=MO",
    );
    recurs("add stretch every day to my tasks", "stretch", "2026-11-21", "FREQ=DAILY");
    recurs("task: stretch every day at 8am", "stretch", "2026-11-22 08:00:00", "FREQ=DAILY");
    recurs(
        "task: pay the cleaner every 2 weeks on Friday",
        "pay the cleaner",
        "2026-11-27",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR",
    );
    recurs(
        "remind me to send flowers every year on 3 May",
        "send flowers",
        "2027-05-03",
        "FREQ=YEARLY;BYMONTH=5;BYMONTHDAY=3",
    );
    recurs(
        "task: change the filter 3 days after I finish",
        "change the filter",
        "2026-11-21",
        "FREQ=DAILY;INTERVAL=3",
    );
    recurs("task: back up on 5 December every month", "back up", "2026-12-05", "FREQ=MONTHLY");
    recurs(
        "remind me to call mum at 17:00 every Sunday",
        "call mum",
        "2026-11-22 17:00:00",
        "FREQ=WEEKLY;BYDAY=SU",
    );
}

#[test]
fn a_day_that_some_months_lack_is_asked_and_each_answer_means_one_thing() {
    check(
        "task: pay rent monthly on the 31st",
        "ask: task: pay rent every month on the 31st only | task: pay rent every month on the last day",
    );
    recurs(
        "task: pay rent every month on the 31st only",
        "pay rent",
        "2026-12-31",
        "FREQ=MONTHLY;BYMONTHDAY=31",
    );
    recurs(
        "task: pay rent every month on the last day",
        "pay rent",
        "2026-11-30",
        "FREQ=MONTHLY;BYMONTHDAY=-1",
    );
    check(
        "task: pay rent on 31 December every month",
        "ask: task: pay rent on 31 December every month on the 31st only | task: pay rent on 31 December every month on the last day",
    );
    check("task: run every day at 5", "ask: task: run every day at 05:00 | task: run every day at 17:00");
}

#[test]
fn titles_keep_their_words() {
    for title in [
        "Every Breath You Take",
        "watch Every Other Weekend",
        "read The Daily",
        "plan \"every day\" campaign",
        "ask everyone daily standup notes",
    ] {
        check(
            &format!("task: {title}"),
            &format!("{{\"do\":\"add_task\",\"title\":{title:?},\"due\":null}}"),
        );
    }
}

#[test]
fn tags_are_a_tasks_and_words_elsewhere() {
    let tagged = |sentence| match understood(sentence) {
        Understood::Do(Command::AddTask(draft)) => format!("{} {:?}", draft.title, draft.tags),
        Understood::Do(Command::AddEntry { text, .. }) => text,
        Understood::Choose { choices, .. } => {
            choices.into_iter().map(|choice| choice.instead).collect::<Vec<_>>().join(" | ")
        }
        other => format!("{other:?}"),
    };
    assert_eq!(tagged("remind me to call Anna tomorrow #Family #phone"), "call Anna [\"family\", \"phone\"]");
    assert_eq!(tagged("journal: long walk #river"), "long walk #river");
    assert_eq!(
        tagged("task: run every day at 5 #sport"),
        "task: run every day at 05:00 #sport | task: run every day at 17:00 #sport"
    );
}
