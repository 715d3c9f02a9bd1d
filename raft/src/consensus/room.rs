//! Room: what this node's disk still takes, and what follows from it for the agreement.
//!
//! ```text
//!   store ──Room (watch)──▶ enough: all goes on
//!                           short:  no entry is taken; votes, heartbeats and commits go on; a
//!                                   leader gives the lead to another, and stands only as the last
//!                           gone:   no vote is given either
//! ```
//!
//! A follower without room answers a leader that it has stored nothing of what was sent: so it is
//! heard, the leader keeps its majority, and what was sent is sent again until there is room. What
//! nobody stored on a majority is never called decided.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::membership::ChangeError;
use super::timing::{
    CATCH_UP_ENTRIES, HEARTBEAT, NO_ROOM_PAUSE, NO_ROOM_RELUCTANCE, SILENCE, STEP_ASIDE_AGAIN,
};
use super::{AppendReply, Consensus, Request, Role};
use crate::clockwork::{elapsed, now, sleep, timeout};
use crate::id::NodeId;

/// What a node's disk still takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    /// Nothing: whatever would be written waits.
    Gone,
    /// What keeps the agreement alive, from a reserve: votes. No entries and no snapshots.
    Short,
    /// Everything.
    Enough,
}

impl Consensus {
    /// From now on this node minds what its disk still takes. Counts once.
    pub fn mind_room(&self, room: watch::Receiver<Room>) {
        if self.inner.room.set(room).is_err() {
            return;
        }
        let mut tasks = self
            .inner
            .tasks
            .lock()
            .expect("no holder of this lock can panic");
        tasks.spawn(self.clone().lead_elsewhere());
    }

    /// What this node's disk still takes.
    pub fn room(&self) -> Room {
        let room = self.inner.room.get();
        room.map_or(Room::Enough, |room| *room.borrow())
    }

    /// Whether this node takes entries.
    pub(super) fn has_room(&self) -> bool {
        self.room() == Room::Enough
    }

    /// How much longer this node waits before it stands. Whoever leads writes, so one without room
    /// lets others go first; but where nobody else can, it leads: it has a log to give away, is
    /// heard, and sends pages.
    pub(super) fn reluctance(&self) -> Duration {
        match self.has_room() {
            true => Duration::ZERO,
            false => NO_ROOM_RELUCTANCE,
        }
    }

    /// What keeps a leader from having anything decided: its own disk, or so many others' that no
    /// majority is left.
    pub(super) fn who_is_full(&self) -> Option<NodeId> {
        let me = self.inner.config.me;
        if !self.has_room() {
            return Some(me);
        }
        let full = self.inner.peers.full(SILENCE);
        let members = self.inner.effective.borrow();
        let voters = members.voters();
        let with_room: BTreeSet<NodeId> = voters.difference(&full).copied().collect();
        match members.is_majority(&with_room) {
            true => None,
            false => full.intersection(&voters).next().copied(),
        }
    }

    /// While this node leads without room, another one that has some shall lead.
    async fn lead_elsewhere(self) {
        let Some(mut room) = self.inner.room.get().cloned() else {
            return;
        };
        loop {
            let role = self.inner.standing.borrow().role;
            let pause = match (role, self.has_room()) {
                (Role::Stopped, _) => return,
                (Role::Leader, false) => {
                    self.give_the_lead().await;
                    STEP_ASIDE_AGAIN
                }
                (Role::Leader, true) | (Role::Follower | Role::Candidate | Role::Learner, _) => {
                    SILENCE
                }
            };
            let changed = timeout(pause, room.changed()).await;
            if matches!(changed, Ok(Err(_))) {
                // Nobody looks any more: the store is gone.
                return;
            }
        }
    }

    /// Has one after another stand, those with most of the log first; one without room does not.
    async fn give_the_lead(&self) {
        let lag = self.inner.standing.borrow().lag.clone();
        let able = successors(&lag, &self.answered(), &self.other_voters(), now());
        for node in able {
            let Ok(_alone) = self.inner.changing.try_lock() else {
                return;
            };
            match self.hand_over(Some(node)).await {
                Ok(leader) => {
                    tracing::warn!(%leader, "no room on this node's disk: another one leads");
                    return;
                }
                Err(ChangeError::Stopped) => return,
                Err(error) => {
                    tracing::info!(%node, %error, "it does not take the lead");
                    // Two pauses in one would be a silence.
                    sleep(2 * HEARTBEAT).await;
                }
            }
        }
    }
}

/// Takes the entries out of an `Append`, and says what it is to be answered with, a little later:
/// the leader sends it again at once.
pub(super) async fn without_entries(mut request: Request) -> (Request, Option<AppendReply>) {
    let mut stored_nothing = None;
    if let Request::Append {
        previous, entries, ..
    } = &mut request
        && !entries.is_empty()
    {
        entries.clear();
        stored_nothing = Some(AppendReply::Partial(*previous));
    }
    if stored_nothing.is_some() {
        sleep(NO_ROOM_PAUSE).await;
    }
    (request, stored_nothing)
}

/// PURE. Who could lead: voters that answer and are not far behind, the nearest first.
fn successors(
    lag: &BTreeMap<NodeId, Option<u64>>,
    answered: &BTreeMap<NodeId, Instant>,
    voters: &BTreeSet<NodeId>,
    now: Instant,
) -> Vec<NodeId> {
    let answers = |node: &NodeId| {
        let at = answered.get(node);
        at.is_some_and(|at| now.saturating_duration_since(*at) < SILENCE)
    };
    let near = |node: &NodeId| {
        let behind = lag.get(node).copied().flatten();
        behind.filter(|behind| *behind <= CATCH_UP_ENTRIES)
    };
    let able = voters.iter().filter(|node| answers(node));
    let mut able: Vec<(u64, NodeId)> = able.filter_map(|node| Some((near(node)?, *node))).collect();
    able.sort_unstable();
    able.into_iter().map(|(_, node)| node).collect()
}

/// Which others said that they stored nothing of what they were sent, and when.
#[derive(Debug, Default)]
pub(super) struct Full(BTreeMap<NodeId, Instant>);

impl Full {
    /// Notes how an `Append` with entries behind `previous` was answered.
    pub(super) fn note(
        &mut self,
        node: NodeId,
        previous: Option<super::record::LogIdRecord>,
        reply: &AppendReply,
    ) {
        match reply {
            AppendReply::Partial(upto) if *upto == previous => _ = self.0.insert(node, now()),
            AppendReply::Success | AppendReply::Partial(_) => _ = self.0.remove(&node),
            AppendReply::Conflict | AppendReply::HigherVote(_) => {}
        }
    }

    /// Those that said so within this time.
    pub(super) fn within(&self, span: Duration) -> BTreeSet<NodeId> {
        let lately = self.0.iter().filter(|(_, at)| elapsed(**at) <= span);
        lately.map(|(node, _)| *node).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consensus::record::LogIdRecord;

    fn at(index: u64) -> Option<LogIdRecord> {
        Some(LogIdRecord {
            term: 1,
            node: NodeId(1),
            index,
        })
    }

    #[test]
    fn who_answers_and_is_near_could_lead() {
        let now = Instant::now();
        let long_ago = now.checked_sub(2 * SILENCE).expect("the machine is older");
        let lag = [
            (NodeId(1), Some(3)),
            (NodeId(2), Some(0)),
            (NodeId(3), Some(CATCH_UP_ENTRIES + 1)),
            (NodeId(4), None),
            (NodeId(5), Some(0)),
            (NodeId(6), Some(0)),
        ];
        let answered = [1, 2, 3, 4, 6].map(|node| (NodeId(node), now));
        let mut answered = BTreeMap::from(answered);
        answered.insert(NodeId(5), long_ago);
        let voters = [1, 2, 3, 4, 5].map(NodeId).into();
        let able = successors(&lag.into(), &answered, &voters, now);
        assert_eq!(able, [NodeId(2), NodeId(1)]);
    }

    #[test]
    fn who_stored_nothing_is_full_until_it_stores_something() {
        let (node, mut full) = (NodeId(2), Full::default());
        let known = |full: &Full| full.within(SILENCE).contains(&node);
        full.note(node, at(4), &AppendReply::Success);
        assert!(!known(&full));
        full.note(node, at(4), &AppendReply::Partial(at(4)));
        assert!(known(&full));
        full.note(node, at(4), &AppendReply::Conflict);
        assert!(known(&full), "it says nothing of room");
        full.note(node, at(4), &AppendReply::Partial(at(5)));
        assert!(!known(&full));
        full.note(node, None, &AppendReply::Partial(None));
        assert!(known(&full), "an empty log can be full too");
        full.note(node, at(5), &AppendReply::Success);
        assert!(!known(&full));
    }

    #[test]
    fn more_room_is_greater() {
        assert!(Room::Gone < Room::Short && Room::Short < Room::Enough);
    }
}
