//! A check-up of this very machine: before there is a cluster, with a daemon, and with somebody in
//! the way.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use farmux_netplane::sys::FENCE;
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
        "packet-filter",
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

/// Two VIPs of one network may lean on two gateways, and the daemon knows of both.
#[tokio::test]
async fn every_gateway_of_the_configuration_is_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let (config, settings) = machine(folder.path(), "[networks]\nlan = \"moon0\"\n");
    let socket = settings.socket.display().to_string();
    let node = Arc::new(Node::new(settings));
    let _api = api::serve(Arc::clone(&node)).await.expect("a free socket");
    let init = InitOrder {
        name: "prod".parse().expect("a name"),
        vip: None,
    };
    node.init(init).await.expect("init");
    let vip = |name: &str, last: u8| {
        format!(
            "[[vip]]\nname = \"{name}\"\naddress = \"192.0.2.10{last}\"\nnetwork = \"lan\"\n\
             gateway = \"192.0.2.{last}\"\n"
        )
    };
    let file = folder.path().join("vips.toml");
    std::fs::write(&file, [vip("a", 1), vip("b", 2)].concat()).expect("a file");
    let apply = format!("farmux config apply {} --socket {socket}", file.display());
    let (said, ended) = type_line(&apply).await;
    ended.unwrap_or_else(|fault| panic!("{said}{fault}"));
    let (checkup, _) = doctor(&config).await;
    let asked: Vec<&str> = of(&checkup, "gateway")
        .iter()
        .map(|finding| finding.what.as_str())
        .collect();
    assert_eq!(asked.len(), 2, "{asked:?}");
    for (what, gateway) in asked.iter().zip(["192.0.2.1 ", "192.0.2.2 "]) {
        assert!(what.contains(gateway), "{what}");
    }
    node.member().expect("a member").stop().await;
}

/// Has a shell mount a bpffs in a mount namespace of its own, and go on; who is not root cannot.
fn beside_a_bpffs(bpf: &Path, then: &str) -> Output {
    let mounted = format!("mount -t bpf bpf {}", bpf.display());
    let mut shell = Command::new("unshare");
    shell.args(["-m", "sh", "-c", &format!("{mounted} && {then}")]);
    let ended = shell.arg(env!("CARGO_BIN_EXE_farmux")).output();
    ended.expect("util-linux is everywhere")
}

fn doctor_beside_a_bpffs(config: &Path, bpf: &Path) -> Checkup {
    let doctor = format!("exec \"$0\" doctor -o json --config {}", config.display());
    let ended = beside_a_bpffs(bpf, &doctor);
    serde_json::from_slice(&ended.stdout).expect("JSON as documented")
}

/// The line of a check: how good it is, and what was found.
fn line<'a>(checkup: &'a Checkup, check: &str) -> (Level, &'a str) {
    let found = of(checkup, check);
    assert_eq!(found.len(), 1, "{found:?}");
    (found[0].level, &found[0].what)
}

#[tokio::test]
async fn where_the_fence_will_be_lost_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let bpf = folder.path().join("bpf");
    std::fs::create_dir(&bpf).expect("a folder");
    let pins = format!("bpf = \"{}\"\n", bpf.display());
    let (config, _) = machine(folder.path(), &pins);
    if !beside_a_bpffs(&bpf, "true").status.success() {
        return;
    }
    let with = doctor_beside_a_bpffs(&config, &bpf);
    if FENCE.is_empty() {
        let (level, what) = line(&with, "bpf");
        assert_eq!(level, Level::Warn);
        assert!(what.contains("no clang"), "{what}");
        return;
    }
    let folder_of_pins = bpf.display().to_string();
    assert_eq!(line(&with, "bpffs"), (Level::Ok, folder_of_pins.as_str()));
    let (level, what) = line(&with, "bpf");
    assert_eq!(level, Level::Ok, "{what}");
    let by_version = what.contains("tcx came with 6.6");
    assert!(what.ends_with("attaches by tcx") || by_version, "{what}");

    // Without one on that folder, wherever else one is mounted.
    let (without, _) = doctor(&config).await;
    let (level, what) = line(&without, "bpffs");
    assert_eq!(level, Level::Warn);
    assert!(what.contains(&folder_of_pins), "{what}");
    let (_, what) = line(&without, "bpf");
    assert!(by_version || what.contains("tcx needs a bpffs"), "{what}");

    let (config, _) = machine(folder.path(), &format!("{pins}fence = \"off\"\n"));
    let off = doctor_beside_a_bpffs(&config, &bpf);
    let (level, what) = line(&off, "bpf");
    assert_eq!(level, Level::Warn);
    assert!(what.contains("switched off"), "{what}");
}
