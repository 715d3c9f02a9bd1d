//! The pager's event loop: sends what the state says is due, then has it recorded.
//!
//! ```text
//!   state, standing --watch--> look --errand--> courier (a task each, 8 at most), once a majority
//!                               ^  |            said that what is looked at is so
//!                               ^  \--record--> proposer (a task each)
//!                               +---- what came of either ----+
//! ```
//!
//! It runs on every node and sends only where it is this node's turn ([`super::turns`]). Which
//! pages go in which message is the state's to say; nothing here waits but for the wall clock, and
//! a clock that jumps delays nothing for long.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use farmux_netplane::origin::Origin;
use farmux_raft::clockwork::{Task, TaskSet, now, sleep, spawn};
use farmux_raft::consensus::Standing;
use farmux_raft::id::{NodeId, UnixMillis};
use farmux_raft::state::{ChannelTry, Command, DeliveryOutcome, DeliveryRecord, DueMessage, State};
use tokio::sync::watch;

use super::call::{Call, Said, Word};
use super::courier::{Courier, Errand, Receipt};
use super::ledger::{Attempt, Key, Ledger};
use super::link;
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
    task: Task<()>,
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
            tasks: TaskSet::default(),
            sureness: Sureness::Unsure,
        };
        let task = spawn(worker.run());
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
    tasks: TaskSet<Event>,
    sureness: Sureness,
}

/// Whether what is known is known to be so now. It is worth one look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sureness {
    Unsure,
    Asking,
    Sure,
}

/// What a task leaves behind.
enum Event {
    Confirmed(bool),
    Landed {
        attempt: Attempt,
        through: u64,
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
            let wake = self.look(&newest, duty);
            // What was confirmed was worth that one look.
            if self.sureness == Sureness::Sure {
                self.sureness = Sureness::Unsure;
            }
            tokio::select! {
                // What ended first: it is bounded, and holds up nobody.
                biased;
                Some(event) = self.tasks.next() => match event {
                    Ok(event) => self.take(event),
                    // Nobody cancels our tasks, and a panic has ended the process already.
                    Err(error) => tracing::error!(%error, "a delivery's task was lost"),
                },
                changed = state.changed() => if changed.is_err() { return },
                changed = standing.changed() => if changed.is_err() { return },
                () = sleep(wake.unwrap_or(LOOK_SELDOM)), if wake.is_some() => {}
            }
        }
    }

    /// Starts what is due; says how long to wait when anything waits for time to pass.
    fn look(&mut self, state: &Arc<State>, duty: Duty) -> Option<Duration> {
        self.ledger.settle(state, now());
        for (key, proposal) in self.ledger.take_records(now()) {
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
        let mut wake = self.ledger.is_waiting().then_some(LOOK_EVERY);
        if duty == Duty::Rest {
            return wake;
        }
        let wall = wall_clock();
        let (ready, waiting): (Vec<DueMessage<'_>>, Vec<_>) =
            state.due_messages().partition(|due| due.is_due(wall));
        let first = waiting.iter().map(DueMessage::not_before).min();
        if let Some(first) = first {
            let until = Duration::from_millis(first.0.saturating_sub(wall.0));
            let until = until.clamp(LOOK_SOON, LOOK_SELDOM);
            wake = Some(wake.map_or(until, |wake| wake.min(until)));
        }
        if !ready.is_empty() {
            wake = Some(wake.map_or(LOOK_EVERY, |wake| wake.min(LOOK_EVERY)));
        }
        let mine = |due: &DueMessage<'_>| self.is_for_us(due, wall, state, duty);
        let mut mine: Vec<DueMessage<'_>> = ready.into_iter().filter(mine).collect();
        if mine.is_empty() || !self.is_sure() {
            return wake;
        }
        // What failed waits for what did not.
        mine.sort_by_key(|due| (due.open.failures, due.not_before()));
        for due in mine {
            self.send(due, state);
        }
        wake
    }

    /// Whether a majority said that what is looked at is so; if not, it is asked.
    fn is_sure(&mut self) -> bool {
        match self.sureness {
            Sureness::Sure => true,
            Sureness::Asking => false,
            Sureness::Unsure => {
                self.sureness = Sureness::Asking;
                let asked = self.parts.proposer.confirm();
                self.tasks.spawn(async move {
                    let sure = asked.await;
                    if !sure {
                        sleep(LOOK_EVERY).await;
                    }
                    Event::Confirmed(sure)
                });
                false
            }
        }
    }

    /// Whether it is this node's turn to send a message, and nothing of it is under way.
    fn is_for_us(
        &self,
        due: &DueMessage<'_>,
        wall: UnixMillis,
        state: &Arc<State>,
        duty: Duty,
    ) -> bool {
        let failures = failures(state, due);
        let overdue_ms = wall.0.saturating_sub(due.not_before().0);
        let key: Key = (due.contact.clone(), due.bundle);
        self.ledger.is_free(&key, failures > 0, now())
            && is_mine(self.parts.me, duty, state, failures, overdue_ms)
    }

    /// Sends a message, if there is room.
    fn send(&mut self, due: DueMessage<'_>, state: &Arc<State>) {
        let key: Key = (due.contact.clone(), due.bundle);
        let failures = failures(state, &due);
        // What was begun a moment ago may have taken the room.
        if !self.ledger.is_free(&key, failures > 0, now()) {
            return;
        }
        let (Some(cluster), Some(contact)) =
            (&state.cluster, state.config.contacts.get(due.contact))
        else {
            return;
        };
        let Some(message) = state.message(due.contact, due.bundle) else {
            return;
        };
        let is_over = message.pages.iter().all(|page| page.over.is_some());
        let is_last = self.ledger.is_last(&key, is_over, now()) && state.gives_up_by_record();
        let attempt = Attempt {
            key,
            id: message.id,
            round: due.open.round,
            failures: due.open.failures,
            is_last,
        };
        let through = message.through;
        let links = link::links(state, self.parts.me, &due, &message);
        let errand = Errand {
            call: Call {
                cluster: cluster.id,
                cluster_name: cluster.name.clone(),
                contact: due.contact.clone(),
                id: message.id,
                said: Said::Pages {
                    pages: message.pages,
                    word: Word::Committed,
                },
                reminder: due.open.round,
                links,
            },
            channels: contact.channels.clone(),
            reached: self.ledger.begin(&attempt, failures > 0),
            origin: origin(state, &self.parts.own),
        };
        tracing::debug!(message = %attempt.id, contact = %due.contact, failures, "sending");
        let receipt = self.parts.courier.deliver(errand);
        self.tasks.spawn(async move {
            Event::Landed {
                attempt,
                through,
                receipt: receipt.await,
            }
        });
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Confirmed(true) => self.sureness = Sureness::Sure,
            Event::Confirmed(false) => self.sureness = Sureness::Unsure,
            Event::Landed {
                attempt,
                through,
                receipt,
            } => self.landed(attempt, through, receipt),
            Event::Recorded { key, answer } => {
                if let Err(error) = &answer {
                    let (contact, bundle) = &key;
                    tracing::debug!(%contact, bundle, %error, "delivery not recorded");
                }
                let decided = !matches!(answer, Err(NotDecided::Later(_)));
                self.ledger.recorded(&key, decided, now());
            }
        }
    }

    fn landed(&mut self, attempt: Attempt, through: u64, receipt: Receipt) {
        let (contact, bundle) = attempt.key.clone();
        let message = attempt.id;
        match receipt.outcome() {
            DeliveryOutcome::Delivered => {
                self.counters.delivered.fetch_add(1, Ordering::Relaxed);
                let said = receipt.words();
                tracing::info!(%message, %contact, said, "page delivered");
            }
            DeliveryOutcome::Failed(why) => {
                self.counters.failed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%message, %contact, why, "page not delivered");
            }
        }
        let tries = receipt.tries.into_iter().map(|tried| ChannelTry {
            channel: tried.channel,
            outcome: tried.outcome,
        });
        let record = DeliveryRecord {
            contact,
            bundle,
            through,
            round: attempt.round,
            by: self.parts.me,
            tries: tries.collect(),
            forlorn: attempt.is_last,
        };
        let record = proposal(Command::RecordDelivery(record));
        self.ledger.landed(attempt, receipt.reached, record, now());
    }
}

/// How often in a row this message, or its contact's first channel, failed.
fn failures(state: &State, due: &DueMessage<'_>) -> u32 {
    due.open.failures.max(first_channel_failures(state, due))
}

/// How often in a row a contact's first channel failed.
fn first_channel_failures(state: &State, due: &DueMessage<'_>) -> u32 {
    let contact = state.config.contacts.get(due.contact);
    let first = contact.and_then(|contact| contact.channels.first());
    let standing = first.and_then(|channel| {
        let key = (due.contact.clone(), channel.kind());
        state.channels.get(&key)
    });
    standing.map_or(0, |standing| standing.failures)
}

/// Where mail may leave from: this node's own addresses, never a VIP.
pub(super) fn origin(state: &State, own: &[IpAddr]) -> Origin {
    let never: BTreeSet<IpAddr> = state.config.vips.values().map(|vip| vip.address).collect();
    Origin {
        own: own.to_vec(),
        never,
    }
}

/// How often something that is due and cannot be sent is looked at: short beside the first
/// back-off of five seconds.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What waits for hours is looked at so often, because a clock may jump.
const LOOK_SELDOM: Duration = Duration::from_secs(1);

/// A timer's own grain; what waits for less would spin.
const LOOK_SOON: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests;
