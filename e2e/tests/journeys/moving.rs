//! `docs/guide/moving.md`: a site behind nginx moves here, by the commands of the page, while clients ask without a pause.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rcgen::{CertificateParams, KeyPair};
use testkit::{
    Mainstay, http,
    mainstay::{Running, Said, free_port},
    wait,
};

const PAGE: &str = include_str!("../../../docs/guide/moving.md");
const HOST: &str = "shop.example.com";
const SITE: &str = "shop/production";
const SOON: Duration = Duration::from_secs(30);
const CLIENTS: usize = 4;
/// Answers after each step, before the next one.
const ANSWERS: usize = 100;

/// It answers with its word, and takes its time to stop.
const APP: &str = r#"
import http.server, os, signal, threading

class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = os.environ.get("MAINSTAY_RELEASE", "old").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass

class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128

server = Server((os.environ["HOST"], int(os.environ["PORT"])), Answers)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
"#;

/// The block of the page after a fence of these words.
fn block(fence: &str) -> String {
    let fence = format!("```{fence}");
    let mut lines = PAGE.lines().skip_while(|line| *line != fence).skip(1);
    let text = lines.by_ref().take_while(|line| *line != "```").collect::<Vec<_>>().join("\n");
    assert!(!text.is_empty(), "the page has {fence}");
    text
}

/// The machine of the page, with its folders and ports in a place of their own.
struct Machine {
    mainstay: Mainstay,
    old: Child,
    nginx: Child,
    /// What stands for what the page says.
    named: Vec<(String, String)>,
    door: SocketAddr,
    table: String,
}

/// A process that ends with its owner.
fn spawn(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).spawn().expect("it starts")
}

fn put_certificate(folder: &Path) {
    let key = KeyPair::generate().expect("a key");
    let made =
        CertificateParams::new([HOST.to_owned()]).expect("a name").self_signed(&key).expect("a certificate");
    fs::write(folder.join("shop.key"), key.serialize_pem()).expect("written");
    fs::write(folder.join("shop.pem"), made.pem()).expect("written");
}

/// `nginx` and `mainstay` for a PATH, which are of this machine alone.
fn tools(folder: &Path, conf: &Path, mainstay: &Mainstay) -> PathBuf {
    let bin = folder.join("bin");
    fs::create_dir(&bin).expect("own folder");
    let (conf, data) = (conf.display(), mainstay.data().display());
    let program = mainstay.program().display();
    for (name, script) in [
        ("nginx", format!("exec /usr/sbin/nginx -c {conf} -e {} \"$@\"", folder.join("nginx.err").display())),
        ("mainstay", format!("exec {program} --data {data} \"$@\"")),
    ] {
        let path = bin.join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("own file");
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("own file");
    }
    bin
}

impl Machine {
    fn start() -> Self {
        let mainstay =
            Mainstay::start_with("trusted_proxies = [\"127.0.0.1/32\"]\nclient_ip = \"x-forwarded-for\"");
        let folder = mainstay.folder().to_owned();
        let app = folder.join("shop");
        fs::create_dir(&app).expect("own folder");
        fs::write(app.join("server.py"), APP).expect("the app");
        fs::write(app.join("Procfile"), "web: python3 server.py\n").expect("the Procfile");
        put_certificate(&folder);
        let [old, door, door_tls] = [free_port(), free_port(), free_port()];
        let (conf, site) = (folder.join("nginx.conf"), folder.join("shop.nginx"));
        let table = format!("moving{door}");
        let named: Vec<(String, String)> = [
            ("/etc/nginx/sites-enabled/shop", site.display().to_string()),
            ("/etc/ssl/", format!("{}/", folder.display())),
            ("/srv/shop", app.display().to_string()),
            ("127.0.0.1:3000", format!("127.0.0.1:{old}")),
            ("127.0.0.1:8443;", format!("127.0.0.1:{};", mainstay.https().port())),
            (":8443", format!(":{}", mainstay.https().port())),
            (":8080", format!(":{}", mainstay.http().port())),
            ("listen 80;", format!("listen 127.0.0.1:{door};")),
            ("listen 443 ssl;", format!("listen 127.0.0.1:{door_tls} ssl;")),
            ("dport 80 ", format!("dport {door} ")),
            ("dport 443 ", format!("dport {door_tls} ")),
            ("inet moving", format!("inet {table}")),
        ]
        .map(|(said, meant)| (said.to_owned(), meant))
        .into();
        let mut machine = Self {
            old: spawn(
                Command::new("python3")
                    .arg("server.py")
                    .current_dir(&app)
                    .env("HOST", "127.0.0.1")
                    .env("PORT", old.to_string()),
            ),
            nginx: spawn(&mut Command::new("true")),
            door: SocketAddr::from(([127, 0, 0, 1], door)),
            mainstay,
            named,
            table,
        };
        fs::write(&site, machine.here(&block("nginx"))).expect("the site's file");
        let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {};\n", folder.join(name).display()))
            .concat();
        let (pid, site) = (folder.join("nginx.pid"), site.display());
        fs::write(&conf, format!("daemon off;\nworker_processes 1;\npid {};\nevents {{}}\nhttp {{\naccess_log off;\n{paths}include {site};\n}}\n", pid.display()))
            .expect("nginx.conf");
        let bin = tools(&folder, &conf, &machine.mainstay);
        machine.nginx = spawn(&mut Command::new(bin.join("nginx")));
        wait::until("nginx and the old app answer", SOON, || {
            machine.asked().is_some_and(|word| word == "old")
        });
        machine
    }

    /// What the page says, of this machine.
    fn here(&self, text: &str) -> String {
        self.named.iter().fold(text.to_owned(), |text, (said, meant)| text.replace(said, meant))
    }

    /// The commands of the page after that fence, which go well.
    fn run(&self, fence: &str) -> Said {
        self.try_run(fence).expect_code(0)
    }

    fn try_run(&self, fence: &str) -> Said {
        let script = self.here(&block(&format!("sh {fence}")));
        let mut sh = Command::new("sh");
        let bin = self.mainstay.folder().join("bin");
        sh.args(["-ec", &script]).env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", bin.display()));
        sh.env_remove("MAINSTAY_DATA").env_remove("XDG_RUNTIME_DIR");
        Running::start(sh, script).wait()
    }

    /// Who answers at the door.
    fn asked(&self) -> Option<String> {
        let answer = http::ask(self.door, HOST, "GET", "/", &["connection: close"], &[]).ok()?;
        (answer.status == 200).then(|| answer.text())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let mut nft = Command::new("nft");
        nft.args(["delete", "table", "inet", &self.table]).stderr(Stdio::null());
        let _ = nft.status();
        let quit = Command::new(self.mainstay.folder().join("bin/nginx"))
            .args(["-s", "stop"])
            .stderr(Stdio::null())
            .status();
        if !quit.is_ok_and(|status| status.success()) {
            let _ = self.nginx.kill();
        }
        let _ = self.nginx.wait();
        let _ = self.old.kill();
        let _ = self.old.wait();
    }
}

/// Clients that ask the door without a pause, each time on a connection of their own.
struct Clients {
    stopping: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Clone, Default)]
struct Seen {
    /// How often each answered.
    words: BTreeMap<String, usize>,
    failures: Vec<String>,
}

impl Clients {
    fn start(door: SocketAddr) -> Self {
        let (stopping, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Seen::default())));
        let client = |_| {
            let (stopping, seen) = (Arc::clone(&stopping), Arc::clone(&seen));
            thread::spawn(move || {
                while !stopping.load(Ordering::Relaxed) {
                    let answer = http::ask(door, HOST, "GET", "/", &["connection: close"], &[]);
                    let mut seen = seen.lock().expect("clients do not panic");
                    match answer {
                        Ok(answer) if answer.status == 200 => {
                            *seen.words.entry(answer.text()).or_default() += 1
                        }
                        Ok(answer) => seen.failures.push(format!("{}: {}", answer.status, answer.text())),
                        Err(error) => seen.failures.push(error.to_string()),
                    }
                }
            })
        };
        let threads = (0..CLIENTS).map(client).collect();
        Self { stopping, seen, threads }
    }

    fn seen(&self) -> Seen {
        self.seen.lock().expect("clients do not panic").clone()
    }

    /// From now on `word` answers all that is asked, and nothing has failed.
    fn expect(&self, step: &str, word: &str) {
        let of = |seen: &Seen, word: &str| seen.words.get(word).copied().unwrap_or(0);
        let others = |seen: &Seen| seen.words.values().sum::<usize>() - of(seen, word);
        // Whoever was on the way when the step was done may still have been answered by the one before.
        wait::until(&format!("{step}: `{word}` alone answers"), SOON, || {
            let before = self.seen();
            wait::until(&format!("{step}: answers come"), SOON, || {
                let now = self.seen();
                assert!(now.failures.is_empty(), "{step}: {:?}", now.failures);
                of(&now, word) + others(&now) >= of(&before, word) + others(&before) + ANSWERS
            });
            others(&self.seen()) == others(&before)
        });
    }

    fn finish(self) -> Seen {
        self.stopping.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("clients do not panic"));
        Arc::try_unwrap(self.seen).ok().expect("all have ended").into_inner().expect("clients do not panic")
    }
}

#[test]
fn a_site_behind_nginx_moves_by_the_commands_of_the_guide_and_no_request_fails() {
    let mut machine = Machine::start();
    let clients = Clients::start(machine.door);
    clients.expect("before", "old");
    let said = machine.run("manifest");
    assert!(said.out.contains("proxy_pass") && said.out.contains("Not taken over:"), "{said}");
    let manifest = machine.mainstay.folder().join("shop/mainstay.toml");
    let mut text = fs::read_to_string(&manifest).expect("it was written");
    assert!(text.contains("hosts = [\"shop.example.com\"]"), "{text}");
    text += "[deploy]\nmin_healthy_time = \"100ms\"\nbake_time = \"0s\"\n";
    fs::write(&manifest, text).expect("written");
    let said = machine.try_run("check").expect_code(2);
    assert!(said.all().contains("0 errors"), "{said}");
    machine.run("deploy");
    assert_eq!(machine.mainstay.serving(SITE), 1);
    let said = machine.run("compare");
    assert_eq!(said.out.lines().collect::<String>(), "old1", "both answered: {said}");
    clients.expect("beside nginx", "old");
    machine.run("switch");
    clients.expect("nginx asks Mainstay", "1");
    machine.run("back");
    clients.expect("back", "old");
    machine.run("switch");
    clients.expect("nginx asks Mainstay again", "1");
    if !rustix::process::getuid().is_root() {
        // Only root leads connections elsewhere.
        println!("not root: the step past nginx is left out");
        assert_eq!(clients.finish().failures, Vec::<String>::new());
        return;
    }
    // What nginx asks is no proof of who was asked: from here on it would be the old app.
    machine.run("back");
    machine.run("past");
    clients.expect("past nginx", "1");
    machine.run("past back");
    clients.expect("nginx again", "old");
    let again = machine
        .here(&block("sh past"))
        .lines()
        .filter(|line| line.contains("redirect"))
        .collect::<Vec<_>>()
        .join("\n");
    let mut nft = Command::new("sh");
    nft.args(["-ec", &again]);
    Running::start(nft, again.clone()).wait().expect_code(0);
    clients.expect("past nginx again", "1");
    machine.run("quit");
    assert!(machine.nginx.wait().expect("it was started").success(), "nginx ends by itself");
    clients.expect("without nginx", "1");
    let seen = clients.finish();
    assert_eq!(seen.failures, Vec::<String>::new(), "{:?}", seen.words);
    // In front there is no systemd that keeps the listeners: this step has a gap, and nobody asks.
    let file = machine.mainstay.data().join("machine.toml");
    let both = format!("http = [\"127.0.0.1:{}\", \"{}\"]", machine.mainstay.http().port(), machine.door);
    let changed = fs::read_to_string(&file).expect("machine.toml");
    let changed = changed
        .lines()
        .map(|line| if line.starts_with("http = ") { both.as_str() } else { line })
        .collect::<Vec<_>>()
        .join("\n");
    fs::write(&file, changed).expect("written");
    machine.mainstay.down();
    machine.mainstay.up();
    machine.run("own");
    machine.run("later");
    wait::until("Mainstay answers on the port that was nginx's", SOON, || {
        machine.asked().is_some_and(|word| word == "1")
    });
    machine.mainstay.down();
}
