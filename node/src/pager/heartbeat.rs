//! The heartbeat: the leader calls a URL of somebody else's, which pages when the calls stop.
//!
//! ```text
//!   leader, quorum fresh --GET every …--> dead-man's switch
//!                \--3 failures in a row, or the first success after--> ReportHeartbeat --> log
//! ```
//!
//! Only the leader calls, and a new one at once: the switch counts from the last call, whoever made
//! it. Its URL is as good as a key, so that words name the host alone.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use farmux_raft::consensus::Standing;
use farmux_raft::id::NodeId;
use farmux_raft::state::{Command, Heartbeat, REASON_CHARS_MAX, State, clean};
use hyper::Method;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::duty::origin;
use super::propose::Proposer;
use super::trust::Trust;
use super::turns::Duty;
use super::web::{Ask, Session, Target};
use crate::daemon::proposal;

/// What the heartbeat needs.
pub struct HeartbeatParts {
    /// Who we are.
    pub me: NodeId,
    /// This node's own addresses.
    pub own: Vec<IpAddr>,
    /// The newest applied state.
    pub state: watch::Receiver<Arc<State>>,
    /// Where this node stands.
    pub standing: watch::Receiver<Standing>,
    /// Has its failure decided.
    pub proposer: Arc<dyn Proposer>,
    /// Whose certificates count.
    pub trust: Trust,
}

/// The running heartbeat; dropping it ends it.
#[derive(Debug)]
pub struct Heartbeats {
    task: AbortHandle,
    counters: Arc<Counters>,
}

/// What this process called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeartbeatCounts {
    /// Calls that were answered with 2xx.
    pub answered: u64,
    /// Calls that were not.
    pub failed: u64,
}

#[derive(Debug, Default)]
struct Counters {
    answered: AtomicU64,
    failed: AtomicU64,
}

impl Heartbeats {
    /// Starts it.
    ///
    /// **Panics**: outside a tokio runtime.
    pub fn spawn(parts: HeartbeatParts) -> Heartbeats {
        let counters = Arc::new(Counters::default());
        let worker = Worker {
            parts,
            counters: Arc::clone(&counters),
            failures: 0,
        };
        let task = tokio::spawn(worker.run()).abort_handle();
        Heartbeats { task, counters }
    }

    /// What it called so far.
    pub fn counts(&self) -> HeartbeatCounts {
        HeartbeatCounts {
            answered: self.counters.answered.load(Ordering::Relaxed),
            failed: self.counters.failed.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Heartbeats {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Worker {
    parts: HeartbeatParts,
    counters: Arc<Counters>,
    /// In a row.
    failures: u32,
}

impl Worker {
    async fn run(mut self) {
        let mut state = self.parts.state.clone();
        let mut standing = self.parts.standing.clone();
        let mut called: Option<(Heartbeat, Instant)> = None;
        loop {
            let wanted = state.borrow_and_update().config.paging.heartbeat.clone();
            let leads = Duty::of(&standing.borrow_and_update()) == Duty::Lead;
            let Some(heartbeat) = wanted.filter(|_| leads) else {
                called = None;
                self.failures = 0;
                tokio::select! {
                    changed = state.changed() => if changed.is_err() { return },
                    changed = standing.changed() => if changed.is_err() { return },
                }
                continue;
            };
            // What was configured anew, and who leads anew, calls at once.
            let next = match &called {
                Some((same, at)) if *same == heartbeat => *at + self.pause(&heartbeat),
                Some(_) | None => Instant::now(),
            };
            tokio::select! {
                () = tokio::time::sleep_until(next) => {
                    called = Some((heartbeat.clone(), Instant::now()));
                    self.call(&heartbeat).await;
                }
                changed = state.changed() => if changed.is_err() { return },
                changed = standing.changed() => if changed.is_err() { return },
            }
        }
    }

    /// After a failure sooner: a call that is missing may be what wakes somebody.
    fn pause(&self, heartbeat: &Heartbeat) -> Duration {
        match self.failures {
            0 => heartbeat.every,
            _ => heartbeat.every.min(AGAIN_AFTER),
        }
    }

    async fn call(&mut self, heartbeat: &Heartbeat) {
        let state = Arc::clone(&self.parts.state.borrow());
        let origin = origin(&state, &self.parts.own);
        let target = Target {
            url: &heartbeat.url,
            allow_local: heartbeat.allow_local,
            origin: &origin,
            trust: &self.parts.trust,
        };
        let ask = Ask {
            method: Method::GET,
            headers: vec![],
            body: vec![],
        };
        let host = &heartbeat.url.host;
        let answered = Session::new(target).ask(ask, CALL_TIME_MAX).await;
        let failing = state.heartbeat_failing.is_some();
        match answered {
            Ok(said) => {
                tracing::debug!(host, said, "heartbeat");
                self.counters.answered.fetch_add(1, Ordering::Relaxed);
                self.failures = 0;
                if failing {
                    self.report(None).await;
                }
            }
            Err(why) => {
                tracing::warn!(host, why, "the heartbeat failed");
                self.counters.failed.fetch_add(1, Ordering::Relaxed);
                self.failures = self.failures.saturating_add(1);
                if self.failures >= FAILURES_TOLD && !failing {
                    let why = clean(&format!("{host}: {why}"), REASON_CHARS_MAX);
                    self.report(Some(why)).await;
                }
            }
        }
    }

    /// Once: the next call reports again where it could not be decided.
    async fn report(&self, failure: Option<String>) {
        let node = self.parts.me;
        let command = Command::ReportHeartbeat { node, failure };
        if let Err(error) = self.parts.proposer.propose(proposal(command)).await {
            tracing::debug!(%error, "the heartbeat's failure is not recorded");
        }
    }
}

/// **Source**: issue 4 gives a webhook 5 s; this is one.
const CALL_TIME_MAX: Duration = Duration::from_secs(5);

/// One lost call is a lost packet; three are a fact.
const FAILURES_TOLD: u32 = 3;

/// Between failures, where calls are rarer.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
