//! The canary: each day the leader sends a marked test through every channel of every contact.
//!
//! ```text
//!   State::canary_due --Call [CANARY]--> courier, channel by channel --RecordCanary--> log
//! ```
//!
//! What was sent and could not be recorded is sent again, by whoever leads then, under the same id:
//! a channel that is dead shall be known before the page that needs it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use farmux_raft::consensus::Standing;
use farmux_raft::id::{ContactName, NodeId, UnixMillis};
use farmux_raft::state::{Canary, CanaryTry, Command, DeliveryOutcome, State};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use super::call::Call;
use super::courier::{Courier, Try};
use super::duty::PagerParts;
use super::propose::Proposer;
use super::test_call::{node_name, try_all};
use super::turns::Duty;
use crate::daemon::{proposal, wall_clock};

/// The running canary; dropping it ends it.
#[derive(Debug)]
pub struct Canaries {
    task: AbortHandle,
}

impl Canaries {
    /// Starts it; it needs what the pager needs.
    ///
    /// **Panics**: outside a tokio runtime.
    pub fn spawn(parts: PagerParts) -> Canaries {
        let task = tokio::spawn(run(parts)).abort_handle();
        Canaries { task }
    }
}

impl Drop for Canaries {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What one process did, as long as its state may lag behind.
type Done = BTreeMap<ContactName, (UnixMillis, Instant)>;

async fn run(parts: PagerParts) {
    let mut done = Done::new();
    let mut tasks: JoinSet<ContactName> = JoinSet::new();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        while let Some(over) = tasks.try_join_next() {
            if let Ok(contact) = over {
                let again = done.get_mut(&contact);
                if let Some((_, until)) = again {
                    *until = Instant::now() + AGAIN_AFTER;
                }
            }
        }
        if leads(&parts.standing) {
            look(&parts, &mut done, &mut tasks);
        }
    }
}

fn leads(standing: &watch::Receiver<Standing>) -> bool {
    Duty::of(&standing.borrow()) == Duty::Lead
}

fn look(parts: &PagerParts, done: &mut Done, tasks: &mut JoinSet<ContactName>) {
    let state = Arc::clone(&parts.state.borrow());
    for (contact, due) in state.canary_due(wall_clock()) {
        let sent = done
            .get(&contact)
            .is_some_and(|(last, until)| *last == due && Instant::now() < *until);
        if sent || tasks.len() >= FLYING_MAX {
            continue;
        }
        // Until the task is over, however long that is.
        let until = Instant::now() + Duration::from_secs(24 * 3_600);
        done.insert(contact.clone(), (due, until));
        let sending = Sending {
            me: parts.me,
            own: parts.own.clone(),
            state: Arc::clone(&state),
            proposer: Arc::clone(&parts.proposer),
            courier: Arc::clone(&parts.courier),
        };
        tasks.spawn(async move {
            sending.send(&contact, due).await;
            contact
        });
    }
}

struct Sending {
    me: NodeId,
    own: Vec<IpAddr>,
    state: Arc<State>,
    proposer: Arc<dyn Proposer>,
    courier: Arc<dyn Courier>,
}

impl Sending {
    async fn send(&self, contact: &ContactName, due: UnixMillis) {
        let state = &self.state;
        let (Some(cluster), Some(known)) = (&state.cluster, state.config.contacts.get(contact))
        else {
            return;
        };
        let call = Call::canary(cluster, contact.clone(), node_name(state, self.me), due);
        let channels = known.channels.clone();
        let tries = try_all(state, &self.own, &call, channels, &self.courier).await;
        for one in &tries {
            let channel = one.channel;
            match &one.outcome {
                DeliveryOutcome::Delivered => tracing::info!(%contact, %channel, "canary taken"),
                DeliveryOutcome::Failed(why) => {
                    tracing::warn!(%contact, %channel, why, "canary not taken");
                }
            }
        }
        let canary = Canary {
            due,
            at: wall_clock(),
            by: self.me,
            tries: tries.into_iter().map(recorded).collect(),
        };
        let contact = contact.clone();
        let record = proposal(Command::RecordCanary { contact, canary });
        for _ in 0..RECORD_TRIES {
            match self.proposer.propose(record.clone()).await {
                Ok(_) | Err(super::NotDecided::Rejected(_)) => return,
                Err(super::NotDecided::Later(why)) => {
                    tracing::debug!(why, "canary not recorded");
                    tokio::time::sleep(RECORD_PAUSE).await;
                }
            }
        }
    }
}

/// As the log keeps it.
fn recorded(one: Try) -> CanaryTry {
    CanaryTry {
        channel: one.channel,
        outcome: one.outcome,
        words: one.words,
    }
}

/// A canary is due at a minute.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Contacts at once: relays of small sites limit connections of one client to about ten, and pages
/// need some of them.
const FLYING_MAX: usize = 4;

/// What was sent and does not show in the state by then was not recorded: it is sent again.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// With pauses, a few elections' time.
const RECORD_TRIES: u32 = 20;

/// About one election.
const RECORD_PAUSE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;
