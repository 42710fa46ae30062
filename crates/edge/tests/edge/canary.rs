//! A pool that takes some of a route's clients.

use std::collections::BTreeMap;

use edge::{
    settings::ClientIp,
    table::{Canary, PoolState, Table},
};

use super::support::*;

/// Release 1 serves, and of a hundred clients `weight` get release 2.
fn both(epoch: u64, one: &App, two: &App, weight: u8) -> Table {
    let mut both = table(epoch, vec![pool(1, PoolState::Live, &[one]), pool(2, PoolState::Live, &[two])]);
    let canary = Canary { pool: both.sites[0].pools[1].id.clone(), weight };
    both.sites[0].routes[0].canary = Some(canary);
    both
}

/// Who answers each of so many clients.
async fn answers(edge: &Edge, clients: u8) -> BTreeMap<u8, String> {
    let mut answers = BTreeMap::new();
    for n in 0..clients {
        let asked = format!(
            "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 203.0.113.{n}\r\nConnection: close\r\n\r\n"
        );
        answers.insert(n, body(&edge.raw(asked).await));
    }
    answers
}

#[tokio::test]
async fn a_client_gets_one_release_all_of_the_time_and_then_the_one_that_all_get() {
    let (one, two) = (App::named("one").await, App::named("two").await);
    let edge = Edge::start_with(&both(1, &one, &two, 25), |settings| {
        settings.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        settings.client_ip = ClientIp::XForwardedFor;
    })
    .await;
    let first = answers(&edge, 100).await;
    let taken = first.values().filter(|who| *who == "two").count();
    assert!((10..=40).contains(&taken), "{taken} of 100 got the canary");
    assert_eq!(answers(&edge, 100).await, first, "nobody sees two releases in turns");
    let mut back = table(2, vec![pool(1, PoolState::Live, &[&one]), pool(2, PoolState::Draining, &[&two])]);
    edge.serve(&back).await;
    assert!(answers(&edge, 100).await.values().all(|who| who == "one"), "it was taken back");
    edge.until(|status| status.pools.iter().any(|pool| pool.release.0 == 2 && pool.active.total() == 0))
        .await;
    back.sites[0].routes[0].canary = Some(Canary { pool: back.sites[0].pools[1].id.clone(), weight: 1 });
    back.epoch = 3;
    write_table(&edge.settings, &back);
    let error = edge.client.load_table(3).await.unwrap_err().to_string();
    assert!(error.contains("cannot be served"), "a canary must be live: {error}");
}
