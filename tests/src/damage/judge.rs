//! What a node is after it started on a damaged folder.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use farmux_node::cli::client::Client;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use crate::lab::node::Node;
use crate::lab::wait;

/// What it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// What the others are: the bit meant nothing, or they mended it.
    Mended,
    /// It names the file, and its process ended.
    Refused,
    /// It names the file, set its store aside, and is no member any more.
    SetAside,
    /// None of these.
    Wrong(String),
}

/// Longer than a start, an election and what is to be caught up with.
const DECIDES_WITHIN: Duration = Duration::from_secs(20);

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is compared: everything of the state that anybody can ask for.
const QUESTIONS: [&str; 7] = [
    "/v1/config?newest=true",
    "/v1/config/history?newest=true",
    "/v1/watches?newest=true",
    "/v1/tokens?newest=true",
    "/v1/silences?newest=true",
    "/v1/pages?all=true&newest=true",
    "/v1/admin-certs?newest=true",
];

/// Waits until it is decided what a started node is; `before` is what it had said until its start.
///
/// **Errors**: no runtime.
pub(super) fn judge(node: &Node, twin: &Node, file: &Path, before: usize) -> Result<Verdict> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut differs = String::new();
    let decided = wait::until("it is one thing or the other", DECIDES_WITHIN, || {
        // In this order: what ends has said why.
        let (ended, said) = (!node.is_running(), said_since(node, before));
        if ended {
            return Some(match is_named(&said, file) {
                true => Verdict::Refused,
                false => Verdict::Wrong(format!("it ended and named no file: {}", end_of(&said))),
            });
        }
        if said.contains("was set aside") {
            return Some(match is_named(&said, file) {
                true => Verdict::SetAside,
                false => Verdict::Wrong(format!("set aside for no file: {}", end_of(&said))),
            });
        }
        match difference(&runtime, node, twin) {
            None => Some(Verdict::Mended),
            Some(what) => {
                differs = what;
                None
            }
        }
    });
    Ok(decided.unwrap_or_else(|_| {
        let said = said_since(node, before);
        Verdict::Wrong(format!("{differs}: {}", end_of(&said)))
    }))
}

/// What a node said since.
fn said_since(node: &Node, before: usize) -> String {
    let log = node.said();
    log.get(before..).unwrap_or_default().to_owned()
}

/// Whether the file is named, or, of the database's own, the database; a key and its certificate
/// name each other.
fn is_named(said: &str, file: &Path) -> bool {
    let name = file.to_string_lossy();
    let kin: &[&str] = match &*name {
        "node.key" | "identity.json" => &["node.key", "identity.json"],
        inside if inside.starts_with("store/log/") => &["store/log"],
        other => &[other],
    };
    let told = said.contains("FMX-") || said.contains("damaged");
    told && kin.iter().any(|word| said.contains(word))
}

/// What of the state two nodes answer differently; `None`: nothing.
fn difference(runtime: &Runtime, node: &Node, twin: &Node) -> Option<String> {
    QUESTIONS.iter().find_map(|question| {
        let (ours, theirs) = (data(runtime, node, question), data(runtime, twin, question));
        match (ours, theirs) {
            (Some(ours), Some(theirs)) if ours == theirs => None,
            (Some(_), Some(_)) => Some(format!("{question} differs")),
            (None, _) => Some(format!("{question} is not answered")),
            (_, None) => Some(format!("{question} is not answered by {}", twin.name())),
        }
    })
}

fn data(runtime: &Runtime, node: &Node, question: &str) -> Option<Value> {
    let client = Client::of_socket(&node.socket());
    let asked = client.get::<Value>(question);
    let bounded = async { tokio::time::timeout(PATIENCE, asked).await };
    let mut answer = runtime.block_on(bounded).ok()?.ok()?;
    answer.get_mut("data").map(Value::take)
}

fn end_of(said: &str) -> String {
    let lines: Vec<&str> = said.lines().collect();
    lines[lines.len().saturating_sub(4)..].join(" | ")
}
