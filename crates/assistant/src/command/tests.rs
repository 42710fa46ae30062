//! Each command, done and undone, leaves the rows as they were; whatever changed since is never overwritten.

use kit::sqlite::open_writer;
use proptest::prelude::*;
use rusqlite::{Connection, TransactionBehavior};

use super::*;
use crate::recurrence::{Mode, Recurrence};

fn account(name: &str) -> Account {
    Account { id: format!("id-{name}"), name: name.to_owned(), zone: "Europe/Madrid".to_owned() }
}

struct Bench {
    _folder: tempfile::TempDir,
    db: Connection,
}

fn bench() -> Bench {
    let folder = tempfile::tempdir().expect("a folder");
    let mut db = open_writer(&folder.path().join("t.db")).expect("opens");
    crate::schema::MIGRATIONS.up(&mut db).expect("migrates");
    for who in ["ana", "ben"] {
        let who = account(who);
        db.execute("INSERT INTO accounts VALUES (?1, ?2, '', ?3, 0)", params![who.id, who.name, who.zone])
            .expect("inserts");
    }
    Bench { _folder: folder, db }
}

impl Bench {
    fn within<T>(&mut self, work: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate).expect("begins");
        let value = work(&tx)?;
        tx.commit().expect("commits");
        Ok(value)
    }

    fn run(&mut self, who: &str, command: &Command) -> Result<Done> {
        self.within(|tx| execute(tx, &account(who), command))
    }

    fn undo(&mut self, who: &str, id: &str) -> Result<String> {
        self.within(|tx| undo::undo(tx, &account(who), id))
    }

    /// Every column of all tasks and entries but their revisions, which only ever go up.
    fn rows(&self) -> Vec<String> {
        let mut rows = Vec::new();
        for table in ["tasks", "journal_entries", "conversations"] {
            let columns = self.texts(&format!(
                "SELECT 'quote(' || name || ')' FROM pragma_table_info('{table}') WHERE name NOT IN ('rev', 'n')"
            ));
            assert!(columns.len() >= 5, "{columns:?}");
            rows.extend(
                self.texts(&format!("SELECT {} FROM {table} ORDER BY id", columns.join(" || ' ' || "))),
            );
        }
        rows
    }

    fn texts(&self, sql: &str) -> Vec<String> {
        let mut query = self.db.prepare(sql).expect("prepares");
        query.query_map([], |row| row.get(0)).expect("runs").map(|row| row.expect("a row")).collect()
    }
}

fn due() -> impl Strategy<Value = Option<Due>> {
    proptest::option::of((1_i16..28, proptest::option::of(0_i8..24)).prop_map(|(day, hour)| {
        let day = Date::constant(2026, 3, 1).saturating_add(jiff::Span::new().days(day));
        Due::new(day, hour.map(|hour| jiff::civil::time(hour, 30, 0, 0)))
    }))
}

fn recurrences() -> impl Strategy<Value = Option<Recurrence>> {
    let rules = prop_oneof![
        Just(("FREQ=WEEKLY;BYDAY=MO", Mode::Fixed)),
        Just(("FREQ=MONTHLY;BYMONTHDAY=-1", Mode::Fixed)),
        Just(("FREQ=DAILY;INTERVAL=3", Mode::FromCompletion)),
    ];
    let start = Due::new(Date::constant(2026, 3, 2), None);
    proptest::option::of(rules.prop_map(move |(rule, mode)| Recurrence {
        rule: rule.to_owned(),
        mode,
        start,
    }))
}

fn drafts() -> impl Strategy<Value = Draft> {
    let tags = proptest::collection::vec("[a-z]{1,8}", 0..3);
    ("[a-z ]{1,20}[a-z]", due(), tags, recurrences()).prop_map(|(title, due, tags, recurrence)| {
        let recurrence = recurrence.filter(|_| due.is_some());
        Draft { title, due, tags, recurrence }
    })
}

/// One of each kind; `aim` gives them their rows.
fn commands() -> impl Strategy<Value = Command> {
    let id = String::new;
    let far = Due::new(Date::constant(2027, 1, 1), None);
    prop_oneof![
        drafts().prop_map(Command::AddTask),
        drafts().prop_map(move |draft| Command::EditTask { id: id(), rev: None, draft }),
        Just(Command::CompleteTask { id: id() }),
        Just(Command::ReopenTask { id: id() }),
        due().prop_map(move |due| Command::MoveTask { id: String::new(), due: due.unwrap_or(far) }),
        Just(Command::DeleteTask { id: id() }),
        "[a-zé\n ]{1,40}x".prop_map(|text| Command::AddEntry { text, day: None }),
        ("[a-zé\n ]{1,40}y", 1_i8..28).prop_map(|(text, day)| {
            let day = Date::constant(2027, 2, 1).saturating_add(jiff::Span::new().days(day));
            Command::EditEntry { id: String::new(), rev: None, day, text }
        }),
        Just(Command::DeleteEntry { id: id() }),
        "[a-z]{1,20}".prop_map(|title| Command::RenameConversation { id: String::new(), title }),
        Just(Command::DeleteConversation { id: id() }),
    ]
}

fn aim(mut command: Command, task: &str, entry: &str) -> Command {
    match &mut command {
        Command::CompleteTask { id }
        | Command::ReopenTask { id }
        | Command::MoveTask { id, .. }
        | Command::EditTask { id, .. }
        | Command::DeleteTask { id } => task.clone_into(id),
        Command::EditEntry { id, .. } | Command::DeleteEntry { id } => entry.clone_into(id),
        Command::RenameConversation { id, .. } | Command::DeleteConversation { id } => {
            "talk".clone_into(id);
        }
        Command::AddTask(_) | Command::AddEntry { .. } => {}
    }
    command
}

fn titled(title: &str) -> Command {
    Command::AddTask(Draft { title: title.to_owned(), ..Draft::default() })
}

fn with_things() -> (Bench, String, String) {
    with_task(titled("Pay rent"))
}

fn with_task(add: Command) -> (Bench, String, String) {
    let mut bench = bench();
    let talk = "INSERT INTO conversations (id, account_id, title, created_at, updated_at) VALUES ('talk', 'id-ana', 'A Title', 0, 0)";
    bench.db.execute(talk, []).expect("inserts");
    let task = bench.run("ana", &add).expect("adds").task.expect("a task");
    let entry = bench
        .run("ana", &Command::AddEntry { text: "Rain at the café".to_owned(), day: None })
        .expect("adds")
        .entry
        .expect("an entry");
    (bench, task.id, entry.id)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn doing_and_undoing_leaves_the_rows_as_they_were(command in commands(), draft in drafts()) {
        let (mut bench, task, entry) = with_task(Command::AddTask(draft.clone()));
        let command = aim(command, &task, &entry);
        let before = bench.rows();
        let done = bench.run("ana", &command).expect("does");
        let again = bench.rows();
        bench.undo("ana", &done.undo_id).expect("undoes");
        prop_assert_eq!(&bench.rows(), &before, "{:?}", command);
        let idle = match &command {
            Command::ReopenTask { .. } => true,
            Command::MoveTask { due, .. } => draft.due == Some(*due),
            _ => false,
        };
        if !idle {
            prop_assert_ne!(again, before, "{:?} did nothing", command);
        }
        prop_assert!(matches!(bench.undo("ana", &done.undo_id), Err(Error::Conflict(_))));
    }
}

#[test]
fn a_row_that_changed_since_is_not_overwritten() {
    let (mut bench, task, _) = with_things();
    let done = bench.run("ana", &Command::CompleteTask { id: task.clone() }).expect("does");
    let moved = Command::MoveTask { id: task, due: Due::new(Date::constant(2027, 1, 1), None) };
    bench.run("ana", &moved).expect("moves");
    let before = bench.rows();
    assert!(matches!(bench.undo("ana", &done.undo_id), Err(Error::Conflict(_))));
    assert_eq!(bench.rows(), before);
}

#[test]
fn another_account_neither_touches_nor_undoes() {
    let (mut bench, task, entry) = with_things();
    let done = bench.run("ana", &Command::CompleteTask { id: task.clone() }).expect("does");
    for command in [
        Command::DeleteTask { id: task.clone() },
        Command::ReopenTask { id: task },
        Command::EditEntry {
            id: entry.clone(),
            rev: None,
            day: Date::constant(2027, 1, 1),
            text: "x".to_owned(),
        },
        Command::DeleteEntry { id: entry },
    ] {
        assert!(matches!(bench.run("ben", &command), Err(Error::NotFound(_))), "{command:?}");
    }
    assert!(matches!(bench.undo("ben", &done.undo_id), Err(Error::NotFound(_))));
}

#[test]
fn undoing_backwards_reaches_what_was_done_first() {
    let (mut bench, _, _) = with_things();
    let before = bench.rows();
    let added = bench.run("ana", &titled("Call Anna")).expect("adds");
    let id = added.task.expect("a task").id;
    let day = Date::constant(2027, 1, 1);
    let rest = [
        Command::MoveTask { id: id.clone(), due: Due::new(day, None) },
        Command::CompleteTask { id: id.clone() },
        Command::DeleteTask { id },
    ];
    let done = rest.map(|command| bench.run("ana", &command).expect("does").undo_id);
    for undo_id in done.iter().rev().chain([&added.undo_id]) {
        bench.undo("ana", undo_id).expect("undoes");
    }
    assert_eq!(bench.rows(), before);
}

#[test]
fn a_day_is_called_as_it_is_today_and_not_as_it_was() {
    let day = |day| Date::constant(2026, 11, day);
    let due = Some(Due::new(day(22), None));
    let add = Command::AddTask(Draft { title: "Call Anna".to_owned(), due, ..Draft::default() });
    let inverse = Inverse::RemoveTask { id: String::new(), rev: 1 };
    let told = |today| words::done(&add, &inverse, day(21), today).to_string();
    assert_eq!(told(day(21)), "Task: Call Anna · tomorrow");
    assert_eq!(told(day(22)), "Task: Call Anna · today");
    assert_eq!(told(day(25)), "Task: Call Anna · Sun 22 Nov");
    let write = Command::AddEntry { text: "Rain".to_owned(), day: None };
    let inverse = Inverse::RemoveEntry { id: String::new(), rev: 1 };
    assert_eq!(words::done(&write, &inverse, day(21), day(22)).to_string(), "Journal: Rain · yesterday");
}

#[test]
fn what_another_release_did_is_shown_and_left_alone() {
    let (mut bench, task, _) = with_things();
    let done = bench.run("ana", &Command::CompleteTask { id: task }).expect("does");
    let sql = "UPDATE commands SET inverse = '{\"back\":\"unheard of\"}' WHERE id = ?1";
    bench.db.execute(sql, [&done.undo_id]).expect("updates");
    let past = undo::get(&bench.db, &account("ana"), &done.undo_id).expect("reads").expect("is there");
    assert_eq!((past.understood.as_str(), past.undone, past.told), ("Done: Pay rent", false, None));
    assert!(past.stays.is_some_and(|why| why.contains("another release")));
    assert!(matches!(bench.undo("ana", &done.undo_id), Err(Error::Conflict(_))));
}

#[test]
fn an_entry_of_yesterday_is_not_told_as_todays() {
    let (mut bench, ..) = with_things();
    let who = account("ana");
    let done = bench.run("ana", &Command::AddEntry { text: "Rain".to_owned(), day: None }).expect("writes");
    assert_eq!(done.understood, "Journal: Rain · today");
    let yesterday = who.now().date().yesterday().expect("a day").at(12, 0, 0, 0);
    let noon = yesterday.to_zoned(who.time_zone()).expect("an instant").timestamp().as_millisecond();
    bench.db.execute("UPDATE commands SET at = ?2 WHERE id = ?1", params![done.undo_id, noon]).expect("ages");
    let past = undo::get(&bench.db, &who, &done.undo_id).expect("reads").expect("is there");
    assert_eq!(past.understood, "Journal: Rain · yesterday");
}

fn weekly() -> Draft {
    let due = Due::new(Date::constant(2026, 3, 2), Some(jiff::civil::time(9, 0, 0, 0)));
    let recurrence = Recurrence { rule: "FREQ=WEEKLY;BYDAY=MO".to_owned(), mode: Mode::Fixed, start: due };
    Draft {
        title: "Water".to_owned(),
        due: Some(due),
        tags: vec!["home".to_owned()],
        recurrence: Some(recurrence),
    }
}

#[test]
fn completing_what_comes_again_makes_the_next_and_undo_takes_both_back() {
    let (mut bench, task, _) = with_task(Command::AddTask(weekly()));
    let before = bench.rows();
    let done = bench.run("ana", &Command::CompleteTask { id: task.clone() }).expect("does");
    let open = tasks::list(&bench.db, "id-ana", Some(State::Open), 10, 0).expect("lists");
    let [next] = open.as_slice() else { panic!("{open:?}") };
    let due = next.due.expect("a day");
    let tomorrow = account("ana").now().date();
    assert!(due.day >= tomorrow && due.day.weekday() == jiff::civil::Weekday::Monday, "{due:?}");
    assert_eq!(
        (next.title.as_str(), &next.tags, due.time),
        ("Water", &weekly().tags, weekly().due.and_then(|due| due.time))
    );
    assert!(done.reply.contains("comes again"), "{}", done.reply);
    assert_eq!(
        next.recurrence.as_ref().map(|again| (&*again.rule, again.start)),
        Some(("FREQ=WEEKLY;BYDAY=MO", due))
    );
    let id = next.id.clone();
    let again = bench.run("ana", &Command::CompleteTask { id: task.clone() }).expect("is done already");
    assert_eq!(
        tasks::list(&bench.db, "id-ana", Some(State::Open), 10, 0).expect("lists").len(),
        1,
        "only once"
    );
    bench.undo("ana", &again.undo_id).expect("undoes");
    bench.undo("ana", &done.undo_id).expect("undoes");
    assert_eq!(bench.rows(), before);
    assert!(matches!(tasks::get(&bench.db, "id-ana", &id), Err(Error::NotFound(_))));
}

#[test]
fn a_completion_whose_next_was_changed_stays_until_that_is_undone() {
    let (mut bench, task, _) = with_task(Command::AddTask(weekly()));
    let before = bench.rows();
    let done = bench.run("ana", &Command::CompleteTask { id: task }).expect("does");
    let next = tasks::list(&bench.db, "id-ana", Some(State::Open), 1, 0).expect("lists").remove(0);
    let far = Due::new(Date::constant(2030, 1, 1), None);
    let moved = bench.run("ana", &Command::MoveTask { id: next.id, due: far }).expect("moves");
    let left = bench.rows();
    assert!(matches!(bench.undo("ana", &done.undo_id), Err(Error::Conflict(_))));
    assert_eq!(bench.rows(), left, "nothing is half undone");
    bench.undo("ana", &moved.undo_id).expect("undoes");
    bench.undo("ana", &done.undo_id).expect("undoes");
    assert_eq!(bench.rows(), before);
}

#[test]
fn an_edit_of_what_has_changed_since_is_refused() {
    let (mut bench, task, _) = with_things();
    let edit = |title: &str, rev| Command::EditTask {
        id: task.clone(),
        rev,
        draft: Draft { title: title.to_owned(), ..Draft::default() },
    };
    bench.run("ana", &edit("Pay the rent", Some(1))).expect("edits");
    let before = bench.rows();
    assert!(matches!(bench.run("ana", &edit("Pay late", Some(1))), Err(Error::Stale(_))));
    assert!(matches!(bench.run("ben", &edit("Mine", None)), Err(Error::NotFound(_))));
    assert_eq!(bench.rows(), before);
    let endless = Draft { due: None, ..weekly() };
    assert!(matches!(bench.run("ana", &Command::AddTask(endless)), Err(Error::Invalid(_))), "no day");
}

#[test]
fn an_edit_moves_those_that_come_after_it_and_putting_off_does_not() {
    let at = |day, hour| Due::new(Date::constant(2030, 6, day), Some(jiff::civil::time(hour, 0, 0, 0)));
    let next_of = |change: fn(String, Draft) -> Command| {
        let begun = Recurrence { start: at(3, 9), ..weekly().recurrence.expect("comes again") };
        let draft = Draft { due: Some(at(3, 9)), recurrence: Some(begun), ..weekly() };
        let (mut bench, task, _) = with_task(Command::AddTask(draft.clone()));
        bench.run("ana", &change(task.clone(), Draft { due: Some(at(4, 15)), ..draft })).expect("changes");
        bench.run("ana", &Command::CompleteTask { id: task }).expect("does");
        let next = tasks::list(&bench.db, "id-ana", Some(State::Open), 1, 0).expect("lists").remove(0);
        next.due.expect("a day")
    };
    assert_eq!(next_of(|id, draft| Command::EditTask { id, rev: None, draft }), at(10, 15));
    assert_eq!(next_of(|id, draft| Command::MoveTask { id, due: draft.due.expect("a day") }), at(10, 9));
}
