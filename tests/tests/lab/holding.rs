//! Without a majority: who goes on, who ends, who takes, and what an operator can do when all
//! others are gone for good. On a LAN with a gateway that answers.

use std::fs;
use std::process::Output;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use farmux_node::api::types::{Overall, VipStatus};
use farmux_raft::state::Health;
use farmux_tests::gap::Watch;
use farmux_tests::lab::cluster::{AGREES_WITHIN, Cluster, shop};
use farmux_tests::lab::nginx::Nginx;
use farmux_tests::lab::node::{Node, binary};
use farmux_tests::lab::{CLIENT, GATEWAY, Lab, VIP, node_address, wait};

/// Long enough for twenty lease terms.
const GOES_ON_FOR: Duration = Duration::from_secs(3);

/// Without the fence the kernel keeps an address for up to 2.5 s; half a second for a busy machine.
const ADDRESS_GONE_WITHIN: Duration = Duration::from_secs(3);

fn served(cluster: &Cluster, toml: &str) -> Result<Nginx> {
    let server = Nginx::start(&cluster.lab, 1)?;
    cluster.any()?.apply(toml)?;
    cluster.wait_for_health("shop", "s1", Health::Up)?;
    cluster.wait_for_service()?;
    Ok(server)
}

fn vip(node: &Node) -> Option<VipStatus> {
    node.status().ok()?.cluster?.vips.into_iter().next()
}

fn kill_others(cluster: &mut Cluster, survivor: &str) {
    for node in cluster
        .nodes
        .iter_mut()
        .filter(|node| node.name() != survivor)
    {
        node.kill();
    }
}

fn run_all(cluster: &mut Cluster) -> Result<()> {
    for node in cluster.nodes.iter_mut().filter(|node| !node.is_running()) {
        node.run()?;
    }
    Ok(())
}

#[test]
fn the_last_one_goes_on_with_hold_and_a_heal_moves_nothing() -> Result<()> {
    let mut cluster = Cluster::form(3)?;
    let _server = served(&cluster, &shop(&[1]))?;
    let owner = cluster.owner()?;
    let watch = Watch::start(&cluster.client, cluster.front());
    kill_others(&mut cluster, &owner);
    let alone = wait::until("its status says that it is alone", AGREES_WITHIN, || {
        vip(cluster.node(&owner)).filter(|vip| vip.alone_since.is_some())
    })?;
    ensure!(alone.owner.is_some_and(|who| who.as_str() == owner));
    wait::throughout("the VIP stays", GOES_ON_FOR, || {
        cluster.node(&owner).host().holds(VIP)
    })?;
    let report = cluster.node(&owner).status()?;
    ensure!(report.overall == Overall::Critical, "{report:?}");
    let told = |part: &str| {
        report
            .reasons
            .iter()
            .any(|reason| reason.text.contains(part))
    };
    ensure!(told("although no majority answers"), "{:?}", report.reasons);

    run_all(&mut cluster)?;
    cluster.wait_for_voters(3)?;
    wait::until_true("a majority lends it again", AGREES_WITHIN, || {
        vip(cluster.node(&owner)).is_some_and(|vip| vip.alone_since.is_none())
    })?;
    wait::throughout("it stays where it is", GOES_ON_FOR, || {
        let holders = cluster.nodes.iter().filter(|node| node.host().holds(VIP));
        holders.map(|node| node.name()).eq([owner.as_str()])
    })?;
    let seen = watch.stop()?;
    // Nothing is interrupted; a busy machine may be late.
    ensure!(seen.own_gap() <= Duration::from_secs(1), "{seen:?}");
    Ok(())
}

#[test]
fn the_last_one_ends_with_release() -> Result<()> {
    let mut cluster = Cluster::form(3)?;
    let gateway = format!("gateway = \"{GATEWAY}\"\n");
    let release = format!("{gateway}on_quorum_loss = \"release\"\n");
    let _server = served(&cluster, &shop(&[1]).replace(&gateway, &release))?;
    let owner = cluster.owner()?;
    kill_others(&mut cluster, &owner);
    wait::until_true("the VIP goes", ADDRESS_GONE_WITHIN, || {
        !cluster.node(&owner).host().holds(VIP)
    })?;
    wait::throughout("it stays away", GOES_ON_FOR, || {
        !cluster.node(&owner).host().holds(VIP)
    })?;
    run_all(&mut cluster)?;
    cluster.wait_for_service()
}

#[test]
fn a_holder_ends_without_its_gateway_and_resumes_with_it() -> Result<()> {
    let mut cluster = Cluster::form(3)?;
    let _server = served(&cluster, &shop(&[1]))?;
    let owner = cluster.owner()?;
    kill_others(&mut cluster, &owner);
    wait::until_true("it is alone", AGREES_WITHIN, || {
        vip(cluster.node(&owner)).is_some_and(|vip| vip.alone_since.is_some())
    })?;
    cluster.node(&owner).host().unplug()?;
    wait::until_true("five echoes are missed", ADDRESS_GONE_WITHIN, || {
        !cluster.node(&owner).host().holds(VIP)
    })?;
    cluster.node(&owner).host().plug()?;
    wait::until_true("it resumes", AGREES_WITHIN, || {
        cluster.node(&owner).host().holds(VIP)
    })?;
    cluster.wait_for_service()
}

/// Two nodes with two networks between them, and `pair_takeover` as given.
fn pair(pair_takeover: &str) -> Result<(Cluster, Nginx)> {
    let lab = Lab::new()?;
    let client = lab.host("client", CLIENT)?;
    let mut nodes = Vec::new();
    for number in 1..=2u8 {
        let name = format!("lb{number}");
        let mut node = Node::start(&lab, &name, node_address(number))?;
        node.stop()?;
        let second = [10, 0, 1, 10 + number];
        node.host().also(second.into())?;
        let file = lab.folder().join(&name).join("node.toml");
        let first = format!("peer = [\"{}:7946\"", node_address(number));
        let second = std::net::Ipv4Addr::from(second);
        let both = format!("{first}, \"{second}:7946\"");
        fs::write(&file, fs::read_to_string(&file)?.replace(&first, &both))?;
        node.run()?;
        nodes.push(node);
    }
    let (vip, gateway) = (VIP.to_string(), GATEWAY.to_string());
    let init = ["cluster", "init", "--name", "prod", "--network", "lan"];
    nodes[0].ask(&[&init[..], &["--vip", &vip, "--gateway", &gateway]].concat())?;
    let token = nodes[0].token(&[])?;
    nodes[1].ask(&["cluster", "join", &token])?;
    let cluster = Cluster {
        nodes,
        disks: vec![],
        client,
        lab,
    };
    cluster.wait_for_voters(2)?;
    let gateway = format!("gateway = \"{GATEWAY}\"\n");
    let words = format!("{gateway}pair_takeover = \"{pair_takeover}\"\n");
    let server = served(&cluster, &shop(&[1]).replace(&gateway, &words))?;
    Ok((cluster, server))
}

#[test]
fn the_survivor_of_a_pair_takes_with_gateway() -> Result<()> {
    let (mut cluster, _server) = pair("gateway")?;
    let report = cluster.status()?.cluster.context("a cluster")?;
    let alone = report.survives.alone.join("; ");
    ensure!(alone.contains("is left takes it"), "{alone}");
    let old = cluster.owner()?;
    let new = if old == "lb1" { "lb2" } else { "lb1" };
    // By its plug, so that its kernel does not answer for the VIP either.
    cluster.node(&old).host().unplug()?;
    wait::until_true("the survivor takes", AGREES_WITHIN, || {
        cluster.node(new).host().holds(VIP)
    })?;
    cluster.wait_for_service()?;
    wait::until_true("the other has given it up", ADDRESS_GONE_WITHIN, || {
        !cluster.node(&old).host().holds(VIP)
    })?;
    cluster.node(&old).host().plug()?;
    wait::throughout("it stays with the survivor", GOES_ON_FOR, || {
        let holders = cluster.nodes.iter().filter(|node| node.host().holds(VIP));
        holders.map(|node| node.name()).eq([new])
    })?;
    wait::until_true("both lend it", AGREES_WITHIN, || {
        vip(cluster.node(new)).is_some_and(|vip| vip.alone_since.is_none())
    })
}

#[test]
fn with_never_nobody_of_a_pair_takes() -> Result<()> {
    let (mut cluster, _server) = pair("never")?;
    let old = cluster.owner()?;
    let new = if old == "lb1" { "lb2" } else { "lb1" };
    cluster.node(&old).host().unplug()?;
    wait::throughout("nobody takes", GOES_ON_FOR, || {
        !cluster.node(new).host().holds(VIP)
    })
}

/// `cluster recover` works on the machine itself, without a daemon.
fn recover(node: &Node, options: &[&str]) -> Result<Output> {
    let config = node.data().with_file_name("node.toml");
    let mut command = node.host().command(binary()?);
    command.args(["cluster", "recover", "--config"]).arg(config);
    command.args(options).stdin(std::process::Stdio::null());
    command.output().context("run the command line")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned()
}

#[test]
fn what_is_left_becomes_a_cluster_of_one_by_an_operators_word() -> Result<()> {
    let mut cluster = Cluster::form(2)?;
    let _server = served(&cluster, &shop(&[1]))?;
    let refused = |node: &Node, options: &[&str], code: &str| -> Result<()> {
        let ended = recover(node, options)?;
        let said = said(&ended);
        ensure!(
            !ended.status.success() && said.contains(code),
            "{code}: {said}"
        );
        Ok(())
    };
    refused(&cluster.nodes[0], &["--yes", "prod"], "FMX-231")?;
    cluster.nodes[0].stop()?;
    refused(&cluster.nodes[0], &["--yes", "prod"], "FMX-232")?;
    cluster.nodes[1].kill();
    wait::until_true(
        "the kernel of the dead one lets go",
        ADDRESS_GONE_WITHIN,
        || !cluster.nodes[1].host().holds(VIP),
    )?;
    refused(&cluster.nodes[0], &[], "FMX-108")?;
    refused(&cluster.nodes[0], &["--yes", "test"], "FMX-108")?;
    let ended = recover(&cluster.nodes[0], &["--yes", "prod"])?;
    ensure!(ended.status.success(), "{}", said(&ended));

    cluster.nodes[0].run()?;
    cluster.wait_for_voters(1)?;
    cluster.wait_for_service()?;
    let status = cluster.nodes[0].status()?.cluster.context("a cluster")?;
    ensure!(status.nodes.len() == 1, "{:?}", status.nodes);
    // It serves, and can be changed.
    cluster.nodes[0].ask(&["server", "drain", "shop/s1", "--allow-empty"])?;
    cluster.nodes[0].ask(&["server", "ready", "shop/s1"])?;

    cluster.nodes[1].run()?;
    wait::until_true(
        "whoever returns is told to join anew",
        AGREES_WITHIN,
        || {
            let report = cluster.nodes[1].status().ok();
            let reasons = report.map(|report| report.reasons).unwrap_or_default();
            let mut texts = reasons.iter().map(|reason| &reason.text);
            texts.any(|text| text.contains("removed from the cluster"))
        },
    )?;
    ensure!(!cluster.nodes[1].host().holds(VIP), "and gets nothing");
    Ok(())
}

#[test]
fn one_of_three_is_recovered_only_where_loss_is_accepted() -> Result<()> {
    let mut cluster = Cluster::form(3)?;
    let _server = served(&cluster, &shop(&[1]))?;
    for node in &mut cluster.nodes {
        node.kill();
    }
    wait::until_true("the kernels let go", ADDRESS_GONE_WITHIN, || {
        !cluster.nodes.iter().any(|node| node.host().holds(VIP))
    })?;
    let refused = recover(&cluster.nodes[2], &["--yes", "prod"])?;
    ensure!(said(&refused).contains("FMX-234"), "{}", said(&refused));
    let ended = recover(&cluster.nodes[2], &["--yes", "prod", "--accept-data-loss"])?;
    ensure!(ended.status.success(), "{}", said(&ended));
    cluster.nodes[2].run()?;
    cluster.wait_for_voters(1)?;
    cluster.wait_for_service()
}
