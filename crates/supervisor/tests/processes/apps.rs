//! Apps that behave as a test needs it.

use std::{
    ffi::OsString,
    io::{Read, Write},
    net::TcpListener,
    os::unix::net::{UnixDatagram, UnixListener},
    process::ExitCode,
};

pub(crate) fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let words: Vec<String> = args.map(|word| word.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["lines", count] => lines(count.parse().expect("a number")),
        ["endless-line", mib] => endless_line(mib.parse().expect("a number")),
        ["two-writes", first, second] => two_writes(first, second),
        ["notify"] => notify(),
        ["inherit"] => inherit(),
        ["http", place, status] => http(place, status),
        _ => panic!("no such app: {words:?}"),
    }
    ExitCode::SUCCESS
}

/// So many lines of 100 bytes, as fast as they go.
fn lines(count: u64) {
    let mut out = std::io::BufWriter::with_capacity(64 * 1024, std::io::stdout().lock());
    for n in 0..count {
        writeln!(out, "{n:099}").expect("stdout takes it");
    }
    out.flush().expect("stdout takes it");
}

fn endless_line(mib: usize) {
    let chunk = vec![b'x'; 1 << 20];
    let mut out = std::io::stdout().lock();
    for _ in 0..mib {
        out.write_all(&chunk).expect("stdout takes it");
    }
    out.flush().expect("flushed");
}

/// Writes one line in two parts, the second when something reads a byte to it from a pipe made of its own parent's
/// slowness: a plain flush between them is a write of its own, which is what matters.
fn two_writes(first: &str, second: &str) {
    let mut out = std::io::stdout().lock();
    for part in [first, second, "\n"] {
        out.write_all(part.as_bytes()).and_then(|()| out.flush()).expect("stdout takes it");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn notify() {
    let path = std::env::var("NOTIFY_SOCKET").expect("a socket");
    let socket = UnixDatagram::unbound().expect("a socket");
    socket.send_to(b"STATUS=warming up\n", &path).expect("sent");
    socket.send_to(b"READY=1\nSTATUS=up", &path).expect("sent");
    // Until it is stopped.
    std::thread::park();
}

fn inherit() {
    let var = |name: &str| std::env::var(name).unwrap_or_default();
    let own = std::process::id().to_string();
    println!("mine={} fds={} names={}", var("LISTEN_PID") == own, var("LISTEN_FDS"), var("LISTEN_FDNAMES"));
    let fds = machine::fds::inherited(2);
    for fd in fds.into_iter().flatten() {
        let mut text = String::new();
        if let Ok(()) = std::fs::File::from(fd).read_to_string(&mut text).map(drop) {
            println!("holds={}", text.trim());
        }
    }
}

/// A server that answers everything with one status; `hang` accepts and never answers.
fn http(place: &str, status: &str) {
    println!("listening on {place}");
    if let Some(path) = place.strip_prefix("unix:") {
        let listener = UnixListener::bind(path).expect("bound");
        listener.incoming().flatten().for_each(|stream| answer(stream, status));
    } else {
        let listener = TcpListener::bind(place).expect("bound");
        listener.incoming().flatten().for_each(|stream| answer(stream, status));
    }
}

fn answer(mut stream: impl Read + Write, status: &str) {
    let mut request = [0; 4096];
    let count = stream.read(&mut request).unwrap_or(0);
    let head = String::from_utf8_lossy(&request[..count]).into_owned();
    if status == "hang" {
        std::mem::forget(stream);
        return;
    }
    // `once`: healthy until the file `sick` lies in the working folder.
    let status = match status {
        "once" if std::path::Path::new("sick").exists() => "500",
        "once" => "200",
        other => other,
    };
    let body = format!(
        "you asked: {}",
        head.lines().filter(|line| line.to_lowercase().starts_with("host")).collect::<String>()
    );
    let len = body.len();
    let _ = write!(
        stream,
        "HTTP/1.1 {status} Word\r\nx-app: fake\r\ncontent-length: {len}\r\nconnection: close\r\n\r\n{body}"
    );
}
