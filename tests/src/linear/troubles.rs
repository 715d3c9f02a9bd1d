//! What breaks meanwhile: three hands that know nothing of each other, so that their faults
//! overlap.
//!
//! ```text
//!   killer  kill -9 of a node, a while without it, and it starts again
//!   pauser  SIGSTOP of a node, and SIGCONT
//!   cutter  a rule on the bridge: one-way, two-way, the log only, or a third of all frames lost
//! ```

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::chance::Chance;
use crate::faults::cut::Cut;
use crate::lab::node::Node;
use crate::lab::{Host, wait};

/// Between two faults of one hand, in milliseconds: as long as an election or more, so that there
/// is somebody to lose.
const CALM_MS: (u64, u64) = (1_200, 4_000);

/// How long a fault lasts: less and more than an election, and than a client's patience.
const FAULT_MS: (u64, u64) = (150, 1_500);

/// How many faults there were.
#[derive(Debug, Default)]
pub struct Counts {
    /// Nodes killed.
    pub kills: AtomicUsize,
    /// Nodes paused.
    pub pauses: AtomicUsize,
    /// Cuts of the LAN.
    pub cuts: AtomicUsize,
}

/// The hands; stopped, all is whole again.
#[derive(Debug)]
pub struct Troubles {
    shared: Arc<Shared>,
    hands: Vec<JoinHandle<Result<()>>>,
}

#[derive(Debug)]
struct Shared {
    nodes: Vec<Mutex<Node>>,
    names: Vec<String>,
    lan: Host,
    stopped: AtomicBool,
    counts: Counts,
}

impl Troubles {
    /// Begins to break these nodes of this LAN.
    pub fn start(nodes: Vec<Node>, lan: Host, seed: u64) -> Troubles {
        let names = nodes.iter().map(|node| node.name().to_owned()).collect();
        let shared = Arc::new(Shared {
            nodes: nodes.into_iter().map(Mutex::new).collect(),
            names,
            lan,
            stopped: AtomicBool::new(false),
            counts: Counts::default(),
        });
        let hands: [fn(&Shared, &mut Chance) -> Result<()>; 3] =
            [Shared::kill_one, Shared::pause_one, Shared::cut_one];
        let hands = (1..).zip(hands).map(|(number, hand)| {
            let shared = Arc::clone(&shared);
            let mut chance = Chance::new(seed.wrapping_add(number));
            std::thread::spawn(move || {
                while shared.lasts(&mut chance, CALM_MS) {
                    hand(&shared, &mut chance)?;
                }
                Ok(())
            })
        });
        let hands = hands.collect();
        Troubles { shared, hands }
    }

    /// Ends all faults; the nodes run again.
    ///
    /// **Errors**: a node did not start again, or a rule was refused.
    pub fn stop(self) -> Result<(Vec<Node>, Counts)> {
        self.shared.stopped.store(true, Ordering::SeqCst);
        for hand in self.hands {
            let ended = hand.join();
            ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        let shared = Arc::into_inner(self.shared).context("the hands have let go of it")?;
        let nodes = shared.nodes.into_iter();
        let nodes = nodes.map(|node| node.into_inner().unwrap_or_else(PoisonError::into_inner));
        Ok((nodes.collect(), shared.counts))
    }
}

impl Shared {
    /// Lets a drawn time pass; whether it did, before all was stopped.
    fn lasts(&self, chance: &mut Chance, (least, most): (u64, u64)) -> bool {
        let span = Duration::from_millis(least + chance.below(most - least));
        let stopped = || self.stopped.load(Ordering::SeqCst);
        !stopped() && wait::until_true("the end", span, stopped).is_err()
    }

    /// A node that no other hand holds.
    fn draw(&self, chance: &mut Chance) -> Option<MutexGuard<'_, Node>> {
        let numbers: Vec<usize> = (0..self.nodes.len()).collect();
        self.nodes[chance.pick(&numbers)].try_lock().ok()
    }

    fn kill_one(&self, chance: &mut Chance) -> Result<()> {
        let Some(mut node) = self.draw(chance) else {
            return Ok(());
        };
        self.counts.kills.fetch_add(1, Ordering::SeqCst);
        node.kill();
        self.lasts(chance, FAULT_MS);
        node.run()
    }

    fn pause_one(&self, chance: &mut Chance) -> Result<()> {
        let Some(node) = self.draw(chance) else {
            return Ok(());
        };
        self.counts.pauses.fetch_add(1, Ordering::SeqCst);
        node.process()?.pause()?;
        self.lasts(chance, FAULT_MS);
        node.process()?.resume()
    }

    fn cut_one(&self, chance: &mut Chance) -> Result<()> {
        let numbers: Vec<usize> = (0..self.names.len()).collect();
        let first = chance.pick(&numbers);
        let second = (first + 1) % self.names.len();
        let (one, other) = (self.names[first].clone(), self.names[second].clone());
        let cut = match chance.below(6) {
            0 => Cut::From(one),
            1 => Cut::To(one),
            2 => Cut::Between(one, other),
            3 => Cut::Loss(self.names.clone(), 33),
            _ => Cut::Log(one),
        };
        self.counts.cuts.fetch_add(1, Ordering::SeqCst);
        Cut::make(&self.lan, &[cut])?;
        self.lasts(chance, FAULT_MS);
        Cut::mend(&self.lan)
    }
}
