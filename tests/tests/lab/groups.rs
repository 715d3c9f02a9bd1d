//! VIPs of both families, together and apart: a group moves as one, and a farm behind VIPs of
//! several nodes has one prober.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use farmux_raft::state::Health;
use farmux_tests::lab::cluster::{AGREES_WITHIN, Cluster, shop};
use farmux_tests::lab::network::Host;
use farmux_tests::lab::nginx::Nginx;
use farmux_tests::lab::node::Node;
use farmux_tests::lab::process::run;
use farmux_tests::lab::{VIP, http, wait};

const SIX: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x100);
const BACK: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 101);
/// Twenty checks of one prober, forty of two.
const COUNTED_FOR: Duration = Duration::from_secs(4);
const CHECKS_OF_ONE: usize = 28;
/// The preferred node is first in nearly every try.
const TRIES: usize = 6;

fn give_six(host: &Host, last: u16) -> Result<()> {
    let address = format!("fd00::{last:x}/64");
    let mut ip = host.command("ip");
    run(ip.args(["-6", "addr", "add", &address, "dev", "eth0", "nodad"])).map(drop)
}

fn holds_six(host: &Host) -> bool {
    let mut ip = host.command("ip");
    let shown = run(ip.args(["-6", "-o", "addr", "show", "dev", "eth0"])).unwrap_or_default();
    shown.contains("fd00::100/128")
}

/// One farm on three addresses: two that move together, and one by itself.
fn document(back: bool) -> String {
    // What nginx counts are requests for this path.
    let counted = shop(&[1]).replace("path = \"/health\"", "path = \"/\"");
    let mut text = counted.replace(
        "name = \"front\"\n",
        "name = \"front\"\ngroup = \"both\"\nprefer = \"lb1\"\n",
    );
    let (more, vip) = match back {
        true => ("[\"front6\", \"back\"]", BACK_VIP),
        false => ("[\"front6\"]", ""),
    };
    text = text.replace(
        "vip = \"front\"\n",
        &format!("vip = \"front\"\nmore_vips = {more}\n"),
    );
    format!("{FRONT_6}{vip}{text}")
}

const FRONT_6: &str = r#"
[[vip]]
name = "front6"
address = "fd00::100"
network = "lan"
group = "both"
prefer = "lb1"
"#;

const BACK_VIP: &str = r#"
[[vip]]
name = "back"
address = "10.0.0.101"
network = "lan"
prefer = "lb2"
"#;

/// Who has which address: the group's, and the other's.
fn owners(cluster: &Cluster) -> (Vec<String>, Vec<String>, Vec<String>) {
    let names = |holds: &dyn Fn(&Host) -> bool| {
        let nodes = cluster.nodes.iter().filter(|node| node.is_running());
        let holders = nodes.filter(|node| holds(node.host()));
        holders.map(|node| node.name().to_owned()).collect()
    };
    (
        names(&|host| host.holds(VIP)),
        names(&holds_six),
        names(&|host| host.holds(BACK)),
    )
}

/// The one owner of the group and the one of the other, once each has one.
fn settled(cluster: &Cluster) -> Result<(String, String)> {
    wait::until("each VIP has one owner", AGREES_WITHIN, || {
        let (front, front6, back) = owners(cluster);
        match (front.as_slice(), front6.as_slice(), back.as_slice()) {
            ([four], [six], [back]) if four == six => Some((four.clone(), back.clone())),
            _ => None,
        }
    })
}

fn answers(cluster: &Cluster) -> Result<()> {
    let everywhere: [SocketAddr; 3] = [(VIP, 80).into(), (SIX, 80).into(), (BACK, 80).into()];
    let brief = Duration::from_secs(1);
    for address in everywhere {
        let ask = || http::Connection::open_within(address, brief)?.get("/");
        wait::until_true(&format!("{address} answers"), AGREES_WITHIN, || {
            cluster
                .client
                .within(|| ask().is_ok_and(|a| a.status == 200 && a.text() == "s1"))
        })?;
    }
    Ok(())
}

#[test]
fn a_group_moves_as_one_and_a_farm_behind_two_owners_has_one_prober() -> Result<()> {
    let mut cluster = Cluster::form(3)?;
    give_six(&cluster.client, 0x200)?;
    for (node, last) in cluster.nodes.iter().zip(0x11..) {
        give_six(node.host(), last)?;
    }
    let server = Nginx::start(&cluster.lab, 1)?;
    // On which node a new VIP begins is a race that the preferred node nearly always wins.
    let mut apart = None;
    for _ in 0..TRIES {
        cluster.nodes[0].apply(&document(false))?;
        cluster.nodes[0].apply(&document(true))?;
        let (group, back) = settled(&cluster)?;
        if group != back {
            apart = Some((group, back));
            break;
        }
        // Only the other one is made anew: it goes aside for good.
        let mut names = cluster.nodes.iter().map(Node::name);
        let aside = names.find(|name| *name != group).context("another node")?;
        cluster.nodes[0].ask(&["vip", "move", "back", "--to", aside, "--yes"])?;
        apart = Some(settled(&cluster)?).filter(|(group, back)| group != back);
        if apart.is_some() {
            break;
        }
    }
    let (group, back) = apart.context("two VIPs on two nodes")?;
    cluster.wait_for_health("shop", "s1", Health::Up)?;
    answers(&cluster)?;

    let before = server.requests();
    wait::throughout("no more checks than one prober makes", COUNTED_FOR, || {
        server.requests() - before <= CHECKS_OF_ONE
    })?;
    ensure!(server.requests() > before, "no prober at all");

    let exported = cluster.nodes[0].ask(&["config", "export"])?;
    for word in [
        "group = \"both\"",
        "prefer = \"lb2\"",
        "more_vips = [\"front6\", \"back\"]",
    ] {
        ensure!(exported.contains(word), "{word}: {exported}");
    }
    let status = cluster.any()?.ask(&["status"])?;
    ensure!(status.contains("together with front6"), "{status}");

    cluster.node(&group).kill();
    let taken = wait::until("the group has another owner", AGREES_WITHIN, || {
        let (four, six, _) = owners(&cluster);
        let [owner] = four.as_slice() else {
            return None;
        };
        (four == six && *owner != group).then(|| owner.clone())
    })?;
    let (_, _, other) = owners(&cluster);
    ensure!(
        other == [back.clone()],
        "the other stays with {back}: {other:?}"
    );
    ensure!(taken != group);
    // Once the dead node's kernel has let go of its addresses.
    answers(&cluster)
}
