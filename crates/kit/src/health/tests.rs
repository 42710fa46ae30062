//! What a check means for readiness, in paused time.

use super::*;

fn health() -> Health {
    Health::new(Drain::new(Duration::from_secs(1)))
}

async fn settled(health: &Health) -> Snapshot {
    while health.snapshot().checks.iter().any(|check| check.age_ms.is_none()) {
        tokio::task::yield_now().await;
        tokio::time::advance(Duration::from_millis(10)).await;
    }
    health.snapshot()
}

#[tokio::test(start_paused = true)]
async fn a_check_that_has_not_run_is_not_ready() {
    let health = health();
    health.watch(Check::new("database", Weight::Ready, std::future::pending));
    assert_eq!(health.ready(), Err("database".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_hang_is_a_failure_and_says_so() {
    let health = health();
    health.watch(
        Check::new("database", Weight::Ready, std::future::pending).within(Duration::from_millis(200)),
    );
    let snapshot = settled(&health).await;
    assert_eq!(snapshot.status, "error");
    assert_eq!(snapshot.checks[0].error.as_deref(), Some("no answer within 200 ms"));
}

#[tokio::test(start_paused = true)]
async fn one_failure_is_asked_again_before_it_is_believed() {
    let health = health();
    let runs = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    health.watch(Check::new("database", Weight::Ready, move || {
        let run = counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        async move { if run == 0 { Ok(()) } else { Err("busy".to_owned()) } }
    }));
    let after = async |wanted: u32| {
        while runs.load(std::sync::atomic::Ordering::SeqCst) < wanted {
            tokio::time::advance(Duration::from_millis(10)).await;
            tokio::task::yield_now().await;
        }
        tokio::task::yield_now().await;
        health.ready()
    };
    assert_eq!(after(2).await, Ok(()));
    assert_eq!(after(3).await, Err("database".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_vendor_that_fails_degrades_and_never_unreadies() {
    let health = health();
    health.watch(Check::new("database", Weight::Ready, || async { Ok(()) }));
    health.watch(Check::new("model", Weight::Detail, || async { Err("refused".to_owned()) }));
    assert_eq!(settled(&health).await.status, "degraded");
    assert_eq!(health.ready(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_stopping_process_is_not_ready() {
    let health = health();
    health.drain.stop();
    assert_eq!(health.ready(), Err("draining".to_owned()));
}
