//! Holds that lasted long enough, and questions to other nodes: the leader alone ends them, by its
//! own clock.
//!
//! ```text
//!   state: hold 7 ──first seen here──▶ since ──its time is over──▶ EndHolds({7}) ──▶ log: page
//! ```
//! A clock is nothing that the log knows. A new leader counts anew: a page may come a few seconds
//! later then, and never earlier or twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use farmux_raft::clockwork::{now, sleep};
use farmux_raft::consensus::{Consensus, Quorum};
use farmux_raft::state::{Command, State};

use super::{TICK, propose};

/// Runs for ever; proposes only while this node leads with a majority.
pub async fn end_holds(consensus: Consensus) {
    let standing = consensus.standing();
    let mut states = consensus.state();
    let mut seen = Seen::default();
    loop {
        let state = states.borrow_and_update().clone();
        let leads = matches!(standing.borrow().quorum, Quorum::Fresh { .. });
        let pause = match leads {
            true => {
                let over = seen.over(&state, now());
                if over.is_empty() {
                    seen.next(now()).min(TICK)
                } else {
                    propose(&consensus, Command::EndHolds(over)).await;
                    PAUSE
                }
            }
            false => {
                seen = Seen::default();
                TICK
            }
        };
        // A state that changed holds the look up by a moment only: many come at once.
        tokio::select! {
            biased;
            () = sleep(pause) => {}
            changed = states.changed() => match changed {
                Ok(()) => sleep(PAUSE.min(pause)).await,
                Err(_) => return,
            }
        }
    }
}

/// Between two looks, however much happens: a page may be so much later.
const PAUSE: Duration = Duration::from_millis(50);

/// PURE. Since when this leader has seen each hold, and when its time is over.
#[derive(Debug, Default)]
struct Seen {
    holds: BTreeMap<u64, Lasting>,
}

#[derive(Debug, Clone, Copy)]
struct Lasting {
    since: Instant,
    /// `None`: it does not end by time.
    lasts: Option<Duration>,
}

impl Lasting {
    /// How long until its time is over.
    fn left(&self, now: Instant) -> Option<Duration> {
        let lasted = now.saturating_duration_since(self.since);
        Some(self.lasts?.saturating_sub(lasted))
    }
}

impl Seen {
    /// Takes the holds of a state in, and gives the numbers of those whose time is over.
    fn over(&mut self, state: &State, now: Instant) -> BTreeSet<u64> {
        let before = std::mem::take(&mut self.holds);
        for (number, lasts) in state.deadlines() {
            let since = before.get(&number).map_or(now, |seen| seen.since);
            self.holds.insert(number, Lasting { since, lasts });
        }
        let over = |lasting: &Lasting| lasting.left(now) == Some(Duration::ZERO);
        self.holds
            .iter()
            .filter(|(_, lasting)| over(lasting))
            .map(|(number, _)| *number)
            .collect()
    }

    /// How long until the next one's time is over.
    fn next(&self, now: Instant) -> Duration {
        let left = self.holds.values().filter_map(|lasting| lasting.left(now));
        left.min().unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use farmux_raft::state::{CheckKey, Health, Parent};

    use super::*;
    use crate::api::status::sample;

    const ASKING: Duration = Duration::from_secs(2);

    /// `shop/s1` fails while its file server is said to be up: its page waits for that verdict.
    fn asking() -> State {
        let mut state = sample::state(&[farmux_raft::state::NodeRole::Balancer]);
        sample::add_watches(&mut state);
        fail(&mut state, sample::server_check("s1"));
        state
    }

    fn fail(state: &mut State, check: CheckKey) {
        sample::report(state, check, Health::Down, "connection refused");
    }

    fn number(state: &State, server: &str) -> u64 {
        let member: Parent = format!("shop/{server}").parse().expect("a server");
        let held = state.holds.iter().find(|(held, _)| **held == member);
        held.map(|(_, hold)| hold.number).expect("it is held")
    }

    #[test]
    fn a_hold_is_over_when_this_leader_saw_it_for_long_enough() {
        let mut state = asking();
        let first = number(&state, "s1");
        let (mut seen, start) = (Seen::default(), Instant::now());
        assert_eq!(seen.over(&state, start), BTreeSet::new());
        assert_eq!(seen.next(start), ASKING);

        let later = start + Duration::from_millis(1_500);
        fail(&mut state, sample::server_check("s2"));
        let second = number(&state, "s2");
        assert_eq!(seen.over(&state, later), BTreeSet::new());
        assert_eq!(seen.next(later), Duration::from_millis(500));

        assert_eq!(seen.over(&state, start + ASKING), BTreeSet::from([first]));
        let both = BTreeSet::from([first, second]);
        assert_eq!(
            seen.over(&state, later + ASKING),
            both,
            "until they are gone"
        );

        // Another leader has its own clock.
        assert_eq!(
            Seen::default().over(&state, later + ASKING),
            BTreeSet::new()
        );
    }

    #[test]
    fn ending_a_hold_pages_and_is_not_repeated() {
        let mut state = asking();
        let (mut seen, start) = (Seen::default(), Instant::now());
        seen.over(&state, start);
        let over = seen.over(&state, start + ASKING);
        assert_eq!(state.pages.len(), 0, "the page waits");
        sample::apply(&mut state, Command::EndHolds(over));
        assert_eq!(state.pages.len(), 1, "s1 is down by itself");
        assert_eq!(seen.over(&state, start + ASKING * 2), BTreeSet::new());
        assert_eq!(seen.next(start), Duration::MAX);
    }

    /// Who is in the shadow of something that is down waits until it is back, and then for as long
    /// as its own check needs.
    #[test]
    fn shadows_do_not_end_by_time() {
        let mut state = asking();
        let (mut seen, start) = (Seen::default(), Instant::now());
        seen.over(&state, start);
        fail(&mut state, sample::watch_check("fs1"));
        let hour = start + Duration::from_secs(3_600);
        assert_eq!(seen.over(&state, hour), BTreeSet::new());
        assert_eq!(seen.next(hour), Duration::MAX);

        let fs1 = sample::watch_check("fs1");
        sample::report(&mut state, fs1, Health::Up, "connected");
        assert_eq!(seen.over(&state, hour), BTreeSet::new());
        let lasts = seen.next(hour);
        assert!(
            lasts > ASKING && lasts < Duration::from_secs(60),
            "{lasts:?}"
        );
        let recovering = number(&state, "s1");
        assert_eq!(
            seen.over(&state, hour + lasts),
            BTreeSet::from([recovering])
        );
    }
}
