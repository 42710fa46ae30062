//! An app that listens where it is told and ends as a supervisor wants: what runs comes to its end, nothing new begins.
//!
//!     LISTEN=unix:/tmp/serve.sock cargo run -p kit --no-default-features --features serve --example serve

use std::{error::Error, time::Duration};

use axum::{Router, extract::State, routing::get};
use kit::{
    Drain,
    serve::{Bound, Listen, serve},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let listen: Listen = std::env::var("LISTEN").as_deref().unwrap_or("tcp:127.0.0.1:3000").parse()?;
    let drain = Drain::new(Duration::from_secs(25));
    drain.watch_signals()?;
    let bound = Bound::bind(&listen).await?;
    println!("listening on {}", bound.place());
    let router = Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/slow", get(slow))
        .with_state(drain.clone());
    kit::notify::ready()?;
    serve(bound, router, &drain).await?;
    println!("stopped");
    Ok(())
}

/// Takes until it is told to stop, and answers all the same.
async fn slow(State(drain): State<Drain>) -> &'static str {
    println!("a long request runs");
    drain.stopping().await;
    "answered while stopping"
}
