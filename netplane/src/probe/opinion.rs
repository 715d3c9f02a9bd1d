//! Opinions: what this machine sees of a check that another one makes, because it was asked.
//!
//! ```text
//!   wishes --> asked (newest number of each key) --> one probe each --> Opinion channel
//! ```
//! Nothing here touches the overlay, a tally or a result: what it finds is one node's word, and the
//! log weighs it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::Wish;
use super::attempt::{self, Means};
use super::outcome::{Failure, Outcome, Phase};
use crate::plan::{ProbeKey, ProbePlan};

/// What was found of a check that another node makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opinion {
    /// Which check.
    pub key: ProbeKey,
    /// The question: [`ProbePlan::asked`].
    pub answers: u64,
    /// What was found.
    pub found: Found,
    /// In our own words, as of a [`super::Verdict`].
    pub reason: String,
}

/// See [`Opinion`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// It is well.
    Well,
    /// It is not.
    Unwell {
        /// Whether the probe got there at all.
        reached: bool,
    },
    /// Nothing can be said: this machine is in trouble, or there was too little time.
    Nothing,
}

/// Gives opinions until nobody wishes any more.
pub(super) async fn give(
    mut means: Arc<Means>,
    mut wishes: watch::Receiver<Arc<Wish>>,
    opinions: mpsc::Sender<Opinion>,
) {
    let mut taken: BTreeMap<ProbeKey, u64> = BTreeMap::new();
    let mut queue = VecDeque::new();
    let mut running = JoinSet::new();
    loop {
        tokio::select! {
            changed = wishes.changed() => {
                if changed.is_err() {
                    return;
                }
                let wish = Arc::clone(&wishes.borrow_and_update());
                if means.origin.never != wish.vips {
                    means = Arc::new(means.avoiding(&wish.vips));
                }
                take_up(&wish.beside.opinions, &mut taken, &mut queue);
            }
            Some(ended) = running.join_next() => match ended {
                // Where there is no room whoever asked goes on without it.
                Ok(opinion) => drop(opinions.try_send(opinion)),
                Err(error) => tracing::debug!(%error, "an opinion was not formed"),
            },
        }
        while running.len() < OPINIONS_AT_ONCE_MAX
            && let Some((key, plan)) = queue.pop_front()
        {
            running.spawn(form(key, plan, Arc::clone(&means)));
        }
    }
}

/// PURE. Queues what is asked anew, and forgets what is not asked any more.
pub(super) fn take_up(
    asked: &BTreeMap<ProbeKey, ProbePlan>,
    taken: &mut BTreeMap<ProbeKey, u64>,
    queue: &mut VecDeque<(ProbeKey, ProbePlan)>,
) {
    taken.retain(|key, _| asked.contains_key(key));
    queue.retain(|(key, _)| asked.contains_key(key));
    for (key, plan) in asked {
        let newest = taken.entry(key.clone()).or_insert(0);
        if plan.asked > *newest {
            *newest = plan.asked;
            queue.push_back((key.clone(), plan.clone()));
        }
    }
}

/// One probe.
async fn form(key: ProbeKey, plan: ProbePlan, means: Arc<Means>) -> Opinion {
    let outcome = attempt::once(&key, &plan, patience(&plan), &means).await;
    of(key, &plan, &outcome)
}

/// PURE. How long that one may take.
pub(super) fn patience(plan: &ProbePlan) -> Duration {
    plan.timeout.min(TIMEOUT_MAX)
}

/// PURE. What is said of a check whose one probe ended so.
pub(super) fn of(key: ProbeKey, plan: &ProbePlan, outcome: &Outcome) -> Opinion {
    Opinion {
        found: weigh(outcome, plan.timeout),
        reason: outcome.to_string(),
        answers: plan.asked,
        key,
    }
}

/// PURE. What one probe tells, whose check gives it so much time: a server that was not waited for
/// may be slow by nature, but silence while connecting is how a machine without power looks.
fn weigh(outcome: &Outcome, timeout: Duration) -> Found {
    match outcome {
        Outcome::Pass(_) => Found::Well,
        Outcome::Inconclusive(_) => Found::Nothing,
        Outcome::Fail(failure) => {
            let connecting = matches!(
                failure,
                Failure::Timeout {
                    during: Phase::Connecting,
                    ..
                }
            );
            match failure.is_timeout() && timeout > TIMEOUT_MAX && !connecting {
                true => Found::Nothing,
                false => Found::Unwell {
                    reached: outcome.is_reached(),
                },
            }
        }
    }
}

/// Longest time for one probe: a page waits for it.
const TIMEOUT_MAX: Duration = Duration::from_millis(500);

/// Probes in flight; all that a large site can lose at once takes three rounds.
const OPINIONS_AT_ONCE_MAX: usize = 2_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::outcome::{LocalTrouble, Success, Unreachable};

    #[test]
    fn every_outcome_is_weighed() {
        let timeout = |during| {
            Outcome::Fail(Failure::Timeout {
                after: TIMEOUT_MAX,
                during,
            })
        };
        let unwell = |reached| Found::Unwell { reached };
        for (outcome, whole, cut) in [
            (Outcome::Pass(Success::Connected), Found::Well, Found::Well),
            (Outcome::Fail(Failure::Refused), unwell(true), unwell(true)),
            (timeout(Phase::Connecting), unwell(false), unwell(false)),
            (timeout(Phase::Waiting), unwell(true), Found::Nothing),
            (
                Outcome::Fail(Failure::Unreachable(Unreachable::Host)),
                unwell(false),
                unwell(false),
            ),
            (
                Outcome::Inconclusive(LocalTrouble::NoOwnAddress),
                Found::Nothing,
                Found::Nothing,
            ),
        ] {
            assert_eq!(weigh(&outcome, TIMEOUT_MAX), whole, "{outcome:?}");
            assert_eq!(weigh(&outcome, TIMEOUT_MAX * 4), cut, "{outcome:?}");
        }
    }
}
