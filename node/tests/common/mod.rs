//! `node.toml` of a machine on the loopback.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

/// Settings of a machine whose files are in a folder, with what else shall stand in them.
pub(crate) fn node_toml(name: &str, folder: &Path, more: &str) -> String {
    format!(
        "name = \"{name}\"\npeer = [\"{}\"]\nadmin = \"{}\"\nsocket = \"{}\"\ndata = \"{}\"\n\
         serving_threads = 1\n{more}",
        free(),
        free(),
        folder.join(format!("{name}.sock")).display(),
        folder.join(name).display(),
    )
}

/// A port that was free a moment ago, for TCP; UDP has the same one free on an idle machine.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|l| l.local_addr())
        .expect("loopback has ports")
}
