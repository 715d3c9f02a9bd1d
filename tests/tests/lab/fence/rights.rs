//! With how little the binary does its work: five capabilities for all, three without a fence.

use std::fs;
use std::time::Duration;

use farmux_node::api::types::{Overall, StatusReport};
use farmux_tests::lab::node::Node;
use farmux_tests::lab::{CLIENT, GATEWAY, Lab, VIP, node_address, process, wait};

const WITHOUT: &str = "net_admin,+net_raw,+net_bind_service";
/// The VIP thread looks after its fence twice a second.
const SEVERAL_LOOKS: Duration = Duration::from_millis(1_600);
const WITHIN: Duration = Duration::from_secs(20);

/// A cluster of one that owns the VIP, with nothing but these capabilities.
fn owner(lab: &Lab, capabilities: &str) -> Node {
    let bounding = format!("--bounding-set=-all,+{capabilities}");
    let wrapped = ["setpriv", &bounding];
    let node = Node::start_wrapped(lab, "lb1", node_address(1), &wrapped).expect("a node");
    let (vip, gateway) = (VIP.to_string(), GATEWAY.to_string());
    let init = ["cluster", "init", "--name", "prod", "--vip", &vip];
    let rest = ["--network", "lan", "--gateway", &gateway];
    node.ask(&[&init[..], &rest[..]].concat())
        .expect("a cluster");
    let client = lab.host("client", CLIENT).expect("a client");
    let mut ping = client.command("ping");
    ping.args(["-c1", "-W1", &vip]);
    let answers = || process::run(&mut ping).is_ok();
    wait::until_true("the VIP answers", WITHIN, answers).expect("in time");
    node
}

fn effective(node: &Node) -> u64 {
    let pid = node.process().expect("it runs").id();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    u64::from_str_radix(line.expect("a line").trim(), 16).expect("hex")
}

/// What the status says of fences.
fn said(report: &StatusReport) -> Vec<(Overall, String)> {
    let about = report.reasons.iter();
    let about = about.filter(|reason| reason.text.contains("fence"));
    about
        .map(|reason| (reason.level, reason.text.clone()))
        .collect()
}

#[test]
fn five_capabilities_are_all_it_needs() {
    let lab = Lab::new().expect("a lab needs root and iproute2");
    let node = owner(&lab, &format!("{WITHOUT},+bpf,+perfmon"));
    // NET_BIND_SERVICE 10, NET_ADMIN 12, NET_RAW 13, PERFMON 38, BPF 39 (linux/capability.h).
    let five: u64 = [10, 12, 13, 38, 39].iter().map(|bit| 1 << bit).sum();
    assert_eq!(effective(&node), five);
    assert_eq!(said(&node.status().expect("a status")), []);
    // Nor to find it where it is, the next times that it looks.
    std::thread::sleep(SEVERAL_LOOKS);
    assert_eq!(said(&node.status().expect("a status")), []);
    let pins = lab.pins().join("lb1/fence-1");
    let pinned = fs::read_dir(pins).expect("pins").flatten();
    let links = pinned.filter(|pin| pin.file_name().to_string_lossy().starts_with("in-"));
    assert_eq!(links.count(), 1, "one interface, one link");
}

#[test]
fn without_bpf_it_works_on_and_says_what_is_lost() {
    let lab = Lab::new().expect("a lab needs root and iproute2");
    let node = owner(&lab, WITHOUT);
    let said = said(&node.status().expect("a status"));
    let [(Overall::Degraded, text)] = &said[..] else {
        panic!("{said:?}");
    };
    for part in ["lb1: no fence", "2.5 s", "CAP_BPF", "FMX-121"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let log = node.process().expect("it runs").log();
    assert!(log.contains("no fence in the kernel"), "{log}");
    let explained = node.ask(&["explain", "FMX-121"]).expect("a text");
    assert!(explained.contains("no fence in the kernel"), "{explained}");
}
