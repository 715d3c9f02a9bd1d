//! A check-up of this very machine: before there is a cluster, with a daemon, and with somebody in
//! the way.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use farmux_node::api;
use farmux_node::daemon::{InitOrder, Node};
use farmux_node::doctor::{Checkup, Level};
use farmux_node::fault::{Exit, Fault, explain};
use farmux_node::settings::Settings;

mod common;
mod typed;

use common::node_toml;
use typed::type_line;

/// `node.toml` of a machine, with what else shall stand in it.
fn machine(folder: &Path, more: &str) -> (PathBuf, Settings) {
    let text = node_toml("lb1", folder, more);
    let config = folder.join("node.toml");
    std::fs::write(&config, &text).expect("a file");
    (config, Settings::parse(&text).expect("good settings"))
}

/// The check-up, and what the command ends with.
async fn doctor(config: &Path) -> (Checkup, Result<(), Fault>) {
    let line = format!("farmux doctor -o json --config {}", config.display());
    let (said, ended) = type_line(&line).await;
    let checkup = serde_json::from_str(&said).expect("JSON as documented");
    (checkup, ended)
}

fn of<'a>(checkup: &'a Checkup, check: &str) -> Vec<&'a farmux_node::doctor::Finding> {
    let found = checkup.findings.iter().filter(|one| one.check == check);
    found.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_is_checked_before_and_while_the_daemon_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let (config, settings) = machine(folder.path(), "[networks]\nlan = \"moon0\"\n");
    let (before, ended) = doctor(&config).await;
    let fault = ended.expect_err("there is no moon0");
    assert_eq!((fault.code.as_str(), fault.exit), ("FMX-146", Exit::Unfit));
    let interface = of(&before, "interface");
    assert_eq!(interface[0].level, Level::Fail);
    assert_eq!(interface[0].code, "FMX-133");
    assert!(!folder.path().join("lb1").exists(), "nothing was made");
    // Each line that is not well says why, what mends it, and a code that is explained.
    for one in before.findings.iter().filter(|one| one.level != Level::Ok) {
        assert!(!one.why.is_empty() && !one.mend.is_empty(), "{one:?}");
        assert!(explain(&one.code).is_some(), "{one:?}");
    }
    for check in [
        "interface",
        "gateway",
        "sysctl",
        "bpf",
        "bpffs",
        "clock",
        "disk-sync",
        "disk-room",
        "ports",
        "peers",
        "descriptors",
        "capability",
    ] {
        assert!(!of(&before, check).is_empty(), "{check} is missing");
    }
    assert_eq!(of(&before, "ports")[0].level, Level::Ok, "{before:?}");

    let node = Arc::new(Node::new(settings));
    let _api = api::serve(Arc::clone(&node)).await.expect("a free socket");
    let init = InitOrder {
        name: "prod".parse().expect("a name"),
        vip: None,
    };
    node.init(init).await.expect("init");
    let (with, _) = doctor(&config).await;
    let ports = of(&with, "ports");
    assert_eq!(
        ports[0].level,
        Level::Ok,
        "they are the daemon's own: {ports:?}"
    );
    let whose = &of(&with, "capability")[0].what;
    assert!(
        whose.contains(&format!("the daemon ({})", std::process::id())),
        "{whose}"
    );
    node.member().expect("a member").stop().await;
}

#[tokio::test]
async fn whoever_holds_a_port_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let (config, settings) = machine(folder.path(), "");
    let _in_the_way = TcpListener::bind(settings.admin).expect("it is free");
    let (checkup, ended) = doctor(&config).await;
    assert_eq!(ended.expect_err("a port is taken").exit, Exit::Unfit);
    let ports = of(&checkup, "ports");
    assert_eq!(
        (ports[0].level, ports[0].code.as_str()),
        (Level::Fail, "FMX-141")
    );
    let pid = std::process::id();
    assert!(
        ports[0].what.contains(&format!("({pid})")),
        "{}",
        ports[0].what
    );
    assert!(
        ports[0].what.contains(&settings.admin.to_string()),
        "{}",
        ports[0].what
    );
}
