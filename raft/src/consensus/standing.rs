//! Where this node stands: term, role, leader, majority; and who the members are. For the others to
//! watch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use openraft::ServerState;
use tokio::sync::watch;

use super::election::Hearing;
use super::follow::Following;
use super::timing::{HEARTBEAT, SILENCE, UNFOLLOWED};
use super::types::Metrics;
use crate::clockwork::{now, timeout};
use crate::id::NodeId;
use crate::majority::is_majority;

/// Where this node stands in the agreement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Who this is.
    pub me: NodeId,
    /// The newest term it knows.
    pub term: u64,
    /// What it is.
    pub role: Role,
    /// Who leads: somebody with a majority, heard within the last second; otherwise nobody.
    pub leader: Option<NodeId>,
    /// Index of the last entry in its log.
    pub last_index: Option<u64>,
    /// Index of the last entry that its state contains.
    pub applied_index: Option<u64>,
    /// Index of the last entry that its newest snapshot contains.
    pub snapshot_index: Option<u64>,
    /// Whether a majority follows, on a leader.
    pub quorum: Quorum,
    /// Entries each other member lacks, on a leader; `None` where nothing is known yet.
    pub lag: BTreeMap<NodeId, Option<u64>>,
}

impl Standing {
    /// The term in which this node leads with a majority, if it does.
    pub fn leads(&self) -> Option<u64> {
        (self.leader == Some(self.me)).then_some(self.term)
    }
}

/// What a node is in the agreement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Decides the order of the log.
    Leader,
    /// Votes and stores.
    Follower,
    /// Stands for election.
    Candidate,
    /// Stores only.
    Learner,
    /// Does nothing any more; the process should end.
    Stopped,
}

/// Whether a majority follows this leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quorum {
    /// This node does not lead, so it cannot tell.
    NotLeader,
    /// A majority answered within the last two seconds, and so it has been since then.
    Fresh {
        /// Since when.
        since: Instant,
    },
    /// It did not.
    Lost {
        /// When it answered last.
        since: Instant,
    },
}

/// The effective membership: the last one in the log, committed or not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Effective {
    /// Index of its entry.
    pub log_index: u64,
    /// One set of voters; two while joint; none before there is a cluster.
    pub halves: Vec<BTreeSet<NodeId>>,
    /// Learners.
    pub learners: BTreeSet<NodeId>,
}

impl Effective {
    /// Whether it votes, in either half.
    pub fn is_voter(&self, node: NodeId) -> bool {
        self.halves.iter().any(|half| half.contains(&node))
    }

    /// All voters of both halves.
    pub fn voters(&self) -> BTreeSet<NodeId> {
        self.halves.iter().flatten().copied().collect()
    }

    /// Whether these are a majority of every half.
    pub fn is_majority(&self, nodes: &BTreeSet<NodeId>) -> bool {
        is_majority(&self.halves, nodes)
    }
}

/// Translates openraft's metrics until consensus stops.
pub(super) async fn watch_metrics(
    mut metrics: watch::Receiver<Metrics>,
    hearing: Arc<Hearing>,
    following: Arc<Following>,
    standing: watch::Sender<Standing>,
    effective: watch::Sender<Effective>,
) {
    let mut fresh = true;
    loop {
        let now = now();
        let seen = metrics.borrow_and_update().clone();
        if fresh {
            following.note_kept(&seen, now);
        }
        let members = effective_of(&seen);
        effective.send_if_modified(|old| replace(old, members));
        standing.send_if_modified(|old| {
            let new = standing_of(&seen, old, (&hearing, &following), now);
            replace(old, new)
        });
        // Silence changes no metric: look again with every heartbeat that should have come.
        let changed = timeout(HEARTBEAT, metrics.changed()).await;
        fresh = changed.is_ok();
        if matches!(changed, Ok(Err(_))) || seen.running_state.is_err() {
            standing.send_modify(|s| {
                s.role = Role::Stopped;
                s.leader = None;
                s.quorum = Quorum::NotLeader;
            });
            return;
        }
    }
}

fn replace<T: PartialEq>(old: &mut T, new: T) -> bool {
    let differs = *old != new;
    *old = new;
    differs
}

/// The first standing, before anything is known.
pub(super) fn unknown(me: NodeId) -> Standing {
    Standing {
        me,
        term: 0,
        role: Role::Learner,
        leader: None,
        last_index: None,
        applied_index: None,
        snapshot_index: None,
        quorum: Quorum::NotLeader,
        lag: BTreeMap::new(),
    }
}

pub(super) fn effective_of(metrics: &Metrics) -> Effective {
    let stored = &metrics.membership_config;
    Effective {
        log_index: stored.log_id().map_or(0, |id| id.index),
        halves: stored.membership().get_joint_config().clone(),
        learners: stored.membership().learner_ids().collect(),
    }
}

fn standing_of(
    seen: &Metrics,
    old: &Standing,
    (hearing, following): (&Hearing, &Following),
    now: Instant,
) -> Standing {
    let role = role_of(seen.state);
    let quorum = quorum_of(role, following.last(), old.quorum, now);
    let leader = match (role, quorum) {
        (Role::Leader, Quorum::Fresh { .. }) => Some(seen.id),
        (Role::Leader, Quorum::Lost { .. } | Quorum::NotLeader) | (Role::Stopped, _) => None,
        (Role::Follower | Role::Candidate | Role::Learner, _) => {
            seen.current_leader.filter(|_| hearing.within(SILENCE, now))
        }
    };
    let lag = |id: &Option<openraft::LogId<NodeId>>| {
        let last = seen.last_log_index.unwrap_or(0);
        id.map(|id| last.saturating_sub(id.index))
    };
    let others = seen
        .replication
        .iter()
        .flatten()
        .filter(|(node, _)| **node != seen.id);
    Standing {
        me: seen.id,
        term: seen.current_term,
        role,
        leader,
        last_index: seen.last_log_index,
        applied_index: seen.last_applied.map(|id| id.index),
        snapshot_index: seen.snapshot.map(|id| id.index),
        quorum,
        lag: others.map(|(node, id)| (*node, lag(id))).collect(),
    }
}

fn role_of(state: ServerState) -> Role {
    match state {
        ServerState::Leader => Role::Leader,
        ServerState::Follower => Role::Follower,
        ServerState::Candidate => Role::Candidate,
        ServerState::Learner => Role::Learner,
        ServerState::Shutdown => Role::Stopped,
    }
}

/// PURE. A new leader was voted for by a majority just now, so it starts fresh.
fn quorum_of(role: Role, followed: Option<Instant>, old: Quorum, now: Instant) -> Quorum {
    if role != Role::Leader {
        return Quorum::NotLeader;
    }
    match (old, followed) {
        (Quorum::NotLeader, _) => Quorum::Fresh { since: now },
        (Quorum::Fresh { since }, followed) => {
            let last = followed.map_or(since, |at| at.max(since));
            if now.duration_since(last) > UNFOLLOWED {
                Quorum::Lost { since: last }
            } else {
                old
            }
        }
        (Quorum::Lost { since }, Some(at))
            if at > since && now.duration_since(at) <= UNFOLLOWED =>
        {
            Quorum::Fresh { since: at }
        }
        (Quorum::Lost { .. }, _) => old,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn quorum_table() {
        let zero = Instant::now();
        let now = zero + 10_000 * MS;
        let since = zero + 5_000 * MS;
        let fresh = Quorum::Fresh { since };
        let lost = Quorum::Lost { since };
        let table = [
            (Role::Follower, Some(MS), fresh, Quorum::NotLeader),
            (
                Role::Leader,
                None,
                Quorum::NotLeader,
                Quorum::Fresh { since: now },
            ),
            (Role::Leader, Some(50 * MS), fresh, fresh),
            (Role::Leader, Some(2_000 * MS), fresh, fresh),
            (
                Role::Leader,
                Some(2_001 * MS),
                fresh,
                Quorum::Lost {
                    since: now - 2_001 * MS,
                },
            ),
            (Role::Leader, None, fresh, lost),
            (Role::Leader, None, lost, lost),
            (Role::Leader, Some(2_500 * MS), lost, lost),
            (
                Role::Leader,
                Some(20 * MS),
                lost,
                Quorum::Fresh {
                    since: now - 20 * MS,
                },
            ),
        ];
        for (role, ack, old, expected) in table {
            let followed = ack.map(|ago| now - ago);
            assert_eq!(
                quorum_of(role, followed, old, now),
                expected,
                "{role:?} {ack:?} {old:?}"
            );
        }
    }

    #[test]
    fn a_majority_is_one_of_each_half() {
        let set = |ids: &[u64]| ids.iter().map(|id| NodeId(*id)).collect::<BTreeSet<_>>();
        let mut members = Effective {
            halves: vec![set(&[1, 2, 3])],
            ..Effective::default()
        };
        assert!(members.is_majority(&set(&[1, 3])));
        assert!(!members.is_majority(&set(&[1, 4])));
        members.halves.push(set(&[1, 4]));
        assert!(!members.is_majority(&set(&[1, 3])));
        assert!(members.is_majority(&set(&[1, 3, 4])));
        assert!(
            !Effective::default().is_majority(&set(&[1])),
            "nobody is no majority"
        );
    }
}
