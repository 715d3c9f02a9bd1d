//! What is left of a cluster, made a cluster of one by an operator's word; on a node that is
//! stopped, before consensus starts.
//!
//! ```text
//!   store --survey--> all entries applied, last membership     (looks only)
//!         --recover-> vote of a new term, membership {me}, one proposal
//! ```
//!
//! Entries that were written and never committed count from here on: nobody is left who could say
//! that they do not. The others never learn of the new membership; the epoch in the proposal is
//! what parts them from it.

use std::collections::BTreeSet;

use openraft::storage::{RaftLogStorage, RaftLogStorageExt, RaftStateMachine};
use openraft::{CommittedLeaderId, Entry, EntryPayload, LogId, Membership, RaftLogReader, Vote};

use super::standing::Effective;
use super::types::TypeConfig;
use crate::id::NodeId;
use crate::state::Proposal;

/// A store in which nobody works, as far as it goes.
pub struct Wreck<L> {
    me: NodeId,
    log: L,
    last: Option<LogId<NodeId>>,
    term: u64,
    /// The last membership in the log, committed or not.
    pub effective: Effective,
}

/// The store could not be read or written; nothing has changed, or it can be tried again.
#[derive(Debug, thiserror::Error)]
#[error("the store: {0}")]
pub struct RecoverError(String);

impl<L: RaftLogStorage<TypeConfig>> Wreck<L> {
    /// Looks: applies every entry to `machine`, so that its state is the newest there is.
    ///
    /// **Errors**: the store cannot be read.
    pub async fn survey<M>(me: NodeId, mut log: L, mut machine: M) -> Result<Self, RecoverError>
    where
        M: RaftStateMachine<TypeConfig>,
    {
        let vote = log.read_vote().await.map_err(failed)?;
        let last = log.get_log_state().await.map_err(failed)?.last_log_id;
        let (applied, membership) = machine.applied_state().await.map_err(failed)?;
        let mut at = membership.log_id().map_or(0, |id| id.index);
        let mut newest = membership.membership().clone();
        let mut next = applied.map_or(0, |id| id.index + 1);
        let end = last.map_or(0, |id| id.index + 1);
        let mut reader = log.get_log_reader().await;
        while next < end {
            let until = end.min(next + BATCH);
            let entries = reader
                .try_get_log_entries(next..until)
                .await
                .map_err(failed)?;
            if entries.is_empty() {
                return Err(RecoverError(format!("entry {next} is missing")));
            }
            next += u64::try_from(entries.len()).unwrap_or(BATCH);
            for entry in &entries {
                if let EntryPayload::Membership(membership) = &entry.payload {
                    (at, newest) = (entry.log_id.index, membership.clone());
                }
            }
            machine.apply(entries).await.map_err(failed)?;
        }
        let leads = |id: LogId<NodeId>| id.leader_id.term;
        Ok(Wreck {
            me,
            last: last.or(applied),
            term: vote
                .map_or(0, |vote| vote.leader_id().term)
                .max(last.map_or(0, leads)),
            effective: Effective {
                log_index: at,
                halves: newest.get_joint_config().clone(),
                learners: newest.learner_ids().collect(),
            },
            log,
        })
    }

    /// Writes that this node is the only member, and what else is to be true from now on.
    ///
    /// **Errors**: it could not be written; it is tried again by the same word.
    pub async fn recover(mut self, proposal: Proposal) -> Result<(), RecoverError> {
        let term = self.term + 1;
        let vote = Vote::new_committed(term, self.me);
        self.log.save_vote(&vote).await.map_err(failed)?;
        let first = self.last.map_or(0, |id| id.index + 1);
        let entry = |index, payload| Entry::<TypeConfig> {
            log_id: LogId::new(CommittedLeaderId::new(term, self.me), index),
            payload,
        };
        let only = Membership::new(vec![BTreeSet::from([self.me])], None);
        let entries = [
            entry(first, EntryPayload::Membership(only)),
            entry(first + 1, EntryPayload::Normal(proposal)),
        ];
        self.log.blocking_append(entries).await.map_err(failed)
    }
}

fn failed(error: impl std::fmt::Display) -> RecoverError {
    RecoverError(error.to_string())
}

/// Entries that are read at once: as many as are applied at once while a node runs.
const BATCH: u64 = 256;
