//! The pager's event loop: sends what the state says is due, then has it recorded.
//!
//! ```text
//!   state, standing --watch--> look --errand--> courier (a task each, 8 at most)
//!                               ^  \--record--> proposer (a task each)
//!                               +---- what came of either ----+
//! ```
//!
//! It runs on every node and sends only where it is this node's turn ([`super::turns`]). The wall
//! clock says only when a failed delivery may be tried again; a clock that jumps delays nothing
//! for long.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use farmux_netplane::origin::Origin;
use farmux_raft::consensus::Standing;
use farmux_raft::id::NodeId;
use farmux_raft::state::{Command, DeliveryOutcome, DuePage, State};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use super::call::{Call, Word};
use super::courier::{Courier, Errand, Receipt};
use super::ledger::{Key, Ledger, failures};
use super::propose::{NotDecided, Proposer};
use super::turns::{Duty, is_mine};
use crate::daemon::{proposal, wall_clock};

/// What the pager needs.
pub struct PagerParts {
    /// Who we are.
    pub me: NodeId,
    /// This node's own addresses.
    pub own: Vec<IpAddr>,
    /// The newest applied state.
    pub state: watch::Receiver<Arc<State>>,
    /// Where this node stands.
    pub standing: watch::Receiver<Standing>,
    /// Has records decided.
    pub proposer: Arc<dyn Proposer>,
    /// Takes mails to relays.
    pub courier: Arc<dyn Courier>,
}

/// The running pager; dropping it ends it.
#[derive(Debug)]
pub struct Pager {
    task: AbortHandle,
    counters: Arc<Counters>,
}

/// What this process's pager has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PagerCounts {
    /// Deliveries that a relay took.
    pub delivered: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Attempts that are over and not recorded yet.
    pub unrecorded: u64,
}

#[derive(Debug, Default)]
struct Counters {
    delivered: AtomicU64,
    failed: AtomicU64,
    unrecorded: AtomicU64,
}

impl Pager {
    /// Starts it.
    ///
    /// **Panics**: outside a tokio runtime.
    pub fn spawn(parts: PagerParts) -> Pager {
        let counters = Arc::new(Counters::default());
        let worker = Worker {
            parts,
            counters: Arc::clone(&counters),
            ledger: Ledger::default(),
            tasks: JoinSet::new(),
        };
        let task = tokio::spawn(worker.run()).abort_handle();
        Pager { task, counters }
    }

    /// What it has done so far.
    pub fn counts(&self) -> PagerCounts {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PagerCounts {
            delivered: get(&self.counters.delivered),
            failed: get(&self.counters.failed),
            unrecorded: get(&self.counters.unrecorded),
        }
    }
}

impl Drop for Pager {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Worker {
    parts: PagerParts,
    counters: Arc<Counters>,
    ledger: Ledger,
    tasks: JoinSet<Event>,
}

/// What a task leaves behind.
enum Event {
    Landed {
        key: Key,
        failures_before: u32,
        receipt: Receipt,
    },
    Recorded {
        key: Key,
        answer: Result<(), NotDecided>,
    },
}

impl Worker {
    async fn run(mut self) {
        let mut state = self.parts.state.clone();
        let mut standing = self.parts.standing.clone();
        loop {
            let newest = Arc::clone(&state.borrow_and_update());
            let duty = Duty::of(&standing.borrow_and_update());
            let waiting = self.look(&newest, duty);
            tokio::select! {
                changed = state.changed() => if changed.is_err() { return },
                changed = standing.changed() => if changed.is_err() { return },
                Some(event) = self.tasks.join_next() => match event {
                    Ok(event) => self.take(event),
                    // Nobody cancels our tasks, and a panic has ended the process already.
                    Err(error) => tracing::error!(%error, "a delivery's task was lost"),
                },
                () = tokio::time::sleep(LOOK_EVERY), if waiting => {}
            }
        }
    }

    /// Starts what is due; says whether anything waits for time to pass.
    fn look(&mut self, state: &Arc<State>, duty: Duty) -> bool {
        self.ledger.settle(state, Instant::now());
        for (key, proposal) in self.ledger.take_records(Instant::now()) {
            let answer = self.parts.proposer.propose(proposal);
            self.tasks.spawn(async move {
                Event::Recorded {
                    key,
                    answer: answer.await.map(|_| ()),
                }
            });
        }
        let unrecorded = u64::try_from(self.ledger.unrecorded()).unwrap_or(u64::MAX);
        self.counters
            .unrecorded
            .store(unrecorded, Ordering::Relaxed);
        if duty == Duty::Rest {
            return self.ledger.is_waiting();
        }
        let due = state.due_pages();
        let now = wall_clock().0;
        for DuePage {
            page,
            contact,
            not_before,
        } in &due
        {
            let overdue = now.saturating_sub(not_before.0);
            let early = not_before.0.saturating_sub(now);
            if early == 0 || early > CLOCK_JUMP_MS {
                self.send((*page, contact.clone()), overdue, state, duty);
            }
        }
        !due.is_empty() || self.ledger.is_waiting()
    }

    fn send(&mut self, key: Key, overdue_ms: u64, state: &Arc<State>, duty: Duty) {
        let Some(cluster) = &state.cluster else {
            return;
        };
        let Some(contact) = state.config.contacts.get(&key.1) else {
            return;
        };
        let Some(page) = state.pages.shared(&key.0) else {
            return;
        };
        let Some(failures_before) = page.deliveries.get(&key.1).and_then(failures) else {
            return;
        };
        if !self.ledger.is_free(&key)
            || !is_mine(self.parts.me, duty, state, failures_before, overdue_ms)
        {
            return;
        }
        let reached = self.ledger.begin(&key);
        let errand = Errand {
            call: Call::of_page(cluster, page, key.1.clone(), Word::Committed),
            channels: contact.channels.clone(),
            reached,
            origin: origin(state, &self.parts.own),
        };
        tracing::debug!(page = %key.0, contact = %key.1, failures_before, "sending a page");
        let receipt = self.parts.courier.deliver(errand);
        self.tasks.spawn(async move {
            Event::Landed {
                key,
                failures_before,
                receipt: receipt.await,
            }
        });
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Landed {
                key,
                failures_before,
                receipt,
            } => {
                let (page, contact) = key.clone();
                let outcome = receipt.outcome();
                match &outcome {
                    DeliveryOutcome::Delivered => {
                        self.counters.delivered.fetch_add(1, Ordering::Relaxed);
                        tracing::info!(%page, %contact, said = receipt.words(), "page delivered");
                    }
                    DeliveryOutcome::Failed(why) => {
                        self.counters.failed.fetch_add(1, Ordering::Relaxed);
                        tracing::warn!(%page, %contact, why, "page not delivered");
                    }
                }
                let by = self.parts.me;
                let record = proposal(Command::RecordDelivery {
                    page,
                    contact,
                    by,
                    outcome,
                });
                self.ledger.landed(
                    key,
                    receipt.reached,
                    failures_before,
                    record,
                    Instant::now(),
                );
            }
            Event::Recorded { key, answer } => {
                if let Err(error) = &answer {
                    let (page, contact) = &key;
                    tracing::debug!(%page, %contact, %error, "delivery not recorded");
                }
                let decided = !matches!(answer, Err(NotDecided::Later(_)));
                self.ledger.recorded(&key, decided, Instant::now());
            }
        }
    }
}

/// Where mail may leave from: this node's own addresses, never a VIP.
pub(super) fn origin(state: &State, own: &[IpAddr]) -> Origin {
    let never: BTreeSet<IpAddr> = state.config.vips.values().map(|vip| vip.address).collect();
    Origin {
        own: own.to_vec(),
        never,
    }
}

/// How often a delivery that waits for its back-off is looked at: short beside the first back-off
/// of five seconds.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Back-offs end after five minutes; who shall wait longer waits because a clock was wrong.
const CLOCK_JUMP_MS: u64 = 15 * 60 * 1_000;

#[cfg(test)]
mod tests;
