//! The edge's sign of life: a slot for each inherited listener, stamped while its worker turns.

use std::{os::fd::AsFd, time::Duration};

use edge::table::Table;
use machine::pulse::{Beat, Pulse};

use super::support::*;

#[tokio::test]
async fn workers_stamp_every_listener_that_they_serve_and_take_it_back_when_they_stop() {
    let page = Pulse::new("pulse").unwrap();
    let given = page.as_fd().try_clone_to_owned().unwrap();
    let mut edge =
        Edge::start_watched(&Table { format: edge::table::FORMAT, epoch: 1, sites: Vec::new() }, given).await;
    let beats = || (0..5).map(|slot| page.read(slot).unwrap()).collect::<Vec<_>>();
    // Four listeners and the page itself, in the order in which they were handed in.
    let first = settled(&beats, |beats| beats[..4].iter().all(|beat| *beat != Beat::SILENT)).await;
    assert_eq!(first[4], Beat::SILENT, "what is no listener is not stamped");
    assert!(!first[0].is_busy());
    settled(&beats, |now| now.iter().zip(&first).take(4).all(|(now, first)| now != first)).await;
    let _open = tokio::net::TcpStream::connect(edge.http).await.unwrap();
    settled(&beats, |now| now.iter().any(|beat| beat.is_busy())).await;
    edge.stop(Duration::ZERO).await.unwrap();
    assert_eq!(beats(), [Beat::SILENT; 5]);
}

async fn settled(beats: &impl Fn() -> Vec<Beat>, holds: impl Fn(&[Beat]) -> bool) -> Vec<Beat> {
    let look = async {
        loop {
            let now = beats();
            if holds(&now) {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("the stamps never came to be so")
}
