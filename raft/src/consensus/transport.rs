//! The seam to the network: how consensus asks another node. Implemented by `peer`, and in memory
//! by tests.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::{Refusal, Rpc, RpcReply};
use crate::id::NodeId;

/// A boxed future, so that a trait with async functions can be a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Asks other nodes.
pub trait Transport: Send + Sync + 'static {
    /// Asks `to`, and waits at most `deadline` for its answer.
    ///
    /// Connections are made when they are first needed. One call may not hold up another: a
    /// heartbeat must not wait behind a snapshot.
    ///
    /// **Errors**: see [`TransportError`].
    fn call(
        &self,
        to: NodeId,
        rpc: Rpc,
        deadline: Duration,
    ) -> BoxFuture<'_, Result<RpcReply, TransportError>>;
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The question was not delivered: no address, no connection, not the node we wanted.
    #[error("{node} cannot be reached: {reason}")]
    Unreachable {
        /// Whom we asked.
        node: NodeId,
        /// What stood in the way.
        reason: String,
    },
    /// The question may have been delivered; the answer did not come.
    #[error("{node} did not answer: {reason}")]
    Lost {
        /// Whom we asked.
        node: NodeId,
        /// Deadline, or how the connection ended.
        reason: String,
    },
    /// It answered that it does not talk to us.
    #[error("{node} refused: {refusal}")]
    Refused {
        /// Whom we asked.
        node: NodeId,
        /// Why.
        refusal: Refusal,
    },
}
