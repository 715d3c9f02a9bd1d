//! One node: its clock and disk, which outlive its process; and the process, made of the
//! production's own store, consensus and lease engine.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use farmux_node::daemon::HealthVoice;
use farmux_raft::clockwork::{Clockwork, drive};
use farmux_raft::consensus::{Consensus, ConsensusConfig, Effective, Standing};
use farmux_raft::id::{ClusterId, NodeId, UnixMillis};
use farmux_raft::lease::{BootTime, Counters, Drawn, Engine, Roster, Timing};
use farmux_raft::state::{NodeRole, State};
use farmux_store::{OpenError, Pump, Store};
use tokio::sync::watch;

use super::disk::Disk;
use super::executor::{Clock, Core, Machine, Moment};
use super::probe::{self, Leases, Place};
use super::wire::{Cable, Calls};

/// The cluster of every world.
pub(super) const CLUSTER: ClusterId = ClusterId(0xfa23);

/// What a process and its tasks share.
#[derive(Default)]
pub(super) struct Mind {
    /// There once it started.
    pub(super) consensus: Option<Consensus>,
    /// It did not start.
    pub(super) failed: Option<String>,
    /// The states that it reached and nobody judged yet, each with its last entry.
    pub(super) applied: Vec<(u64, Arc<State>)>,
    /// What it says of health, once it has started.
    pub(super) voice: Option<HealthVoice>,
    /// When it last took a leader's word.
    pub(super) heard: Option<Instant>,
}

/// A process that runs.
pub(super) struct Process {
    pub(super) machine: Arc<dyn Clockwork>,
    pub(super) mind: Arc<Mutex<Mind>>,
    pub(super) pump: Pump,
    /// A flush is under way.
    pub(super) flushing: bool,
    pub(super) engine: Engine,
    pub(super) counters: Arc<Counters>,
    pub(super) state: watch::Receiver<Arc<State>>,
    pub(super) leases: Leases,
    pub(super) roster: Option<Roster>,
    pub(super) standing: Option<Standing>,
}

/// Somebody was told that another holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeardHolding {
    pub(super) at: Moment,
    pub(super) from: usize,
    /// When that one said so.
    pub(super) sent: Moment,
}

/// A machine, and what runs on it.
pub(super) struct Site {
    pub(super) id: NodeId,
    pub(super) role: NodeRole,
    pub(super) clock: Clock,
    /// How far the wall clock is beside the truth, in milliseconds.
    pub(super) wall_ms: Arc<AtomicU64>,
    pub(super) disk: Disk,
    pub(super) process: Option<Process>,
    /// Which process it is; what was meant for another one is stale.
    pub(super) life: u64,
    pub(super) paused_until: Moment,
    /// When it was paused, from and until.
    pub(super) pauses: Vec<(Moment, Moment)>,
    /// Stale wake-ups of the engine are told by it.
    pub(super) round: u64,
    pub(super) owns: bool,
    pub(super) owns_until: Moment,
    /// Without a majority.
    pub(super) alone: bool,
    pub(super) alone_since: Moment,
    /// When it was last told that somebody holds.
    pub(super) heard_holding: Vec<HeardHolding>,
    /// Since when the cluster does without it.
    pub(super) removed_at: Option<Moment>,
    /// Its disk is slow until then.
    pub(super) slow_until: Moment,
}

impl Site {
    pub(super) fn new(id: NodeId, role: NodeRole, clock: Clock) -> Site {
        Site {
            id,
            role,
            clock,
            wall_ms: Arc::new(AtomicU64::new(1_700_000_000_000)),
            disk: Disk::default(),
            process: None,
            life: 0,
            paused_until: 0,
            pauses: Vec::new(),
            round: 0,
            owns: false,
            owns_until: 0,
            alone: false,
            alone_since: 0,
            heard_holding: Vec::new(),
            removed_at: None,
            slow_until: 0,
        }
    }

    /// What its boot clock shows.
    pub(super) fn local(&self, now: Moment) -> BootTime {
        self.clock.show(now)
    }

    /// What its wall clock shows.
    pub(super) fn wall(&self, now: Moment) -> UnixMillis {
        UnixMillis(self.wall_ms.load(Relaxed) + now / 1_000_000)
    }

    /// How long it was paused between two moments, in nanoseconds.
    pub(super) fn paused_since(&self, from: Moment, to: Moment) -> u64 {
        let pauses = self.pauses.iter();
        let within = pauses.map(|pause| pause.1.min(to).saturating_sub(pause.0.max(from)));
        within.sum()
    }

    pub(super) fn is_paused(&self, now: Moment) -> bool {
        self.paused_until > now
    }

    /// Its consensus, once it has started.
    pub(super) fn consensus(&self) -> Option<Consensus> {
        let mind = self.process.as_ref()?.mind.lock();
        mind.expect("no holder of this lock can panic")
            .consensus
            .clone()
    }

    /// The state that it applied.
    pub(super) fn state(&self) -> Option<Arc<State>> {
        Some(self.process.as_ref()?.state.borrow().clone())
    }

    /// The effective membership, as it knows it.
    pub(super) fn membership(&self) -> Effective {
        self.consensus()
            .map(|consensus| consensus.membership().borrow().clone())
            .unwrap_or_default()
    }

    /// `Holding` heard so far.
    pub(super) fn holding_count(&self) -> u64 {
        let process = self.process.as_ref();
        process.map_or(0, |process| process.counters.holding.load(Relaxed))
    }

    /// Starts a process on whatever the disk holds.
    pub(super) fn start(
        &mut self,
        place: Place,
        machine: Arc<Machine>,
        calls: Calls,
        (timing, drawn): (Timing, Drawn),
    ) -> Result<(), OpenError> {
        let core: Arc<Core> = machine.core.clone();
        let node = place.node;
        let now = self.local(core.now());
        let machine: Arc<dyn Clockwork> = machine;
        let media = Arc::new(self.disk.clone());
        let id = self.id;
        let opened = drive(&machine, || Store::open_on(media, Path::new("store"), id));
        let (store, pump) = opened?;
        let counters = Arc::new(Counters::default());
        let engine = Engine::new(timing, counters.clone(), now, drawn);
        let mind = Arc::new(Mutex::new(Mind::default()));
        let state = store.state.clone();
        let own = mind.clone();
        let leases = Leases::default();
        let lent = (leases.held.subscribe(), leases.seen.subscribe());
        core.spawn(
            node,
            Box::pin(async move {
                let config = ConsensusConfig {
                    me: id,
                    cluster: CLUSTER,
                    epoch: 0,
                };
                let cable = Arc::new(Cable { me: node, calls });
                let told = own.clone();
                let machine = store.machine.observed(Box::new(move |index, state| {
                    let mut mind = told.lock().expect("no holder of this lock can panic");
                    mind.applied.push((index, state.clone()));
                }));
                let started =
                    Consensus::start(config, store.log, machine, store.state, cable).await;
                let mut mind = own.lock().expect("no holder of this lock can panic");
                match started {
                    Ok(consensus) => {
                        mind.voice = Some(probe::start(&place, &consensus, lent));
                        mind.consensus = Some(consensus);
                    }
                    Err(error) => mind.failed = Some(error.to_string()),
                }
            }),
        );
        self.life += 1;
        self.process = Some(Process {
            machine,
            mind,
            pump,
            flushing: false,
            engine,
            counters,
            state,
            leases,
            roster: None,
            standing: None,
        });
        Ok(())
    }
}
