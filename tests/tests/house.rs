//! The house rules: what may stand where, checked on the source tree and on `cargo metadata`.
//!
//! Each rule is a function from text to complaints; below it stands a test that shows it a bad
//! sample, so that a rule that has stopped working fails as well. What rustc, clippy and rustfmt
//! check is not repeated here.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use farmux_tests::source::{code_only, words};

/// What may stand at the top of the repository. Anything else is either a crate that the design
/// does not know or a file that belongs into `deploy/`.
const TOP: [&str; 18] = [
    ".ci",
    ".config",
    ".git",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "deny.toml",
    "deploy",
    "netplane",
    "node",
    "raft",
    "rustfmt.toml",
    "store",
    "tests",
];

/// What cargo leaves at the top without being asked.
const LEFT_BY_TOOLS: [&str; 1] = ["target"];

/// Longest file; a longer one holds two things (conventions, Size).
const FILE_LINES_MAX: usize = 500;

/// Widest line; rustfmt lets comments and strings pass, this test does not.
const LINE_COLUMNS_MAX: usize = 100;

/// Which of our crates each may import: the arrows of the design.
const ARROWS: [(&str, &[&str]); 5] = [
    ("farmux-raft", &[]),
    ("farmux-netplane", &[]),
    ("farmux-store", &["farmux-raft"]),
    (
        "farmux-node",
        &["farmux-raft", "farmux-store", "farmux-netplane"],
    ),
    (
        "farmux-tests",
        &[
            "farmux-raft",
            "farmux-store",
            "farmux-netplane",
            "farmux-node",
        ],
    ),
];

/// A word and the only places whose code may say it.
struct Confined {
    word: &'static str,
    places: &'static [&'static str],
}

const CONFINED: [Confined; 4] = [
    Confined {
        word: "unsafe",
        places: &["netplane/src/sys"],
    },
    Confined {
        word: "sled",
        places: &["store/"],
    },
    Confined {
        word: "openraft",
        places: &["raft/src/consensus", "store/"],
    },
    Confined {
        word: "bincode",
        places: &["raft/src/codec.rs"],
    },
];

/// A library and the only crates of ours that may depend on it.
const DEPENDED: [(&str, &[&str]); 3] = [
    ("sled", &["farmux-store"]),
    ("openraft", &["farmux-raft", "farmux-store"]),
    ("bincode", &["farmux-raft"]),
];

/// Where time, randomness and input come as arguments (conventions, Where code goes).
const PURE: [&str; 40] = [
    "raft/src/state/",
    "raft/src/lease/acceptor.rs",
    "raft/src/lease/proposer.rs",
    "node/src/drill/",
    "node/src/markup.rs",
    "node/src/measure/tally/",
    "node/src/measure/url.rs",
    "node/src/moving/fitness.rs",
    "node/src/moving/intent.rs",
    "node/src/moving/sequence.rs",
    "node/src/plan.rs",
    "netplane/src/diff.rs",
    "netplane/src/balance/",
    "netplane/src/probe/dns/message.rs",
    "netplane/src/probe/exec/plugin.rs",
    "netplane/src/probe/ftp/dialog.rs",
    "netplane/src/probe/greeting/failure.rs",
    "netplane/src/probe/greeting/imap.rs",
    "netplane/src/probe/greeting/mysql.rs",
    "netplane/src/probe/greeting/pop3.rs",
    "netplane/src/probe/greeting/postgres.rs",
    "netplane/src/probe/greeting/redis.rs",
    "netplane/src/probe/greeting/smtp.rs",
    "netplane/src/probe/greeting/ssh.rs",
    "netplane/src/probe/icmp/echo.rs",
    "netplane/src/probe/inquiry.rs",
    "netplane/src/probe/nfs/rpc.rs",
    "netplane/src/probe/page.rs",
    "netplane/src/probe/tls/dates.rs",
    "netplane/src/probe/verdict.rs",
    "netplane/src/fence/choice.rs",
    "netplane/src/fence/layout.rs",
    "netplane/src/ftp/address.rs",
    "netplane/src/ftp/command.rs",
    "netplane/src/ftp/line.rs",
    "netplane/src/ftp/refusal.rs",
    "netplane/src/ftp/reply.rs",
    "netplane/src/ftp/session/",
    "netplane/src/proxy/read.rs",
    "netplane/src/proxy/write.rs",
];

/// What pure code may not name: clocks, sockets, disks, tasks, the environment, an order that
/// changes from run to run, and numbers that round.
const IMPURE: [&str; 12] = [
    "tokio",
    "Instant",
    "SystemTime",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "fs",
    "env",
    "thread",
    "HashMap",
    "f32",
    "f64",
];

fn opens_with_doc(path: &str, text: &str) -> Vec<String> {
    let first = text.lines().next().unwrap_or_default();
    if first.starts_with("//!") || first.starts_with("#!") {
        return Vec::new();
    }
    vec![format!("{path}: opens without `//!`: what does it hold?")]
}

fn fits(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX {
        found.push(format!("{path}: {lines} lines, at most {FILE_LINES_MAX}"));
    }
    for (number, line) in text.lines().enumerate() {
        let columns = line.chars().count();
        if columns > LINE_COLUMNS_MAX {
            let number = number + 1;
            found.push(format!(
                "{path}:{number}: {columns} columns, at most {LINE_COLUMNS_MAX}"
            ));
        }
    }
    found
}

fn stays_confined(path: &str, text: &str) -> Vec<String> {
    let code = code_only(text);
    let mut found = Vec::new();
    for (number, line) in code.lines().enumerate() {
        for rule in &CONFINED {
            let at_home = rule.places.iter().any(|place| path.starts_with(place));
            if !at_home && words(line).any(|word| word == rule.word) {
                let (number, word, places) = (number + 1, rule.word, rule.places);
                found.push(format!(
                    "{path}:{number}: `{word}` belongs only into {places:?}"
                ));
            }
        }
    }
    found
}

fn stays_pure(path: &str, text: &str) -> Vec<String> {
    if !PURE.iter().any(|place| path.starts_with(place)) || path.ends_with("tests.rs") {
        return Vec::new();
    }
    let code = code_only(text);
    let mut found = Vec::new();
    // A test at the foot of a pure file may do as it likes.
    let production = code
        .lines()
        .take_while(|line| line.trim() != "#[cfg(test)]");
    for (number, line) in production.enumerate() {
        for word in words(line).filter(|word| IMPURE.contains(word)) {
            found.push(format!("{path}:{}: `{word}` in a PURE file", number + 1));
        }
    }
    found
}

fn tops(names: &[String]) -> Vec<String> {
    let known = |name: &str| TOP.contains(&name) || LEFT_BY_TOOLS.contains(&name);
    let strange = names.iter().filter(|name| !known(name));
    let strange = strange.map(|name| format!("{name}: does not belong at the top"));
    let missing = TOP
        .iter()
        .filter(|name| !names.iter().any(|have| have == *name));
    let missing = missing.map(|name| format!("{name}: is missing at the top"));
    strange.chain(missing).collect()
}

/// Dependencies of each of our crates, of every kind (normal, dev and build).
type Dependencies = BTreeMap<String, Vec<String>>;

fn arrows(dependencies: &Dependencies) -> Vec<String> {
    let ours: Vec<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    let mut found = Vec::new();
    for (package, imports) in dependencies {
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| name == package) else {
            found.push(format!("{package}: is no crate of the design"));
            continue;
        };
        for import in imports {
            if ours.contains(&import.as_str()) && !allowed.contains(&import.as_str()) {
                found.push(format!("{package}: may not import {import}"));
            }
            let confined = DEPENDED.iter().find(|(library, _)| library == import);
            if confined.is_some_and(|(_, homes)| !homes.contains(&package.as_str())) {
                found.push(format!("{package}: may not depend on {import}"));
            }
        }
    }
    found
}

fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest
        .parent()
        .expect("tests/ stands in the workspace")
        .to_path_buf()
}

/// Every Rust file of our crates, with its path below the root.
fn sources() -> Vec<(String, String)> {
    let root = root();
    let mut folders: Vec<PathBuf> = ["raft", "store", "netplane", "node", "tests"]
        .iter()
        .map(|name| root.join(name))
        .collect();
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the workspace can be read") {
            let path = entry.expect("an entry can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                let below = path.strip_prefix(&root).expect("stands below the root");
                let text = fs::read_to_string(&path).expect("source is UTF-8");
                found.push((below.display().to_string(), text));
            }
        }
    }
    assert!(found.len() > 20, "the walk found the source");
    found
}

fn check_sources(rule: fn(&str, &str) -> Vec<String>) {
    let found: Vec<String> = sources()
        .iter()
        .flat_map(|(path, text)| rule(path, text))
        .collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn every_file_says_what_it_holds() {
    check_sources(opens_with_doc);
    assert_eq!(opens_with_doc("a.rs", "fn main() {}\n").len(), 1);
    assert_eq!(opens_with_doc("a.rs", "").len(), 1);
    assert!(opens_with_doc("a.rs", "//! It holds a.\n").is_empty());
}

#[test]
fn every_file_fits() {
    check_sources(fits);
    assert_eq!(fits("a.rs", &"\n".repeat(501)).len(), 1);
    assert!(fits("a.rs", &"\n".repeat(500)).is_empty());
    assert_eq!(fits("a.rs", &"ü".repeat(101)).len(), 1);
    assert!(fits("a.rs", &"ü".repeat(100)).is_empty());
}

#[test]
fn confined_words_stay_where_they_belong() {
    check_sources(stays_confined);
    let bad = |path, text| !stays_confined(path, text).is_empty();
    assert!(bad("node/src/main.rs", "fn a() { unsafe { b() } }"));
    assert!(!bad("netplane/src/sys/mod.rs", "fn a() { unsafe { b() } }"));
    assert!(bad("raft/src/lib.rs", "use sled::Db;"));
    assert!(!bad("store/src/kv.rs", "use sled::Db;"));
    assert!(bad("raft/src/peer/mod.rs", "use openraft::Raft;"));
    assert!(!bad("raft/src/consensus/mod.rs", "use openraft::Raft;"));
    assert!(bad("store/src/record.rs", "bincode::serialize(&a)"));
    assert!(!bad("raft/src/codec.rs", "bincode::serialize(&a)"));
    assert!(!bad(
        "raft/src/lib.rs",
        "// not sled\nlet a = \"sled\"; let unsafe_code = 1;"
    ));
}

#[test]
fn pure_files_are_pure() {
    check_sources(stays_pure);
    let bad = |path, text| !stays_pure(path, text).is_empty();
    assert!(bad(
        "raft/src/state/page.rs",
        "let now = SystemTime::now();"
    ));
    assert!(bad(
        "netplane/src/balance/mod.rs",
        "use std::collections::HashMap;"
    ));
    assert!(bad("node/src/plan.rs", "let share: f64 = 0.5;"));
    assert!(!bad(
        "node/src/daemon/mod.rs",
        "let now = SystemTime::now();"
    ));
    assert!(!bad(
        "node/src/plan.rs",
        "// f64\n#[cfg(test)]\nmod tests { use std::fs; }"
    ));
}

#[test]
fn nothing_strange_stands_at_the_top() {
    let entries = fs::read_dir(root()).expect("the root can be read");
    let name = |entry: std::io::Result<fs::DirEntry>| {
        entry
            .expect("an entry can be read")
            .file_name()
            .to_string_lossy()
            .into_owned()
    };
    let names: Vec<String> = entries.map(name).collect();
    let found = tops(&names);
    assert!(found.is_empty(), "\n{}", found.join("\n"));

    let mut all: Vec<String> = TOP.iter().map(|name| (*name).to_owned()).collect();
    assert!(tops(&all).is_empty());
    all.push("rust-toolchain.toml".to_owned());
    assert_eq!(tops(&all).len(), 1);
    assert_eq!(tops(&all[1..]).len(), 2);
}

#[test]
fn the_arrows_of_the_design_hold() {
    let manifest = root().join("Cargo.toml");
    let metadata = cargo_metadata::MetadataCommand::new()
        .manifest_path(manifest)
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .expect("cargo metadata answers");
    let mut dependencies = Dependencies::new();
    for package in metadata.workspace_packages() {
        let imports = package
            .dependencies
            .iter()
            .map(|import| import.name.clone())
            .collect();
        dependencies.insert(package.name.to_string(), imports);
    }
    assert_eq!(
        dependencies.len(),
        ARROWS.len(),
        "the five crates of the design"
    );
    let found = arrows(&dependencies);
    assert!(found.is_empty(), "\n{}", found.join("\n"));

    let bad = |package: &str, import: &str| {
        arrows(&Dependencies::from([(
            package.to_owned(),
            vec![import.to_owned()],
        )]))
        .len()
            == 1
    };
    assert!(bad("farmux-raft", "farmux-store"));
    assert!(bad("farmux-netplane", "farmux-raft"));
    assert!(bad("farmux-store", "farmux-netplane"));
    assert!(bad("farmux-node", "farmux-tests"));
    assert!(bad("farmux-node", "sled"));
    assert!(bad("farmux-netplane", "openraft"));
    assert!(bad("farmux-store", "bincode"));
    assert!(bad("farmux-extra", "serde"));
    assert!(!bad("farmux-store", "sled"));
    assert!(!bad("farmux-node", "farmux-raft"));
}
