//! The assistant with model servers that nobody here wrote: aimock as OpenAI, Anthropic and Ollama, LiteLLM as a proxy.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use e2e::assistant::Person;
use serde_json::{Value, json};
use testkit::{Mainstay, binaries, http, registry, wait};

use crate::assistant::{MANIFEST, place_secrets};

/// What aimock says to which words.
const FIXTURES: &str = r##"{"fixtures": [
    {"match": {"toolResultContains": "Not done"}, "response": {"content": "It waits for your yes."}},
    {"match": {"toolResultContains": "Noted"}, "response": {"content": "The plant is on your list."}},
    {"match": {"userMessage": "plant"}, "response": {"content": "One moment. ", "toolCalls": [{"name": "add_task", "arguments": "{\"title\":\"Water the plant\"}"}]}},
    {"match": {"userMessage": "capital"}, "response": {"content": "# Paris\n\nIt lies on the **Seine**."}}
]}"##;

/// A server of somebody else's, ended with its holder.
pub(crate) struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts `command`, which gets a free port, and waits for an answer to `path`.
    fn start(name: &str, path: &str, command: impl FnOnce(u16) -> Command) -> Self {
        // Free a moment ago; another that takes it meanwhile fails the start, visibly.
        let free = TcpListener::bind("127.0.0.1:0").expect("binds");
        let port = free.local_addr().expect("has an address").port();
        drop(free);
        let mut command = command(port);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
        let mut server = Self { child: child.spawn().expect("was installed"), port };
        wait::until(&format!("{name} answers"), Duration::from_secs(120), || {
            assert!(server.child.try_wait().expect("is ours").is_none(), "{name} has ended");
            http::ask(([127, 0, 0, 1], port).into(), "localhost", "GET", path, &[], &[]).is_ok()
        });
        server
    }

    pub(crate) fn aimock(folder: &Path) -> Self {
        let tools = registry::node("aimock", &["@copilotkit/aimock@1.43.0"]);
        let fixtures = folder.join("fixtures.json");
        fs::write(&fixtures, FIXTURES).expect("written");
        Self::start("aimock", "/health", |port| {
            let mut command = Command::new("node");
            command.arg(tools.join("node_modules/@copilotkit/aimock/dist/cli.js"));
            command.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-f"]).arg(&fixtures);
            command
        })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

/// A machine that serves the assistant with these settings more, and somebody who is signed in.
pub(crate) fn serving(more: &[(&str, String)]) -> (Mainstay, Person) {
    let mainstay = Mainstay::start();
    let folder = mainstay.folder().join("assistant");
    fs::create_dir_all(&folder).expect("a folder");
    let set: String = more.iter().map(|(name, value)| format!(", {name} = \"{value}\"")).collect();
    let data = "ASSISTANT_DATA = \"{shared_dir}/data\"";
    let manifest = MANIFEST.replace(data, &format!("{data}{set}"));
    assert_ne!(manifest, MANIFEST, "the example says otherwise where its data is");
    fs::write(folder.join("mainstay.toml"), manifest).expect("the manifest");
    fs::copy(binaries::path("assistant"), folder.join("assistant")).expect("it was built");
    place_secrets(&mainstay, "ASSISTANT_FIRST_USER=ana\nASSISTANT_FIRST_PASSWORD=correct-horse\n");
    mainstay.cli_in(&folder, &["deploy"]).expect_code(0);
    let person = Person::sign_in(mainstay.http(), "localhost", "ana", "correct-horse").expect("signed in");
    (mainstay, person)
}

fn message(person: &Person, id: &str) -> Value {
    person.get_json(&format!("/api/messages/{id}")).expect("a message")
}

#[test]
fn three_dialects_of_a_real_server_stream_call_tools_and_are_undone() {
    let folder = tempfile::tempdir().expect("a folder");
    let aimock = Server::aimock(folder.path());
    for (kind, path) in [("openai", "/v1"), ("anthropic", ""), ("ollama", "")] {
        let (_mainstay, person) = serving(&[
            ("ASSISTANT_MODEL_URL", aimock.url(path)),
            ("ASSISTANT_MODEL_KIND", kind.to_owned()),
            ("ASSISTANT_MODEL_NAME", format!("{kind}-model")),
            ("ASSISTANT_MODEL_KEY", "any".to_owned()),
        ]);
        let told = person.chat("capital", "what is the capital of France").expect("a whole answer");
        assert_eq!(told.text, "# Paris\n\nIt lies on the **Seine**.", "{kind}");
        let told = person.chat("plant", "see to the plant").expect("a whole answer");
        assert_eq!(told.text, "One moment. The plant is on your list.", "{kind}");
        let answer = message(&person, &told.message);
        assert_eq!(answer["by"], format!("{kind}-model"));
        assert_eq!(answer["by_tools"][0]["understood"], "Task: Water the plant", "{kind}: {answer}");
        let id = answer["by_tools"][0]["id"].as_str().expect("an id");
        person.post(&format!("/api/undo/{id}"), "undo", &json!({}), 200).expect("undone");
        assert_eq!(person.get_json("/api/tasks").expect("tasks")["tasks"], json!([]), "{kind}");
    }
}

/// The last one that is asked, and what it says. LiteLLM and its 700 MB are for the long form; in the short one it is
/// another aimock.
fn proxy(folder: &Path) -> (Server, &'static str) {
    if !crate::is_long() {
        let own = folder.join("proxy");
        fs::create_dir(&own).expect("a folder");
        return (Server::aimock(&own), "# Paris\n\nIt lies on the **Seine**.");
    }
    let packages = registry::python("litellm", &["litellm[proxy]==1.108.7"]);
    let config = folder.join("litellm.yaml");
    let mock = "model_list:\n- model_name: behind-a-proxy\n  litellm_params:\n    model: openai/none\n    api_key: none\n    mock_response: It lies on the Seine.\n";
    fs::write(&config, mock).expect("written");
    let litellm = Server::start("LiteLLM", "/health/liveliness", |port| {
        let mut command = Command::new("/usr/bin/python3");
        command.arg("-c").arg("from litellm import run_server; run_server()");
        command.args(["--host", "127.0.0.1", "--port", &port.to_string(), "--config"]).arg(&config);
        command.env("PYTHONPATH", packages).env("LITELLM_LOCAL_MODEL_COST_MAP", "True");
        command.env("LITELLM_MASTER_KEY", "sk-of-the-proxy");
        command
    });
    (litellm, "It lies on the Seine.")
}

#[test]
fn a_dead_server_a_busy_one_and_a_proxy_in_turn() {
    let folder = tempfile::tempdir().expect("a folder");
    let (proxy, says) = proxy(folder.path());
    let aimock = Server::aimock(folder.path());
    let busy = json!({"rateLimitRate": 1.0}).to_string();
    let chaos = http::ask(
        ([127, 0, 0, 1], aimock.port).into(),
        "localhost",
        "POST",
        "/__aimock/chaos",
        &["content-type: application/json"],
        busy.as_bytes(),
    );
    assert_eq!(chaos.expect("aimock answers").status, 200);
    let (_mainstay, person) = serving(&[
        ("ASSISTANT_MODEL_URL", "http://127.0.0.1:9/v1".to_owned()),
        ("ASSISTANT_MODEL_NAME", "nobody".to_owned()),
        ("ASSISTANT_MODEL_2_URL", aimock.url("/v1")),
        ("ASSISTANT_MODEL_2_NAME", "busy".to_owned()),
        ("ASSISTANT_MODEL_3_URL", proxy.url("/v1")),
        ("ASSISTANT_MODEL_3_NAME", "behind-a-proxy".to_owned()),
        ("ASSISTANT_MODEL_3_KEY", "sk-of-the-proxy".to_owned()),
    ]);
    let told = person.chat("capital", "what is the capital of France").expect("a whole answer");
    assert_eq!(told.text, says);
    assert_eq!(message(&person, &told.message)["by"], "behind-a-proxy");
}
