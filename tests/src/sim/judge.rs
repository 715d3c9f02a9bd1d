//! PURE. What must always be true of the log: one leader a term, one vote a term, states equal,
//! nothing acknowledged lost, no vote against a leader that lives.

use std::collections::BTreeMap;
use std::sync::Arc;

use farmux_raft::id::NodeId;
use farmux_raft::state::{State, TokenId};

/// What is known of one change that clients asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// It was acknowledged, and is there.
    There,
    /// That it is gone was acknowledged.
    Gone,
    /// Asked for, and not answered yet, or not clearly.
    Open,
}

/// The judge of the log.
#[derive(Default)]
pub(super) struct Judge {
    leaders: BTreeMap<u64, NodeId>,
    votes: BTreeMap<(NodeId, u64), NodeId>,
    states: BTreeMap<u64, Arc<State>>,
    /// Tokens by number, as clients know them.
    pub(super) tokens: BTreeMap<u64, Known>,
    /// Acknowledged changes.
    pub(super) acknowledged: u64,
}

impl Judge {
    /// Somebody claims to lead, and so that it voted for itself.
    pub(super) fn leads(&mut self, by: NodeId, term: u64) -> Result<(), String> {
        let known = *self.leaders.entry(term).or_insert(by);
        match known == by {
            true => self.voted(by, term, by),
            false => Err(format!("{known} and {by} lead in term {term}")),
        }
    }

    /// Somebody gave its vote.
    pub(super) fn voted(&mut self, by: NodeId, term: u64, to: NodeId) -> Result<(), String> {
        let known = *self.votes.entry((by, term)).or_insert(to);
        match known == to {
            true => Ok(()),
            false => Err(format!("{by} voted for {known} and {to} in term {term}")),
        }
    }

    /// A node's state contains all entries up to this one.
    pub(super) fn applied(
        &mut self,
        by: NodeId,
        index: u64,
        state: &Arc<State>,
    ) -> Result<(), String> {
        let known = self.states.entry(index).or_insert_with(|| state.clone());
        match Arc::ptr_eq(known, state) || known == state {
            true => Ok(()),
            false => Err(format!("{by} holds another state at entry {index}")),
        }
    }

    /// Whether a state shows all that was acknowledged.
    pub(super) fn complete(&self, by: NodeId, state: &State) -> Result<(), String> {
        for (number, known) in &self.tokens {
            let there = state.tokens.contains_key(&TokenId(*number));
            let lost = match known {
                Known::There => !there,
                Known::Gone => there,
                Known::Open => false,
            };
            if lost {
                return Err(format!(
                    "{by} lost the acknowledged change of token {number}"
                ));
            }
        }
        Ok(())
    }
}
