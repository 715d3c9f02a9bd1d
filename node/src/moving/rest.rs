//! A node in maintenance gives away what it has, whatever became of whoever ordered it.
//!
//! The order that comes with the command does it at once; this is for the rest: a daemon that was
//! started again, a VIP that nobody could take before, a leadership that an election brought here.
//! What nobody else can take stays: it is better served than at rest.

use std::sync::Arc;
use std::time::{Duration, Instant};

use farmux_raft::id::NodeId;
use farmux_raft::state::State;

use super::WAIT;
use super::desk::verdict;
use super::order::{MoveOrder, What};
use crate::daemon::Member;

/// Runs for ever.
pub(crate) async fn rest(member: Arc<Member>) {
    let mut patience = Patience::default();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let has = Has {
            vips: member.held().len(),
            leads: member.consensus().standing().borrow().leads().is_some(),
            alone: member.consensus().membership().borrow().voters().len() <= 1,
        };
        if !patience.is_over(must_go(&member.state(), member.me(), has), Instant::now()) {
            continue;
        }
        let order = MoveOrder::new(What::Away { to: None }, WAIT);
        let Ok(story) = member.desk().take(&member, order) else {
            continue;
        };
        if let Ok(ended) = verdict(story).await
            && let Some(fault) = ended.fault
        {
            patience.failed(Instant::now());
            tracing::warn!("in maintenance, but {}: {}", fault.what, fault.why);
        }
    }
}

/// What this node has.
#[derive(Debug, Clone, Copy)]
struct Has {
    vips: usize,
    leads: bool,
    /// There is nobody else who votes.
    alone: bool,
}

/// PURE. Whether this node has what it should not have. While the cluster is paused it keeps that.
fn must_go(state: &State, me: NodeId, has: Has) -> bool {
    state.rests(me) && state.pause.is_none() && !has.alone && (has.vips > 0 || has.leads)
}

/// PURE. Since when it should go, and when it is tried.
#[derive(Debug, Default)]
struct Patience {
    since: Option<Instant>,
    again: Option<Instant>,
}

impl Patience {
    fn is_over(&mut self, must_go: bool, now: Instant) -> bool {
        if !must_go {
            *self = Patience::default();
            return false;
        }
        let since = *self.since.get_or_insert(now);
        let rested = self.again.is_none_or(|again| now >= again);
        now.duration_since(since) >= ORDERED_WITHIN && rested
    }

    fn failed(&mut self, now: Instant) {
        self.again = Some(now + TRIED_AGAIN_AFTER);
    }
}

/// Often enough for what nobody waits for.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The command's own order comes first, and tells its operator what happens.
const ORDERED_WITHIN: Duration = Duration::from_secs(2);

/// What nobody could take is not offered all the time: each try costs questions, and clients new
/// connections.
const TRIED_AGAIN_AFTER: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use farmux_raft::id::UnixMillis;
    use farmux_raft::state::{Author, Pause, Rest};

    use super::*;

    #[test]
    fn only_a_resting_node_that_has_something_goes() {
        let me = NodeId(1);
        let maintenance = Rest {
            since: UnixMillis(1),
            author: Author("anna".to_owned()),
            why: String::new(),
        };
        let mut resting = State::default();
        resting.resting.insert(me, maintenance);
        let table = [
            (&resting, 1, false, false, true),
            (&resting, 0, true, false, true),
            (&resting, 0, false, false, false),
            (&resting, 1, true, true, false),
            (&State::default(), 1, true, false, false),
        ];
        for (state, vips, leads, alone, expected) in table {
            let has = Has { vips, leads, alone };
            assert_eq!(must_go(state, me, has), expected, "{has:?}");
        }
        let has = Has {
            vips: 1,
            leads: true,
            alone: false,
        };
        assert!(!must_go(&resting, NodeId(2), has), "another one rests");
        resting.pause = Some(Pause {
            author: Author("anna".to_owned()),
            why: String::new(),
            since: UnixMillis(1),
        });
        assert!(!must_go(&resting, me, has), "nothing moves while paused");
    }

    #[test]
    fn it_leaves_the_command_time_and_does_not_try_all_the_time() {
        let (mut patience, start) = (Patience::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        assert!(!patience.is_over(true, at(0)));
        assert!(!patience.is_over(true, at(1_999)));
        assert!(patience.is_over(true, at(2_000)));
        patience.failed(at(2_500));
        assert!(!patience.is_over(true, at(32_499)));
        assert!(patience.is_over(true, at(32_500)));
        assert!(!patience.is_over(false, at(33_000)));
        assert!(!patience.is_over(true, at(33_100)), "it begins anew");
    }
}
