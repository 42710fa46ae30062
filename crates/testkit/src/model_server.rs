//! A model server in the manner of OpenAI: streams words that it says nowhere else, and remembers what it said to whom.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};

/// A request that takes longer than this to come is none.
const READ_LIMIT: Duration = Duration::from_secs(10);
/// Between two words.
const PAUSE: Duration = Duration::from_millis(200);

/// What it was asked, and what it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    /// The last message of the prompt.
    pub question: String,
    /// As far as it was sent.
    pub text: String,
    /// Sent to the end.
    pub is_whole: bool,
}

struct Shared {
    words: usize,
    given: Mutex<Vec<Given>>,
    ends: AtomicBool,
}

/// The server. It listens until it is dropped.
pub struct ModelServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl ModelServer {
    /// Each answer lasts as long as this, to the next fifth of a second.
    ///
    /// # Panics
    /// When the machine has no free port.
    pub fn start(lasts: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it has one");
        let words = lasts.as_millis().div_ceil(PAUSE.as_millis());
        let words = usize::try_from(words).expect("no answer lasts for years");
        let shared = Arc::new(Shared { words, given: Mutex::default(), ends: AtomicBool::new(false) });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if serving.ends.load(Ordering::SeqCst) {
                    return;
                }
                let serving = Arc::clone(&serving);
                // Who hangs up is what this is about.
                thread::spawn(move || drop(serving.answer(&stream)));
            }
        });
        Self { address, shared }
    }

    /// What an app is told as the address of its model.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// All that it was asked so far, in order.
    pub fn given(&self) -> Vec<Given> {
        self.shared.given.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        // Wakes the one that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn answer(&self, mut stream: &TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(READ_LIMIT))?;
        let question = question(stream)?;
        let turn = self.remember(question);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")?;
        for word in 0..self.words {
            let text = format!("{turn}.{word} ");
            let chunk = json!({ "choices": [{ "index": 0, "delta": { "content": text } }] });
            stream.write_all(format!("data: {chunk}\n\n").as_bytes())?;
            self.change(turn, |given| given.text.push_str(&text));
            thread::sleep(PAUSE);
        }
        let end = json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] });
        stream.write_all(format!("data: {end}\n\ndata: [DONE]\n\n").as_bytes())?;
        self.change(turn, |given| given.is_whole = true);
        Ok(())
    }

    fn remember(&self, question: String) -> usize {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.push(Given { question, text: String::new(), is_whole: false });
        given.len() - 1
    }

    fn change(&self, turn: usize, change: impl FnOnce(&mut Given)) {
        change(&mut self.given.lock().unwrap_or_else(PoisonError::into_inner)[turn]);
    }
}

/// Reads one request; what stands last in its prompt.
fn question(stream: &TcpStream) -> std::io::Result<String> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(std::io::Error::other)?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let asked: Value = serde_json::from_slice(&body)?;
    let last = asked["messages"].as_array().and_then(|messages| messages.last());
    Ok(last.and_then(|message| message["content"].as_str()).unwrap_or_default().to_owned())
}
