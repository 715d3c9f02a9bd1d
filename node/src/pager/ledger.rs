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
use farmux_raft::state::{Proposal, State};

/// One bundle of one contact.
pub(super) type Key = (ContactName, u64);

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Deliveries under way; one a contact.
    flying: BTreeMap<ContactName, Flight>,
    notes: BTreeMap<Key, Note>,
    /// Who has which message already.
    reached: BTreeMap<Key, (PageId, BTreeSet<String>)>,
    /// Since when this process tries what is over.
    over: BTreeMap<Key, Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Flight {
    bundle: u64,
    is_doubtful: bool,
}

/// One attempt, as it began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attempt {
    /// What is delivered.
    pub(super) key: Key,
    /// The message's id.
    pub(super) id: PageId,
    /// Which time it is sent.
    pub(super) round: u32,
    /// Failures that the state showed then.
    pub(super) failures: u32,
    /// It is the last one, should it fail.
    pub(super) is_last: bool,
}

/// An attempt that is over and that the state does not show yet.
#[derive(Debug)]
struct Note {
    proposal: Proposal,
    /// The state shows another round, or more failures than then: it is recorded.
    round: u32,
    failures: u32,
    /// When the attempt was over.
    landed: Instant,
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
    /// Whether a delivery may begin: nothing else is on its way to this contact, this message is
    /// not waiting to be recorded, and no other one of the contact's is, or not for long. What
    /// will probably fail gets half of the room.
    ///
    /// So whoever leads next repeats one message a contact at most, however many are due.
    pub(super) fn is_free(&self, key: &Key, is_doubtful: bool, now: Instant) -> bool {
        let doubtful = self.flying.values().filter(|flight| flight.is_doubtful);
        let room = match is_doubtful {
            true => doubtful.count() < DOUBTFUL_MAX && self.flying.len() < FLYING_MAX,
            false => self.flying.len() < FLYING_MAX,
        };
        let holds = |note: &Note| match note.stage {
            Stage::Waiting(_) | Stage::Asked => now < note.landed + RECORD_WAIT_MAX,
            Stage::Decided(_) => false,
        };
        let mut notes = self.notes.iter();
        room && !self.flying.contains_key(&key.0)
            && !self.notes.contains_key(key)
            && !notes.any(|((contact, _), note)| *contact == key.0 && holds(note))
    }

    /// Whether an attempt at this message is the last one, because this process has tried for a day
    /// since all of it `is_over`: by its own clock, which does not jump as wall clocks do.
    pub(super) fn is_last(&mut self, key: &Key, is_over: bool, now: Instant) -> bool {
        if !is_over {
            self.over.remove(key);
            return false;
        }
        let since = *self.over.entry(key.clone()).or_insert(now);
        now.saturating_duration_since(since) >= GIVE_UP_AFTER
    }

    /// A delivery begins; who has it already.
    pub(super) fn begin(&mut self, attempt: &Attempt, is_doubtful: bool) -> BTreeSet<String> {
        let (contact, bundle) = attempt.key.clone();
        let flight = Flight {
            bundle,
            is_doubtful,
        };
        let before = self.flying.insert(contact, flight);
        assert_eq!(before, None, "one delivery a contact");
        // Whoever has a message of the same bundle that said less has not got this one.
        let reached = self.reached.get(&attempt.key);
        let same = reached.filter(|(id, _)| *id == attempt.id);
        same.map(|(_, who)| who.clone()).unwrap_or_default()
    }

    /// A delivery is over: it is to be recorded at once.
    pub(super) fn landed(
        &mut self,
        attempt: Attempt,
        reached: BTreeSet<String>,
        proposal: Proposal,
        now: Instant,
    ) {
        let Attempt {
            key,
            id,
            round,
            failures,
            is_last: _,
        } = attempt;
        self.flying.remove(&key.0);
        self.reached.insert(key.clone(), (id, reached));
        let note = Note {
            proposal,
            round,
            failures,
            landed: now,
            stage: Stage::Waiting(now),
        };
        self.notes.insert(key, note);
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
        self.notes.retain(|(contact, bundle), note| {
            let open = state.bundles.get(contact, *bundle);
            let moved =
                open.is_some_and(|open| open.round != note.round || open.failures > note.failures);
            match note.stage {
                // Nobody may wait for it any more; that it was told is recorded all the same.
                Stage::Waiting(_) | Stage::Asked => !moved,
                Stage::Decided(until) => !moved && open.is_some() && now < until,
            }
        });
        let flying = &self.flying;
        self.reached.retain(|(contact, bundle), _| {
            let flies = flying.get(contact).is_some_and(|it| it.bundle == *bundle);
            flies || state.bundles.get(contact, *bundle).is_some()
        });
        self.over
            .retain(|(contact, bundle), _| state.bundles.get(contact, *bundle).is_some());
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

/// Deliveries at once: relays of small sites limit connections of one client to about ten.
const FLYING_MAX: usize = 8;

/// Attempts at what failed before: relays that hang keep room for those that do not.
const DOUBTFUL_MAX: usize = 4;

/// Between two attempts to record: about one election.
const RECORD_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// How long a record may hold up the contact's next page: longer than a commit on a busy disk, and
/// as long as a verdict waits for the log before a node pages by its own word. Rather twice than
/// never.
const RECORD_WAIT_MAX: Duration = Duration::from_secs(5);

/// A follower's state shows a decision within a heartbeat or two; after this the state has refused
/// the record, and says by itself whether the page is still due.
const STATE_LAG_MAX: Duration = Duration::from_secs(5);

/// Who could not be told for a day after it was over need not be told.
pub(super) const GIVE_UP_AFTER: Duration = Duration::from_secs(24 * 3_600);

#[cfg(test)]
mod tests {
    use farmux_raft::state::Command;

    use super::*;

    fn key(bundle: u64, contact: &str) -> Key {
        (contact.parse().expect("a name"), bundle)
    }

    fn land(ledger: &mut Ledger, key: &Key, now: Instant) {
        let attempt = Attempt {
            key: key.clone(),
            id: PageId(key.1.into()),
            round: 0,
            failures: 0,
            is_last: false,
        };
        // What is proposed makes no difference here.
        let record = crate::daemon::proposal(Command::PassTime);
        ledger.begin(&attempt, false);
        ledger.landed(attempt, BTreeSet::new(), record, now);
    }

    #[test]
    fn what_is_over_is_given_up_after_a_day_of_trying() {
        let mut ledger = Ledger::default();
        let (one, start) = (key(1, "ops"), Instant::now());
        let second = Duration::from_secs(1);
        assert!(!ledger.is_last(&one, true, start));
        let nearly = start + GIVE_UP_AFTER - second;
        assert!(!ledger.is_last(&one, true, nearly));
        assert!(ledger.is_last(&one, true, nearly + second));
        assert!(!ledger.is_last(&one, false, nearly + second), "more came");
        assert!(!ledger.is_last(&one, true, nearly + second), "from then on");
        // The state knows of no such message.
        ledger.settle(&State::default(), nearly + second);
        assert_eq!(ledger.over, BTreeMap::new());
    }

    /// A leader that was cut off went on sending for as long as it believed in its majority; none
    /// of it could be recorded, and the next leader repeated it all.
    #[test]
    fn the_next_page_waits_for_the_record_of_the_last_and_not_for_ever() {
        let mut ledger = Ledger::default();
        let start = Instant::now();
        let (first, second, other) = (key(1, "ops"), key(2, "ops"), key(1, "boss"));
        land(&mut ledger, &first, start);
        assert!(!ledger.is_free(&second, false, start));
        assert!(
            ledger.is_free(&other, false, start),
            "each contact has its own"
        );
        assert_eq!(ledger.take_records(start).len(), 1);
        assert!(!ledger.is_free(&second, false, start), "it is being asked");
        assert!(ledger.is_free(&second, false, start + RECORD_WAIT_MAX));
        ledger.recorded(&first, true, start);
        assert!(ledger.is_free(&second, false, start));
        assert!(
            !ledger.is_free(&first, false, start),
            "until the state shows it"
        );
    }
}
