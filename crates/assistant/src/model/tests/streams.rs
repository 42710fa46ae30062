//! Answers as real servers send them, and a server that sends them over a real socket.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// One answer of a model server.
pub(crate) struct Stream {
    pub(crate) name: &'static str,
    /// `openai`, `anthropic` or `ollama`.
    pub(crate) speaks: &'static str,
    /// `text/event-stream`, or what a server sends instead.
    pub(crate) content_type: &'static str,
    /// Each is written and flushed by itself.
    pub(crate) pieces: &'static [&'static [u8]],
    /// The connection ends in the middle of the body.
    pub(crate) is_cut: bool,
    pub(crate) text: &'static str,
    /// Name and arguments of each call.
    pub(crate) calls: &'static [(&'static str, &'static str)],
    pub(crate) end: End,
}

/// How a stream should be seen to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Whole,
    /// The server said that it calls a tool and named none.
    NoCall,
    Cut,
    /// The server's own words.
    Said(&'static str),
    Garbled,
}

const PLAIN: Stream = Stream {
    name: "",
    speaks: "openai",
    content_type: "text/event-stream",
    pieces: &[],
    is_cut: false,
    text: "Hello",
    calls: &[],
    end: End::Whole,
};

const RENT: &[(&str, &str)] = &[("add_task", r#"{"title":"Pay rent"}"#)];

/// Of OpenAI-compatible servers: the fourteen kinds, some of them in two forms.
pub(crate) const OPENAI: &[Stream] = &[
    Stream {
        name: "choices without an index",
        pieces: &[
            b"data: {\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\n\n",
            b"data: {\"choices\":[{\"delta\":{\"content\":\"lo\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
        ],
        ..PLAIN
    },
    Stream {
        name: "an empty finish_reason in each piece",
        pieces: &[
            b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"},\"finish_reason\":\"\"}]}\n\n",
            b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"},\"finish_reason\":\"\"}]}\n\n",
            b"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
        ],
        ..PLAIN
    },
    Stream {
        name: "a finish_reason that nobody knows",
        pieces: &[
            b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"},\"finish_reason\":null}]}\n\n",
            b"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"eos_token\"}]}\n\ndata: [DONE]\n\n",
        ],
        ..PLAIN
    },
    Stream {
        name: "an empty usage",
        pieces: &[
            b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n",
            b"data: {\"choices\":[],\"usage\":{}}\n\ndata: [DONE]\n\n",
        ],
        ..PLAIN
    },
    Stream {
        name: "no [DONE] after the finish_reason",
        pieces: &[
            b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"},\"finish_reason\":null}]}\n\n",
            b"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        ],
        ..PLAIN
    },
    Stream {
        name: "lines that end with CRLF",
        pieces: &[
            b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\r",
            b"\n\r\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"},\"finish_reason\":\"stop\"}]}\r\n\r\ndata: [DONE]\r\n\r\n",
        ],
        ..PLAIN
    },
    Stream {
        name: "letters cut in two",
        pieces: &[
            b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"caf\xc3",
            b"\xa9 \xf0\x9f",
            b"\x8c\xb1\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
        ],
        text: "café 🌱",
        ..PLAIN
    },
    Stream {
        name: "comments that keep the line open",
        pieces: &[
            b": OPENROUTER PROCESSING\n\n",
            b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\n:\n\n",
            b"event: ping\ndata:\n\nid: 7\ndata:{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
        ],
        ..PLAIN
    },
    Stream {
        name: "a tool call without an index",
        pieces: &[
            b"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"add_task\",\"arguments\":\"{\\\"title\\\":\\\"Pay rent\\\"}\"}}]}}]}\n\n",
            b"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n",
        ],
        text: "",
        calls: RENT,
        ..PLAIN
    },
    Stream {
        name: "two calls in pieces, one among the other",
        pieces: &[
            b"data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"function\":{\"name\":\"add_task\",\"arguments\":\"{\\\"title\\\":\"}},{\"index\":1,\"id\":\"c2\",\"function\":{\"name\":\"add_entry\",\"arguments\":\"\"}}]}}]}\n\n",
            b"data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,\"function\":{\"arguments\":\"{\\\"text\\\":\\\"rain\\\"}\"}}]}}]}\n\n",
            b"data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"\\\"Pay rent\\\"}\"}}]}}]}\n\n",
            b"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n",
        ],
        text: "",
        calls: &[("add_task", r#"{"title":"Pay rent"}"#), ("add_entry", r#"{"text":"rain"}"#)],
        ..PLAIN
    },
    Stream {
        name: "an error in the middle of the stream",
        pieces: &[
            b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\n",
            b"data: {\"error\":{\"message\":\"the model ran out of memory\",\"code\":500}}\n\n",
        ],
        text: "Hel",
        end: End::Said("the model ran out of memory"),
        ..PLAIN
    },
    Stream {
        name: "status 200 with an error as JSON",
        content_type: "application/json",
        pieces: &[b"{\n  \"error\": {\n    \"message\": \"no such model\"\n  }\n}\n"],
        text: "",
        end: End::Said("no such model"),
        ..PLAIN
    },
    Stream {
        name: "pieces with a role alone",
        pieces: &[
            b"data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n",
            b"data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
            b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
        ],
        ..PLAIN
    },
    Stream {
        name: "content that is null",
        pieces: &[
            b"data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null,\"tool_calls\":null}}]}\n\n",
            b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\",\"refusal\":null},\"finish_reason\":null}]}\n\n",
            b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":null},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
        ],
        ..PLAIN
    },
    Stream {
        name: "a connection that is cut",
        pieces: &[b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\n", b"data: {\"cho"],
        is_cut: true,
        text: "Hel",
        end: End::Cut,
        ..PLAIN
    },
    Stream {
        name: "a connection that is closed politely in the middle",
        pieces: &[b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\n"],
        text: "Hel",
        end: End::Cut,
        ..PLAIN
    },
    Stream {
        name: "a tool that is called and not named",
        pieces: &[
            b"data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null}}]}\n\n",
            b"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n",
        ],
        text: "",
        end: End::NoCall,
        ..PLAIN
    },
    Stream {
        name: "a tool call that ends with stop, its arguments an object",
        pieces: &[
            b"data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"\",\"function\":{\"name\":\"add_task\",\"arguments\":{\"title\":\"Pay rent\"}}}]},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
        ],
        text: "",
        calls: RENT,
        ..PLAIN
    },
    Stream {
        name: "calls with ids and no index, each in pieces",
        pieces: &[
            b"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"id\":\"c1\",\"function\":{\"name\":\"add_task\",\"arguments\":\"{\\\"title\\\":\"}}]}}]}\n\n",
            b"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"arguments\":\"\\\"Pay rent\\\"}\"}}]}}]}\n\n",
            b"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"id\":\"c2\",\"function\":{\"name\":\"add_task\",\"arguments\":\"{}\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n",
        ],
        text: "",
        calls: &[("add_task", r#"{"title":"Pay rent"}"#), ("add_task", "{}")],
        ..PLAIN
    },
    Stream {
        name: "an index beyond all bounds",
        pieces: &[
            b"data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":400000000,\"id\":\"c1\",\"function\":{\"name\":\"add_task\",\"arguments\":\"{\\\"title\\\":\\\"Pay rent\\\"}\"}}]}}]}\n\n",
            b"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n",
        ],
        text: "",
        calls: RENT,
        ..PLAIN
    },
    Stream {
        name: "thoughts beside the answer",
        pieces: &[
            b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\",\"reasoning_content\":\"They greet me.\"}}]}\n\n",
            b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
        ],
        ..PLAIN
    },
    Stream {
        name: "a page of a proxy",
        content_type: "text/html",
        pieces: &[b"<html><body>Please wait</body></html>"],
        text: "",
        end: End::Garbled,
        ..PLAIN
    },
    Stream {
        name: "data that is no JSON",
        pieces: &[b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\ndata: {\"choices\":\n\n"],
        text: "Hel",
        end: End::Garbled,
        ..PLAIN
    },
];

/// Of the other two.
pub(crate) const OTHERS: &[Stream] = &[
    Stream {
        name: "Anthropic's text",
        speaks: "anthropic",
        pieces: &[
            b"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\n",
            b"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
            b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hel\"}}\n\n",
            b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"lo\"}}\n\n",
            b"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":5}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        ],
        ..PLAIN
    },
    Stream {
        name: "Anthropic's call of a tool after a text",
        speaks: "anthropic",
        pieces: &[
            b"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello\"}}\n\n",
            b"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"add_task\",\"input\":{}}}\n\n",
            b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"title\\\":\"}}\n\n",
            b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"\\\"Pay rent\\\"}\"}}\n\n",
            b"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        ],
        calls: RENT,
        ..PLAIN
    },
    Stream {
        name: "Anthropic, overloaded in the middle",
        speaks: "anthropic",
        pieces: &[
            b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hel\"}}\n\n",
            b"event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
        ],
        text: "Hel",
        end: End::Said("Overloaded"),
        ..PLAIN
    },
    Stream {
        name: "Anthropic, cut",
        speaks: "anthropic",
        pieces: &[b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hel\"}}\n\n"],
        is_cut: true,
        text: "Hel",
        end: End::Cut,
        ..PLAIN
    },
    Stream {
        name: "Ollama's text",
        speaks: "ollama",
        content_type: "application/x-ndjson",
        pieces: &[
            b"{\"message\":{\"role\":\"assistant\",\"content\":\"Hel\"},\"done\":false}\n{\"message\":{\"content\":\"l",
            b"o\"},\"done\":false}\n",
            b"{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":9,\"eval_count\":5}\n",
        ],
        ..PLAIN
    },
    Stream {
        name: "Ollama's call of a tool",
        speaks: "ollama",
        content_type: "application/x-ndjson",
        pieces: &[
            b"{\"message\":{\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":\"add_task\",\"arguments\":{\"title\":\"Pay rent\"}}}]},\"done\":false}\n",
            b"{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\"}\n",
        ],
        text: "",
        calls: RENT,
        ..PLAIN
    },
    Stream {
        name: "Ollama, an error in the middle",
        speaks: "ollama",
        content_type: "application/x-ndjson",
        pieces: &[b"{\"message\":{\"content\":\"Hel\"},\"done\":false}\n", b"{\"error\":\"the runner has ended\"}\n"],
        text: "Hel",
        end: End::Said("the runner has ended"),
        ..PLAIN
    },
    Stream {
        name: "Ollama, cut",
        speaks: "ollama",
        content_type: "application/x-ndjson",
        pieces: &[b"{\"message\":{\"content\":\"Hel\"},\"done\":false}\n"],
        text: "Hel",
        end: End::Cut,
        ..PLAIN
    },
];

/// A server that answers each connection with the next of its answers, then hangs up.
pub(crate) struct Server {
    pub(crate) url: String,
    /// What it was asked: head and body of each request.
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
}

/// A whole answer, as it goes over the wire.
#[derive(Clone)]
pub(crate) struct Wire {
    head: String,
    pieces: Vec<Vec<u8>>,
    is_cut: bool,
}

impl Wire {
    pub(crate) fn of(stream: &Stream) -> Self {
        Self {
            head: format!("200 OK\r\nContent-Type: {}", stream.content_type),
            pieces: stream.pieces.iter().map(|piece| piece.to_vec()).collect(),
            is_cut: stream.is_cut,
        }
    }

    /// `status`: such as `503 Busy`, with further headers behind it.
    pub(crate) fn plain(status: &str, body: &str) -> Self {
        let pieces = if body.is_empty() { Vec::new() } else { vec![body.as_bytes().to_vec()] };
        Self { head: status.to_owned(), pieces, is_cut: false }
    }

    async fn send(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        let head =
            format!("HTTP/1.1 {}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n", self.head);
        stream.write_all(head.as_bytes()).await?;
        for piece in &self.pieces {
            let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
            chunk.extend_from_slice(piece);
            chunk.extend_from_slice(b"\r\n");
            stream.write_all(&chunk).await?;
            stream.flush().await?;
            // Apart, so that a reader meets the cuts as they are here.
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        if !self.is_cut {
            stream.write_all(b"0\r\n\r\n").await?;
        }
        stream.shutdown().await
    }
}

impl Server {
    pub(crate) async fn start(answers: Vec<Wire>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let url = format!("http://{}", listener.local_addr().expect("has an address"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        tokio::spawn(async move {
            for answer in answers {
                let Ok((mut stream, _)) = listener.accept().await else { return };
                let _ = stream.set_nodelay(true);
                let asked = request(&mut stream).await;
                seen.lock().expect("nobody panics").push(asked);
                let _ = answer.send(&mut stream).await;
            }
        });
        Self { url, asked }
    }
}

/// A server that answers each request as `answer` says, from head and body. Returns its address.
pub(crate) async fn answering(answer: impl Fn(&str) -> Wire + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let url = format!("http://{}", listener.local_addr().expect("has an address"));
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                let asked = request(&mut stream).await;
                let _ = answer(&asked).send(&mut stream).await;
            });
        }
    });
    url
}

/// An OpenAI-compatible answer that says `text` and calls the tools `calls`, each a name and its arguments.
pub(crate) fn says(text: &str, calls: &[(&str, serde_json::Value)]) -> Wire {
    use serde_json::json;
    let event = |value: serde_json::Value| format!("data: {value}\n\n").into_bytes();
    let mut pieces = Vec::new();
    // A server sends no line of any length.
    for part in text.chars().collect::<Vec<_>>().chunks(50_000) {
        let part: String = part.iter().collect();
        pieces.push(event(json!({"choices": [{"index": 0, "delta": {"content": part}}]})));
    }
    for (n, (name, arguments)) in calls.iter().enumerate() {
        let call = json!({"index": n, "id": format!("c{n}"), "function": {"name": name, "arguments": arguments.to_string()}});
        pieces.push(event(json!({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]})));
    }
    let finish = if calls.is_empty() { "stop" } else { "tool_calls" };
    pieces.push(event(json!({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})));
    pieces.push(event(json!({"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 20}})));
    pieces.push(b"data: [DONE]\n\n".to_vec());
    Wire { head: "200 OK\r\nContent-Type: text/event-stream".to_owned(), pieces, is_cut: false }
}

/// The same, cut after its text.
pub(crate) fn breaks_off(text: &str) -> Wire {
    let mut wire = says(text, &[]);
    wire.pieces.truncate(1);
    wire.is_cut = true;
    wire
}

/// Reads one request with its body.
async fn request(stream: &mut TcpStream) -> String {
    let (mut bytes, mut part) = (Vec::new(), vec![0; 16_384]);
    loop {
        let read = stream.read(&mut part).await.unwrap_or(0);
        bytes.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = text.split_once("\r\n\r\n").map(|(head, body)| (length(head), body.len()));
        if read == 0 || body.is_some_and(|(wanted, there)| there >= wanted) {
            return text;
        }
    }
}

fn length(head: &str) -> usize {
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    length.and_then(|length| length.trim().parse().ok()).unwrap_or(0)
}

/// A server that begins every answer with `begin` and then only keeps the line open. Returns its address.
pub(crate) async fn silent(begin: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let url = format!("http://{}", listener.local_addr().expect("has an address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = request(&mut stream).await;
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
                let mut written = stream.write_all(format!("{head}{begin}").as_bytes()).await;
                while written.is_ok() {
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    written = stream.write_all(b": still here\n\n").await;
                }
            });
        }
    });
    url
}
