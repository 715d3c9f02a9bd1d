//! The admin API under faults: what eight clients saw of a label is what a single register would
//! have shown, in some order that fits their clocks.
//!
//! ```text
//!   8 clients ── get ?newest=true, set, compare by revision ──▶ 3 nodes ◀── kills, pauses, cuts
//!      └─ key after key, at most 500 operations each ──▶ model: linearizable?
//! ```

mod asker;
mod clients;
pub mod model;
pub mod troubles;

use std::fmt;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

pub use asker::{Asker, Copy, Failure};

use crate::lab::cluster::Cluster;
use clients::Key;
use model::{Asked, Operation, Said, is_linearizable};
use troubles::Troubles;

/// Longer histories are searched for longer, and say no more.
pub const KEY_OPERATIONS_MAX: usize = 500;

/// What came of a run.
#[derive(Debug, Default, Clone)]
pub struct Outcome {
    /// Operations, all keys together.
    pub operations: usize,
    /// Keys.
    pub keys: usize,
    /// Of the operations: gets.
    pub gets: usize,
    /// Changes that came about.
    pub made: usize,
    /// Changes refused for a newer revision.
    pub moved: usize,
    /// Changes whose outcome nobody knows.
    pub unknown: usize,
    /// Nodes killed.
    pub kills: usize,
    /// Nodes paused.
    pub pauses: usize,
    /// Cuts of the LAN.
    pub cuts: usize,
    /// Keys whose history no single register explains, with that history.
    pub violations: Vec<(String, Vec<Operation>)>,
    /// How long it all took.
    pub took: Duration,
}

/// Plays so many operations against a cluster of three under faults, drawn from a seed, with gets
/// answered from that copy; `tell`
/// hears of each key.
///
/// **Errors**: the cluster could not be made, or did not come back.
pub fn run(operations: usize, seed: u64, copy: Copy, tell: impl Fn(&str)) -> Result<Outcome> {
    let mut cluster = Cluster::form_watching(3)?;
    let begun = Instant::now();
    let nodes = std::mem::take(&mut cluster.nodes);
    let sockets: Vec<_> = nodes.iter().map(|node| node.socket()).collect();
    let troubles = Troubles::start(nodes, cluster.lab.bridge(), seed);
    let keys = operations.div_ceil(KEY_OPERATIONS_MAX);
    let mut outcome = Outcome::default();
    for number in 1..=keys {
        let left = operations - outcome.operations;
        let key = Key {
            name: format!("key{number}"),
            sockets: sockets.clone(),
            copy,
            wanted: left.min(KEY_OPERATIONS_MAX),
            seed: seed
                .wrapping_mul(1_000)
                .wrapping_add(u64::try_from(number)?),
        };
        key.make()?;
        let history = key.play()?;
        let said = outcome.take(&key.name, history);
        tell(&format!("{} of {keys}: {said}", key.name));
    }
    let (nodes, counts) = troubles.stop()?;
    cluster.nodes = nodes;
    outcome.kills = counts.kills.load(Ordering::SeqCst);
    outcome.pauses = counts.pauses.load(Ordering::SeqCst);
    outcome.cuts = counts.cuts.load(Ordering::SeqCst);
    outcome.took = begun.elapsed();
    cluster.wait_for_voters(3)?;
    ensure!(outcome.made > 0, "nothing was ever changed");
    let broken = outcome.kills + outcome.pauses + outcome.cuts;
    ensure!(broken > 0, "nothing was ever broken: {outcome}");
    Ok(outcome)
}

impl Outcome {
    /// Judges a key; what to say of it.
    fn take(&mut self, key: &str, history: Vec<Operation>) -> String {
        let count = |is: fn(&Operation) -> bool| history.iter().filter(|one| is(one)).count();
        let gets = count(|one| one.asked == Asked::Get);
        let made = count(|one| matches!(one.said, Said::Made(_)));
        let moved = count(|one| matches!(one.said, Said::Moved(_)));
        let unknown = count(|one| one.said == Said::Unknown);
        self.keys += 1;
        self.operations += history.len();
        self.gets += gets;
        self.made += made;
        self.moved += moved;
        self.unknown += unknown;
        let begun = Instant::now();
        let fits = is_linearizable(&history);
        let word = if fits { "linearizable" } else { "WRONG" };
        let said = format!(
            "operations={} gets={gets} made={made} moved={moved} unknown={unknown} {word} \
             searched_ms={}",
            history.len(),
            begun.elapsed().as_millis()
        );
        if !fits {
            self.violations.push((key.to_owned(), history));
        }
        said
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "operations={} keys={} gets={} made={} moved={} unknown={} kills={} pauses={} cuts={} \
             violations={} seconds={}",
            self.operations,
            self.keys,
            self.gets,
            self.made,
            self.moved,
            self.unknown,
            self.kills,
            self.pauses,
            self.cuts,
            self.violations.len(),
            self.took.as_secs()
        )
    }
}
