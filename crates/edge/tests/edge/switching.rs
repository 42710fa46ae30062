//! The table: routes, epochs, switches under load, draining, the gate's private way in, the end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use edge::{
    control::CallError,
    table::{PoolState, RouteEntry, Table},
};
use http::Response;
use model::{Span, manifest::RouteTls};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
};

use super::support::*;

#[tokio::test]
async fn with_nothing_deployed_a_page_says_so() {
    let edge = Edge::start(&Table::empty()).await;
    let (status, text) = edge.get("/").await;
    assert_eq!(status, 503);
    assert!(text.contains("nothing is deployed"), "{text}");
}

#[tokio::test]
async fn what_no_route_covers_is_404_in_the_form_that_was_asked_for() {
    let app = App::named("ok").await;
    let mut table = live(&[&app]);
    table.sites[0].routes[0].route.hosts = vec!["known".to_owned()];
    let edge = Edge::start(&table).await;
    let get = |host: &str, accept: &str| {
        format!("GET / HTTP/1.1\r\nHost: {host}\r\nAccept: {accept}\r\nConnection: close\r\n\r\n")
    };
    let json = edge.raw(get("other", "application/json")).await;
    let problem: serde_json::Value = serde_json::from_str(&body(&json)).unwrap();
    assert_eq!((status(&json), problem["status"].as_u64()), (404, Some(404)));
    assert!(
        json.contains("application/problem+json") && json.contains(problem["request_id"].as_str().unwrap())
    );
    assert!(edge.raw(get("other", "text/html")).await.contains("<!doctype html>"));
    assert_eq!(status(&edge.raw(get("Known:99", "*/*")).await), 200);
}

#[tokio::test]
async fn maintenance_shows_the_operators_words_escaped() {
    let app = App::named("ok").await;
    let mut table = live(&[&app]);
    table.sites[0].maintenance = Some("Back <soon>".to_owned());
    let edge = Edge::start(&table).await;
    let answer =
        edge.raw("GET / HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\nConnection: close\r\n\r\n").await;
    assert_eq!(status(&answer), 503);
    assert!(answer.contains("Back &lt;soon&gt;") && answer.contains("retry-after"), "{answer}");
    assert!(edge.client.status().await.unwrap().served.sites[0].maintenance);
}

#[tokio::test]
async fn an_operators_page_lets_some_in_and_comes_down_by_itself() {
    let app = App::named("ok").await;
    let mut table = live(&[&app]);
    let unix_ms = || std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
    let until = unix_ms() + 1500;
    table.sites[0].notice = Some(model::Notice {
        words: Some("Moving house".into()),
        until_unix_ms: Some(until),
        allow: vec!["127.0.0.9/32".parse().unwrap()],
    });
    let edge = Edge::start(&table).await;
    edge.ready().await;
    let answer = edge.raw("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert_eq!((status(&answer), header(&answer, "retry-after")), (503, Some("2")), "{answer}");
    assert!(body(&answer).contains("Moving house"), "{answer}");
    assert!(edge.client.status().await.unwrap().served.sites[0].maintenance);
    let exempt = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&raw_from([127, 0, 0, 9], edge.http, exempt).await), 200);
    // The gate's requests pass: a deploy goes on behind the page.
    let mut private = UnixStream::connect(edge.settings.private.as_ref().unwrap()).await.unwrap();
    let gate = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX-Mainstay-Token: a token\r\nX-Mainstay-Pool: {}\r\nConnection: close\r\n\r\n",
        table.sites[0].pools[0].id
    );
    private.write_all(gate.as_bytes()).await.unwrap();
    assert_eq!(status(&read_until(&mut private, "ok").await), 200);
    // Nobody tells the edge that it is over.
    let start = Instant::now();
    while edge.get("/").await.0 != 200 {
        assert!(start.elapsed() < PATIENCE, "it never comes down");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(unix_ms() >= until, "not before its time");
}

#[tokio::test]
async fn epochs_go_up_and_what_is_served_is_on_disk() {
    let app = App::named("ok").await;
    let edge = Edge::start(&Table { epoch: 5, ..live(&[&app]) }).await;
    let served = edge.serve(&Table { epoch: 7, ..live(&[&app]) }).await;
    let kept = std::fs::read(edge.settings.state.join("served.json")).unwrap();
    assert_eq!(serde_json::from_slice::<edge::control::Served>(&kept).unwrap(), served);
    assert_eq!((served.epoch, served.sites[0].release.unwrap().0), (7, 1));

    let refused = |result: Result<_, CallError>| match result {
        Err(CallError::Refused { problem, .. }) => problem.code,
        other => panic!("{other:?}"),
    };
    write_table(&edge.settings, &Table { epoch: 6, ..live(&[&app]) });
    assert_eq!(refused(edge.client.load_table(6).await), "epoch-too-low");
    write_table(&edge.settings, &Table { epoch: 9, ..live(&[&app]) });
    assert_eq!(refused(edge.client.load_table(8).await), "other-epoch");
    std::fs::write(&edge.settings.table, "{").unwrap();
    assert_eq!(refused(edge.client.load_table(9).await), "bad-table");
    let mut broken = Table { epoch: 9, ..live(&[&app]) };
    broken.sites[0].pools[0].state = PoolState::Candidate;
    write_table(&edge.settings, &broken);
    assert_eq!(refused(edge.client.load_table(9).await), "bad-table");
    assert_eq!(edge.client.status().await.unwrap().served.epoch, 7);
    assert_eq!(edge.get("/").await.0, 200);
}

/// The edge's word counts where the disk takes nothing: what it serves, and that it is not written down.
#[tokio::test]
async fn what_is_served_and_cannot_be_written_down_is_told_and_written_once_it_can_be() {
    let app = App::named("ok").await;
    let edge = Edge::start(&Table { epoch: 5, ..live(&[&app]) }).await;
    let file = edge.settings.state.join("served.json");
    std::fs::remove_file(&file).unwrap();
    // Nothing can be put in the place of a folder that is not empty.
    std::fs::create_dir_all(file.join("in the way")).unwrap();
    write_table(&edge.settings, &Table { epoch: 6, ..live(&[&app]) });
    match edge.client.load_table(6).await {
        Err(CallError::Refused { problem, .. }) => assert_eq!(problem.code, "not-durable"),
        other => panic!("a switch that is not written is acknowledged: {other:?}"),
    }
    let status = edge.client.status().await.unwrap();
    assert_eq!((status.served.epoch, status.in_effect().epoch), (5, 6));
    let unwritten = status.unwritten.expect("it is told");
    assert!(unwritten.path == file && !unwritten.why.is_empty(), "{unwritten:?}");

    std::fs::remove_dir_all(&file).unwrap();
    let start = Instant::now();
    while edge.client.status().await.unwrap().unwritten.is_some() {
        assert!(start.elapsed() < PATIENCE, "it is never written");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let kept: edge::control::Served = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!((kept.epoch, edge.client.status().await.unwrap().served), (6, kept));
}

/// The edge that follows one which was killed while the disk was full serves what was served: nothing is to be written.
#[tokio::test]
async fn what_is_on_disk_already_needs_no_room() {
    let app = App::named("ok").await;
    let table = Table { epoch: 5, ..live(&[&app]) };
    let before = Edge::start(&table).await;
    let kept = std::fs::read(before.settings.state.join("served.json")).unwrap();
    let edge = Edge::start_with(&table, |settings| {
        std::fs::create_dir_all(settings.state.join("served.json.new/in the way")).unwrap();
        std::fs::write(settings.state.join("served.json"), &kept).unwrap();
    })
    .await;
    let status = edge.client.status().await.unwrap();
    assert_eq!((status.served.epoch, status.unwritten), (5, None));
    write_table(&edge.settings, &Table { epoch: 6, ..table });
    assert!(edge.client.load_table(6).await.is_err(), "the disk takes nothing");
}

/// Switches back and forth under load; nothing fails, and once a switch is acknowledged no new request goes elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn switching_under_load_fails_nothing() {
    let (a, b) = (App::named("a").await, App::named("b").await);
    let tables = |epoch| {
        let of = |to: u64| match (epoch % 2 == to, to) {
            (true, 0) => pool(1, PoolState::Live, &[&a]),
            (true, _) => pool(2, PoolState::Live, &[&b]),
            (false, 0) => pool(1, PoolState::Draining, &[&a]),
            (false, _) => pool(2, PoolState::Draining, &[&b]),
        };
        let pools = if epoch % 2 == 0 { vec![of(0), of(1)] } else { vec![of(1), of(0)] };
        table(epoch, pools)
    };
    let edge = Arc::new(Edge::start(&tables(2)).await);
    edge.ready().await;
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let load: Vec<_> = (0..6)
        .map(|_| {
            let (edge, stop, count) = (Arc::clone(&edge), Arc::clone(&stop), Arc::clone(&count));
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(edge.http).await.unwrap();
                while !stop.load(SeqCst) {
                    let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
                    stream.write_all(post.as_bytes()).await.unwrap();
                    let mut answer = read_until(&mut stream, "\r\n\r\n").await;
                    if body(&answer).is_empty() {
                        answer.push_str(&read_until(&mut stream, "").await);
                        let mut one = [0; 1];
                        stream.read_exact(&mut one).await.unwrap();
                    }
                    assert_eq!(status(&answer), 200, "{answer}");
                    count.fetch_add(1, SeqCst);
                }
            })
        })
        .collect();
    for epoch in 3..43 {
        edge.serve(&tables(epoch)).await;
        let wanted = if epoch % 2 == 0 { "a" } else { "b" };
        assert_eq!(edge.get("/").await, (200, wanted.to_owned()), "epoch {epoch}");
        edge.until(|status| status.pools.iter().any(|pool| pool.drained)).await;
    }
    stop.store(true, SeqCst);
    for client in load {
        client.await.unwrap();
    }
    assert!(count.load(SeqCst) > 100, "{count:?} requests are no load");
}

/// A drained pool's instance may be killed at once: no request is on its way to it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_instance_can_be_killed_at_once() {
    let mut old = App::named("0").await;
    let edge = Arc::new(Edge::start(&table(1, vec![pool(1, PoolState::Live, &[&old])])).await);
    edge.ready().await;
    let stop = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (edge, stop) = (Arc::clone(&edge), Arc::clone(&stop));
            tokio::spawn(async move {
                while !stop.load(SeqCst) {
                    let (status, text) = edge.get("/").await;
                    assert_eq!(status, 200, "{text}");
                }
            })
        })
        .collect();
    for n in 2..12 {
        let new = App::named("n").await;
        let mut leaving = pool(n - 1, PoolState::Draining, &[&old]);
        leaving.drain.http_timeout = Span::secs(10);
        edge.serve(&table(n, vec![pool(n, PoolState::Live, &[&new]), leaving])).await;
        edge.until(|status| status.pools.iter().any(|pool| pool.drained)).await;
        drop(std::mem::replace(&mut old, new));
    }
    stop.store(true, SeqCst);
    for client in load {
        client.await.unwrap();
    }
}

#[tokio::test]
async fn a_long_request_is_cut_at_its_class_deadline_only() {
    let app = App::start(|request| async move {
        if request.uri().path() == "/slow" {
            tokio::time::sleep(PATIENCE).await;
        }
        Response::new(full("ok"))
    })
    .await;
    let next = App::named("next").await;
    let mut old = pool(1, PoolState::Live, &[&app]);
    let mut first = table(1, vec![old.clone()]);
    first.sites[0].routes[0].route.response_header_timeout = Span::secs(60);
    let edge = Edge::start(&first).await;
    let mut stream = TcpStream::connect(edge.http).await.unwrap();
    stream.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    edge.until(|status| status.pools[0].active.http == 1).await;
    old.state = PoolState::Draining;
    old.drain.http_timeout = Span::millis(600);
    let switched = Instant::now();
    edge.serve(&table(2, vec![pool(2, PoolState::Live, &[&next]), old])).await;
    let answer = read_all(&mut stream).await;
    assert_eq!(status(&answer), 503);
    assert!(switched.elapsed() >= Duration::from_millis(600));
    let status = edge.until(|status| status.pools.iter().any(|pool| pool.drained)).await;
    assert_eq!(status.pools[0].cut.http, 1);
}

#[tokio::test]
async fn an_instance_that_leaves_its_pool_is_told_until_it_is_idle() {
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let gone = Arc::new(tokio::sync::Mutex::new(Some(gone)));
    let slow = App::start(move |request| {
        let gone = Arc::clone(&gone);
        async move {
            if request.uri().path() == "/slow" {
                let _ = gone.lock().await.take().unwrap().await;
            }
            Response::new(full("slow"))
        }
    })
    .await;
    let other = App::named("other").await;
    let edge = Edge::start(&live(&[&slow])).await;
    let mut stream = TcpStream::connect(edge.http).await.unwrap();
    stream.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    edge.until(|status| status.pools[0].active.http == 1).await;
    edge.serve(&Table { epoch: 2, ..live(&[&other]) }).await;
    let status = edge.until(|status| !status.pools[0].leaving.is_empty()).await;
    assert_eq!(status.pools[0].leaving[0].active.http, 1);
    assert_eq!(edge.get("/").await.1, "other");
    go.send(()).unwrap();
    assert_eq!(body(&read_all(&mut stream).await), "slow");
    edge.until(|status| status.pools[0].leaving.is_empty()).await;
}

async fn private(edge: &Edge, headers: &str) -> String {
    let mut stream = UnixStream::connect(edge.settings.private.as_ref().unwrap()).await.unwrap();
    let text = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn the_gate_reaches_a_candidate_and_strangers_do_not() {
    let (blue, green) = (App::named("blue").await, App::named("green").await);
    let candidate = pool(2, PoolState::Candidate, &[&green]);
    let edge = Edge::start(&table(1, vec![pool(1, PoolState::Live, &[&blue]), candidate.clone()])).await;
    let status_of = edge.ready().await;
    assert!(status_of.pool(&candidate.id).unwrap().ready_for_ms().is_some());
    let named = format!("x-mainstay-pool: {}\r\n", candidate.id);
    let answer = private(&edge, &format!("{named}x-mainstay-token: a token\r\n")).await;
    assert_eq!((status(&answer), body(&answer).as_str()), (200, "green"));
    assert!(answer.contains("x-mainstay-instance: web.2.1"), "{answer}");
    for wrong in [named.clone(), format!("{named}x-mainstay-token: another\r\n")] {
        assert_eq!(status(&private(&edge, &wrong).await), 403);
    }
    let public =
        format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{named}x-mainstay-token: a token\r\n\r\n");
    assert_eq!(body(&edge.raw(public).await), "blue");
}

#[tokio::test]
async fn plain_http_is_sent_to_https_where_the_route_wants_it() {
    let app = App::named("ok").await;
    let mut table = live(&[&app]);
    table.sites[0].routes[0].route.tls = RouteTls::Required;
    let mut off = RouteEntry { route: route("/off"), pool: table.sites[0].pools[0].id.clone(), canary: None };
    off.route.tls = RouteTls::Off;
    table.sites[0].routes.push(off);
    let edge = Edge::start(&table).await;
    let ask = |method: &str, path: &str| {
        format!("{method} {path} HTTP/1.1\r\nHost: a:1\r\nConnection: close\r\n\r\n")
    };
    let port = edge.https.port();
    for (method, wanted) in [("GET", 301), ("HEAD", 301), ("POST", 308)] {
        let answer = edge.raw(ask(method, "/x?y=z")).await;
        assert_eq!(status(&answer), wanted);
        assert!(answer.contains(&format!("location: https://a:{port}/x?y=z\r\n")), "{answer}");
    }
    assert_eq!(status(&edge.raw(ask("GET", "/off/x")).await), 200);
}

#[tokio::test]
async fn a_shutdown_lets_what_is_open_end_and_then_exits() {
    let app = App::start(|request| async move {
        if request.uri().path() == "/slow" {
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
        Response::new(full("done"))
    })
    .await;
    let mut edge = Edge::start(&live(&[&app])).await;
    let mut idle = TcpStream::connect(edge.http).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    read_until(&mut idle, "done").await;
    let mut stream = TcpStream::connect(edge.http).await.unwrap();
    stream.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    edge.until(|status| status.pools[0].active.http == 1).await;
    let ended = edge.stop(Duration::from_secs(10));
    let (ended, answer) = tokio::join!(ended, read_all(&mut stream));
    ended.unwrap();
    assert_eq!(body(&answer), "done");
    assert!(answer.contains("connection: close"), "{answer}");
    assert_eq!(read_all(&mut idle).await, "");
}

#[tokio::test]
async fn a_shutdown_is_bounded_whatever_is_open() {
    let app = App::start(|request| async move {
        if request.uri().path() == "/never" {
            std::future::pending::<()>().await;
        }
        Response::new(full("ok"))
    })
    .await;
    let mut edge = Edge::start(&live(&[&app])).await;
    let mut stream = TcpStream::connect(edge.http).await.unwrap();
    stream.write_all(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    edge.until(|status| status.pools[0].active.http == 1).await;
    let begun = Instant::now();
    edge.stop(Duration::from_secs(1)).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(3));
}

/// What scaling up does: a new instance is on trial in a pool of its own, then joins the pool that serves.
#[tokio::test]
async fn an_instance_that_joins_another_pool_stays_ready_and_is_probed_on() {
    let (old, new) = (App::named("old").await, App::named("new").await);
    let trial = vec![pool(1, PoolState::Live, &[&old]), pool(2, PoolState::Candidate, &[&new])];
    let edge = Edge::start(&table(1, trial)).await;
    edge.until(|status| status.pools.len() == 2 && status.pools.iter().all(|pool| pool.is_ready())).await;
    edge.serve(&table(2, vec![pool(1, PoolState::Live, &[&old, &new])])).await;
    let joined = edge.client.status().await.unwrap();
    let live = joined.pools.iter().find(|pool| pool.state == PoolState::Live).unwrap();
    assert!(live.is_ready(), "{live:#?}");
    let before = live.upstreams.iter().map(|upstream| upstream.successes).min();
    edge.until(|status| {
        let live = status.pools.iter().find(|pool| pool.state == PoolState::Live).unwrap();
        live.upstreams.iter().map(|upstream| upstream.successes).min() > before
    })
    .await;
    let mut answers = std::collections::BTreeSet::new();
    for _ in 0..20 {
        answers.insert(edge.get("/").await.1);
    }
    assert_eq!(answers.len(), 2, "both serve: {answers:?}");
}
