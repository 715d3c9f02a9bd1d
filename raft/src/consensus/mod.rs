//! Consensus: openraft, held loosely. The only place beside `store` that names it.
//!
//! ```text
//!   propose, change ─> Consensus ─> openraft ─> log, machine (store)
//!        peers ─Rpc─> handle │          │metrics
//!                            │          └─> Standing, Effective (watch)
//!                            ├─ drive_elections: silence ─pre-vote─> stand
//!                            └─ ask_followers: slow disks ─follow─> still led
//! ```
//!
//! What openraft 0.9.25 lacks is put around it here: elections by our own clock with a pre-vote, a
//! guard against disturbing candidates, cluster and epoch on each question, deadlines and
//! forwarding for proposals, one membership change at a time.

mod election;
mod follow;
mod lane;
mod membership;
mod network;
mod newest;
mod peers;
mod propose;
pub mod record;
mod recover;
mod room;
mod rpc;
mod runtime;
mod serve;
mod standing;
mod timing;
mod transport;
mod types;

pub use membership::{Change, ChangeError};
pub use newest::NewestError;
pub use propose::ProposeError;
pub use recover::{RecoverError, Wreck};
pub use room::Room;
pub use rpc::{AppendReply, RPC_BYTES_MAX, Refusal, Request, Rpc, RpcReply, SnapshotReply};
pub use rpc::{Unwritten, Written};
pub use standing::{Effective, Quorum, Role, Standing};
pub use transport::{BoxFuture, Transport, TransportError};
pub use types::TypeConfig;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use openraft::storage::{RaftLogStorage, RaftStateMachine};
use tokio::sync::watch;

use crate::clockwork::{TaskSet, timeout};
use crate::id::{ClusterId, NodeId};
use crate::state::State;

/// Who takes part, and in what.
#[derive(Debug, Clone)]
pub struct ConsensusConfig {
    /// This node.
    pub me: NodeId,
    /// Its cluster.
    pub cluster: ClusterId,
    /// The cluster's epoch.
    pub epoch: u64,
}

/// Consensus did not start: the store answered with an error, or openraft stopped at once.
#[derive(Debug, thiserror::Error)]
#[error("consensus of {me} does not start: {reason}")]
pub struct StartError {
    /// This node.
    pub me: NodeId,
    /// What openraft says.
    pub reason: String,
}

/// The first member could not be written.
#[derive(Debug, thiserror::Error)]
pub enum InitializeError {
    /// There is a log already: this node has been a member of something.
    #[error("this node has a log already")]
    NotEmpty,
    /// Consensus has stopped.
    #[error("consensus has stopped: {0}")]
    Stopped(String),
}

/// This node's part in the agreement; a handle that is cheap to clone.
#[derive(Clone)]
pub struct Consensus {
    inner: Arc<Inner>,
}

struct Inner {
    config: ConsensusConfig,
    raft: types::Raft,
    peers: Arc<peers::Peers>,
    hearing: Arc<election::Hearing>,
    following: Arc<follow::Following>,
    lane: lane::Lane,
    sanction: Arc<election::Sanction>,
    poll: election::Poll,
    state: watch::Receiver<Arc<State>>,
    standing: watch::Receiver<Standing>,
    effective: watch::Receiver<Effective>,
    /// What our disk still takes; nothing: there is always room.
    room: OnceLock<watch::Receiver<Room>>,
    /// We lead and are stepping aside: proposals wait for the successor.
    stepping_aside: AtomicBool,
    /// Held by whoever votes, for itself or another: one vote at a time, and one a term.
    voting: tokio::sync::Mutex<()>,
    /// Held by whoever lets us stand for election: one at a time.
    standing_up: tokio::sync::Mutex<()>,
    /// Held by whoever changes the membership: one change at a time.
    changing: tokio::sync::Mutex<()>,
    tasks: Mutex<TaskSet<()>>,
}

impl Consensus {
    /// Starts on what the store remembers.
    ///
    /// **Errors**: [`StartError`]; the caller stops and names it.
    pub async fn start<L, M>(
        config: ConsensusConfig,
        log: L,
        machine: M,
        state: watch::Receiver<Arc<State>>,
        transport: Arc<dyn Transport>,
    ) -> Result<Consensus, StartError>
    where
        L: RaftLogStorage<TypeConfig>,
        M: RaftStateMachine<TypeConfig>,
    {
        let me = config.me;
        let peers = Arc::new(peers::Peers::new(config.cluster, config.epoch, transport));
        let sanction = Arc::new(election::Sanction::default());
        let links = network::Links {
            peers: peers.clone(),
            sanction: sanction.clone(),
        };
        let raft = types::Raft::new(me, Arc::new(openraft_config(&config)), links, log, machine)
            .await
            .map_err(|e| StartError {
                me,
                reason: e.to_string(),
            })?;
        let (standing_sender, standing) = watch::channel(standing::unknown(me));
        let (effective_sender, effective) = watch::channel(Effective::default());
        let inner = Inner {
            config,
            raft,
            peers,
            hearing: Arc::default(),
            following: Arc::default(),
            lane: lane::Lane::default(),
            sanction,
            poll: election::Poll::default(),
            state,
            standing,
            effective,
            room: OnceLock::new(),
            stepping_aside: AtomicBool::new(false),
            voting: tokio::sync::Mutex::new(()),
            standing_up: tokio::sync::Mutex::new(()),
            changing: tokio::sync::Mutex::new(()),
            tasks: Mutex::default(),
        };
        let consensus = Consensus {
            inner: Arc::new(inner),
        };
        consensus.spawn_tasks(standing_sender, effective_sender);
        Ok(consensus)
    }

    fn spawn_tasks(&self, standing: watch::Sender<Standing>, effective: watch::Sender<Effective>) {
        let metrics = self.inner.raft.metrics();
        let hearing = self.inner.hearing.clone();
        let following = self.inner.following.clone();
        let mut tasks = self
            .inner
            .tasks
            .lock()
            .expect("no holder of this lock can panic");
        tasks.spawn(standing::watch_metrics(
            metrics, hearing, following, standing, effective,
        ));
        tasks.spawn(self.clone().ask_followers());
        tasks.spawn(self.clone().drive_elections());
    }

    /// Makes this node the one member of a new cluster; it elects itself at once.
    ///
    /// **Errors**: [`InitializeError`].
    pub async fn initialize(&self) -> Result<(), InitializeError> {
        use openraft::error::{InitializeError as Theirs, RaftError};
        let only = BTreeMap::from([(self.inner.config.me, openraft::EmptyNode {})]);
        self.inner.raft.initialize(only).await.map_err(|e| match e {
            RaftError::APIError(Theirs::NotAllowed(_)) => InitializeError::NotEmpty,
            RaftError::APIError(Theirs::NotInMembers(_)) | RaftError::Fatal(_) => {
                InitializeError::Stopped(e.to_string())
            }
        })
    }

    /// Who this is, in what.
    pub fn config(&self) -> &ConsensusConfig {
        &self.inner.config
    }

    /// The applied state, always the newest.
    pub fn state(&self) -> watch::Receiver<Arc<State>> {
        self.inner.state.clone()
    }

    /// Where this node stands.
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.inner.standing.clone()
    }

    /// The effective membership.
    pub fn membership(&self) -> watch::Receiver<Effective> {
        self.inner.effective.clone()
    }

    /// When each other node last answered anything. On a leader each member answers every
    /// heartbeat.
    pub fn answered(&self) -> BTreeMap<NodeId, Instant> {
        self.inner.peers.answered()
    }

    /// Stops taking part, and returns when nothing is written any more.
    pub async fn shutdown(&self) {
        if let Err(error) = self.inner.raft.shutdown().await {
            tracing::warn!(%error, "consensus did not stop cleanly");
        }
        let mut standing = self.standing();
        let stopped = standing.wait_for(|s| s.role == Role::Stopped);
        _ = timeout(timing::SILENCE, stopped).await;
        self.inner
            .tasks
            .lock()
            .expect("no holder of this lock can panic")
            .abort_all();
    }

    fn leads(&self) -> bool {
        self.inner.standing.borrow().role == Role::Leader
    }

    /// Voters other than this node.
    fn other_voters(&self) -> BTreeSet<NodeId> {
        let mut voters = self.inner.effective.borrow().voters();
        voters.remove(&self.inner.config.me);
        voters
    }
}

fn openraft_config(config: &ConsensusConfig) -> openraft::Config {
    let ms = |d: std::time::Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
    openraft::Config {
        cluster_name: config.cluster.to_string(),
        heartbeat_interval: ms(timing::HEARTBEAT),
        // Only their guard of the leader reads the maximum; elections are ours.
        election_timeout_min: ms(timing::HEARTBEAT) + 1,
        election_timeout_max: ms(timing::BUILT_IN_LEASE),
        enable_elect: false,
        install_snapshot_timeout: ms(timing::SNAPSHOT_DEADLINE),
        snapshot_max_chunk_size: timing::SNAPSHOT_PIECE_BYTES,
        max_payload_entries: timing::APPEND_ENTRIES_MAX,
        snapshot_policy: openraft::SnapshotPolicy::LogsSinceLast(timing::SNAPSHOT_EVERY),
        max_in_snapshot_log_to_keep: timing::ENTRIES_KEPT,
        ..openraft::Config::default()
    }
}
