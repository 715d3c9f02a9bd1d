//! PURE. What this process remembers of deliveries beyond the log: who is being served, what was
//! sent and is not recorded yet, and which recipients of a contact have a page already.
//!
//! ```text
//!   due --begin--> flying --landed--> noted --recorded, state shows it--> forgotten
//! ```
//!
//! What was sent is never sent again because a record failed: only the record is tried again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use farmux_raft::id::{ContactName, PageId};
use farmux_raft::state::{Delivery, Proposal, State};

/// One page for one contact.
pub(super) type Key = (PageId, ContactName);

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Deliveries under way; one a contact.
    flying: BTreeMap<ContactName, PageId>,
    notes: BTreeMap<Key, Note>,
    reached: BTreeMap<Key, BTreeSet<String>>,
}

/// An attempt that is over and that the state does not show yet.
#[derive(Debug)]
struct Note {
    proposal: Proposal,
    /// Failures that the state showed when the attempt began: more, and it is recorded.
    failures_before: u32,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// To be proposed, from then on.
    Waiting(Instant),
    /// Being proposed.
    Asked,
    /// Decided; our own state may lag until then.
    Decided(Instant),
}

impl Ledger {
    /// Whether a delivery may begin: nothing else is on its way to this contact, and this page is
    /// not waiting to be recorded.
    pub(super) fn is_free(&self, key: &Key) -> bool {
        self.flying.len() < FLYING_MAX
            && !self.flying.contains_key(&key.1)
            && !self.notes.contains_key(key)
    }

    /// A delivery begins; who has it already.
    pub(super) fn begin(&mut self, key: &Key) -> BTreeSet<String> {
        let before = self.flying.insert(key.1.clone(), key.0);
        assert_eq!(before, None, "one delivery a contact");
        self.reached.get(key).cloned().unwrap_or_default()
    }

    /// A delivery is over: it is to be recorded at once.
    pub(super) fn landed(
        &mut self,
        key: Key,
        reached: BTreeSet<String>,
        failures_before: u32,
        proposal: Proposal,
        now: Instant,
    ) {
        self.flying.remove(&key.1);
        self.reached.insert(key.clone(), reached);
        let stage = Stage::Waiting(now);
        self.notes.insert(
            key,
            Note {
                proposal,
                failures_before,
                stage,
            },
        );
    }

    /// Records to propose now; they are being proposed from here on.
    pub(super) fn take_records(&mut self, now: Instant) -> Vec<(Key, Proposal)> {
        let asked = self
            .notes
            .values()
            .filter(|note| note.stage == Stage::Asked)
            .count();
        let ready = self.notes.iter_mut().filter(|(_, note)| match note.stage {
            Stage::Waiting(from) => from <= now,
            Stage::Asked | Stage::Decided(_) => false,
        });
        let ready = ready
            .take(FLYING_MAX.saturating_sub(asked))
            .map(|(key, note)| {
                note.stage = Stage::Asked;
                (key.clone(), note.proposal.clone())
            });
        ready.collect()
    }

    /// A record was decided, one way or the other; or nobody could tell, and it is tried again.
    pub(super) fn recorded(&mut self, key: &Key, decided: bool, now: Instant) {
        if let Some(note) = self.notes.get_mut(key) {
            note.stage = match decided {
                true => Stage::Decided(now + STATE_LAG_MAX),
                false => Stage::Waiting(now + RECORD_AGAIN_AFTER),
            };
        }
    }

    /// Forgets what the state shows by itself, and what it refused.
    pub(super) fn settle(&mut self, state: &State, now: Instant) {
        let failures = |(page, contact): &Key| {
            state
                .pages
                .get(page)
                .and_then(|page| failures(page.deliveries.get(contact)?))
        };
        self.notes.retain(|key, note| {
            let in_state = failures(key).is_none_or(|seen| seen > note.failures_before);
            let refused = matches!(note.stage, Stage::Decided(until) if until <= now);
            !in_state && !refused
        });
        let flying = &self.flying;
        self.reached
            .retain(|key, _| failures(key).is_some() || flying.get(&key.1) == Some(&key.0));
    }

    /// Whether anything waits for time to pass.
    pub(super) fn is_waiting(&self) -> bool {
        !self.notes.is_empty()
    }

    /// Attempts that are over and not recorded.
    pub(super) fn unrecorded(&self) -> usize {
        self.notes.len()
    }
}

/// Failed attempts of a delivery that is still due; `None` when it is not.
pub(super) fn failures(delivery: &Delivery) -> Option<u32> {
    match delivery {
        Delivery::Due { failures, .. } => Some(*failures),
        Delivery::Delivered { .. } | Delivery::Expired => None,
    }
}

/// Deliveries at once: relays of small sites limit connections of one client to about ten.
const FLYING_MAX: usize = 8;

/// Between two attempts to record: about one election.
const RECORD_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// A follower's state shows a decision within a heartbeat or two; after this the state has refused
/// the record, and says by itself whether the page is still due.
const STATE_LAG_MAX: Duration = Duration::from_secs(5);
