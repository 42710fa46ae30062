//! What holds for all below: bounds, times, headers, compression.

use model::{ByteSize, Span};

use super::{
    super::{account::Scribe, container},
    grammar::Directive,
};
use crate::config::manifest::{is_of_answers, is_of_requests, is_token};

/// What a level says, and those above it.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    pub max_request_body: Option<ByteSize>,
    pub read_timeout: Option<Span>,
    pub headers: Vec<(String, String)>,
    pub request_headers: Vec<(String, String)>,
    pub compress: bool,
}

/// What the edge tells an app by itself.
const TOLD: [&str; 10] = [
    "host",
    "x-real-ip",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-request-id",
    "upgrade",
    "connection",
    "forwarded",
];

impl Settings {
    /// Takes a directive, if it is one of these, and says what became of it.
    pub(super) fn take(&mut self, directive: &Directive, scribe: &mut Scribe<'_>) -> bool {
        let at = directive.line..=directive.end;
        let said = directive.said();
        let first = directive.word(0);
        match directive.name.as_str() {
            "client_max_body_size" => match container::size(first) {
                Some(size) => {
                    self.max_request_body = Some(size);
                    scribe.took(at, said, format!("max_request_body = {size}"));
                }
                None => scribe.left(at, said, "there is always a bound: 50 MiB unless `max_request_body` says another"),
            },
            "proxy_read_timeout" => match container::span(first, Span::secs).filter(|span| *span > Span::default()) {
                Some(span) => {
                    self.read_timeout = Some(span);
                    scribe.took(at, said, format!("response_header_timeout and idle_timeout = {span}"));
                }
                None => scribe.left(at, said, "no time like `60s`"),
            },
            "add_header" => self.header(directive, scribe),
            "proxy_set_header" => self.request_header(directive, scribe),
            "gzip" | "brotli" | "zstd" => {
                self.compress |= first == "on";
                scribe.took(at, said, "compress, by what the client likes best");
            }
            "proxy_buffering" | "proxy_request_buffering" | "proxy_cache" if first == "off" => scribe.took(at, said, "bodies are passed on as they come"),
            "proxy_http_version" | "http2" | "keepalive_timeout" | "server_tokens" | "tcp_nodelay" | "tcp_nopush" | "sendfile" | "proxy_redirect" => {
                scribe.took(at, said, "the edge does this by itself")
            }
            "include" => scribe.left(at, said, "not followed: give that file by a `--from` of its own"),
            name if name.starts_with("ssl_") => scribe.left(at, said, "certificates and TLS stand in machine.toml: [acme] orders them, [[certificate]] names files"),
            name if name.starts_with("gzip_") || name.starts_with("brotli_") => scribe.left(at, said, "`[route.compress]` has `types`, `min_bytes` and `encodings`"),
            "access_log" | "error_log" | "log_not_found" | "rewrite_log" => scribe.left(at, said, "the edge writes its own log of requests"),
            "proxy_connect_timeout" | "proxy_send_timeout" | "send_timeout" | "client_body_timeout" | "client_header_timeout" | "proxy_next_upstream" | "proxy_next_upstream_tries" | "proxy_next_upstream_timeout" | "client_body_buffer_size" | "client_header_buffer_size" | "large_client_header_buffers" | "reset_timedout_connection" | "lingering_close" => {
                scribe.left(at, said, "the edge has bounds of its own for it")
            }
            name if name.starts_with("proxy_buffer") || name.starts_with("proxy_busy") || name.starts_with("proxy_temp") || name.starts_with("proxy_max_temp") => {
                scribe.left(at, said, "nothing is buffered")
            }
            name if name.starts_with("proxy_cache") || ["expires", "etag", "if_modified_since"].contains(&name) => {
                scribe.left(at, said, "nothing is cached here, and what browsers keep the app says; a static service has `immutable`")
            }
            name if name.starts_with("limit_") => scribe.left(at, said, "`[[route.rate_limit]]` says how many requests a client may make"),
            name if name.starts_with("auth_") => scribe.left(at, said, "`[route.access]` lets in who has a token; passwords are not asked for"),
            "allow" | "deny" | "satisfy" => scribe.left(at, said, "which networks get in is for a firewall, or `[route.access]`"),
            name if name.starts_with("set_real_ip") || name.starts_with("real_ip_") => scribe.left(at, said, "which proxies are believed what they say of a client stands in machine.toml"),
            "proxy_hide_header" | "more_clear_headers" => scribe.left(at, said, "`remove` in [route.headers] takes headers away"),
            "types" | "default_type" | "charset" | "types_hash_max_size" | "server_names_hash_bucket_size" | "resolver" | "resolver_timeout" => scribe.left(at, said, "it is about nginx itself"),
            _ => return false,
        }
        true
    }

    fn header(&mut self, directive: &Directive, scribe: &mut Scribe<'_>) {
        let at = directive.line..=directive.end;
        let (name, value) = (directive.word(0).to_ascii_lowercase(), directive.word(1));
        if !is_token(&name) || !is_of_answers(&name) || !is_constant(value) {
            scribe.left(
                at,
                directive.said(),
                "a variable in it, or a header that the app or the edge alone writes",
            );
            return;
        }
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_owned()));
        scribe.took(at, directive.said(), "a header of each answer ([route.headers])");
    }

    fn request_header(&mut self, directive: &Directive, scribe: &mut Scribe<'_>) {
        let at = directive.line..=directive.end;
        let (name, value) = (directive.word(0).to_ascii_lowercase(), directive.word(1));
        let is_hosts = name != "host" || ["$host", "$http_host", "$host:$server_port"].contains(&value);
        if TOLD.contains(&name.as_str()) && is_hosts {
            scribe.took(at, directive.said(), "the edge tells the app by itself");
        } else if value.is_empty() && is_token(&name) {
            scribe.left(at, directive.said(), "`request_remove` in [route.headers] takes it away");
        } else if is_token(&name) && is_of_requests(&name) && is_constant(value) {
            self.request_headers.retain(|(known, _)| *known != name);
            self.request_headers.push((name, value.to_owned()));
            scribe.took(at, directive.said(), "a header that the app is told ([route.headers])");
        } else {
            scribe.left(at, directive.said(), "a variable in it, or a header that the edge alone writes");
        }
    }
}

/// One line without a variable.
fn is_constant(value: &str) -> bool {
    !value.contains('$') && !value.bytes().any(|b| b.is_ascii_control())
}
