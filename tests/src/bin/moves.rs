//! How long clients wait, and what they lose, when a VIP moves by plan: `tests/bench.sh move`.
//!
//! ```text
//!   4 kept connections, a request each 2 ms ──┐
//!   a new connection each 5 ms ───────────────┴──> VIP: three nodes; farmux vip move front --to …
//! ```
//!
//! In a round the VIP moves once, from whoever owns it to the next node.

#![expect(clippy::print_stdout, reason = "a bench prints its rows")]

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use farmux_node::api::types::{MoveEvent, Overall, VipMoved};
use farmux_raft::state::Health;
use farmux_tests::lab::cluster::{AGREES_WITHIN, Cluster, shop};
use farmux_tests::lab::mail::MailServer;
use farmux_tests::lab::nginx::Nginx;
use farmux_tests::lab::node::Node;
use farmux_tests::lab::wait;
use farmux_tests::stream::{Manner, Seen, Stream};

/// The promise of a planned move.
const MEDIAN_GOAL: Duration = Duration::from_millis(30);

/// A distribution worth the name; each takes about two seconds.
const ROUNDS: usize = 20;

/// Before the move and after it, so that the streams are in full swing.
const AROUND: Duration = Duration::from_millis(300);

fn main() -> Result<()> {
    let rounds = match std::env::args().nth(1) {
        None => ROUNDS,
        Some(text) => {
            let number = text.strip_prefix("ROUNDS=").unwrap_or(&text);
            number
                .parse()
                .with_context(|| format!("{text}: not a number of rounds"))?
        }
    };
    if rounds == 0 {
        bail!("usage: moves [ROUNDS], at least 1");
    }
    println!("load {}", load()?);
    let cluster = Cluster::form(3)?;
    let _server = Nginx::start(&cluster.lab, 1)?;
    let _mail = MailServer::start(&cluster.lab)?;
    cluster.nodes[0].apply(&shop(&[1]))?;
    cluster.wait_for_health("shop", "s1", Health::Up)?;
    cluster.wait_for_service()?;
    wait_until_well(&cluster)?;
    let mut all = Totals::default();
    for number in 1..=rounds {
        all.add(&round(&cluster, &format!("move {number}/{rounds}"))?);
    }
    println!("load {}", load()?);
    all.print();
    Ok(())
}

/// What one round showed.
struct Round {
    kept: Seen,
    new: Seen,
    moved: VipMoved,
}

fn round(cluster: &Cluster, title: &str) -> Result<Round> {
    let owner = cluster.owner()?;
    let place = cluster.nodes.iter().position(|node| node.name() == owner);
    let place = place.context("the owner is one of them")?;
    let to = cluster.nodes[(place + 1) % cluster.nodes.len()].name();
    // Asked at a node that is neither: orders find their way.
    let asked = &cluster.nodes[(place + 2) % cluster.nodes.len()];
    let start = |manner| Stream::start(&cluster.client, cluster.front(), manner);
    let (kept, new) = (start(Manner::Kept), start(Manner::NewEach));
    wait::throughout("the streams get going", AROUND, || true)?;
    let moved = order(asked, to)?;
    wait::throughout("they go on", AROUND, || true)?;
    let (kept, new) = (kept.stop()?, new.stop()?);
    ensure!(cluster.owner()? == to, "{to} owns it now");
    wait_until_well(cluster)?;
    let gap = moved.gap_ms.map_or("-".to_owned(), |gap| gap.to_string());
    println!(
        "{title}: {owner} to {to}: {} ms without an answer (the owner says {gap}); kept {} answers \
         {} failed; new {} answers {} failed, {} SYNs again; client late by {} ms",
        new.gap.as_millis(),
        kept.answered,
        kept.failed,
        new.answered,
        new.failed,
        new.retried + kept.retried,
        new.late.as_millis()
    );
    for why in [&kept.first_failure, &new.first_failure]
        .into_iter()
        .flatten()
    {
        println!("  {why}");
    }
    Ok(Round { kept, new, moved })
}

/// Has a node move the VIP, and reads what it says.
fn order(node: &Node, to: &str) -> Result<VipMoved> {
    let args = ["vip", "move", "front", "--to", to, "--yes", "-o", "json"];
    let said = node.ask(&args)?;
    let last = said.lines().last().context("it says something")?;
    match serde_json::from_str(last)? {
        MoveEvent::Done(report) => report.moved.into_iter().next().context("it moved"),
        other @ (MoveEvent::Progress(_) | MoveEvent::Failed { .. }) => bail!("{other:?}"),
    }
}

fn wait_until_well(cluster: &Cluster) -> Result<()> {
    let well = |node: &Node| node.status().is_ok_and(|s| s.overall == Overall::Ok);
    wait::until_true("all is well, as each node says", AGREES_WITHIN, || {
        cluster.nodes.iter().all(well)
    })
    .with_context(|| cluster.nodes[0].ask(&["status"]).unwrap_or_default())
}

/// Everything, over all rounds.
#[derive(Default)]
struct Totals {
    gaps: Vec<Duration>,
    kept: (usize, usize),
    new: (usize, usize),
    retried: usize,
    refused: Option<u64>,
    cut: u64,
}

impl Totals {
    fn add(&mut self, round: &Round) {
        self.gaps.push(round.new.gap);
        let count = |sum: &mut (usize, usize), seen: &Seen| {
            sum.0 += seen.answered;
            sum.1 += seen.failed;
        };
        count(&mut self.kept, &round.kept);
        count(&mut self.new, &round.new);
        self.retried += round.kept.retried + round.new.retried;
        if let Some(refused) = round.moved.syns_refused {
            self.refused = Some(self.refused.unwrap_or(0) + refused);
        }
        self.cut += round.moved.cut.in_hand();
    }

    fn print(&mut self) {
        self.gaps.sort();
        let rounds = self.gaps.len();
        let at = |index: usize| self.gaps.get(index).copied().unwrap_or_default();
        // Of an even number the mean of the two in the middle.
        let median = (at(rounds.saturating_sub(1) / 2) + at(rounds / 2)) / 2;
        let held = |held| if held { "hold" } else { "MISSED" };
        println!(
            "move-kept requests={} failed={}",
            self.kept.0 + self.kept.1,
            self.kept.1
        );
        println!(
            "move-new-connections requests={} failed={}",
            self.new.0 + self.new.1,
            self.new.1
        );
        let refused = self
            .refused
            .map_or("-".to_owned(), |refused| refused.to_string());
        println!(
            "move-put-off syns_again={} refused_by_fence={refused} cut={}",
            self.retried, self.cut
        );
        println!(
            "goals median<={} {} failed=0 {}",
            MEDIAN_GOAL.as_millis(),
            held(median <= MEDIAN_GOAL),
            held(self.kept.1 + self.new.1 == 0)
        );
        println!(
            "move median_ms={} max_ms={} rounds={rounds}",
            median.as_millis(),
            at(rounds.saturating_sub(1)).as_millis()
        );
    }
}

/// How busy this machine is otherwise: a figure without it says little.
fn load() -> Result<String> {
    let load = fs::read_to_string("/proc/loadavg").context("/proc/loadavg")?;
    Ok(load.trim().to_owned())
}
