//! Elections by our own clock: a fresh random patience each round, and a question before each.
//!
//! ```text
//!   leader silent for 300–600 ms (drawn each round)
//!     --PreVote--> all voters --yes from a majority-->
//!     --Vote--> all voters, who keep it --yes from a majority--> openraft stands, and asks again
//! ```
//!
//! openraft draws its patience once a process, so that two nodes can split votes for ever; and a
//! node that was cut off would return with a high term and push a healthy leader from its seat. It
//! gives each voter a tenth of a second, for ever too short where a disk needs longer to keep a
//! vote: so votes are asked for before, with time, and what was given is given again from memory.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::record::{LogIdRecord, VoteRecord};
use super::timing::{
    ELECTION_MAX, ELECTION_MIN, KEPT_WITHIN, PLEDGED_FOR, PRE_VOTE_DEADLINE, STEP_ASIDE_DEADLINE,
    VOTE_DEADLINE, between,
};
use super::{Consensus, Effective, Request, Role, Room, RpcReply};
use crate::clockwork::{TaskSet, now, sleep};
use crate::id::NodeId;

/// When the leader was heard last. While its word is kept on the disk it is still heard: it sends
/// the next one when it has the answer.
#[derive(Debug, Default)]
pub(super) struct Hearing(Mutex<Heard>);

#[derive(Debug, Default)]
struct Heard {
    last: Option<Instant>,
    keeping: usize,
    whom: Option<VoteRecord>,
}

impl Heard {
    /// PURE. When it was heard last.
    fn last(&self, now: Instant) -> Option<Instant> {
        match self.keeping {
            0 => self.last,
            _ => self.last.map(|at| now.min(at + KEPT_WITHIN)),
        }
    }
}

/// A word of the leader that is being kept, until this is dropped.
#[derive(Debug)]
pub(super) struct Keeping<'a>(&'a Hearing);

impl Hearing {
    pub(super) fn note(&self) {
        self.heard().last = Some(now());
    }

    /// It was heard just now by this right, and said what has to be kept.
    pub(super) fn keep(&self, vote: VoteRecord) -> Keeping<'_> {
        let mut heard = self.heard();
        heard.last = Some(now());
        heard.keeping += 1;
        heard.whom = heard.whom.max(Some(vote));
        Keeping(self)
    }

    /// Whether the leader by this right was heard, and none by a newer one; if so, it is heard.
    pub(super) fn hears(&self, vote: VoteRecord) -> bool {
        let mut heard = self.heard();
        let same = heard.whom == Some(vote);
        if same {
            heard.last = Some(now());
        }
        same
    }

    pub(super) fn last(&self) -> Option<Instant> {
        self.heard().last(now())
    }

    pub(super) fn within(&self, patience: Duration, now: Instant) -> bool {
        self.last()
            .is_some_and(|at| now.saturating_duration_since(at) <= patience)
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().expect("no holder of this lock can panic")
    }
}

impl Drop for Keeping<'_> {
    fn drop(&mut self) {
        self.0.heard().keeping -= 1;
    }
}

/// The vote that we gave last, and the term in which we want to be voted for.
#[derive(Debug, Default)]
pub(super) struct Poll(Mutex<Ballots>);

#[derive(Debug, Default)]
struct Ballots {
    given: Option<(VoteRecord, Instant)>,
    wanted: Option<u64>,
}

impl Poll {
    /// We gave our vote to another.
    pub(super) fn note_given(&self, vote: VoteRecord) {
        self.ballots().given = Some((vote, now()));
    }

    /// Whether we gave exactly that one. What openraft keeps as our vote may only have been heard
    /// of from somebody who refused.
    pub(super) fn was_given(&self, vote: VoteRecord) -> bool {
        self.ballots().given.is_some_and(|(given, _)| given == vote)
    }

    /// Whether we want to be voted for in `term`, and so vote for nobody else in it.
    pub(super) fn is_wanted(&self, term: u64) -> bool {
        self.ballots().wanted.is_some_and(|wanted| wanted >= term)
    }

    fn want(&self, term: Option<u64>) {
        self.ballots().wanted = term;
    }

    /// Until when whoever got our vote may still come to lead; `heard` is the last leader's word.
    pub(super) fn pending_until(&self, heard: Option<Instant>) -> Option<Instant> {
        let given = self.ballots().given.map(|(_, at)| at);
        let given = given.filter(|given| heard.is_none_or(|heard| heard < *given));
        Some(given? + PLEDGED_FOR)
    }

    fn ballots(&self) -> MutexGuard<'_, Ballots> {
        self.0.lock().expect("no holder of this lock can panic")
    }
}

/// What voters said of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// A majority said yes.
    Yes,
    /// No majority did, and somebody knows of a vote of that term or a later one.
    Behind,
    /// No majority did.
    No,
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
                    let able = self.room() != Room::Gone;
                    if able && self.pre_vote().await && !self.stand().await {
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
            let pending = self.inner.poll.pending_until(self.inner.hearing.last());
            let patience = patience + self.reluctance();
            let end = (last + patience).max(pending.unwrap_or(last));
            let left = end.saturating_duration_since(now());
            if left.is_zero() {
                return;
            }
            sleep(left).await;
        }
    }

    /// Stands for election, and so votes for itself, if enough votes are promised and it does not
    /// lead already; whether consensus runs at all.
    pub(super) async fn stand(&self) -> bool {
        // Our own patience and the word of a leader that steps aside may come together.
        let _one = self.inner.standing_up.lock().await;
        let known = self.inner.raft.with_raft_state(|state| {
            let vote = VoteRecord::from(*state.vote_ref());
            (vote, state.server_state.is_leader())
        });
        let Ok((ours, leads)) = known.await else {
            return false;
        };
        // openraft would elect a leader anew, and then replicate to nobody.
        if leads {
            return true;
        }
        let said = self.canvass(ours).await;
        let mut runs = true;
        // Whoever is behind stands as well: openraft learns of newer votes from those who refuse.
        if said != Said::No {
            let _one = self.inner.voting.lock().await;
            // A vote that was given meanwhile is kept.
            if self.own_vote().await == Some(ours) {
                runs = self.inner.raft.trigger().elect().await.is_ok();
            }
        }
        self.inner.poll.want(None);
        runs
    }

    /// The last vote that was given, to ourselves or another; `None`: consensus has stopped.
    pub(super) async fn own_vote(&self) -> Option<VoteRecord> {
        let ours = self.inner.raft.with_raft_state(|state| *state.vote_ref());
        ours.await.ok().map(VoteRecord::from)
    }

    /// Asks all voters for their vote in the next term.
    async fn canvass(&self, ours: VoteRecord) -> Said {
        let vote = VoteRecord {
            term: ours.term.saturating_add(1),
            node: self.inner.config.me,
            committed: false,
        };
        self.inner.poll.want(Some(vote.term));
        let request = Request::Vote {
            vote,
            last: self.last_log_id(),
            sanctioned: self.inner.sanction.holds(),
        };
        self.ask_majority(request, VOTE_DEADLINE).await
    }

    /// Asks all voters whether they would vote for us, until a majority would or cannot any more.
    async fn pre_vote(&self) -> bool {
        let last = self.last_log_id();
        let request = Request::PreVote { last };
        self.ask_majority(request, PRE_VOTE_DEADLINE).await == Said::Yes
    }

    async fn ask_majority(&self, request: Request, deadline: Duration) -> Said {
        let metrics = self.inner.raft.metrics().borrow().clone();
        let members = super::standing::effective_of(&metrics);
        let me = self.inner.config.me;
        if !members.is_voter(me) {
            return Said::No;
        }
        let (mut yes, mut no) = (BTreeSet::from([me]), Said::No);
        let mut questions = self.ask_voters(&members, &request, deadline);
        while !members.is_majority(&yes) {
            match questions.next().await {
                Some(Ok((node, Said::Yes))) => _ = yes.insert(node),
                Some(Ok((_, Said::Behind))) => no = Said::Behind,
                Some(Ok((_, Said::No)) | Err(_)) => {}
                None => return no,
            }
        }
        Said::Yes
    }

    fn ask_voters(
        &self,
        members: &Effective,
        request: &Request,
        deadline: Duration,
    ) -> TaskSet<(NodeId, Said)> {
        let mut questions = TaskSet::default();
        for node in members
            .voters()
            .into_iter()
            .filter(|node| *node != self.inner.config.me)
        {
            let (peers, request) = (Arc::clone(&self.inner.peers), request.clone());
            questions.spawn(async move {
                let wanted = if let Request::Vote { vote, .. } = &request {
                    vote.term
                } else {
                    u64::MAX
                };
                let said = match peers.ask(node, request, deadline).await {
                    Ok(RpcReply::PreVote(true) | RpcReply::Vote { granted: true, .. }) => Said::Yes,
                    Ok(RpcReply::Vote { vote, .. }) if vote.term >= wanted => Said::Behind,
                    Ok(_) | Err(_) => Said::No,
                };
                (node, said)
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
    fn a_leader_is_heard_while_its_word_is_kept_but_not_for_ever() {
        let hearing = Hearing::default();
        let keeping = hearing.keep(vote(3, 1));
        let at = hearing.heard().last.expect("it was heard");
        let ms = Duration::from_millis;
        let slow = hearing.heard().last(at + ms(700));
        assert_eq!(slow, Some(at + ms(700)), "the disk is slow");
        let hangs = hearing.heard().last(at + ms(9_000));
        assert_eq!(hangs, Some(at + KEPT_WITHIN), "the disk hangs");
        drop(keeping);
        assert_eq!(hearing.heard().last(at + ms(700)), Some(at));
    }

    fn vote(term: u64, node: u64) -> VoteRecord {
        VoteRecord {
            term,
            node: NodeId(node),
            committed: true,
        }
    }

    #[test]
    fn only_the_newest_leader_is_followed() {
        let hearing = Hearing::default();
        assert!(!hearing.hears(vote(3, 1)), "never heard of");
        assert_eq!(hearing.last(), None, "and so it was not heard");
        drop(hearing.keep(vote(3, 1)));
        assert!(hearing.hears(vote(3, 1)));
        drop(hearing.keep(vote(4, 2)));
        assert!(!hearing.hears(vote(3, 1)), "another leads");
        drop(hearing.keep(vote(3, 1)));
        assert!(
            hearing.hears(vote(4, 2)),
            "what was said late changes nothing"
        );
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
