//! Calls to other nodes: connections made when first needed, shared by all calls, made again.
//!
//! ```text
//!   call() ─┬─ up to 64 KiB ─> prompt lane ─┐
//!           └─ larger ───────> bulk lane ───┴─> link task each -> one TLS connection each
//! ```
//!
//! Two lanes a peer, so that no heartbeat stands behind a snapshot. A call fails by its own
//! deadline, whatever the connection does.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::frame::{Frame, Kind};
use super::identity::Identity;
use super::link;
use super::material::Material;
use super::message::{Fault, PeerReply, PeerRequest};
use super::refusal::Refusals;
use super::tls::TlsError;
use crate::codec::{Record, decode, encode};
use crate::consensus::{BoxFuture, Rpc, RpcReply, Transport, TransportError};
use crate::id::NodeId;

/// Where every node answers.
pub type Addresses = BTreeMap<NodeId, Vec<SocketAddr>>;

/// Calls that wait for a connection or for room on it; more are refused at once.
const WAITING_MAX: usize = 64;

/// What the prompt lane carries: sent in 5 ms over 100 Mbit/s, a twentieth of a heartbeat.
const PROMPT_BYTES_MAX: usize = 64 << 10;

/// Calls other nodes; cheap to clone. Its connections end with the last clone.
#[derive(Clone)]
pub struct PeerClient {
    shared: Arc<Shared>,
    lanes: Arc<Mutex<Lanes>>,
}

/// What every link needs.
pub(super) struct Shared {
    pub(super) material: Material,
    pub(super) addresses: watch::Receiver<Addresses>,
    pub(super) refusals: Arc<Refusals>,
    pub(super) removed: watch::Sender<Option<NodeId>>,
}

#[derive(Default)]
struct Lanes {
    open: BTreeMap<(NodeId, Lane), mpsc::Sender<Call>>,
    tasks: JoinSet<()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lane {
    Prompt,
    Bulk,
}

/// A question on its way.
pub(super) struct Call {
    pub(super) kind: Kind,
    pub(super) payload: Vec<u8>,
    /// Set before its first byte leaves: from then on it may have been obeyed.
    pub(super) sent: Arc<AtomicBool>,
    pub(super) reply: oneshot::Sender<Result<Frame, TransportError>>,
}

impl PeerClient {
    /// A client that finds nodes at `addresses` and speaks as `identity`; both may change.
    ///
    /// **Errors**: the identity is of no use to rustls; the caller stops.
    pub fn new(
        identity: watch::Receiver<Arc<Identity>>,
        addresses: watch::Receiver<Addresses>,
        refusals: Arc<Refusals>,
    ) -> Result<PeerClient, TlsError> {
        let material = Material::new(identity)?;
        let (removed, _) = watch::channel(None);
        let shared = Arc::new(Shared {
            material,
            addresses,
            refusals,
            removed,
        });
        Ok(PeerClient {
            shared,
            lanes: Arc::default(),
        })
    }

    /// Asks another node something beside Raft.
    ///
    /// **Errors**: see [`TransportError`].
    pub async fn ask(
        &self,
        to: NodeId,
        request: &PeerRequest,
        deadline: Duration,
    ) -> Result<PeerReply, TransportError> {
        self.exchange(to, Kind::Ask, request, Kind::Answer, deadline)
            .await
    }

    /// The node that said that this one was removed from the cluster, once one did.
    pub fn removed(&self) -> watch::Receiver<Option<NodeId>> {
        self.shared.removed.subscribe()
    }

    async fn exchange<Q: Record, A: Record>(
        &self,
        to: NodeId,
        kind: Kind,
        question: &Q,
        expected: Kind,
        deadline: Duration,
    ) -> Result<A, TransportError> {
        let payload = encode(question).map_err(|error| unreachable(to, error.to_string()))?;
        let (reply, answer) = oneshot::channel();
        let sent = Arc::new(AtomicBool::new(false));
        self.submit(
            to,
            Call {
                kind,
                payload,
                sent: sent.clone(),
                reply,
            },
        )?;
        let frame = match tokio::time::timeout(deadline, answer).await {
            Ok(Ok(answered)) => answered?,
            Ok(Err(_)) => return Err(unreachable(to, "the client stops".to_owned())),
            Err(_) => {
                let reason = format!("no answer within {} ms", deadline.as_millis());
                return Err(if sent.load(Ordering::Acquire) {
                    lost(to, reason)
                } else {
                    unreachable(to, reason)
                });
            }
        };
        if frame.kind == Kind::Fault {
            return Err(self.fault(to, &frame));
        }
        if frame.kind != expected {
            return Err(lost(to, "an answer to something else".to_owned()));
        }
        decode(&frame.payload).map_err(|error| lost(to, error.to_string()))
    }

    fn fault(&self, to: NodeId, frame: &Frame) -> TransportError {
        match decode(&frame.payload) {
            Ok(Fault::Removed) => {
                self.shared.removed.send_replace(Some(to));
                unreachable(to, link::REMOVED.to_owned())
            }
            Ok(Fault::Unreadable(why)) => unreachable(to, format!("it cannot read us: {why}")),
            Ok(Fault::TooLarge) => lost(to, "its answer is too large".to_owned()),
            Err(error) => lost(to, error.to_string()),
        }
    }

    fn submit(&self, to: NodeId, call: Call) -> Result<(), TransportError> {
        let mut lanes = self.lanes.lock().expect("no holder of this lock can panic");
        if !self.shared.addresses.borrow().contains_key(&to) {
            // Whoever has no address any more was removed: its links end with their queues.
            lanes.open.retain(|(node, _), _| *node != to);
            return Err(unreachable(to, "no address of it is known".to_owned()));
        }
        while lanes.tasks.try_join_next().is_some() {}
        let lane = if call.payload.len() <= PROMPT_BYTES_MAX {
            Lane::Prompt
        } else {
            Lane::Bulk
        };
        let Lanes { open, tasks } = &mut *lanes;
        let queue = open.entry((to, lane)).or_insert_with(|| {
            let (queue, calls) = mpsc::channel(WAITING_MAX);
            tasks.spawn(link::run(self.shared.clone(), to, calls));
            queue
        });
        queue
            .try_send(call)
            .map_err(|_| unreachable(to, "too many calls wait for it".to_owned()))
    }
}

impl Transport for PeerClient {
    fn call(
        &self,
        to: NodeId,
        rpc: Rpc,
        deadline: Duration,
    ) -> BoxFuture<'_, Result<RpcReply, TransportError>> {
        Box::pin(async move {
            self.exchange(to, Kind::Raft, &rpc, Kind::RaftReply, deadline)
                .await
        })
    }
}

pub(super) fn unreachable(node: NodeId, reason: String) -> TransportError {
    TransportError::Unreachable { node, reason }
}

pub(super) fn lost(node: NodeId, reason: String) -> TransportError {
    TransportError::Lost { node, reason }
}
