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
//!                             ├── report_vips, report_nodes, report_quorum
//!                             ├── finish_joins, end_holds
//!                             └── Pager (when it is our turn) ─SMTP─▶ relay
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use farmux_netplane::plan::VipPlan;
use farmux_netplane::probe::Probing;
use farmux_netplane::reference::References;
use farmux_netplane::serve::Serving;
use farmux_netplane::vip::Vips;
use farmux_raft::consensus::{Consensus, ProposeError};
use farmux_raft::id::{Ballot, NodeId, RequestId, UnixMillis, VipName};
use farmux_raft::lease::LeaseHandle;
use farmux_raft::peer::{Addresses, Identity, JoinStage, PeerClient, PeerServer, Refusals};
use farmux_raft::state::{Applied, Command, NodeRole, Proposal, State};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::voice::Voice;
use crate::pager::{Heartbeats, Pager};

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
    pub(super) seeds: watch::Sender<Addresses>,
    pub(super) stage: watch::Receiver<Option<JoinStage>>,
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
}

/// The VIPs of a plan, by name.
pub(super) type VipPlans = BTreeMap<Arc<str>, VipPlan>;

impl Wire {
    /// Has HTTP clients come again on new connections, for the next owner to take, rather than have
    /// the ones they keep reset.
    async fn send_away(&self) {
        let held: BTreeSet<IpAddr> = {
            let plans = self.vip_plans.borrow();
            let held = plans.values().filter(|vip| vip.held);
            held.map(|vip| vip.address).collect()
        };
        if !held.is_empty() {
            self.serving.leave(held);
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
        &self.voice.pager
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
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
