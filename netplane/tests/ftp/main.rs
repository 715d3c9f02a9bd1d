//! FTP on real sockets: real servers, real clients, and both as hostile as they come.
//!
//! All of it runs as root, as port 20 and the servers ask for it.

mod clients;
mod daemons;
#[path = "../wire/harness.rs"]
#[expect(dead_code, reason = "the harness serves more tests than these")]
mod harness;
mod hostile;
mod long;
mod real;
mod refusals;
mod scripted;
mod sessions;
mod tls;
