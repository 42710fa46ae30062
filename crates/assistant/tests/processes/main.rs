//! Real processes of the assistant on one database, over unix sockets: killed, stopped, hinted, handed a socket.

mod bench;
mod client;

mod answers;
mod commands;
mod erase;
mod links;
mod models;
mod privacy;
mod reminders;
mod sessions;
mod stopping;
