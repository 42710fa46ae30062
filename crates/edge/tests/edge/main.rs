//! A real edge with real sockets: listeners, workers, control socket, and apps made by each test.

#![allow(unreachable_pub, reason = "`pub` says here what other files of this one binary use")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod affinity;
mod canary;
mod certificates;
mod challenges;
mod compression;
mod csp;
mod floods;
mod h2_bytes;
mod headers;
mod http2;
mod http2_refusals;
mod limits;
mod observing;
mod proxy_protocol;
mod pulse;
mod rate_limits;
mod refusals;
mod retries;
mod rules;
mod smuggling;
mod streams;
mod support;
mod switching;
mod tls;
mod uploads;
mod websocket;
