//! How pager and reporter have something decided, whoever decides it.

use farmux_raft::consensus::{BoxFuture, Consensus, ProposeError};
use farmux_raft::state::{Applied, Proposal, Reject};

/// Has proposals decided; the tests have their own.
pub trait Proposer: Send + Sync + 'static {
    /// Proposes once. The same proposal may be proposed again: its id makes it count once.
    fn propose(&self, proposal: Proposal) -> BoxFuture<'static, Result<Applied, NotDecided>>;

    /// Whether this node's part and its state are those of now: see [`Consensus::confirm`].
    fn confirm(&self) -> BoxFuture<'static, bool>;
}

/// Why something was not decided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotDecided {
    /// The state refuses it: proposing it again changes nothing.
    #[error("refused: {0}")]
    Rejected(Reject),
    /// Nobody knows, or nobody could: propose it again.
    #[error("not decided: {0}")]
    Later(String),
}

impl Proposer for Consensus {
    fn confirm(&self) -> BoxFuture<'static, bool> {
        let consensus = self.clone();
        Box::pin(async move { Consensus::confirm(&consensus).await })
    }

    fn propose(&self, proposal: Proposal) -> BoxFuture<'static, Result<Applied, NotDecided>> {
        let consensus = self.clone();
        Box::pin(async move {
            Consensus::propose(&consensus, proposal)
                .await
                .map_err(|error| match error {
                    ProposeError::Rejected(reject) => NotDecided::Rejected(reject),
                    ProposeError::NoLeader
                    | ProposeError::NoQuorum
                    | ProposeError::Full(_)
                    | ProposeError::Crowded
                    | ProposeError::Deadline
                    | ProposeError::TooLarge
                    | ProposeError::NewerFormat { .. }
                    | ProposeError::Stopped => NotDecided::Later(error.to_string()),
                })
        })
    }
}
