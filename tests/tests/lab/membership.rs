//! Nodes that join, leave and are removed; a pair, which is honest, and its witness.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use farmux_node::api::types::{MemberKind, NodeStatus, Overall, StatusReport};
use farmux_raft::state::{Health, NodeRole};
use farmux_tests::lab::cluster::{AGREES_WITHIN, Cluster, shop};
use farmux_tests::lab::nginx::Nginx;
use farmux_tests::lab::node::{Node, binary, farmux};
use farmux_tests::lab::{VIP, node_address, wait};

/// Twenty lease terms: a witness that wanted the VIP would have it by then.
const NOTHING_MOVES_FOR: Duration = Duration::from_secs(3);

fn members(status: StatusReport) -> Vec<NodeStatus> {
    status
        .cluster
        .map(|cluster| cluster.nodes)
        .unwrap_or_default()
}

/// How many failures it survives, and the hint; waits until the answer is `expected`.
fn survives(cluster: &Cluster, expected: u32) -> Result<Option<String>> {
    wait::until(&format!("survives {expected}"), AGREES_WITHIN, || {
        let survives = cluster.status().ok()?.cluster?.survives;
        (survives.failures == Some(expected)).then_some(survives.hint)
    })
}

#[test]
fn a_pair_says_that_it_survives_none_and_a_witness_mends_that() -> Result<()> {
    let mut cluster = Cluster::form(1)?;
    let server = Nginx::start(&cluster.lab, 1)?;
    cluster.nodes[0].apply(&shop(&[1]))?;

    let second = Node::start(&cluster.lab, "lb2", node_address(2))?;
    let token = cluster.nodes[0].token(&[])?;
    let said = second.ask(&["cluster", "join", &token])?;
    ensure!(
        said.contains("--witness"),
        "join says how to add a witness: {said}"
    );
    cluster.nodes.push(second);
    cluster.wait_for_voters(2)?;
    let hint = survives(&cluster, 0)?.context("a pair is told how to survive")?;
    ensure!(hint.contains("witness"), "{hint}");
    let shown = cluster.nodes[0].ask(&["status"])?;
    ensure!(shown.contains("witness"), "the table says it too: {shown}");

    let witness = Node::start(&cluster.lab, "w1", node_address(3))?;
    let token = cluster.nodes[0].token(&["--witness"])?;
    let (_, said) = witness.refused(&["cluster", "join", &token])?;
    ensure!(
        said.contains("FMX-"),
        "a witness's token makes no balancer: {said}"
    );
    let token = cluster.nodes[0].token(&["--witness"])?;
    witness.ask(&["cluster", "join", &token, "--witness"])?;
    cluster.nodes.push(witness);
    cluster.wait_for_voters(3)?;
    survives(&cluster, 1)?;
    let roles: Vec<NodeRole> = members(cluster.status()?)
        .iter()
        .map(|node| node.role)
        .collect();
    ensure!(
        roles
            .iter()
            .filter(|role| **role == NodeRole::Witness)
            .count()
            == 1,
        "{roles:?}"
    );

    cluster.wait_for_health("shop", "s1", Health::Up)?;
    cluster.wait_for_service()?;
    let owner = cluster.owner()?;
    cluster.node(&owner).kill();
    let next = cluster.owner()?;
    ensure!(
        next != "w1" && next != owner,
        "{next} took over from {owner}"
    );
    cluster.wait_for_service()?;
    cluster.node(&next).kill();
    wait::throughout("a witness answers for no VIP", NOTHING_MOVES_FOR, || {
        !cluster.nodes[2].host().holds(VIP)
    })?;
    drop(server);
    Ok(())
}

#[test]
fn a_node_is_removed_and_another_leaves_without_a_failed_connection() -> Result<()> {
    let mut cluster = Cluster::form(3)?;
    let _server = Nginx::start(&cluster.lab, 1)?;
    cluster.nodes[0].apply(&shop(&[1]))?;
    cluster.wait_for_health("shop", "s1", Health::Up)?;
    cluster.wait_for_service()?;

    // A lost one is removed by another.
    let owner = cluster.owner()?;
    let lost = cluster
        .nodes
        .iter()
        .map(|node| node.name().to_owned())
        .find(|name| *name != owner);
    let lost = lost.context("three nodes")?;
    cluster.node(&lost).kill();
    cluster.any()?.ask(&["cluster", "remove", &lost, "--yes"])?;
    cluster.wait_for_voters(2)?;
    ensure!(
        members(cluster.status()?)
            .iter()
            .all(|node| node.name.as_str() != lost)
    );

    // Whoever comes back after that is told, and takes nothing.
    cluster.node(&lost).run()?;
    wait::until_true("its log says so", AGREES_WITHIN, || {
        let back = cluster.nodes.iter().find(|node| node.name() == lost);
        let log = back.and_then(|node| Some(node.process().ok()?.log()));
        log.is_some_and(|log| log.contains("this node was removed from its cluster"))
    })?;
    wait::throughout("a removed node holds nothing", NOTHING_MOVES_FOR, || {
        let voters = cluster.nodes.iter().find(|node| node.name() == owner);
        !cluster
            .nodes
            .iter()
            .any(|node| node.name() == lost && node.host().holds(VIP))
            && voters.is_some_and(|node| node.host().holds(VIP))
    })?;
    cluster.nodes.retain(|node| node.name() != lost);

    // The owner itself leaves: the VIP moves first.
    cluster.node(&owner).ask(&["cluster", "leave", "--yes"])?;
    let status = wait::until("it is in no cluster", AGREES_WITHIN, || {
        cluster
            .node(&owner)
            .status()
            .ok()
            .filter(|status| status.cluster.is_none())
    })?;
    ensure!(status.overall == Overall::NoCluster, "{status:?}");
    let left = cluster.nodes.iter().position(|node| node.name() == owner);
    let left = cluster.nodes.remove(left.context("it is there")?);
    ensure!(!left.host().holds(VIP), "it holds nothing");
    cluster.wait_for_voters(1)?;
    ensure!(cluster.owner()? != owner);
    cluster.wait_for_service()?;

    // And may come back as a new member.
    let token = cluster.any()?.token(&[])?;
    left.ask(&["cluster", "join", &token])?;
    cluster.nodes.push(left);
    cluster.wait_for_voters(2)?;
    let again = members(cluster.status()?)
        .into_iter()
        .find(|node| node.name.as_str() == owner);
    let again = again.context("it is listed again")?;
    ensure!(
        again.member == MemberKind::Voter && again.id > 3,
        "under a new number: {again:?}"
    );
    Ok(())
}

/// The same command answered FMX-207 while the daemon went on with the join by itself, and FMX-202
/// afterwards; since then it follows the join, and says that there is nothing left to do.
#[test]
fn a_join_that_was_interrupted_is_followed_by_the_same_command() -> Result<()> {
    let mut cluster = Cluster::form(1)?;
    let second = Node::start(&cluster.lab, "lb2", node_address(2))?;
    let token = cluster.nodes[0].token(&[])?;
    // With the leader paused, the join waits for its answer and nothing but Ctrl-C ends it.
    cluster.nodes[0].process()?.pause()?;
    let mut typed = Command::new("timeout");
    typed
        .args(["--signal=INT", "0.5"])
        .arg(binary()?)
        .arg("--socket")
        .arg(second.socket())
        .args(["cluster", "join", &token]);
    let interrupted = typed.output().context("run the command line")?;
    ensure!(!interrupted.status.success(), "{interrupted:?}");
    let said = std::thread::scope(|scope| -> Result<String> {
        let again = scope.spawn(|| second.ask(&["cluster", "join", &token]));
        let goes_on = wait::throughout("it follows", FOLLOWS_FOR, || !again.is_finished());
        cluster.nodes[0].process()?.resume()?;
        let said = again.join().expect("asking does not panic")?;
        goes_on.map(|()| said)
    })?;
    ensure!(said.contains("would take this machine"), "{said}");
    ensure!(said.contains("\njoined\n"), "{said}");
    let said = second.ask(&["cluster", "join", &token])?;
    ensure!(said.contains("joined already"), "{said}");
    cluster.nodes.push(second);
    cluster.wait_for_voters(2)
}

/// Long enough for an answer that would have come at once.
const FOLLOWS_FOR: Duration = Duration::from_millis(500);

#[test]
fn a_daemon_that_is_killed_in_a_join_goes_on_with_it() -> Result<()> {
    let mut cluster = Cluster::form(1)?;
    let mut second = Node::start(&cluster.lab, "lb2", node_address(2))?;
    let token = cluster.nodes[0].token(&[])?;
    let identity = second.data().join("identity.json");
    std::thread::scope(|scope| -> Result<()> {
        let (socket, token) = (second.socket(), token.clone());
        let joining = scope.spawn(move || {
            let mut typed = farmux()?;
            typed.arg("--socket").arg(socket);
            typed.args(["cluster", "join", &token]);
            typed.output().context("run the command line")
        });
        wait::until_true("it is welcome", AGREES_WITHIN, || identity.exists())?;
        second.kill();
        joining.join().expect("asking does not panic").map(|_| ())
    })?;
    second.run()?;
    let said = second.ask(&["cluster", "join", &token])?;
    ensure!(said.contains("joined"), "{said}");
    cluster.nodes.push(second);
    cluster.wait_for_voters(2)
}
