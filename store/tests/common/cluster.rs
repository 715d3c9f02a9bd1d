//! Nodes in one process: real stores, real consensus, and a network in memory that can be cut.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use farmux_raft::consensus::{
    BoxFuture, Consensus, ConsensusConfig, ProposeError, Request, Role, Rpc, RpcReply, Standing,
    Transport, TransportError,
};
use farmux_raft::id::{ClusterId, NodeId, RequestId, UnixMillis};
use farmux_raft::state::{
    Applied, Command, LeaseKey, Node, NodeCondition, NodeRole, Proposal, Secret, Secrets, Token,
    TokenId,
};
use farmux_store::{OpenError, Store};
use tempfile::TempDir;

/// How long anything may take before a test gives up; two busy cores share it with other builds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const CLUSTER: ClusterId = ClusterId(0xfa23);

/// The cables between the nodes.
#[derive(Default)]
pub(crate) struct Network {
    nodes: Mutex<BTreeMap<NodeId, Consensus>>,
    cut: Mutex<BTreeSet<NodeId>>,
    snapshot_pieces: Mutex<u64>,
}

impl Network {
    /// Pulls a node's cable.
    pub(crate) fn unplug(&self, node: NodeId) {
        self.cut.lock().expect("not poisoned").insert(node);
    }

    /// Puts it back.
    pub(crate) fn plug(&self, node: NodeId) {
        self.cut.lock().expect("not poisoned").remove(&node);
    }

    /// Pieces of snapshots sent so far.
    pub(crate) fn snapshot_pieces(&self) -> u64 {
        *self.snapshot_pieces.lock().expect("not poisoned")
    }

    fn find(&self, from: NodeId, to: NodeId) -> Option<Consensus> {
        let cut = self.cut.lock().expect("not poisoned");
        if cut.contains(&from) || cut.contains(&to) {
            return None;
        }
        self.nodes.lock().expect("not poisoned").get(&to).cloned()
    }
}

struct Cable {
    me: NodeId,
    network: Arc<Network>,
}

impl Transport for Cable {
    fn call(
        &self,
        to: NodeId,
        rpc: Rpc,
        _deadline: Duration,
    ) -> BoxFuture<'_, Result<RpcReply, TransportError>> {
        let unreachable = move || {
            let reason = "the cable is cut".to_owned();
            TransportError::Unreachable { node: to, reason }
        };
        let (me, network) = (self.me, self.network.clone());
        Box::pin(async move {
            let target = network.find(me, to).ok_or_else(unreachable)?;
            if matches!(rpc.request, Request::Snapshot { .. }) {
                *network.snapshot_pieces.lock().expect("not poisoned") += 1;
            }
            // As on a wire: bytes each way, and the receiver goes on when the asker gives up.
            let rpc = Rpc::decode(&rpc.encode().expect("it is bounded")).expect("we wrote it");
            let answer = tokio::spawn(async move { target.handle(me, rpc).await });
            let lost = TransportError::Lost {
                node: to,
                reason: "the cable was cut".to_owned(),
            };
            let reply = answer.await.map_err(|_| lost.clone())?;
            network.find(me, to).ok_or(lost)?;
            Ok(RpcReply::decode(&reply.encode().expect("it is bounded")).expect("we wrote it"))
        })
    }
}

/// Some nodes and their folders.
pub(crate) struct Cluster {
    pub(crate) network: Arc<Network>,
    folder: TempDir,
}

impl Cluster {
    /// Voters 1 to `voters`, formed as `init` and `join` would.
    pub(crate) async fn form(voters: u64) -> Cluster {
        let folder = tempfile::tempdir().expect("a folder");
        let cluster = Cluster {
            network: Arc::default(),
            folder,
        };
        let first = cluster.start(NodeId(1)).await;
        first.initialize().await.expect("it is new");
        wait_for("the first node to lead", || {
            first.standing().borrow().leader.is_some()
        })
        .await;
        first
            .propose(proposal(init()))
            .await
            .expect("the first command");
        for id in (2..=voters).map(NodeId) {
            cluster.start(id).await;
            first.add_learner(id).await.expect("it learns");
            first.promote(id).await.expect("it votes");
        }
        cluster
    }

    fn path(&self, id: NodeId) -> PathBuf {
        self.folder.path().join(id.to_string())
    }

    /// Starts a node on whatever its folder holds.
    pub(crate) async fn start(&self, id: NodeId) -> Consensus {
        let store = self.open(id).await;
        let config = ConsensusConfig {
            me: id,
            cluster: CLUSTER,
            epoch: 0,
        };
        let cable = Arc::new(Cable {
            me: id,
            network: self.network.clone(),
        });
        let started = Consensus::start(config, store.log, store.machine, store.state, cable);
        let consensus = started.await.expect("it starts");
        self.network
            .nodes
            .lock()
            .expect("not poisoned")
            .insert(id, consensus.clone());
        consensus
    }

    /// Whoever ran on this store before lets go of it within a moment.
    async fn open(&self, id: NodeId) -> Store {
        let end = Instant::now() + PATIENCE;
        loop {
            match Store::open(&self.path(id), id) {
                Ok(store) => return store,
                Err(OpenError::InUse(_)) if Instant::now() < end => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => panic!("{id}: {error}"),
            }
        }
    }

    /// Stops a node without a word to the others.
    pub(crate) async fn kill(&self, id: NodeId) {
        let node = self.network.nodes.lock().expect("not poisoned").remove(&id);
        node.expect("it runs").shutdown().await;
    }

    pub(crate) fn node(&self, id: NodeId) -> Consensus {
        self.network
            .nodes
            .lock()
            .expect("not poisoned")
            .get(&id)
            .expect("it runs")
            .clone()
    }

    /// Standing of all that run.
    pub(crate) fn standings(&self) -> Vec<Standing> {
        let nodes = self.network.nodes.lock().expect("not poisoned");
        nodes
            .values()
            .map(|node| node.standing().borrow().clone())
            .collect()
    }

    /// Waits until a node other than `not` leads with a majority.
    pub(crate) async fn leader_other_than(&self, not: Option<NodeId>) -> Consensus {
        let find = || {
            let leads = |s: &Standing| s.role == Role::Leader && s.leader == Some(s.me);
            let cut = self.network.cut.lock().expect("not poisoned").clone();
            let standings = self.standings();
            let mut able = standings
                .iter()
                .filter(|s| Some(s.me) != not && !cut.contains(&s.me));
            able.find(|s| leads(s)).map(|s| s.me)
        };
        wait_for("a leader", || find().is_some()).await;
        self.node(find().expect("it was there a moment ago"))
    }
}

/// Waits for a condition, at most [`PATIENCE`].
pub(crate) async fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "waited {PATIENCE:?} for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A proposal that nobody has made before.
pub(crate) fn proposal(command: Command) -> Proposal {
    Proposal {
        id: RequestId::random(),
        at: UnixMillis(1_000),
        command,
    }
}

/// A command that changes the state visibly: a token with this number.
pub(crate) fn token(number: u64) -> Command {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&number.to_be_bytes());
    Command::CreateToken(Token {
        hash,
        role: NodeRole::Balancer,
        created: UnixMillis(1_000),
        expires: UnixMillis(3_601_000),
        claimed: None,
        used: false,
    })
}

/// Whether this node's state has that token.
pub(crate) fn has_token(node: &Consensus, number: u64) -> bool {
    node.state().borrow().tokens.contains_key(&TokenId(number))
}

/// A command that is refused and yet an entry of the log.
pub(crate) fn refused() -> Command {
    Command::RevokeToken(TokenId(u64::MAX))
}

/// Makes so many entries, some at a time.
pub(crate) async fn write_many(node: &Consensus, count: usize) {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..count {
        while tasks.len() >= 64 {
            tasks.join_next().await;
        }
        let node = node.clone();
        tasks.spawn(async move {
            let answer = node.propose(proposal(refused())).await;
            assert!(
                matches!(answer, Err(ProposeError::Rejected(_))),
                "{answer:?}"
            );
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("each was decided");
    }
}

fn init() -> Command {
    let secrets = Secrets {
        ca_certificate: "certificate".to_owned(),
        ca_key: Secret::new("key".to_owned()),
        lease_key: LeaseKey([1; 32]),
    };
    let node = Node {
        name: "lb1".parse().expect("a name"),
        role: NodeRole::Balancer,
        peer_addresses: vec!["10.0.0.11:7946".parse().expect("an address")],
        admin_address: "10.0.0.11:9443".parse().expect("an address"),
        joined: UnixMillis(1_000),
        condition: NodeCondition::Reachable,
    };
    Command::Init {
        cluster: CLUSTER,
        name: "prod".parse().expect("a name"),
        secrets,
        node,
    }
}

/// What a decided proposal says.
pub(crate) const DONE: Result<Applied, ProposeError> = Ok(Applied::Done);
