//! A real CA that speaks ACME, for one test: pebble, which refuses what clients should not rely on, and the DNS that it asks.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use serde_json::json;
use tempfile::TempDir;

use crate::{Mainstay, http, mainstay::free_port, wait};

const START_LIMIT: Duration = Duration::from_secs(30);
/// Of one handshake or question.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Between two handshakes of one that watches, so that it does not take the machine from what it watches.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// The CA and its DNS. Both end when it is dropped.
pub struct Pebble {
    folder: TempDir,
    port: u16,
    management: u16,
    dns: u16,
    dns_management: u16,
    running: Vec<Child>,
}

/// How it behaves.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Seconds that its certificates are valid.
    pub valid_s: u64,
    /// Of a hundred nonces those that it refuses.
    pub nonces_refused: u8,
    /// Of a hundred authorizations those that it remembers for the next order.
    pub reused: u8,
}

impl Default for Manner {
    fn default() -> Self {
        Self { valid_s: 90 * 24 * 3_600, nonces_refused: 5, reused: 50 }
    }
}

/// What a client was shown that trusts this CA alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Of the leaf: DER.
    pub leaf: Vec<u8>,
}

/// The certificate that a CA itself shows at `localhost` and 127.0.0.1, with its key, and whom to trust for it: names of files and their PEM.
///
/// # Panics
/// When there is no key to be had.
pub fn own_certificate() -> [(&'static str, String); 3] {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "the CA of the test's CA");
    let root = params.self_signed(&key).expect("a certificate").pem();
    let authority = Issuer::new(params, key);
    let key = KeyPair::generate().expect("a key");
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let own =
        CertificateParams::new(names).expect("names").signed_by(&key, &authority).expect("a certificate");
    [("root.pem", root), ("own.pem", own.pem()), ("own.key", key.serialize_pem())]
}

impl Default for Pebble {
    fn default() -> Self {
        Self::new()
    }
}

impl Pebble {
    /// Has its ports and its own certificate, and does not run yet: whom it will look at is not known.
    ///
    /// # Panics
    /// When there is no port or no folder.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("pebble-").tempdir().expect("a folder");
        for (name, text) in own_certificate() {
            fs::write(folder.path().join(name), text).expect("written");
        }
        let [port, management, dns, dns_management] = [(); 4].map(|()| free_port());
        Self { folder, port, management, dns, dns_management, running: Vec::new() }
    }

    /// `[acme]` of a machine that gets its certificates here.
    pub fn acme(&self) -> String {
        format!(
            "[acme]\ndirectory = \"https://localhost:{}/dir\"\nterms_agreed = true\ncontact = [\"ops@example.com\"]\nca_file = \"{}\"\n",
            self.port,
            self.folder.path().join("root.pem").display()
        )
    }

    /// The same CA by another name, which is another directory to who asks: `rehearsal` of `[acme]`.
    pub fn rehearsal(&self) -> String {
        format!("rehearsal = \"https://127.0.0.1:{}/dir\"\n", self.port)
    }

    /// Runs it, looking for names where `mainstay` listens. A second time: as a CA that has lost all that it knew.
    ///
    /// # Panics
    /// When its programs are not installed, or do not answer.
    pub fn start(&mut self, mainstay: &Mainstay, manner: Manner) {
        self.stop();
        let config = self.folder.path().join("pebble.json");
        let own = |name: &str| self.folder.path().join(name).display().to_string();
        let at = |port: u16| format!("127.0.0.1:{port}");
        let said = json!({ "pebble": {
            "listenAddress": at(self.port),
            "managementListenAddress": at(self.management),
            "certificate": own("own.pem"),
            "privateKey": own("own.key"),
            "httpPort": mainstay.http().port(),
            "tlsPort": mainstay.https().port(),
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
            "certificateValidityPeriod": manner.valid_s,
        }});
        fs::write(&config, said.to_string()).expect("written");
        let mut dns = Command::new("pebble-challtestsrv");
        dns.args(["-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-dns01", &at(self.dns)]);
        dns.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-management", &at(self.dns_management)]);
        let mut pebble = Command::new("pebble");
        pebble.arg("-config").arg(&config).args(["-dnsserver", &at(self.dns)]);
        pebble.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", manner.nonces_refused.to_string());
        pebble.env("PEBBLE_AUTHZREUSE", manner.reused.to_string()).env("PEBBLE_VA_ALWAYS_VALID", "0");
        self.running = vec![self.spawn(dns, "dns.log"), self.spawn(pebble, "pebble.log")];
        wait::until("pebble answers", START_LIMIT, || self.ask(self.port, "/dir").is_ok());
        wait::until("its DNS answers", START_LIMIT, || TcpStream::connect(at(self.dns_management)).is_ok());
    }

    /// Nobody is there any more.
    pub fn stop(&mut self) {
        for child in &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
        self.running.clear();
    }

    /// From now on the name leads to this address.
    ///
    /// # Panics
    /// When its DNS does not answer.
    pub fn lead(&self, name: &str, to: Ipv4Addr) {
        let host = format!("{name}.");
        // What it is told comes to what it was told before.
        let forgets = json!({ "host": host });
        let knows = json!({ "host": host, "addresses": [to.to_string()] });
        for (path, body) in [("/clear-a", forgets), ("/add-a", knows)] {
            let body = body.to_string();
            let said = http::ask(self.dns_at(), "localhost", "POST", path, &[], body.as_bytes());
            let said = said.expect("its DNS answers");
            assert_eq!(said.status, 200, "{}", said.text());
        }
    }

    /// Where its DNS is told what to answer: `/set-txt`, `/clear-txt`.
    pub fn dns_at(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.dns_management).into()
    }

    /// All that it has said; of a CA that was started again, since then.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("pebble.log")).unwrap_or_default()
    }

    /// How many orders it was asked for.
    pub fn orders(&self) -> usize {
        self.log().lines().filter(|line| line.contains("Added order")).count()
    }

    /// How many accounts it has made.
    pub fn accounts(&self) -> usize {
        self.log().lines().filter(|line| line.contains("accounts in memory")).count()
    }

    /// A handshake as of a client that trusts this CA alone.
    ///
    /// # Errors
    /// What the client refuses, in words.
    pub fn shown(&self, at: SocketAddr, name: &str) -> Result<Shown, String> {
        let root = self.ask(self.management, "/roots/0")?;
        let mut stream = connect(at, name, &root)?;
        stream.flush().map_err(|error| error.to_string())?;
        let leaf =
            stream.conn.peer_certificates().and_then(|chain| chain.first()).ok_or("nothing was shown")?;
        Ok(Shown { leaf: leaf.to_vec() })
    }

    fn spawn(&self, mut command: Command, log: &str) -> Child {
        let log = fs::File::create(self.folder.path().join(log)).expect("a log");
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a second handle")).stderr(log);
        command.spawn().expect("`cargo xtask test` has installed pebble")
    }

    /// The body of an answer over TLS of its own certificate.
    fn ask(&self, port: u16, path: &str) -> Result<String, String> {
        let root =
            fs::read_to_string(self.folder.path().join("root.pem")).map_err(|error| error.to_string())?;
        let mut stream = connect((Ipv4Addr::LOCALHOST, port).into(), "localhost", &root)?;
        let asked = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
        stream.write_all(asked.as_bytes()).map_err(|error| error.to_string())?;
        let mut answer = String::new();
        // The end may come without a word of goodbye.
        let _ = stream.read_to_string(&mut answer);
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
        if head.contains(" 200 ") { Ok(body.to_owned()) } else { Err(head.to_owned()) }
    }

    /// Shakes hands again and again, until it is told to finish.
    ///
    /// # Panics
    /// When the CA does not say its root.
    pub fn watch(&self, at: SocketAddr, name: &str) -> Watch {
        let root = self.ask(self.management, "/roots/0").expect("its root");
        let (ends, name) = (Arc::new(AtomicBool::new(false)), name.to_owned());
        let ended = Arc::clone(&ends);
        let thread = std::thread::spawn(move || {
            let (mut looks, mut refused) = (0, Vec::new());
            while !ended.load(Ordering::SeqCst) {
                looks += 1;
                refused.extend(connect(at, &name, &root).err());
                std::thread::sleep(BETWEEN_LOOKS);
            }
            (looks, refused)
        });
        Watch { ends, thread }
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("pebble said:\n{}", crate::mainstay::tail(&self.log(), 60));
        }
        self.stop();
    }
}

/// A client that shakes hands all the time.
pub struct Watch {
    ends: Arc<AtomicBool>,
    thread: JoinHandle<(u64, Vec<String>)>,
}

impl Watch {
    /// How many handshakes there were, and why one was refused.
    ///
    /// # Panics
    /// When its thread has.
    pub fn finish(self) -> (u64, Vec<String>) {
        self.ends.store(true, Ordering::SeqCst);
        self.thread.join().expect("it looks until it is told to end")
    }
}

/// Shakes hands, trusting `root` (PEM) alone.
fn connect(
    at: SocketAddr,
    name: &str,
    root: &str,
) -> Result<StreamOwned<ClientConnection, TcpStream>, String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(root.as_bytes()).map_err(|error| words(&error))?;
    roots.add(root).map_err(|error| words(&error))?;
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| words(&error))?;
    let config = Arc::new(builder.with_root_certificates(roots).with_no_client_auth());
    let name = ServerName::try_from(name.to_owned()).map_err(|error| words(&error))?;
    let connection = ClientConnection::new(config, name).map_err(|error| words(&error))?;
    let socket = TcpStream::connect_timeout(&at, ANSWER_LIMIT).map_err(|error| words(&error))?;
    socket.set_read_timeout(Some(ANSWER_LIMIT)).map_err(|error| words(&error))?;
    let mut stream = StreamOwned::new(connection, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).map_err(|error| words(&error))?;
    }
    Ok(stream)
}
