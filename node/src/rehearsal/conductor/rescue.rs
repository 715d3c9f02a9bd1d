//! PURE. A run whose conductor is gone: its failure is ended wherever it may be, and it is recorded
//! as one that proved nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use farmux_raft::id::{NodeId, UnixMillis};
use farmux_raft::state::drill::Running;

use super::course::{Lane, Say, is_undone};
use crate::drill::DrillRecord;
use crate::rehearsal::{Answer, Word};

/// Ends what another one began.
#[derive(Debug)]
pub(super) struct Rescue {
    begun: Running,
    /// Who has not confirmed yet, and when it was asked.
    left: BTreeMap<NodeId, Option<Duration>>,
    waiting: BTreeSet<NodeId>,
}

impl Rescue {
    /// Where it may be is not known: it is ended on every node.
    pub(super) fn begin(begun: Running, nodes: impl IntoIterator<Item = NodeId>) -> Rescue {
        Rescue {
            begun,
            left: nodes.into_iter().map(|node| (node, None)).collect(),
            waiting: BTreeSet::new(),
        }
    }

    /// Time has passed; what is to be said follows.
    pub(super) fn tick(&mut self, now: Duration) -> Vec<Say> {
        let mut says = Vec::new();
        for (node, asked) in &mut self.left {
            let due = asked.is_none_or(|asked| now.saturating_sub(asked) >= UNDO_AGAIN);
            if due && self.waiting.insert(*node) {
                *asked = Some(now);
                says.push(Say {
                    to: *node,
                    lane: Lane::Undo,
                    word: Word::Undo { run: self.begun.id },
                });
            }
        }
        says
    }

    /// What a node answered, or why it did not.
    pub(super) fn heard(&mut self, from: NodeId, answer: &Result<Answer, String>) {
        self.waiting.remove(&from);
        if is_undone(answer) {
            self.left.remove(&from);
        }
    }

    /// Whether all have confirmed, or every timer has run out.
    pub(super) fn is_over(&self, now: Duration) -> bool {
        let timer = Duration::from_millis(self.begun.order.kind.undo().timer_ms);
        self.left.is_empty() || now >= timer + GRACE
    }

    /// What is kept of it for ever.
    pub(super) fn end(self, ended: UnixMillis) -> DrillRecord {
        self.begun.lost(ended).bounded()
    }
}

/// Harmless where it has happened.
const UNDO_AGAIN: Duration = Duration::from_secs(1);

/// How long after its timer an undo may be told: a killed daemon starts within it.
const GRACE: Duration = Duration::from_secs(10);
