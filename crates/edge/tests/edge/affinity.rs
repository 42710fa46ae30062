//! Clients that come back to the instance that they had (EDGE-13).

use edge::table::{PoolState, Table};
use http::Response;
use model::manifest::Affinity;

use super::support::*;

/// Instances that say their number; a path below `/shared` is an answer for all.
async fn numbered(n: u32) -> App {
    App::start(move |request| async move {
        let kind =
            if request.uri().path().starts_with("/shared") { "public, max-age=60" } else { "no-store" };
        Response::builder().header("cache-control", kind).body(full(n.to_string())).unwrap()
    })
    .await
}

fn bound(affinity: Affinity, apps: &[&App]) -> Table {
    let mut table = table(1, vec![pool(1, PoolState::Live, apps)]);
    table.sites[0].routes[0].route.affinity = Some(affinity);
    table
}

async fn ask(edge: &Edge, path: &str, cookie: &str) -> String {
    edge.raw(format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{cookie}\r\n")).await
}

#[tokio::test]
async fn a_client_with_its_cookie_comes_back_to_its_instance_until_that_is_gone() {
    let apps = [numbered(1).await, numbered(2).await, numbered(3).await];
    let all: Vec<&App> = apps.iter().collect();
    let edge = Edge::start(&bound(Affinity::Cookie, &all)).await;
    edge.ready().await;
    let first = ask(&edge, "/", "").await;
    let set = header(&first, "set-cookie").expect("a first visit is bound");
    let mine = body(&first);
    assert_eq!(set, format!("mainstay-web={mine}; Path=/; HttpOnly; SameSite=Lax"));
    let cookie = format!("Cookie: other=9; mainstay-web={mine}\r\n");
    for _ in 0..12 {
        let answer = ask(&edge, "/", &cookie).await;
        assert_eq!((body(&answer), header(&answer, "set-cookie")), (mine.clone(), None));
    }
    let spread: std::collections::HashSet<String> = {
        let mut met = std::collections::HashSet::new();
        for _ in 0..30 {
            met.insert(body(&ask(&edge, "/", "").await));
        }
        met
    };
    assert_eq!(spread.len(), 3, "who has none goes anywhere");
    for strange in ["mainstay-web=99", "mainstay-web=-1", "mainstay-web=", "mainstay-web=2; x"] {
        assert_eq!(status(&ask(&edge, "/", &format!("Cookie: {strange}\r\n")).await), 200, "{strange}");
    }
    // Its instance leaves: the client is bound anew.
    let others: Vec<&App> =
        apps.iter().filter(|app| app.process != all[mine.parse::<usize>().unwrap() - 1].process).collect();
    let mut next = bound(Affinity::Cookie, &others);
    next.epoch = 2;
    // Each keeps the number that it had.
    for upstream in &mut next.sites[0].pools[0].upstreams {
        let n = apps.iter().position(|app| app.process == upstream.process).unwrap() + 1;
        upstream.name = format!("web.1.{n}").parse().unwrap();
    }
    edge.serve(&next).await;
    let answer = ask(&edge, "/", &cookie).await;
    assert_ne!(body(&answer), mine);
    assert!(
        header(&answer, "set-cookie")
            .is_some_and(|set| set.starts_with(&format!("mainstay-web={};", body(&answer))))
    );
}

#[tokio::test]
async fn an_answer_for_all_binds_nobody_else() {
    let apps = [numbered(1).await, numbered(2).await];
    let edge = Edge::start(&bound(Affinity::Cookie, &apps.each_ref())).await;
    edge.ready().await;
    let answer = ask(&edge, "/shared/x.css", "").await;
    assert_eq!((status(&answer), header(&answer, "set-cookie")), (200, None), "a cache would give it away");
}

#[tokio::test]
async fn an_address_is_always_served_by_one_instance() {
    let apps = [numbered(1).await, numbered(2).await, numbered(3).await];
    let edge = Edge::start(&bound(Affinity::Address, &apps.iter().collect::<Vec<_>>())).await;
    edge.ready().await;
    let mut met = std::collections::HashSet::new();
    for last in 2..40 {
        let asked = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let answer = raw_from([127, 0, 0, last], edge.http, asked).await;
        assert_eq!(header(&answer, "set-cookie"), None);
        for _ in 0..3 {
            assert_eq!(
                body(&raw_from([127, 0, 0, last], edge.http, asked).await),
                body(&answer),
                "127.0.0.{last}"
            );
        }
        met.insert(body(&answer));
    }
    assert_eq!(met.len(), 3, "and others by others");
}

/// One edge, two kinds of instances: the pages' and the API's (EDGE-15, W-E11).
#[tokio::test]
async fn paths_lead_to_pools_of_their_own_and_the_longest_prefix_counts() {
    let (pages, api, auth) = (App::named("pages").await, App::named("api").await, App::named("auth").await);
    let mut pools = vec![
        pool(1, PoolState::Live, &[&pages]),
        pool(2, PoolState::Live, &[&api]),
        pool(3, PoolState::Live, &[&auth]),
    ];
    for (pool, service) in pools.iter_mut().zip(["web", "api", "auth"]) {
        pool.service = service.parse().unwrap();
        pool.id = edge::table::PoolId::new(&site(), &pool.service, 1);
    }
    let ids: Vec<_> = pools.iter().map(|pool| pool.id.clone()).collect();
    let mut table = table(1, pools);
    table.sites[0].routes = [("/", 0), ("/api", 1), ("/api/auth", 2)]
        .map(|(prefix, at)| edge::table::RouteEntry {
            route: route(prefix),
            pool: ids[at].clone(),
            canary: None,
        })
        .into();
    let edge = Edge::start(&table).await;
    edge.ready().await;
    for (path, wanted) in [
        ("/", "pages"),
        ("/api", "api"),
        ("/api/", "api"),
        ("/api/tasks?x=/api/auth", "api"),
        ("/apis", "pages"),
        ("/api/auth/login", "auth"),
        ("/api/authors", "api"),
        ("/static/api/auth", "pages"),
    ] {
        assert_eq!(edge.get(path).await, (200, wanted.to_owned()), "{path}");
    }
    // A pool that is away takes nothing of the other with it.
    drop(api);
    edge.until(|status| !status.pools.iter().find(|pool| pool.id == ids[1]).unwrap().is_ready()).await;
    assert_eq!(edge.get("/").await.0, 200);
    assert_eq!(edge.get("/api").await.0, 502 + u16::from(edge.get("/api").await.0 == 503));
}
