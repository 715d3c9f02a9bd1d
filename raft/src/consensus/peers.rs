//! Asking the other nodes: cluster and epoch on each question, a deadline on each, and who
//! answered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::record::LogIdRecord;
use super::room::Full;
use super::{AppendReply, Request, Rpc, RpcReply, Transport, TransportError};
use crate::clockwork::{now, timeout};
use crate::id::{ClusterId, NodeId};

/// The other nodes as this one sees them.
pub(super) struct Peers {
    pub(super) cluster: ClusterId,
    pub(super) epoch: u64,
    transport: Arc<dyn Transport>,
    answered: Mutex<BTreeMap<NodeId, Instant>>,
    full: Mutex<Full>,
}

impl Peers {
    pub(super) fn new(cluster: ClusterId, epoch: u64, transport: Arc<dyn Transport>) -> Self {
        Peers {
            cluster,
            epoch,
            transport,
            answered: Mutex::default(),
            full: Mutex::default(),
        }
    }

    /// Asks, waits at most `deadline` whatever the transport does, and notes an answer.
    pub(super) async fn ask(
        &self,
        to: NodeId,
        request: Request,
        deadline: Duration,
    ) -> Result<RpcReply, TransportError> {
        let rpc = Rpc {
            cluster: self.cluster,
            epoch: self.epoch,
            request,
        };
        let call = self.transport.call(to, rpc, deadline);
        let lost = |_| TransportError::Lost {
            node: to,
            reason: format!("{deadline:?} passed"),
        };
        let reply = timeout(deadline, call).await.map_err(lost)??;
        if let RpcReply::Refused(refusal) = reply {
            return Err(TransportError::Refused { node: to, refusal });
        }
        self.answers().insert(to, now());
        Ok(reply)
    }

    /// When each node answered last.
    pub(super) fn answered(&self) -> BTreeMap<NodeId, Instant> {
        self.answers().clone()
    }

    /// Notes how `node` answered entries that stand behind `previous`.
    pub(super) fn note_stored(
        &self,
        node: NodeId,
        previous: Option<LogIdRecord>,
        reply: &AppendReply,
    ) {
        let mut full = self.full.lock().expect("no holder of this lock can panic");
        full.note(node, previous, reply);
    }

    /// Who said within this time that it has no room for entries.
    pub(super) fn full(&self, span: Duration) -> BTreeSet<NodeId> {
        let full = self.full.lock().expect("no holder of this lock can panic");
        full.within(span)
    }

    fn answers(&self) -> std::sync::MutexGuard<'_, BTreeMap<NodeId, Instant>> {
        self.answered
            .lock()
            .expect("no holder of this lock can panic")
    }
}
