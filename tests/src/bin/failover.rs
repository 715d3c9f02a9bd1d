//! How long a client hears nothing when the owner of an address dies: `tests/bench.sh failover`.
//!
//! ```text
//!   client ── GET every 5 ms ──> VIP   three nodes; two and a witness     kill -9 of the owner
//!                          └───> .101  keepalived and nginx on two         kill -9 of all of it
//! ```
//!
//! `failover fsync MS [ROUNDS]` is the same with three nodes whose every sync to disk takes MS
//! longer: the lease touches no disk.
//!
//! A round lasts from before the kill until the killed node is back and every node says that all is
//! well; its outage is the longest silence in all that time.

#![expect(clippy::print_stdout, reason = "a bench prints its rows")]

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use farmux_node::api::types::Overall;
use farmux_raft::state::Health;
use farmux_tests::gap::{Seen, Watch};
use farmux_tests::lab::cluster::{AGREES_WITHIN, Cluster, shop};
use farmux_tests::lab::keepalived::Pair;
use farmux_tests::lab::mail::MailServer;
use farmux_tests::lab::nginx::Nginx;
use farmux_tests::lab::node::Node;
use farmux_tests::lab::process::Process;
use farmux_tests::lab::{VIP, node_address, wait};

/// The promise for default settings (lease 150 ms).
const MEDIAN_GOAL: Duration = Duration::from_millis(200);
/// The same for the worst round.
const MAX_GOAL: Duration = Duration::from_millis(300);

/// A distribution worth the name; each takes about five seconds.
const ROUNDS: usize = 20;
/// One of two candidates wins each: four leave one round in sixteen without a leading owner.
const ELECTIONS_MAX: usize = 4;
/// keepalived's timers leave it little to vary, and the pair shares its code with the three.
const ROUNDS_BESIDE: usize = 5;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1).peekable();
    if args.next_if(|word| word == "fsync").is_some() {
        let words: Vec<u64> = args
            .map(|word| {
                word.parse()
                    .with_context(|| format!("{word}: not a number"))
            })
            .collect::<Result<_>>()?;
        return match words[..] {
            [ms] => slow(Duration::from_millis(ms), ROUNDS_BESIDE),
            [ms, rounds] => slow(Duration::from_millis(ms), usize::try_from(rounds)?),
            _ => bail!("usage: failover fsync MS [ROUNDS]"),
        };
    }
    let mut number = |default: usize| match args.next() {
        None => Ok(default),
        Some(text) => text
            .parse()
            .with_context(|| format!("{text}: not a number of rounds")),
    };
    let (rounds, beside) = (number(ROUNDS)?, number(ROUNDS_BESIDE)?);
    if rounds == 0 || beside == 0 {
        bail!("usage: failover [ROUNDS [ROUNDS-BESIDE]], each at least 1");
    }

    println!("load {}", load()?);
    let mut three = Scene::set(Cluster::form(3)?)?;
    let keepalived = beside_keepalived(&three, beside)?;
    let outages = three.rounds("failover", rounds)?;
    drop(three);
    let pair = Scene::set(pair_and_witness()?)?.rounds("pair-and-witness", beside)?;
    println!("load {}", load()?);

    Row::of(&keepalived).print("keepalived");
    Row::of(&pair).print("failover-pair-and-witness");
    for (name, leads) in [
        ("failover-of-leader", true),
        ("failover-of-follower", false),
    ] {
        let of = outages.iter().filter(|outage| outage.owner_led == leads);
        Row::of(&of.copied().collect::<Vec<_>>()).print(name);
    }
    let row = Row::of(&outages);
    println!(
        "goals median<={} {} max<={} {}",
        MEDIAN_GOAL.as_millis(),
        verdict(row.median <= MEDIAN_GOAL),
        MAX_GOAL.as_millis(),
        verdict(row.max <= MAX_GOAL)
    );
    row.print("failover");
    Ok(())
}

/// Three nodes on slow disks.
fn slow(by: Duration, rounds: usize) -> Result<()> {
    let mut scene = Scene::set(Cluster::form(3)?)?;
    scene.fsync = Some(by);
    scene.slow_down()?;
    let name = format!("failover-fsync-{}ms", by.as_millis());
    let count = 1..=rounds;
    let outages: Vec<Outage> = count
        .map(|number| scene.round(&format!("{name} {number}/{rounds}")))
        .collect::<Result<_>>()?;
    Row::of(&outages).print(&name);
    Ok(())
}

/// One round.
#[derive(Debug, Clone, Copy)]
struct Outage {
    silence: Duration,
    /// Whether the killed owner led the log as well.
    owner_led: bool,
}

/// A cluster that serves, with what stands behind it.
struct Scene {
    /// What slows the disks down; gone before the nodes.
    slow: Vec<Process>,
    /// By how much each sync takes longer.
    fsync: Option<Duration>,
    cluster: Cluster,
    _server: Nginx,
    _mail: MailServer,
}

impl Scene {
    fn set(cluster: Cluster) -> Result<Scene> {
        let server = Nginx::start(&cluster.lab, 1)?;
        let mail = MailServer::start(&cluster.lab)?;
        cluster.nodes[0].apply(&shop(&[1]))?;
        cluster.wait_for_health("shop", "s1", Health::Up)?;
        cluster.wait_for_service()?;
        let scene = Scene {
            slow: vec![],
            fsync: None,
            cluster,
            _server: server,
            _mail: mail,
        };
        scene.wait_until_well()?;
        Ok(scene)
    }

    fn rounds(&mut self, name: &str, count: usize) -> Result<Vec<Outage>> {
        let mut round = |number| {
            // Left alone, the third node comes to lead, and never owns.
            if number % 2 == 0 {
                self.let_the_owner_lead()?;
            }
            self.round(&format!("{name} {number}/{count}"))
        };
        (1..=count).map(&mut round).collect()
    }

    /// Restarts whoever else leads until the owner does; elections are drawn, so it may not.
    fn let_the_owner_lead(&mut self) -> Result<()> {
        for _ in 0..ELECTIONS_MAX {
            let leader = self.cluster.leader()?;
            if leader == self.cluster.owner()? {
                break;
            }
            self.cluster.node(&leader).stop()?;
            self.cluster.node(&leader).run()?;
            self.wait_until_well()?;
        }
        Ok(())
    }

    fn round(&mut self, title: &str) -> Result<Outage> {
        let (old, leader) = (self.cluster.owner()?, self.cluster.leader()?);
        let watch = Watch::start(&self.cluster.client, self.cluster.front());
        self.cluster.node(&old).kill();
        let new = self.cluster.owner()?;
        ensure!(new != old, "another node took over");
        self.cluster.wait_for_service()?;
        self.cluster.node(&old).run()?;
        self.slow_down()?;
        self.wait_until_well()?;
        let seen = watch.stop()?;
        let owner_led = old == leader;
        let what = if owner_led { ", the leader," } else { "" };
        tell(&format!("{title}: {old}{what} to {new}"), &seen);
        Ok(Outage {
            silence: seen.gap,
            owner_led,
        })
    }

    /// Slows every disk down again: one that was restarted is fast.
    fn slow_down(&mut self) -> Result<()> {
        let Some(by) = self.fsync else { return Ok(()) };
        self.slow.clear();
        let nodes = self.cluster.nodes.iter();
        self.slow = nodes
            .map(|node| node.slow_disk(by))
            .collect::<Result<_>>()?;
        Ok(())
    }

    /// Waits until every node says so, and one kernel alone has the address.
    fn wait_until_well(&self) -> Result<()> {
        wait::until_true("all is well, as each node says", AGREES_WITHIN, || {
            let nodes = &self.cluster.nodes;
            let well = |node: &Node| node.status().is_ok_and(|s| s.overall == Overall::Ok);
            let holders = nodes.iter().filter(|node| node.host().holds(VIP));
            nodes.iter().all(well) && holders.count() == 1
        })
        .with_context(|| self.cluster.nodes[0].ask(&["status"]).unwrap_or_default())
    }
}

fn pair_and_witness() -> Result<Cluster> {
    let mut cluster = Cluster::form(2)?;
    let witness = Node::start(&cluster.lab, "w1", node_address(3))?;
    let token = cluster.nodes[0].token(&["--witness"])?;
    witness.ask(&["cluster", "join", &token, "--witness"])?;
    cluster.nodes.push(witness);
    cluster.wait_for_voters(3)?;
    Ok(cluster)
}

/// keepalived in the same LAN, with the same client.
fn beside_keepalived(scene: &Scene, count: usize) -> Result<Vec<Outage>> {
    let mut pair = Pair::start(&scene.cluster.lab)?;
    let round = |number| {
        let old = pair.owner()?;
        let watch = Watch::start(&scene.cluster.client, pair.front());
        pair.crash(old);
        let new = pair.owner()?;
        ensure!(new != old, "the other machine took over");
        pair.mend(old)?;
        let seen = watch.stop()?;
        tell(&format!("keepalived {number}/{count}"), &seen);
        Ok(Outage {
            silence: seen.gap,
            owner_led: false,
        })
    };
    (1..=count).map(round).collect()
}

fn tell(title: &str, seen: &Seen) {
    let (gap, late) = (seen.gap.as_millis(), seen.late.as_millis());
    println!(
        "{title}: silent for {gap} ms ({} answers, {} failures, client late by {late} ms)",
        seen.answered, seen.failed
    );
}

/// What is told of several rounds.
struct Row {
    median: Duration,
    max: Duration,
    rounds: usize,
}

impl Row {
    fn of(outages: &[Outage]) -> Row {
        let mut silences: Vec<Duration> = outages.iter().map(|outage| outage.silence).collect();
        silences.sort();
        let at = |index: usize| silences.get(index).copied().unwrap_or_default();
        let rounds = silences.len();
        // Of an even number the mean of the two in the middle.
        let median = (at(rounds.saturating_sub(1) / 2) + at(rounds / 2)) / 2;
        Row {
            median,
            max: at(rounds.saturating_sub(1)),
            rounds,
        }
    }

    fn print(&self, name: &str) {
        println!(
            "{name} median_ms={} max_ms={} rounds={}",
            self.median.as_millis(),
            self.max.as_millis(),
            self.rounds
        );
    }
}

fn verdict(held: bool) -> &'static str {
    if held { "hold" } else { "MISSED" }
}

/// How busy this machine is otherwise: a figure without it says little.
fn load() -> Result<String> {
    let load = fs::read_to_string("/proc/loadavg").context("/proc/loadavg")?;
    Ok(load.trim().to_owned())
}
