//! Strangers who take more than is theirs: more requests, more connections, more time. Those who do not feel nothing of it.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::net::{AddressFamily, SocketType};
use testkit::{FakeApp, Load, Mainstay, mainstay::processes::resident_bytes, wait};

use crate::judge;

/// Of one client; the honest ones of these journeys share an address and need about half of it.
const REQUESTS_A_SECOND: u64 = 400;
const LIMIT: &str = "[[route.rate_limit]]\nname = \"flood\"\nrequests = 400\nper = \"1s\"\n";
const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);

/// What few clients ask, who are still of all kinds.
fn honest() -> Load {
    Load { short: 4, slow: 4, writers: 1, pausing: 1, streams: 2, websockets: 1, ..Load::mixed() }
}

/// A connection from an address of this machine's own.
fn connect_from(client: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    rustix::net::bind(&socket, &SocketAddr::from((client, 0))).expect("an address of the loopback");
    rustix::net::connect(&socket, &to).expect("the edge accepts");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket option");
    stream
}

/// What the attackers got.
#[derive(Default)]
struct Loot {
    passed: AtomicU64,
    refused: AtomicU64,
    is_over: AtomicBool,
}

impl Loot {
    fn asked(&self) -> u64 {
        self.passed.load(Ordering::Relaxed) + self.refused.load(Ordering::Relaxed)
    }
}

/// One attacker's connection: fifty requests at once, ten times a second.
fn attack(to: SocketAddr, loot: Arc<Loot>) -> JoinHandle<()> {
    const AT_ONCE: usize = 50;
    thread::spawn(move || {
        let mut stream = connect_from(ATTACKER, to);
        let requests = "GET /version HTTP/1.1\r\nHost: fake.test\r\n\r\n".repeat(AT_ONCE);
        let mut buffer = vec![0; 64 << 10];
        while !loot.is_over.load(Ordering::Relaxed) {
            let begun = Instant::now();
            stream.write_all(requests.as_bytes()).expect("the edge takes them");
            // What is left of the last answer comes before the next ones.
            let (mut text, mut passed, mut refused) = (String::new(), 0, 0);
            while passed + refused < AT_ONCE {
                let got = stream.read(&mut buffer).expect("the edge answers");
                assert!(got > 0, "the edge has closed the connection");
                text.push_str(&String::from_utf8_lossy(&buffer[..got]));
                (passed, refused) =
                    (text.matches("HTTP/1.1 200").count(), text.matches("HTTP/1.1 429").count());
            }
            loot.refused.fetch_add(refused as u64, Ordering::Relaxed);
            loot.passed.fetch_add(passed as u64, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(100).saturating_sub(begun.elapsed()));
        }
    })
}

#[test]
fn an_attacker_at_2000_requests_a_second_costs_honest_clients_nothing() {
    let mainstay = Mainstay::start();
    let app = FakeApp::new(&mainstay, "fake").tables(LIMIT);
    app.deploy_to(&mainstay, &[]).expect_code(0);
    let judge = judge(&mainstay, &app, honest());
    let (loot, begun) = (Arc::new(Loot::default()), Instant::now());
    let attackers: Vec<_> = (0..4).map(|_| attack(mainstay.http(), Arc::clone(&loot))).collect();
    wait::until("20,000 requests of an attacker", Duration::from_secs(120), || loot.asked() >= 20_000);
    loot.is_over.store(true, Ordering::Relaxed);
    attackers.into_iter().for_each(|attacker| attacker.join().expect("it was answered to the end"));
    let seconds = begun.elapsed().as_secs_f64();
    let (asked, passed) = (loot.asked(), loot.passed.load(Ordering::Relaxed));
    println!("{asked} requests of the attacker in {seconds:.1} s, {passed} passed");
    let allowed = REQUESTS_A_SECOND as f64 * (seconds + 1.0);
    assert!(passed as f64 <= allowed + 1.0, "{passed} passed, where {allowed} may");
    judge.wait_answers(100);
    let report = judge.finish(Some(&app.ledger(&mainstay)));
    println!("{report}");
    report.assert_nothing_failed();
    let log = std::fs::read_to_string(mainstay.data().join("logs/access/access.log")).expect("an access log");
    let limited = log.lines().filter(|line| line.contains("\"limit\":\"flood\"")).count() as u64;
    assert!(
        limited > 0 && log.lines().all(|line| !line.contains("\"limit\"") || line.contains("127.0.0.66"))
    );
}

#[test]
fn a_deploy_of_another_limit_changes_it_and_a_rollback_brings_the_old_one_back() {
    let mainstay = Mainstay::start();
    let limited =
        |lines: &str| FakeApp::new(&mainstay, "fake").tables(&format!("[[route.rate_limit]]\n{lines}"));
    let policy = || {
        let answer = mainstay.get("fake.test", "/api/version").expect("an answer");
        (answer.status, answer.header("ratelimit-policy").map(str::to_owned))
    };
    limited("preset = \"api\"").deploy_to(&mainstay, &[]).expect_code(0);
    assert_eq!(policy(), (200, Some("\"api\";q=21;w=3".to_owned())));
    let second = limited("name = \"few\"\npaths = [\"/api\"]\nrequests = 1\nper = \"10m\"");
    second.deploy_to(&mainstay, &[]).expect_code(0);
    assert_eq!(policy(), (200, Some("\"few\";q=1;w=600".to_owned())));
    assert_eq!(policy(), (429, Some("\"few\";q=1;w=600".to_owned())));
    let open = mainstay.get("fake.test", "/version").expect("an answer");
    assert_eq!((open.status, open.header("ratelimit-policy")), (200, None), "another path");
    mainstay.cli_in(second.folder(), &["rollback"]).expect_code(0);
    assert_eq!(policy(), (200, Some("\"api\";q=21;w=3".to_owned())));
}

/// Waits until the edge has closed each of these, whatever it said before.
fn are_closed(streams: Vec<TcpStream>, within: Duration) {
    let deadline = Instant::now() + within;
    for mut stream in streams {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        stream.set_read_timeout(Some(left)).expect("a socket option");
        let mut buffer = vec![0; 64 << 10];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
                Err(error) => panic!("it is open still: {error}"),
            }
        }
    }
}

#[test]
fn slow_clients_are_let_go_and_nobody_waits_for_them() {
    let mainstay = Mainstay::start_with(
        "[edge]\nheader_timeout = \"3s\"\nsend_timeout = \"3s\"\nbody_timeout = \"3s\"\n",
    );
    let app = FakeApp::new(&mainstay, "fake");
    app.deploy_to(&mainstay, &[]).expect_code(0);
    let judge = judge(&mainstay, &app, honest());
    let begin = |count: usize, bytes: &str| -> Vec<TcpStream> {
        let one = || {
            let mut stream = connect_from(ATTACKER, mainstay.http());
            stream.write_all(bytes.as_bytes()).expect("sent");
            stream
        };
        (0..count).map(|_| one()).collect()
    };
    let heads = begin(100, "GET / HTTP/1.1\r\nHost: fake.test\r\nX-A");
    let bodies = begin(100, "POST / HTTP/1.1\r\nHost: fake.test\r\nContent-Length: 100\r\n\r\nhalf");
    // Fewer: the app makes each of these bytes.
    let readers = begin(10, "GET /?size=8000000 HTTP/1.1\r\nHost: fake.test\r\n\r\n");
    // A slowloris is never quite silent.
    for _ in 0..20 {
        let gone = heads.iter().filter(|stream| (&mut &**stream).write_all(b"b").is_err()).count();
        if gone == heads.len() {
            break;
        }
        thread::sleep(Duration::from_millis(250));
    }
    let log = mainstay.data().join("logs/access/access.log");
    wait::until("each slow reader is cut", Duration::from_secs(40), || {
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        log.matches("\"cause\":\"send-timeout\"").count() >= readers.len()
    });
    for slow in [heads, bodies, readers] {
        are_closed(slow, Duration::from_secs(20));
    }
    judge.wait_answers(100);
    judge.finish(Some(&app.ledger(&mainstay))).assert_nothing_failed();
}

#[test]
fn ten_thousand_idle_connections_take_24_kib_each_at_most() {
    const CONNECTIONS: u16 = 10_000;
    const EACH_BYTES_MAX: u64 = 24 << 10;
    let mainstay = Mainstay::start_with("[edge]\nkeep_alive_timeout = \"10m\"\n");
    let app = FakeApp::new(&mainstay, "fake");
    app.deploy_to(&mainstay, &[]).expect_code(0);
    let judge = judge(&mainstay, &app, honest());
    let resident = || resident_bytes(mainstay.edge_pid()).expect("the edge lives");
    let before = resident();
    let request = b"GET /version HTTP/1.1\r\nHost: fake.test\r\n\r\n";
    let mut idle = Vec::new();
    for n in 0..CONNECTIONS {
        // One address holds a thousand at most.
        let client = Ipv4Addr::new(127, 0, 3, u8::try_from(n / 900 + 1).expect("few addresses"));
        let mut stream = connect_from(client, mainstay.http());
        stream.write_all(request).expect("sent");
        let mut answer = [0; 4096];
        assert!(
            stream.read(&mut answer).expect("an answer") > 0 && answer.starts_with(b"HTTP/1.1 200"),
            "{n}"
        );
        idle.push(stream);
    }
    let after = resident();
    let each = after.saturating_sub(before) / u64::from(CONNECTIONS);
    println!(
        "{} MiB before, {} MiB with {CONNECTIONS} connections: {each} bytes each",
        before >> 20,
        after >> 20
    );
    assert!(each < EACH_BYTES_MAX, "{each} bytes");
    judge.wait_answers(100);
    let last = idle.last_mut().expect("there are many");
    last.write_all(request).expect("it is open still");
    assert!(last.read(&mut [0; 4096]).expect("an answer") > 0);
    judge.finish(Some(&app.ledger(&mainstay))).assert_nothing_failed();
}
