//! Following: whether a majority follows this leader, asked from memory while disks are slow.
//!
//! ```text
//!   leader, no majority's answer for a while ──Follow──▶ every other voter, again and again
//!          ◀──from memory: yes, I heard you last──────┘   and so it hears the leader
//! ```
//!
//! An answer to what has to be kept waits for a disk; two such answers behind each other take
//! seconds on a bad one, and neither side is lost meanwhile. What is kept is not asked here:
//! whoever decides or reads by a majority still waits for the log. And it ends after
//! [`KEPT_AT_MOST`]: a leader whose word nobody keeps any more shall not be kept for its voice.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::record::VoteRecord;
use super::timing::{ASKED_AFTER, ASKED_EVERY, HEARTBEAT, KEPT_AT_MOST, UNFOLLOWED};
use super::types::Metrics;
use super::{Consensus, Request, Role, RpcReply};
use crate::clockwork::{TaskSet, now, sleep};

/// The format that has the question.
const SINCE: u16 = 2;

/// When a majority showed last that it follows this node.
#[derive(Debug, Default)]
pub(super) struct Following(Mutex<Shown>);

#[derive(Debug, Clone, Copy, Default)]
struct Shown {
    /// By what it kept; or we came to lead, which a majority's votes made us.
    kept: Option<Instant>,
    /// By its word.
    said: Option<Instant>,
    led: bool,
}

impl Shown {
    /// PURE. Whether to ask: something is late, but nothing hangs yet.
    fn asks(self, now: Instant) -> bool {
        let since = self.kept.map(|at| now.saturating_duration_since(at));
        since.is_some_and(|since| since > ASKED_AFTER && since <= KEPT_AT_MOST)
    }
}

impl Following {
    /// Takes what openraft just said of its majority.
    pub(super) fn note_kept(&self, seen: &Metrics, now: Instant) {
        let leads = seen.state.is_leader();
        let ago = seen.millis_since_quorum_ack.map(Duration::from_millis);
        let acked = ago.and_then(|ago| now.checked_sub(ago));
        let mut shown = self.shown();
        *shown = match (leads, shown.led) {
            (true, true) => Shown {
                kept: shown.kept.max(acked),
                ..*shown
            },
            (true, false) => Shown {
                kept: Some(now),
                said: None,
                led: true,
            },
            (false, _) => Shown::default(),
        };
    }

    fn note_said(&self, asked: Instant) {
        let mut shown = self.shown();
        shown.said = shown.said.max(Some(asked));
    }

    /// When it showed that last, by what it kept or said.
    pub(super) fn last(&self) -> Option<Instant> {
        let shown = self.shown();
        shown.kept.max(shown.said)
    }

    /// Whether it did so lately.
    pub(super) fn lately(&self, now: Instant) -> bool {
        let last = self.last();
        last.is_some_and(|at| now.saturating_duration_since(at) <= UNFOLLOWED)
    }

    fn asks(&self, now: Instant) -> bool {
        self.shown().asks(now)
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().expect("no holder of this lock can panic")
    }
}

impl Consensus {
    /// While this node leads and answers are late, asks the others whether they follow; until
    /// consensus stops.
    pub(super) async fn ask_followers(self) {
        let mut standing = self.standing();
        let awaited = |role| matches!(role, Role::Leader | Role::Stopped);
        while let Ok(role) = standing.wait_for(|s| awaited(s.role)).await.map(|s| s.role) {
            if role == Role::Stopped {
                return;
            }
            let round = self.clone().ask_round();
            let (_, ()) = tokio::join!(sleep(ASKED_EVERY), round);
        }
    }

    async fn ask_round(self) {
        let asked = now();
        if self.inner.following.asks(asked) && self.is_followed().await {
            self.inner.following.note_said(asked);
        }
    }

    /// Whether all that the leaders before this one had decided is applied here; on a leader.
    pub(super) fn applied_in_own_term(&self) -> bool {
        let metrics = self.inner.raft.metrics();
        let seen = metrics.borrow();
        let applied = seen.last_applied.map(|id| id.leader_id.term);
        seen.state.is_leader() && applied == Some(seen.current_term)
    }

    /// Whether a majority says that it follows us. One that is silent costs a heartbeat. While a
    /// member may not know the question, nobody is asked.
    pub(super) async fn is_followed(&self) -> bool {
        if self.inner.state.borrow().format.number() < SINCE {
            return false;
        }
        let vote = VoteRecord::from(self.inner.raft.metrics().borrow().vote);
        let mut questions = TaskSet::default();
        for node in self.other_voters() {
            let peers = Arc::clone(&self.inner.peers);
            questions.spawn(async move {
                let asked = now();
                let said = peers.ask(node, Request::Follow { vote }, HEARTBEAT).await;
                let fresh = is_fresh(asked, now());
                (node, fresh && matches!(said, Ok(RpcReply::Follow(true))))
            });
        }
        let mut yes = BTreeSet::from([self.inner.config.me]);
        while !self.inner.effective.borrow().is_majority(&yes) {
            match questions.next().await {
                Some(Ok((node, true))) => _ = yes.insert(node),
                Some(Ok((_, false)) | Err(_)) => {}
                None => return false,
            }
        }
        true
    }

    /// Whether the leader by this right is the one we follow; if so, it was heard just now.
    pub(super) fn follows(&self, vote: VoteRecord) -> bool {
        let ours = VoteRecord::from(self.inner.raft.metrics().borrow().vote);
        vote >= ours && self.inner.hearing.hears(vote)
    }
}

/// PURE. Whether an answer that is read now is still one: where the process was stopped, it may
/// have lain in the socket for as long.
fn is_fresh(asked: Instant, now: Instant) -> bool {
    now.saturating_duration_since(asked) <= 2 * HEARTBEAT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_lay_in_the_socket_of_a_stopped_process_is_none() {
        let asked = Instant::now();
        assert!(is_fresh(asked, asked + HEARTBEAT));
        assert!(!is_fresh(asked, asked + Duration::from_secs(1)));
    }

    #[test]
    fn it_asks_while_answers_are_late_and_not_for_ever() {
        let at = Instant::now();
        let shown = |ms: u64| Shown {
            kept: Some(at),
            said: Some(at + Duration::from_millis(ms)),
            led: true,
        };
        for (ms, asks) in [
            (0, false),
            (170, false),
            (171, true),
            (6_000, true),
            (6_001, false),
        ] {
            let now = at + Duration::from_millis(ms);
            assert_eq!(shown(ms).asks(now), asks, "{ms} ms, whatever is said");
        }
        assert!(!Shown::default().asks(at), "it does not lead");
    }
}
