//! Health of an app whose vendor is down, told to a probe and in a dialect that the monitoring knows.
//!
//!     cargo run -p kit --no-default-features --features health --example health

use std::time::Duration;

use kit::{
    Drain,
    health::{
        Check, Health, Weight,
        dialect::{About, Asked, Dialect, Question, Reporter},
        resources,
    },
};

#[tokio::main]
async fn main() {
    let drain = Drain::new(Duration::from_secs(25));
    let health = Health::new(drain.clone());
    health.watch(Check::new("database", Weight::Ready, || async { Ok(()) }));
    health.watch(resources::memory());
    let vendor = Check::new("calendar", Weight::Detail, || async { Err("it answers 502".to_owned()) });
    health.watch(vendor.within(Duration::from_secs(2)).every(Duration::from_secs(30)));
    while health.snapshot().checks.iter().any(|check| check.age_ms.is_none()) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    let about = About { version: "1.2.3", vendors: &[("google", "calendar")], ..About::default() };
    let reporter = Reporter::new(health, Dialect::S3, about);
    let stranger = reporter.answer(Question::Ready, Asked::default());
    println!("{} {}", stranger.status, stranger.body);
    let operator = reporter.answer(Question::Overall, Asked { may_see_all: true, wants_more: false });
    println!("{} {} {}", operator.status, operator.body["status"], operator.body["externalServices"]);
    drain.stop();
    println!("{}", reporter.answer(Question::Ready, Asked::default()).status);
}
