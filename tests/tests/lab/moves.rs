//! Planned moves: by order, by maintenance, by SIGTERM and by removal; what clients see of each.

use std::io::Read;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use farmux_node::api::types::{MoveEvent, MoveReport, VipReport};
use farmux_raft::state::Health;
use farmux_tests::lab::cluster::{AGREES_WITHIN, Cluster, shop};
use farmux_tests::lab::nginx::Nginx;
use farmux_tests::lab::node::Node;
use farmux_tests::lab::{VIP, node_address, server_address, wait};
use farmux_tests::stream::{Manner, Stream};

/// `tests/bench.sh move` holds farmux to 30 ms; a test on a busy machine allows much more, and
/// still less than the lease would need to run out twice.
const GAP_MAX: Duration = Duration::from_millis(500);

/// More than one in so many is a client that measures nothing.
const STARVED_IN: usize = 100;

/// Twenty lease terms: whoever would take it would have taken it.
const NOBODY_TAKES_FOR: Duration = Duration::from_secs(3);

fn serving(mut cluster: Cluster) -> Result<(Cluster, Nginx)> {
    let server = Nginx::start(&cluster.lab, 1)?;
    cluster.nodes[0].apply(&shop(&[1]))?;
    cluster.wait_for_health("shop", "s1", Health::Up)?;
    cluster.wait_for_service()?;
    let owner = cluster.owner()?;
    ensure!(cluster.node(&owner).is_running());
    Ok((cluster, server))
}

/// Two balancers and a witness.
fn pair_and_witness() -> Result<Cluster> {
    let mut cluster = Cluster::form(2)?;
    let witness = Node::start(&cluster.lab, "w1", node_address(3))?;
    let token = cluster.nodes[0].token(&["--witness"])?;
    witness.ask(&["cluster", "join", &token, "--witness"])?;
    cluster.nodes.push(witness);
    cluster.wait_for_voters(3)?;
    Ok(cluster)
}

fn another(cluster: &Cluster, not: &[&str]) -> Result<String> {
    let mut names = cluster.nodes.iter().map(|node| node.name().to_owned());
    names
        .find(|name| !not.contains(&name.as_str()))
        .context("there is another node")
}

/// Runs a move that must go well, and returns what it did.
fn moved(node: &Node, args: &[&str]) -> Result<MoveReport> {
    let said = node.ask(&[args, &["--yes", "-o", "json"]].concat())?;
    let last = said.lines().last().context("it says something")?;
    match serde_json::from_str(last)? {
        MoveEvent::Done(report) => Ok(report),
        other @ (MoveEvent::Progress(_) | MoveEvent::Failed { .. }) => {
            anyhow::bail!("{other:?}")
        }
    }
}

/// Clients of both manners, at work.
struct Clients {
    kept: Stream,
    new: Stream,
}

impl Clients {
    fn start(cluster: &Cluster) -> Clients {
        let start = |manner| Stream::start(&cluster.client, cluster.front(), manner);
        Clients {
            kept: start(Manner::Kept),
            new: start(Manner::NewEach),
        }
    }

    /// Whether no request was lost, and how long nobody was answered: as those see it that come
    /// every 5 ms. All of the kept ones may come back in the 20 ms in which no SYN gets through.
    ///
    /// A client that stands still for longer than it is waited for is cut off, and rightly: how
    /// many requests that explains is returned.
    fn lost_nothing(self) -> Result<usize> {
        let (kept, new) = (self.kept.stop()?, self.new.stop()?);
        ensure!(new.gap <= GAP_MAX + new.late, "{new:?}");
        for seen in [&kept, &new] {
            ensure!(seen.failed == seen.starved, "{seen:?}");
            ensure!(seen.starved * STARVED_IN < seen.answered, "{seen:?}");
        }
        Ok(kept.starved + new.starved)
    }
}

#[test]
fn a_vip_moves_to_and_fro_and_no_request_is_lost() -> Result<()> {
    let (cluster, _server) = serving(Cluster::form(3)?)?;
    let clients = Clients::start(&cluster);
    let mut cut = 0;
    for _ in 0..3 {
        let owner = cluster.owner()?;
        let to = another(&cluster, &[&owner])?;
        // Asked at the node that is neither.
        let third = another(&cluster, &[&owner, &to])?;
        let third = cluster.nodes.iter().find(|node| node.name() == third);
        let third = third.context("a third node")?;
        let report = moved(third, &["vip", "move", "front", "--to", &to])?;
        let one = report.moved.first().context("one VIP moved")?;
        ensure!(one.to.as_str() == to, "{one:?}");
        cut += one.cut.in_hand();
        ensure!(cluster.owner()? == to);
        let again = moved(third, &["vip", "move", "front", "--to", &to])?;
        ensure!(again.moved.is_empty(), "it is there already: {again:?}");
    }
    let starved = clients.lost_nothing()?;
    ensure!(usize::try_from(cut)? <= starved, "{cut} cut in hand");
    Ok(())
}

#[test]
fn what_cannot_be_is_refused_with_its_reason() -> Result<()> {
    let (cluster, _server) = serving(pair_and_witness()?)?;
    let node = &cluster.nodes[0];
    let owner = cluster.owner()?;
    let other = another(&cluster, &[&owner, "w1"])?;
    let refused = |args: &[&str], code: &str, part: &str| -> Result<()> {
        let (_, said) = node.refused(args)?;
        ensure!(said.contains(code) && said.contains(part), "{said}");
        Ok(())
    };
    let to = |to: &'static str| ["vip", "move", "front", "--to", to, "--yes"];
    refused(&to("w1"), "FMX-250", "witness")?;
    refused(&to("lb9"), "FMX-208", "lb9")?;
    refused(
        &["vip", "move", "side", "--to", "w1", "--yes"],
        "FMX-S035",
        "side",
    )?;
    // Without a terminal nobody says yes. Whoever does not answer for once is another reason.
    let unasked = ["vip", "move", "front", "--to", &other];
    let plan = format!("from {owner} to {other}");
    wait::until_true("nobody said yes", AGREES_WITHIN, || {
        refused(&unasked, "FMX-108", &plan).is_ok()
    })?;
    ensure!(cluster.owner()? == owner, "nothing moved");

    let other_is_fit = |vip: &VipReport| vip.others.iter().any(|one| one.unfit.is_none());
    let vip = wait::until("another node is fit", AGREES_WITHIN, || {
        let vips: Vec<VipReport> = node.report(&["vip", "list"]).ok()?;
        vips.into_iter().next().filter(other_is_fit)
    })?;
    ensure!(vip.owner.is_some_and(|name| name.as_str() == owner));
    ensure!(vip.ballot.is_some(), "a ballot");
    Ok(())
}

#[test]
fn long_connections_are_waited_for_then_cut_and_counted() -> Result<()> {
    let cluster = Cluster::form(3)?;
    let host = cluster.lab.host("s1", server_address(1))?;
    let listener = host.within(|| TcpListener::bind((server_address(1), 5000)))?;
    let server = std::thread::spawn(move || -> Result<()> {
        // Probes come and go; the client's connection stays until it is cut.
        for stream in listener.incoming().take(10_000) {
            std::thread::spawn(move || stream.map(|mut stream| stream.read(&mut [0; 1])));
        }
        Ok(())
    });
    let toml = shop(&[1])
        .replace("kind = \"http\"\nport = 80", "kind = \"tcp\"\nport = 5000")
        .replace("kind = \"http\"\npath = \"/health\"", "kind = \"tcp\"");
    cluster.nodes[0].apply(&toml)?;
    cluster.wait_for_health("shop", "s1", Health::Up)?;
    let owner = cluster.owner()?;
    let to = another(&cluster, &[&owner])?;
    let connect = || std::net::TcpStream::connect((VIP, 5000));
    let mut long = cluster.client.within(connect)?;
    let busy = || {
        let vip: Option<VipReport> = cluster.nodes[0].report(&["vip", "show", "front"]).ok();
        vip.and_then(|vip| vip.in_flight)
            .is_some_and(|w| w.tcp == 1)
    };
    wait::until_true("it is in flight", AGREES_WITHIN, busy)?;
    let start = Instant::now();
    let args = ["vip", "move", "front", "--to", &to, "--wait", "2s"];
    let report = moved(&cluster.nodes[0], &args)?;
    let one = report.moved.first().context("one VIP moved")?;
    ensure!(one.cut.tcp == 1 && one.waited_ms >= 2_000, "{one:?}");
    ensure!(start.elapsed() >= Duration::from_secs(2));
    let end = long.read(&mut [0; 1]);
    ensure!(end.is_err() || end.is_ok_and(|read| read == 0), "it is cut");
    ensure!(cluster.owner()? == to);
    drop(server);
    Ok(())
}

#[test]
fn a_node_in_maintenance_gives_all_away_and_takes_nothing_until_told() -> Result<()> {
    let (mut cluster, _server) = serving(pair_and_witness()?)?;
    let clients = Clients::start(&cluster);
    let owner = cluster.owner()?;
    let other = another(&cluster, &[&owner, "w1"])?;
    let on = ["node", "maintenance", &owner, "on", "-m", "new fan"];
    moved(cluster.node(&other), &on)?;
    ensure!(cluster.owner()? == other, "it gave the VIP away");
    ensure!(
        cluster.leader()? != owner,
        "and the leadership, if it had it"
    );
    clients.lost_nothing()?;
    let said = cluster.node(&other).ask(&["status"])?;
    ensure!(
        said.contains("new fan") && said.contains("maintenance"),
        "{said}"
    );
    let back = ["vip", "move", "front", "--to", &owner, "--yes"];
    let (_, said) = cluster.node(&other).refused(&back)?;
    ensure!(
        said.contains("FMX-250") && said.contains("maintenance"),
        "{said}"
    );

    // It rests still when it was started again, and takes not even what nobody has.
    cluster.node(&owner).stop()?;
    cluster.node(&owner).run()?;
    cluster.wait_for_voters(3)?;
    cluster.node(&other).kill();
    wait::until_true("the other's address goes", AGREES_WITHIN, || {
        !cluster.node(&other).host().holds(VIP)
    })?;
    wait::throughout("nobody takes it", NOBODY_TAKES_FOR, || {
        !cluster.node(&owner).host().holds(VIP)
    })?;
    cluster
        .node(&owner)
        .ask(&["node", "maintenance", &owner, "off"])?;
    cluster.wait_for_service()?;
    ensure!(cluster.owner()? == owner);
    Ok(())
}

#[test]
fn whoever_is_told_to_stop_hands_over_first() -> Result<()> {
    let (mut cluster, _server) = serving(Cluster::form(3)?)?;
    let clients = Clients::start(&cluster);
    for _ in 0..2 {
        let owner = cluster.owner()?;
        cluster.node(&owner).stop()?;
        let new = cluster.owner()?;
        ensure!(new != owner && cluster.leader()? != owner);
        cluster.node(&owner).run()?;
        cluster.wait_for_voters(3)?;
        // It votes on VIPs again before the next one goes.
        wait::throughout("nothing moves back by itself", NOBODY_TAKES_FOR, || {
            let holders = cluster.nodes.iter().filter(|node| node.host().holds(VIP));
            holders.map(Node::name).eq([new.as_str()])
        })?;
    }
    clients.lost_nothing().map(drop)
}

#[test]
fn a_node_that_is_removed_hands_over_first() -> Result<()> {
    let (mut cluster, _server) = serving(Cluster::form(3)?)?;
    let clients = Clients::start(&cluster);
    let owner = cluster.owner()?;
    let other = another(&cluster, &[&owner])?;
    let remove = ["cluster", "remove", &owner, "--yes"];
    cluster.node(&other).ask(&remove)?;
    // Nobody tells it any more what goes on: the others are asked.
    let place = cluster.nodes.iter().position(|node| node.name() == owner);
    let gone = cluster.nodes.remove(place.context("it was one of them")?);
    ensure!(cluster.owner()? != owner && !gone.host().holds(VIP));
    clients.lost_nothing().map(drop)
}

#[test]
fn a_switchover_takes_all_and_the_leadership_to_one() -> Result<()> {
    let (cluster, _server) = serving(Cluster::form(3)?)?;
    for _ in 0..2 {
        let owner = cluster.owner()?;
        let to = another(&cluster, &[&owner])?;
        let leader = cluster.leader()?;
        let report = moved(&cluster.nodes[0], &["cluster", "switchover", "--to", &to])?;
        ensure!(report.moved.len() == 1, "{report:?}");
        ensure!(cluster.owner()? == to);
        if leader == owner {
            let now = report.leader.as_ref().and_then(|leader| leader.to.as_ref());
            ensure!(now.is_some_and(|name| name.as_str() == to), "{report:?}");
        }
        ensure!(cluster.leader()? != owner);
    }
    Ok(())
}
