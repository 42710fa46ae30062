//! A receiver of webhooks: a raw HTTP/1.1 server that checks each signature by itself and remembers what came, over TLS if
//! it is given a certificate.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use serde_json::Value;
use sha2::Sha256;

use crate::mainstay::free_port;

/// A request that takes longer than this to come is none.
const READ_LIMIT: Duration = Duration::from_secs(10);

/// What it does with the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Answers with this status.
    Status(u16),
    /// Takes the request and says nothing.
    Silent,
    /// Answers 200 with a body that never ends.
    Endless,
    /// Sends the client elsewhere.
    Redirect,
}

/// One delivery whose signature is right.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// `webhook-id`
    pub id: String,
    /// The type in the body.
    pub event: String,
    pub body: Value,
}

struct Shared {
    key: Vec<u8>,
    tls: Mutex<Option<Arc<ServerConfig>>>,
    manner: Mutex<Manner>,
    taken: Mutex<Vec<Delivery>>,
    /// What was not answered with 2xx.
    refused: Mutex<Vec<Delivery>>,
    wrong: Mutex<Vec<String>>,
    ends: AtomicBool,
}

/// The server. It listens until it is dropped, or told to be down.
pub struct Receiver {
    port: u16,
    shared: Arc<Shared>,
    listens: bool,
}

impl Receiver {
    /// `key`: what follows `whsec_` in its secret, decoded.
    ///
    /// # Panics
    /// When the machine has no free port.
    pub fn start(key: &[u8]) -> Self {
        let shared = Shared {
            key: key.to_vec(),
            tls: Mutex::default(),
            manner: Mutex::new(Manner::Status(204)),
            taken: Mutex::default(),
            refused: Mutex::default(),
            wrong: Mutex::default(),
            ends: AtomicBool::new(false),
        };
        let mut receiver = Self { port: free_port(), shared: Arc::new(shared), listens: false };
        receiver.up();
        receiver
    }

    pub fn url(&self) -> String {
        let place = if lock(&self.shared.tls).is_some() { "https://localhost" } else { "http://127.0.0.1" };
        format!("{place}:{}/hook?token=in-the-url", self.port)
    }

    /// From the next connection on it speaks TLS, as `localhost`, with this certificate.
    ///
    /// # Panics
    /// When certificate and key are no pair.
    pub fn present(&self, certificate: CertificateDer<'static>, key: PrivateKeyDer<'static>) {
        let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider knows TLS 1.2 and 1.3");
        let config = builder.with_no_client_auth().with_single_cert(vec![certificate], key).expect("a pair");
        *lock(&self.shared.tls) = Some(Arc::new(config));
    }

    /// The secret as a line's value in webhooks.env.
    pub fn secret(&self) -> String {
        format!("whsec_{}", STANDARD.encode(&self.shared.key))
    }

    pub fn behave(&self, manner: Manner) {
        *lock(&self.shared.manner) = manner;
    }

    /// Nobody listens there any more.
    pub fn down(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        // Wakes the one that accepts.
        let _ = TcpStream::connect(self.address());
        crate::wait::until("nobody listens", READ_LIMIT, || TcpStream::connect(self.address()).is_err());
        self.listens = false;
    }

    /// It listens (again).
    ///
    /// # Panics
    /// When somebody else has the port by now.
    pub fn up(&mut self) {
        if self.listens {
            return;
        }
        let listener = TcpListener::bind(self.address()).expect("the port is free");
        self.shared.ends.store(false, Ordering::SeqCst);
        self.listens = true;
        let shared = Arc::clone(&self.shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.ends.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || shared.accept(stream));
            }
        });
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Everything that was taken, in order; an event may be there more than once.
    pub fn taken(&self) -> Vec<Delivery> {
        lock(&self.shared.taken).clone()
    }

    /// What came and was not answered with 2xx.
    pub fn refused(&self) -> Vec<Delivery> {
        lock(&self.shared.refused).clone()
    }

    /// Requests that no webhook of ours would send, with what is wrong.
    pub fn wrong(&self) -> Vec<String> {
        lock(&self.shared.wrong).clone()
    }

    /// The taken events by id, each once.
    pub fn events(&self) -> BTreeMap<String, String> {
        self.taken().into_iter().map(|delivery| (delivery.id, delivery.event)).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if self.listens {
            self.shared.ends.store(true, Ordering::SeqCst);
            let _ = TcpStream::connect(self.address());
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn accept(&self, stream: TcpStream) {
        let _ = stream.set_read_timeout(Some(READ_LIMIT));
        let tls = lock(&self.tls).clone();
        match tls.map(ServerConnection::new) {
            None => self.serve(stream),
            Some(Ok(connection)) => self.serve(StreamOwned::new(connection, stream)),
            Some(Err(error)) => lock(&self.wrong).push(error.to_string()),
        }
    }

    fn serve(&self, mut stream: impl Read + Write) {
        let Some((head, body)) = read(&mut stream) else { return };
        let manner = *lock(&self.manner);
        match self.verified(&head, &body) {
            Err(why) => {
                lock(&self.wrong).push(format!("{why}: {head:?}"));
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
                return;
            }
            Ok(delivery) => {
                let is_taken = matches!(manner, Manner::Status(200..=299) | Manner::Endless);
                lock(if is_taken { &self.taken } else { &self.refused }).push(delivery);
            }
        }
        match manner {
            Manner::Status(status) => {
                let answer = format!("HTTP/1.1 {status} Said\r\ncontent-length: 6\r\n\r\nheard\n");
                let answer = if status == 204 { "HTTP/1.1 204 No Content\r\n\r\n" } else { &answer };
                let _ = stream.write_all(answer.as_bytes());
            }
            Manner::Redirect => {
                let _ = stream.write_all(
                    b"HTTP/1.1 307 Elsewhere\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n",
                );
            }
            // Until the client has had enough.
            Manner::Silent => drop(stream.read(&mut [0; 1])),
            Manner::Endless => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
                while stream.write_all(b"400\r\n").is_ok()
                    && stream.write_all(&[b'x'; 0x400]).is_ok()
                    && stream.write_all(b"\r\n").is_ok()
                {}
            }
        }
    }

    fn verified(&self, head: &BTreeMap<String, String>, body: &[u8]) -> Result<Delivery, &'static str> {
        let of = |name: &str| head.get(name).ok_or("a header is missing");
        if of(":request")? != "POST /hook?token=in-the-url HTTP/1.1" {
            return Err("another request");
        }
        let (id, time) = (of("webhook-id")?, of("webhook-timestamp")?);
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).map_err(|_| "no key")?;
        mac.update(format!("{id}.{time}.").as_bytes());
        mac.update(body);
        if *of("webhook-signature")? != format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())) {
            return Err("a wrong signature");
        }
        let now = std::time::UNIX_EPOCH.elapsed().map_err(|_| "no time")?.as_secs();
        if time.parse::<u64>().map_err(|_| "no time")?.abs_diff(now) > 60 {
            return Err("an old signature");
        }
        let body: Value = serde_json::from_slice(body).map_err(|_| "no JSON")?;
        let event = body["type"].as_str().ok_or("no type")?.to_owned();
        Ok(Delivery { id: id.clone(), event, body })
    }
}

/// The head by name, its first line as `:request`, and the body.
fn read(stream: &mut impl Read) -> Option<(BTreeMap<String, String>, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let mut head = BTreeMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end().split_once(": ") {
            _ if line.trim().is_empty() => break,
            Some((name, value)) => drop(head.insert(name.to_ascii_lowercase(), value.to_owned())),
            None => drop(head.insert(":request".to_owned(), line.trim_end().to_owned())),
        }
    }
    let length = head.get("content-length")?.parse::<usize>().ok().filter(|length| *length < 1 << 20)?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}
