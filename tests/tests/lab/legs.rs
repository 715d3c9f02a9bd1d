//! What an owner stands on: it hands over when another node stands better, and only then.

use std::time::Duration;

use anyhow::{Result, ensure};
use farmux_raft::state::Health;
use farmux_tests::faults::cut::Cut;
use farmux_tests::gap::Watch;
use farmux_tests::lab::cluster::{AGREES_WITHIN, Cluster, shop};
use farmux_tests::lab::nginx::Nginx;
use farmux_tests::lab::{VIP, wait};

/// Five questions a second apart, five seconds until it is settled, and a busy machine.
const HANDED_OVER_WITHIN: Duration = Duration::from_secs(30);
/// A leg that fails has moved a VIP after twelve seconds at most.
const NOTHING_MOVES_FOR: Duration = Duration::from_secs(16);
/// A hand-over is a release and a proposal.
const GAP_MAX: Duration = Duration::from_secs(1);

fn holders(cluster: &Cluster) -> Vec<String> {
    let nodes = cluster.nodes.iter();
    let holders = nodes.filter(|node| node.is_running() && node.host().holds(VIP));
    holders.map(|node| node.name().to_owned()).collect()
}

fn stays(cluster: &Cluster, owner: &str, why: &str) -> Result<()> {
    wait::throughout(why, NOTHING_MOVES_FOR, || holders(cluster) == [owner])
}

#[test]
fn an_owner_without_its_gateway_hands_over_once() -> Result<()> {
    let mut cluster = Cluster::form(3)?;
    let _server = Nginx::start(&cluster.lab, 1)?;
    cluster.nodes[0].apply(&shop(&[1]))?;
    cluster.wait_for_health("shop", "s1", Health::Up)?;
    cluster.wait_for_service()?;
    let old = cluster.owner()?;
    let lan = cluster.lab.bridge();

    // While it is paused nothing moves by legs, and status says so.
    let any = &cluster.nodes[0];
    any.ask(&["cluster", "pause", "-m", "racks"])?;
    let status = any.ask(&["status"])?;
    ensure!(
        status.contains("paused    by root") && status.contains(": racks"),
        "{status}"
    );
    Cut::make(&lan, &[Cut::Gateway(Some(old.clone()))])?;
    stays(&cluster, &old, "it stays while paused")?;

    let watch = Watch::start(&cluster.client, cluster.front());
    cluster.nodes[0].ask(&["cluster", "resume"])?;
    let new = wait::until("another node has it", HANDED_OVER_WITHIN, || {
        let now = holders(&cluster);
        now.first()
            .filter(|first| now.len() == 1 && **first != old)
            .cloned()
    })?;
    cluster.wait_for_service()?;
    let seen = watch.stop()?;
    ensure!(seen.own_gap() <= GAP_MAX, "{old} to {new}: {seen:?}");

    Cut::mend(&lan)?;
    stays(&cluster, &new, "nothing moves back by itself")?;

    // A pause does not keep a dead owner's VIP from the node that it prefers.
    let names = cluster.nodes.iter().map(|node| node.name().to_owned());
    let preferred = names.filter(|name| *name != new).max().expect("two others");
    let any = cluster.any()?;
    let said = any.ask(&["vip", "prefer", "front", "--node", &preferred])?;
    ensure!(
        said.contains(&format!("is with {new} now, and stays")),
        "{said}"
    );
    any.ask(&["cluster", "pause"])?;
    cluster.node(&new).kill();
    wait::until_true("the preferred node takes it", AGREES_WITHIN, || {
        holders(&cluster) == [preferred.as_str()]
    })?;
    let (code, refused) = cluster
        .node(&preferred)
        .refused(&["vip", "prefer", "front", "--node", "nobody"])?;
    ensure!(
        code != 0 && refused.contains("no node is called nobody"),
        "{refused}"
    );
    Ok(())
}

#[test]
fn a_gateway_that_is_gone_for_all_moves_nothing() -> Result<()> {
    let cluster = Cluster::form(3)?;
    let _server = Nginx::start(&cluster.lab, 1)?;
    cluster.nodes[0].apply(&shop(&[1]))?;
    cluster.wait_for_health("shop", "s1", Health::Up)?;
    let owner = cluster.owner()?;
    let lan = cluster.lab.bridge();
    Cut::make(&lan, &[Cut::Gateway(None)])?;
    stays(&cluster, &owner, "all fail alike")?;
    Cut::mend(&lan)?;
    stays(&cluster, &owner, "and are well again")
}
