//! An artifact whose way is cut again and again.

use std::{
    collections::VecDeque,
    fs,
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use testkit::Sshd;

use super::{Desk, reached};

/// Bytes of the artifact, which no packing makes smaller.
const SIZE: u64 = 48 << 20;
const CUTS: usize = 20;
/// What a cut may cost: the chunk that was on its way. Chunks begin with 256 KiB, grow while they go through, and are halved
/// where one does not.
const CHUNK: u64 = 4 << 20;

/// Passes connections on to an sshd, counts what goes there, and cuts at given counts.
struct Cutter {
    address: SocketAddr,
    sent: Arc<AtomicU64>,
    left: Arc<Mutex<VecDeque<u64>>>,
}

impl Cutter {
    fn start(sshd: &Sshd, cuts: Vec<u64>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let (sent, left) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(VecDeque::from(cuts))));
        let (to, count, cuts) = (sshd.address(), Arc::clone(&sent), Arc::clone(&left));
        // Ends with the test's process: nobody joins it.
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = TcpStream::connect(to).expect("sshd listens");
                let (count, cuts) = (Arc::clone(&count), Arc::clone(&cuts));
                let (back, forth) =
                    (server.try_clone().expect("a handle"), client.try_clone().expect("a handle"));
                thread::spawn(move || pass(&back, &forth, |_| false));
                thread::spawn(move || {
                    pass(&client, &server, |bytes| {
                        let total = count.fetch_add(bytes, Ordering::Relaxed) + bytes;
                        let mut cuts = cuts.lock().expect("nobody panics");
                        let is_due = cuts.front().is_some_and(|cut| total >= *cut);
                        if is_due {
                            cuts.pop_front();
                        }
                        is_due
                    })
                });
            }
        });
        Self { address, sent, left }
    }
}

/// Until one side ends, or `is_over` says so of the bytes that were just read; those still arrive.
fn pass(mut from: &TcpStream, mut to: &TcpStream, is_over: impl Fn(u64) -> bool) {
    let mut chunk = [0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut chunk) {
        if is_over(read as u64) || to.write_all(&chunk[..read]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

#[test]
fn an_upload_that_is_cut_twenty_times_goes_on_where_it_stopped() {
    let seed = std::env::var("MAINSTAY_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_26);
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut mainstay, app, sshd, _) = reached();
    let app = app.next();
    app.write();
    let noise: Vec<u8> =
        std::iter::repeat_with(|| random.u8(..)).take(usize::try_from(SIZE).expect("fits")).collect();
    fs::create_dir_all(app.folder().join("data")).expect("own folder");
    fs::write(app.folder().join("data/noise"), noise).expect("own folder");
    let mut cuts: Vec<u64> = std::iter::repeat_with(|| random.u64(1..SIZE)).take(CUTS).collect();
    cuts.sort_unstable();
    println!("seed {seed}, cut after {cuts:?} bytes");
    let cutter = Cutter::start(&sshd, cuts);
    let desk = Desk::new(&mainstay, &sshd, "ana", cutter.address);
    let said = desk.run(app.folder(), &["deploy"]).expect_code(0);
    assert!(said.out.contains("most in data 48.0 MiB"), "{said}");
    assert_eq!(mainstay.serving(&app.site()), 2);
    let left = cutter.left.lock().expect("nobody panics").len();
    assert_eq!(left, 0, "every cut was made:\n{said}");
    let sent = cutter.sent.load(Ordering::Relaxed);
    println!("{sent} bytes for an artifact of {SIZE} and more, in {CUTS} cuts");
    let most = SIZE + SIZE / 10 + CUTS as u64 * CHUNK;
    assert!((SIZE..=most).contains(&sent), "{sent} bytes, at most {most}");
    mainstay.down();
}
