//! Certificates by ACME (RFC 8555): which name needs one, the order that gets it, and the files in which the edge finds it.
//!
//! Owns the records of orders, when a certificate is renewed or tried again, the answers to a CA's challenges and the folder
//! of certificates. It never listens, never serves a byte, and does not decide which names are wanted: the keeper says
//! that. It runs inside the station. Begin with [`run`], then `plan.rs` (when something is done, pure) and `order.rs`
//! (how a certificate is got, step by step).

mod account;
mod challenge;
mod dns_hook;
mod facts;
mod folder;
mod http;
mod issue;
mod keeper;
mod key;
mod order;
mod plan;
mod record;
mod run;
pub mod settings;

pub use record::FORMAT as RECORD_FORMAT;
pub use run::run;
pub use settings::Settings;
