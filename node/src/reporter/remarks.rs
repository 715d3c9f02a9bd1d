//! Remarks: what this node says of checks that are not its own, and of itself.
//!
//! ```text
//!   Probing --opinions--> pending --GiveOpinions--> log
//!   Probing --suspicion-+
//!   State --------------+--(PURE: word_of_nodes)--Suspect, Trust--> log
//! ```
//! It has a task of its own: a page waits for an opinion, and shall not wait for our own reports.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use farmux_netplane::probe::{self, Suspicion};
use farmux_raft::clockwork::{Task, now, sleep, spawn};
use farmux_raft::id::NodeId;
use farmux_raft::state::{CheckKey, Command, Culprit, Found, HoldKind, Opinion, State, Suspected};
use tokio::sync::{mpsc, watch};

use super::Right;
use super::book::check_key;
use crate::daemon::proposal;
use crate::pager::Proposer;

/// What the remarks need.
pub struct RemarksParts {
    /// Who we are.
    pub me: NodeId,
    /// The newest applied state.
    pub state: watch::Receiver<Arc<State>>,
    /// What our probes found of the checks of others.
    pub opinions: mpsc::Receiver<probe::Opinion>,
    /// Whether this machine suspects itself.
    pub suspicion: watch::Receiver<Option<Arc<Suspicion>>>,
    /// By what right we make a check now.
    pub right: Right,
    /// Has remarks decided.
    pub proposer: Arc<dyn Proposer>,
}

/// The running task; dropping it ends it.
#[derive(Debug)]
pub struct Remarks {
    task: Task<()>,
}

impl Remarks {
    /// Starts it.
    ///
    /// **Panics**: outside a tokio runtime.
    pub fn spawn(parts: RemarksParts) -> Remarks {
        Remarks {
            task: spawn(run(parts)),
        }
    }
}

impl Drop for Remarks {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(mut parts: RemarksParts) {
    let mut pending: BTreeMap<CheckKey, Opinion> = BTreeMap::new();
    // What was told needs its time to be seen in our own state, and a refusal to pass.
    let mut not_before = now();
    loop {
        let state = Arc::clone(&parts.state.borrow_and_update());
        let suspicion = parts.suspicion.borrow_and_update().clone();
        pending.retain(|key, opinion| state.awaits(parts.me, key, opinion.answers));
        let first = opinions(&pending);
        if !first.is_empty() {
            let told = first.clone();
            let opinions = Command::GiveOpinions {
                node: parts.me,
                opinions: first.into_values().collect(),
            };
            match parts.proposer.propose(proposal(opinions)).await {
                Ok(_) => pending.retain(|key, opinion| told.get(key) != Some(opinion)),
                Err(error) => {
                    tracing::debug!(%error, "an opinion was not decided");
                    sleep(AGAIN_AFTER).await;
                }
            }
            continue;
        }
        let word = word_of_nodes(&state, parts.me, suspicion.as_deref(), &*parts.right);
        let wait = match word {
            None => LOOK_EVERY,
            Some(word) if not_before <= now() => {
                if let Err(error) = parts.proposer.propose(proposal(word)).await {
                    tracing::debug!(%error, "a word on who can be believed was not decided");
                }
                not_before = now() + AGAIN_AFTER;
                AGAIN_AFTER
            }
            Some(_) => not_before.saturating_duration_since(now()),
        };
        tokio::select! {
            biased;
            opinion = parts.opinions.recv() => match opinion {
                Some(opinion) => {
                    // Whatever is found at once is told at once: many servers fail together.
                    sleep(GATHER).await;
                    take(&mut pending, opinion);
                    while let Ok(opinion) = parts.opinions.try_recv() {
                        take(&mut pending, opinion);
                    }
                }
                None => return,
            },
            changed = parts.state.changed() => if changed.is_err() { return },
            changed = parts.suspicion.changed() => if changed.is_err() { return },
            () = sleep(wait) => {}
        }
    }
}

fn take(pending: &mut BTreeMap<CheckKey, Opinion>, opinion: probe::Opinion) {
    // Names that came from a plan are names; anything else would be our own mistake.
    let Some(check) = check_key(&opinion.key) else {
        return;
    };
    let found = match opinion.found {
        probe::Found::Well => Found::Well,
        probe::Found::Unwell { reached } => Found::Unwell { reached },
        probe::Found::Nothing => Found::Nothing,
    };
    let opinion = Opinion {
        check: check.clone(),
        answers: opinion.answers,
        found,
        reason: opinion.reason,
    };
    pending.insert(check, opinion);
}

/// PURE. The next opinions that are told at once.
fn opinions(pending: &BTreeMap<CheckKey, Opinion>) -> BTreeMap<CheckKey, Opinion> {
    let first = pending.iter().take(OPINIONS_MAX);
    first
        .map(|(key, opinion)| (key.clone(), opinion.clone()))
        .collect()
}

/// PURE. What the log does not know yet of who can be believed.
fn word_of_nodes(
    state: &State,
    me: NodeId,
    own: Option<&Suspicion>,
    right: &dyn Fn(&State, &CheckKey) -> Option<farmux_raft::state::Authority>,
) -> Option<Command> {
    match (own, state.suspicions.get(&me)) {
        (Some(own), known) if known.is_none_or(|known| known.id != own.id) => {
            let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            return Some(Command::Suspect {
                node: me,
                suspected: Suspected {
                    id: own.id,
                    failed: number(own.failed),
                    total: number(own.total),
                    within: own.within,
                    sample: own.sample.iter().filter_map(check_key).collect(),
                },
            });
        }
        (None, Some(_)) => return Some(Command::Trust { node: me, by: me }),
        (Some(_) | None, _) => {}
    }
    let others = state
        .suspicions
        .iter()
        .filter(|(node, suspicion)| **node != me && suspicion.culprit() == Some(Culprit::Path));
    for (node, _) in others {
        let mut blind = state
            .holds
            .iter()
            .filter(|(_, hold)| hold.kind == HoldKind::Blind { node: *node });
        let ours = blind.any(|(member, _)| {
            let mut checks = state.config.checks_of(member);
            checks.any(|check| right(state, &check).is_some())
        });
        if ours {
            return Some(Command::Trust {
                node: *node,
                by: me,
            });
        }
    }
    None
}

/// Opinions of one proposal; the state takes no more.
const OPINIONS_MAX: usize = 1_000;

/// For what is found together to be told together; a page waits so much longer.
const GATHER: Duration = Duration::from_millis(10);

/// Until what was told is told again, unless the state shows it: two heartbeats of the log.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// How often the world is looked at though nothing changed: our right to a check may have.
const LOOK_EVERY: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;
