//! Under `strace`: each append and each vote is answered only after its bytes were synced.
//!
//! The test runs itself once more under `strace -f`; the child writes a line before and after each
//! operation, and the parent looks what the kernel was asked for between the two.

mod common;

use std::io::Write;
use std::path::Path;
use std::process::Command;

use common::{append, entry, long_entry, open, vote};
use farmux_raft::id::NodeId;
use openraft::storage::RaftLogStorage;

const ME: NodeId = NodeId(1);

/// Where the child shall open its store; its absence makes a parent.
const CHILD: &str = "FARMUX_DURABLE_TEST_FOLDER";

/// Operations of the child; enough to see every kind several times.
const ROUNDS: u64 = 5;

fn say(what: &str) {
    std::io::stdout()
        .write_all(format!("farmux-test {what}\n").as_bytes())
        .expect("it is written");
    std::io::stdout().flush().expect("it is written");
}

async fn child(folder: &Path) {
    let mut store = open(folder, ME);
    for round in 0..ROUNDS {
        say("begin vote");
        store
            .log
            .save_vote(&vote(round + 1, ME))
            .await
            .expect("it is stored");
        say("answer vote");
        say("begin append");
        append(&mut store.log, [entry(1, 2 * round)]).await;
        say("answer append");
        say("begin append");
        append(&mut store.log, [long_entry(1, 2 * round + 1, 20_000)]).await;
        say("answer append");
    }
}

#[tokio::test]
async fn each_answer_comes_after_its_sync() {
    if let Ok(folder) = std::env::var(CHILD) {
        return child(Path::new(&folder)).await;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let trace = folder.path().join("trace");
    let calls = "trace=write,pwrite64,writev,pwritev,fsync,fdatasync,sync_file_range";
    let run = Command::new("strace")
        .args(["-f", "-y", "-s", "40", "-e", calls, "-o"])
        .arg(&trace)
        .arg(std::env::current_exe().expect("this test"))
        .args(["--exact", "each_answer_comes_after_its_sync", "--nocapture"])
        .env(CHILD, folder.path().join("store"))
        .output()
        .expect("strace is installed");
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    let trace = std::fs::read_to_string(&trace).expect("a trace");
    check(&trace);
}

/// Between each beginning and its answer: the database is written, then synced, then the mark is
/// written, then synced; and nothing is written to either after its last sync.
fn check(trace: &str) {
    let mut answers = 0;
    let mut window: Option<Vec<&str>> = None;
    for line in trace.lines() {
        if line.contains("farmux-test begin") {
            window = Some(Vec::new());
        } else if line.contains("farmux-test answer") {
            let calls = window.take().expect("it was begun");
            check_one(&calls);
            answers += 1;
        } else if let Some(calls) = &mut window {
            calls.push(line);
        }
    }
    assert_eq!(answers, 3 * ROUNDS, "every answer was seen");
}

fn check_one(calls: &[&str]) {
    let shown = || calls.join("\n");
    let last = |names: &[&str], file: &str| {
        let made = |call: &&str| names.iter().any(|n| call.contains(n)) && call.contains(file);
        calls.iter().rposition(made)
    };
    let synced = |file| {
        let at = last(&["fdatasync(", "fsync("], file).and_then(|at| completed(calls, at));
        at.unwrap_or_else(|| panic!("no sync of {file} before the answer:\n{}", shown()))
    };
    let written = |file| {
        let at = last(&["pwrite64(", "write(", "pwritev(", "writev("], file);
        at.unwrap_or_else(|| panic!("nothing written to {file}:\n{}", shown()))
    };
    let order = [
        written("/log/db>"),
        synced("/log/db>"),
        written("/mark>"),
        synced("/mark>"),
    ];
    assert!(
        order.is_sorted(),
        "written, synced, marked, synced: {order:?}\n{}",
        shown()
    );
}

/// Where a call that was made at `at` returned: in the same line, or where the same thread resumed.
fn completed(calls: &[&str], at: usize) -> Option<usize> {
    let call = calls[at];
    if !call.contains("<unfinished ...>") {
        return Some(at);
    }
    let thread = call.split_whitespace().next()?;
    let resumed = |later: &&str| {
        later.split_whitespace().next() == Some(thread) && later.contains("sync resumed>")
    };
    Some(at + calls[at..].iter().position(resumed)?)
}
