//! Answers that a model takes a minute for, while everything is replaced and killed around them.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use e2e::assistant::{Person, Told};
use testkit::{Mainstay, ModelServer, mainstay::processes::kill, model_server::Given, wait};

use crate::{
    assistant::{MANIFEST, SITE, serving_assistant_by},
    is_long, time,
};

/// The assistant's manifest with a model.
fn with_model(model: &ModelServer) -> String {
    let data = r#"env = { ASSISTANT_DATA = "{shared_dir}/data""#;
    let more =
        format!(r#"{data}, ASSISTANT_MODEL_NAME = "journal", ASSISTANT_MODEL_URL = "{}""#, model.url());
    let manifest = MANIFEST.replace(data, &more);
    assert_ne!(manifest, MANIFEST, "the example sets its environment otherwise");
    manifest
}

/// Begins `count` answers, has `meanwhile` done once all have begun, and gives each question with its answer.
fn told_while(
    round: &str,
    person: &Person,
    count: usize,
    patience: Duration,
    meanwhile: impl FnOnce(),
) -> Vec<(String, Told)> {
    let begun = AtomicUsize::new(0);
    thread::scope(|scope| {
        let ask = |n: usize| {
            let begun = &begun;
            scope.spawn(move || {
                let question = format!("what is the story of {round} {n}?");
                let following = person.say(&format!("{round}-{n}"), &question).expect("accepted");
                let started = || {
                    begun.fetch_add(1, Ordering::SeqCst);
                };
                let (told, _) = following.within(patience).to_the_end(started).expect("the whole answer");
                (question, told)
            })
        };
        let asking: Vec<_> = (0..count).map(ask).collect();
        wait::until("all answers have begun", patience, || begun.load(Ordering::SeqCst) == count);
        meanwhile();
        asking.into_iter().map(|one| one.join().expect("nobody panicked")).collect()
    })
}

fn deploy(mainstay: &Mainstay, folder: &Path, release: &str) {
    fs::write(folder.join("RELEASE"), release).expect("written");
    mainstay.cli_in(folder, &["deploy"]).expect_code(0);
}

/// Each answer is one text of the model, whole; nobody was asked more often than an answer began.
fn hold(told: &[(String, Told)], given: &[Given]) {
    for (question, told) in told {
        let asked: Vec<_> = given.iter().filter(|given| given.question == *question).collect();
        let texts = asked.iter().filter(|given| given.is_whole && given.text == told.text).count();
        assert_eq!(texts, 1, "{question} was answered otherwise than by the model: {told:?}\n{asked:?}");
        assert!(asked.len() <= told.resets + 1, "{question} was asked {} times: {told:?}", asked.len());
    }
}

#[test]
fn answers_outlive_deploys_a_rollback_and_the_death_of_whatever_serves_them() {
    let lasts = time(Duration::from_secs(20), Duration::from_secs(60));
    let count = if is_long() { 50 } else { 10 };
    let model = ModelServer::start(lasts);
    let (mainstay, folder, person) = serving_assistant_by(&with_model(&model));
    let told = told_while("deploys", &person, count, lasts * 4, || {
        deploy(&mainstay, &folder, "2");
        kill(mainstay.edge_pid());
        if is_long() {
            deploy(&mainstay, &folder, "3");
            deploy(&mainstay, &folder, "4");
            mainstay.cli_in(&folder, &["rollback"]).expect_code(0);
        }
        mainstay.kill_keeper();
    });
    hold(&told, &model.given());
    assert!(
        told.iter().all(|(_, told)| told.resets == 0),
        "nothing of this is the end of who answers: {told:?}"
    );

    let told = told_while("deaths", &person, count, lasts * 4, || {
        mainstay.instances(SITE).values().copied().for_each(kill);
    });
    hold(&told, &model.given());
    assert!(told.iter().any(|(_, told)| told.resets == 1), "whoever answered was killed: {told:?}");
}
