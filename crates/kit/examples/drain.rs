//! A worker that finishes what it began when it is told to stop, and says its last words when the limit is near.
//!
//!     cargo run -p kit --no-default-features --features drain --example drain

use std::time::Duration;

use kit::Drain;

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let drain = Drain::new(Duration::from_millis(1_200));
    drain.watch_signals()?;
    let quick = drain.clone();
    drain.tracker().spawn(async move {
        quick.hinted().await;
        println!("quick: no new work");
        quick.stopping().await;
        println!("quick: done");
    });
    let slow = drain.clone();
    drain.tracker().spawn(async move {
        slow.cut().await;
        println!("slow: given back");
    });
    println!("working");
    // Instead of the supervisor's signals, SIGUSR1 and SIGTERM.
    drain.hint();
    tokio::task::yield_now().await;
    drain.stop();
    println!("all ended: {}", drain.finished().await);
    Ok(())
}
