//! This machine as a member of a cluster: consensus, leases and wire, and the tasks between them.
//!
//! ```text
//!                 Rpc                      state, membership (watch)
//!   PeerServer ─────────▶ Consensus ──┬──▶ follow_roster ─▶ LeaseHandle ─datagrams─▶ other nodes
//!   PeerClient ◀───────── (Store)     │                        │ deadlines (Leases), held (watch)
//!        ▲                    ▲       │                        ▼
//!        │ addresses          │       └──▶ follow_plan ─▶ Vips, Serving, Probing
//!   follow_addresses          │ propose                        │ verdicts (mpsc)
//!                             ├── Reporter ◀───────────────────┘
//!                             ├── report_vips, report_nodes, report_quorum, RoomReporter
//!                             ├── finish_joins, end_holds
//!                             └── Pager (when it is our turn) ─SMTP─▶ relay
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use farmux_netplane::fence::FenceMode;
use farmux_netplane::plan::VipPlan;
use farmux_netplane::probe::Probing;
use farmux_netplane::reference::References;
use farmux_netplane::serve::Serving;
use farmux_netplane::vip::{Leases, Vips};
use farmux_raft::clockwork;
use farmux_raft::consensus::{Consensus, NewestError, ProposeError, Room};
use farmux_raft::id::{Ballot, NodeId, RequestId, UnixMillis, VipName};
use farmux_raft::lease::{LeaseHandle, Legs};
use farmux_raft::peer::{Addresses, Identity, JoinStage, PeerClient, PeerServer, Refusals};
use farmux_raft::state::{Applied, Command, NodeRole, Proposal, State};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::voice::Voice;
use crate::moving::Desk;
use crate::pager::{Heartbeats, Pager};
use crate::rehearsal;

/// A running member.
pub struct Member {
    pub(super) identity: watch::Sender<Arc<Identity>>,
    pub(super) consensus: Consensus,
    pub(super) lease: LeaseHandle,
    pub(super) peers: PeerClient,
    pub(super) refusals: Arc<Refusals>,
    pub(super) wire: Option<Wire>,
    pub(super) probing: Probing,
    pub(super) voice: Voice,
    /// What this node stands on, as last found.
    pub(super) legs: watch::Sender<Legs>,
    pub(super) seeds: watch::Sender<Addresses>,
    pub(super) stage: watch::Receiver<Option<JoinStage>>,
    pub(super) desk: Desk,
    pub(super) rehearsal: rehearsal::Room,
    pub(super) drills: Arc<rehearsal::Desk>,
    /// Where it keeps what it must not lose.
    pub(super) data: PathBuf,
    pub(super) tasks: Mutex<JoinSet<()>>,
    pub(super) _server: PeerServer,
}

/// What a balancer shows on the wire; a witness has none.
pub struct Wire {
    /// The addresses.
    pub vips: Vips,
    /// Which of them the plan names.
    pub(super) vip_plans: watch::Sender<VipPlans>,
    /// The services.
    pub serving: Arc<Serving>,
    /// The gateways of its networks.
    pub references: References,
    /// Until when they may be here.
    pub(super) leases: Leases,
}

/// The VIPs of a plan, by name.
pub(super) type VipPlans = BTreeMap<Arc<str>, VipPlan>;

impl Wire {
    /// Whether the address of a VIP is here.
    pub fn shows(&self, vip: &VipName) -> bool {
        let status = self.vips.status();
        let shown = status.borrow();
        let shown = shown.get(vip.as_str());
        shown.is_some_and(|vip| vip.shown_since.is_some())
    }

    /// Takes the address of a VIP away, until [`Wire::reveal`] or another plan.
    pub(crate) fn hide(&self, vip: &VipName) -> Option<VipPlan> {
        let mut hidden = None;
        self.vip_plans.send_if_modified(|plans| {
            hidden = plans.remove(vip.as_str());
            hidden.is_some()
        });
        hidden
    }

    /// Puts back what [`Wire::hide`] took, where no newer plan did: whether the address comes is
    /// for the lease to say.
    pub(crate) fn reveal(&self, vip: &VipName, plan: VipPlan) {
        self.vip_plans.send_if_modified(|plans| {
            let absent = !plans.contains_key(vip.as_str());
            if absent {
                plans.insert(vip.shared(), plan);
            }
            absent
        });
    }

    /// How many new connections to a VIP the fence refused so far; `None` without a fence.
    pub fn refused(&self, vip: &VipName) -> Option<u64> {
        self.leases.refused(vip.as_str())
    }

    /// Whether a fence stands around a VIP; cheap enough to be asked every millisecond.
    pub fn is_fenced(&self, vip: &VipName) -> bool {
        self.leases.mode(vip.as_str()) != FenceMode::None
    }

    /// Lets no new connection to a VIP begin, or lets them again.
    pub fn refuse_new(&self, vip: &VipName, refuse: bool) {
        self.leases.refuse_new(vip.as_str(), refuse);
    }

    /// Has HTTP clients come again on new connections, for the next owner to take, rather than have
    /// the ones they keep reset.
    async fn send_away(&self) {
        let held: BTreeSet<IpAddr> = {
            let plans = self.vip_plans.borrow();
            let held = plans.values().filter(|vip| vip.held);
            held.map(|vip| vip.address).collect()
        };
        if !held.is_empty() {
            held.into_iter()
                .for_each(|address| self.serving.leave(address));
            tokio::time::sleep(SEND_AWAY_FOR).await;
        }
    }

    /// Takes every address away, before anybody else may have it.
    async fn withdraw(&self) {
        self.vip_plans.send_replace(VipPlans::new());
        let mut shown = self.vips.status();
        let gone = shown.wait_for(|all| all.values().all(|vip| vip.shown_since.is_none()));
        let _ = tokio::time::timeout(RELEASE_MAX, gone).await;
    }
}

impl Member {
    /// Which node this is.
    pub fn me(&self) -> NodeId {
        self.identity.borrow().node()
    }

    /// As what it joined.
    pub fn role(&self) -> NodeRole {
        self.identity.borrow().role()
    }

    /// Who this node is, and proves to be; follows renewals.
    pub fn identity(&self) -> watch::Receiver<Arc<Identity>> {
        self.identity.subscribe()
    }

    /// The agreement.
    pub fn consensus(&self) -> &Consensus {
        &self.consensus
    }

    /// The folder on whose disk no room is left, if so.
    pub fn full_disk(&self) -> Option<&Path> {
        (self.consensus.room() != Room::Enough).then_some(self.data.as_path())
    }

    /// The newest applied state.
    pub fn state(&self) -> Arc<State> {
        self.consensus.state().borrow().clone()
    }

    /// The leases.
    pub fn lease(&self) -> &LeaseHandle {
        &self.lease
    }

    /// VIPs that are lent to this node.
    pub fn held(&self) -> BTreeMap<VipName, Ballot> {
        self.lease.held().borrow().clone()
    }

    /// What this node stands on.
    pub fn legs(&self) -> Legs {
        *self.legs.borrow()
    }

    /// Takes orders to move what this node has.
    pub(crate) fn desk(&self) -> &Desk {
        &self.desk
    }

    /// What this node does in drills.
    pub(crate) fn rehearsal(&self) -> &rehearsal::Room {
        &self.rehearsal
    }

    /// What this node says of the runs that it conducts.
    pub(crate) fn drills(&self) -> &rehearsal::Desk {
        &self.drills
    }

    /// The other nodes.
    pub fn peers(&self) -> &PeerClient {
        &self.peers
    }

    /// Why connections were refused.
    pub fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// How far this node is on its way to a vote, once it asked.
    pub fn stage(&self) -> watch::Receiver<Option<JoinStage>> {
        self.stage.clone()
    }

    /// What this node shows on the wire; `None` on a witness.
    pub fn wire(&self) -> Option<&Wire> {
        self.wire.as_ref()
    }

    /// The checks; a witness that leads probes farms that nobody owns.
    pub fn probing(&self) -> &Probing {
        &self.probing
    }

    /// The pager of this node.
    pub fn pager(&self) -> &Pager {
        &self.voice.of_health.pager
    }

    /// What tells somebody else that we live.
    pub fn heartbeats(&self) -> &Heartbeats {
        &self.voice.heartbeats
    }

    /// Whether this node votes.
    pub fn votes(&self) -> bool {
        self.consensus.membership().borrow().is_voter(self.me())
    }

    /// Learns where members answer, before the log says so.
    pub(super) fn learn(&self, seeds: Addresses) {
        self.seeds.send_replace(seeds);
    }

    /// Waits until this node's state has all that was decided before the call.
    ///
    /// **Errors**: see [`Consensus::newest`]; the state may be behind.
    pub async fn newest(&self) -> Result<(), NewestError> {
        self.consensus.newest().await
    }

    /// Has a change decided, here or by the leader.
    ///
    /// **Errors**: see [`Consensus::propose`].
    pub async fn change(&self, command: Command) -> Result<Applied, ProposeError> {
        self.consensus.propose(proposal(command)).await
    }

    /// Stops taking part: first clients are told, then the addresses go, then the leases, then the
    /// log.
    pub async fn stop(&self) {
        if let Some(wire) = &self.wire {
            wire.send_away().await;
        }
        // A task that is just at work writes to its end: its plan would bring the addresses back.
        let mut tasks = std::mem::take(&mut *self.lock_tasks());
        let _ = tokio::time::timeout(RELEASE_MAX, tasks.shutdown()).await;
        if let Some(wire) = &self.wire {
            wire.withdraw().await;
        }
        for vip in self.held().keys() {
            self.lease.release(vip, None);
        }
        let mut held = self.lease.held();
        let given_up = held.wait_for(BTreeMap::is_empty);
        let _ = tokio::time::timeout(RELEASE_MAX, given_up).await;
        self.lease.set_roster(None);
        self.consensus.shutdown().await;
    }

    /// Where every member is reached.
    pub fn addresses(&self) -> BTreeSet<SocketAddr> {
        self.state()
            .nodes
            .values()
            .flat_map(|node| node.peer_addresses.clone())
            .collect()
    }

    /// Runs a task for as long as this member lives.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.lock_tasks().spawn(task);
    }

    fn lock_tasks(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Long enough for the answers that are on their way and for the next request of clients at work,
/// and no delay that anybody sees: the addresses are served meanwhile.
const SEND_AWAY_FOR: Duration = Duration::from_millis(200);

/// A release is one datagram and a netlink call; after a lease's time it has gone anyway.
const RELEASE_MAX: Duration = Duration::from_millis(500);

/// A command as a new proposal, made now.
pub fn proposal(command: Command) -> Proposal {
    Proposal {
        id: RequestId::random(),
        at: wall_clock(),
        command,
    }
}

/// The wall clock, for people and pages.
pub fn wall_clock() -> UnixMillis {
    let since = clockwork::wall()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
