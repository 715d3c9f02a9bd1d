//! Elections by our own clock: a fresh random patience each round, and a question before each.
//!
//! ```text
//!   leader silent for 300–600 ms (drawn each round)
//!     --PreVote--> all voters --yes from a majority--> openraft stands for election
//! ```
//!
//! openraft draws its patience once a process, so that two nodes can split votes for ever; and a
//! node that was cut off would return with a high term and push a healthy leader from its seat.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::record::LogIdRecord;
use super::timing::{ELECTION_MAX, ELECTION_MIN, PRE_VOTE_DEADLINE, STEP_ASIDE_DEADLINE, between};
use super::{Consensus, Effective, Request, Role, RpcReply};
use crate::clockwork::{TaskSet, now, sleep};
use crate::id::NodeId;

/// When the leader was heard last.
#[derive(Debug, Default)]
pub(super) struct Hearing(Mutex<Option<Instant>>);

impl Hearing {
    pub(super) fn note(&self) {
        *self.0.lock().expect("no holder of this lock can panic") = Some(now());
    }

    pub(super) fn last(&self) -> Option<Instant> {
        *self.0.lock().expect("no holder of this lock can panic")
    }

    pub(super) fn within(&self, patience: Duration, now: Instant) -> bool {
        self.last()
            .is_some_and(|at| now.saturating_duration_since(at) <= patience)
    }
}

/// Until when the leader's word to stand for election counts.
#[derive(Debug, Default)]
pub(super) struct Sanction(Mutex<Option<Instant>>);

impl Sanction {
    pub(super) fn grant(&self) {
        let until = now() + STEP_ASIDE_DEADLINE;
        *self.0.lock().expect("no holder of this lock can panic") = Some(until);
    }

    pub(super) fn holds(&self) -> bool {
        let until = *self.0.lock().expect("no holder of this lock can panic");
        until.is_some_and(|until| now() < until)
    }
}

/// PURE. Everything on which the answer to a pre-vote depends. The term is none of it: a node with
/// the newest log and a low term must be able to stand, and learns the term from the first refusal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ballot {
    /// We lead and a majority follows, or we heard the leader less than [`ELECTION_MIN`] ago.
    pub(super) leader_lives: bool,
    /// The end of our log.
    pub(super) last: Option<LogIdRecord>,
}

impl Ballot {
    /// Whether somebody with this log may stand.
    pub(super) fn would_vote(&self, last: Option<LogIdRecord>) -> bool {
        !self.leader_lives && last >= self.last
    }
}

impl Consensus {
    /// Runs elections until consensus stops.
    pub(super) async fn drive_elections(self: Consensus) {
        let mut started = now();
        loop {
            let patience = between(ELECTION_MIN, ELECTION_MAX);
            self.wait_for_silence(started, patience).await;
            let standing = self.standing().borrow().clone();
            match standing.role {
                Role::Stopped => return,
                Role::Leader => self.finish_change_left_behind().await,
                Role::Learner => {}
                Role::Follower | Role::Candidate => {
                    if self.pre_vote().await && !self.stand().await {
                        return;
                    }
                }
            }
            started = now();
        }
    }

    /// Returns when neither this round nor the leader's last word is younger than `patience`.
    async fn wait_for_silence(&self, started: Instant, patience: Duration) {
        loop {
            let last = self
                .inner
                .hearing
                .last()
                .map_or(started, |heard| heard.max(started));
            let left = (last + patience).saturating_duration_since(now());
            if left.is_zero() {
                return;
            }
            sleep(left).await;
        }
    }

    /// Stands for election, and so votes for itself; whether consensus runs at all.
    pub(super) async fn stand(&self) -> bool {
        let _one = self.inner.voting.lock().await;
        self.inner.raft.trigger().elect().await.is_ok()
    }

    /// Asks all voters whether they would vote for us, until a majority would or cannot any more.
    async fn pre_vote(&self) -> bool {
        let metrics = self.inner.raft.metrics().borrow().clone();
        let members = super::standing::effective_of(&metrics);
        let me = self.inner.config.me;
        if !members.is_voter(me) {
            return false;
        }
        let mut yes = BTreeSet::from([me]);
        let request = Request::PreVote {
            last: self.last_log_id(),
        };
        let mut questions = self.ask_voters(&members, &request);
        while !members.is_majority(&yes) {
            match questions.next().await {
                Some(Ok(Some(node))) => _ = yes.insert(node),
                Some(_) => {}
                None => return false,
            }
        }
        true
    }

    fn ask_voters(&self, members: &Effective, request: &Request) -> TaskSet<Option<NodeId>> {
        let mut questions = TaskSet::default();
        for node in members
            .voters()
            .into_iter()
            .filter(|node| *node != self.inner.config.me)
        {
            let (peers, request) = (Arc::clone(&self.inner.peers), request.clone());
            questions.spawn(async move {
                let answer = peers.ask(node, request, PRE_VOTE_DEADLINE).await;
                matches!(answer, Ok(RpcReply::PreVote(true))).then_some(node)
            });
        }
        questions
    }

    /// The end of our log.
    pub(super) fn last_log_id(&self) -> Option<LogIdRecord> {
        self.inner
            .raft
            .data_metrics()
            .borrow()
            .last_log
            .map(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(term: u64, index: u64) -> Option<LogIdRecord> {
        Some(LogIdRecord {
            term,
            node: NodeId(1),
            index,
        })
    }

    #[test]
    fn who_hears_a_leader_or_has_a_newer_log_says_no() {
        let ballot = Ballot {
            leader_lives: false,
            last: at(3, 7),
        };
        let deaf = Ballot {
            leader_lives: true,
            ..ballot
        };
        let table = [
            (ballot, at(3, 7), true),
            (ballot, at(3, 8), true),
            (ballot, at(4, 1), true),
            (ballot, at(3, 6), false),
            (ballot, at(2, 9), false),
            (ballot, None, false),
            (deaf, at(4, 9), false),
        ];
        for (ballot, last, expected) in table {
            assert_eq!(ballot.would_vote(last), expected, "{ballot:?} {last:?}");
        }
    }
}
