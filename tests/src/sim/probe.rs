//! A node's voice on health, made of the production's own: its plan, its prober's decisions, its
//! reporter, messenger and pager; around them simulated probes and a simulated courier.
//!
//! ```text
//!   state, leases ─plan─> Prober ─verdicts, opinions─> HealthVoice ─errand─> post ─> contact
//!                           ▲                                          (moody in a storm)
//!                           └─ answers of `outside`
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use farmux_netplane::plan::{Plan, ProbeKey};
use farmux_netplane::probe::offline::{Prober, opinion, patience};
use farmux_netplane::probe::{self, Outcome, Verdict};
use farmux_node::daemon::{HealthVoice, HealthVoiceParts, end_holds, speak_of_health};
use farmux_node::pager::{Call, Courier, Errand, Receipt, Said as Words, Try, Word};
use farmux_node::plan::{Standpoint, plan};
use farmux_raft::clockwork::{now, random, sleep, spawn, wall};
use farmux_raft::consensus::{BoxFuture, Consensus};
use farmux_raft::id::{Ballot, NodeId, UnixMillis, VipName};
use farmux_raft::state::{ChannelKind, DeliveryOutcome, NodeRole};
use tokio::sync::{mpsc, watch};

use super::executor::Core;
use super::operate::Said;
use super::outside::{RECIPIENT, SharedOutside};
use super::pages::{Mail, Seen};

/// The leases of a process, as its lease thread shows them.
pub(super) struct Leases {
    pub(super) held: watch::Sender<BTreeMap<VipName, Ballot>>,
    pub(super) seen: watch::Sender<BTreeMap<VipName, (NodeId, Ballot)>>,
}

impl Default for Leases {
    fn default() -> Leases {
        Leases {
            held: watch::channel(BTreeMap::new()).0,
            seen: watch::channel(BTreeMap::new()).0,
        }
    }
}

/// Where a node's voice is.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) node: usize,
    pub(super) role: NodeRole,
    pub(super) core: Arc<Core>,
    pub(super) outside: SharedOutside,
    pub(super) said: Arc<Mutex<Vec<Said>>>,
}

impl Place {
    fn tell(&self, said: Said) {
        let mut all = self.said.lock().expect("no holder of this lock can panic");
        all.push(said);
    }
}

/// The leases that a voice goes by.
pub(super) type Lent = (
    watch::Receiver<BTreeMap<VipName, Ballot>>,
    watch::Receiver<BTreeMap<VipName, (NodeId, Ballot)>>,
);

/// Starts it, within a task of the node.
pub(super) fn start(place: &Place, consensus: &Consensus, (held, seen): Lent) -> HealthVoice {
    let (verdicts_in, verdicts) = mpsc::channel(QUEUED_MAX);
    let (opinions_in, opinions) = mpsc::channel(QUEUED_MAX);
    let prober = Prober::default();
    let voice = speak_of_health(HealthVoiceParts {
        role: place.role,
        consensus: consensus.clone(),
        held: held.clone(),
        seen: seen.clone(),
        verdicts,
        opinions: Some(opinions),
        suspicion: prober.suspicion(),
        own: vec![],
        courier: Arc::new(Post(place.clone())),
    });
    let worker = Worker {
        place: place.clone(),
        consensus: consensus.clone(),
        held,
        seen,
        verdicts: verdicts_in,
        opinions: opinions_in,
        prober,
        planned: Plan::default(),
        due: BTreeMap::new(),
        rows: BTreeMap::new(),
    };
    drop(spawn(worker.run()));
    drop(spawn(end_holds(consensus.clone())));
    voice
}

struct Worker {
    place: Place,
    consensus: Consensus,
    held: watch::Receiver<BTreeMap<VipName, Ballot>>,
    seen: watch::Receiver<BTreeMap<VipName, (NodeId, Ballot)>>,
    verdicts: mpsc::Sender<Verdict>,
    opinions: mpsc::Sender<probe::Opinion>,
    prober: Prober,
    planned: Plan,
    due: BTreeMap<ProbeKey, Instant>,
    /// How the last probes of each check ended, and how many in a row did so.
    rows: BTreeMap<ProbeKey, (bool, u32)>,
}

impl Worker {
    async fn run(mut self) {
        let mut state = self.consensus.state();
        let standing = self.consensus.standing();
        let mut leads = None;
        let mut first = true;
        loop {
            let term = standing.borrow().leads();
            let moved = self.held.has_changed().unwrap_or(false)
                || self.seen.has_changed().unwrap_or(false)
                || state.has_changed().unwrap_or(false);
            if first || moved || term != leads {
                (first, leads) = (false, term);
                let newest = state.borrow_and_update().clone();
                let stand = Standpoint {
                    me: self.consensus.config().me,
                    role: self.place.role,
                    held: &self.held.borrow_and_update().clone(),
                    seen: &self.seen.borrow_and_update().clone(),
                    interfaces: &BTreeMap::new(),
                    leads,
                };
                self.follow(plan(&newest, &stand));
            }
            self.probe();
            sleep(TICK).await;
        }
    }

    fn ask(&self, target: std::net::SocketAddr, patience: Duration) -> Outcome {
        let place = &self.place;
        let here = (place.node, place.core.now());
        place.outside.answer(here, target, patience)
    }

    fn follow(&mut self, planned: Plan) {
        self.prober.wish(&planned.probes, planned.suspicion);
        for (key, plan) in self.prober.take_up(&planned.opinions) {
            let outcome = self.ask(plan.target, patience(&plan));
            // Where there is no room whoever asked goes on without it.
            drop(self.opinions.try_send(opinion(key, &plan, &outcome)));
        }
        self.due.retain(|key, _| planned.probes.contains_key(key));
        self.planned = planned;
    }

    /// Makes the probes that are due.
    fn probe(&mut self) {
        let moment = now();
        let mut told = Vec::new();
        for (key, plan) in &self.planned.probes {
            let due = self.due.entry(key.clone()).or_insert(moment);
            if *due > moment {
                continue;
            }
            *due = moment + plan.interval;
            let outcome = self.ask(plan.target, plan.timeout);
            let passed = matches!(outcome, Outcome::Pass(_));
            let row = self.rows.entry(key.clone()).or_insert((passed, 0));
            *row = match row.0 == passed {
                true => (passed, row.1 + 1),
                false => (passed, 1),
            };
            told.extend(self.prober.ended(key, &outcome, moment, wall()));
        }
        told.extend(self.prober.thaw(moment));
        for verdict in told {
            let row = self.rows.get(&verdict.key).copied().unwrap_or_default();
            let (key, health) = (verdict.key.clone(), verdict.health);
            let (node, at) = (self.place.node, millis(verdict.at));
            self.place.tell(Said::Seen(Seen {
                node,
                key,
                health,
                at,
                row,
            }));
            // There is room for many times as many as there are checks.
            drop(self.verdicts.try_send(verdict));
        }
    }
}

/// As the log has it.
fn millis(at: SystemTime) -> UnixMillis {
    let since = at.duration_since(SystemTime::UNIX_EPOCH);
    let since = since.expect("clocks of rounds are past that");
    UnixMillis(u64::try_from(since.as_millis()).expect("and before its end"))
}

/// The courier of a node.
struct Post(Place);

impl Courier for Post {
    fn deliver(&self, errand: Errand) -> BoxFuture<'static, Receipt> {
        let place = self.0.clone();
        Box::pin(async move {
            let (fate, span) = (u32::from_le_bytes(random()), u32::from_le_bytes(random()));
            let fate = if place.outside.is_moody() {
                fate % 10
            } else {
                0
            };
            let mut reached = errand.reached;
            sleep(Duration::from_millis(u64::from(5 + span % 200))).await;
            if reached.contains(RECIPIENT) {
                return receipt(Ok("everybody has it already"), reached);
            }
            match fate {
                0..=4 => {
                    place.tell(Said::Mail(mail(place.node, &errand.call)));
                    // The process may end before it hears that.
                    sleep(Duration::from_millis(u64::from(span % 50))).await;
                    reached.insert(RECIPIENT.to_owned());
                    receipt(Ok("250 taken"), reached)
                }
                5 | 6 => {
                    place.tell(Said::Mail(mail(place.node, &errand.call)));
                    sleep(Duration::from_millis(u64::from(500 + span % 2_000))).await;
                    receipt(Err("no answer after the letter"), reached)
                }
                _ => receipt(Err("451 later"), reached),
            }
        })
    }
}

fn receipt(words: Result<&str, &str>, reached: BTreeSet<String>) -> Receipt {
    let (outcome, words) = match words {
        Ok(words) => (DeliveryOutcome::Delivered, words),
        Err(words) => (DeliveryOutcome::Failed(words.to_owned()), words),
    };
    let channel = ChannelKind::Mail;
    let words = words.to_owned();
    Receipt {
        tries: vec![Try {
            channel,
            outcome,
            words,
        }],
        reached,
    }
}

fn mail(node: usize, call: &Call) -> Mail {
    let (pages, by_own_word) = match &call.said {
        Words::Pages { pages, word } => (pages.clone(), *word != Word::Committed),
        Words::Test { .. } => (vec![], false),
    };
    Mail {
        node,
        id: call.id,
        reminder: call.reminder,
        pages,
        by_own_word,
    }
}

/// Verdicts that wait for the reporter.
const QUEUED_MAX: usize = 256;

/// Between two looks of a prober: half of an interval.
const TICK: Duration = Duration::from_millis(100);
