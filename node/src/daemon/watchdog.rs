//! What the lease thread calls, and what ends the process when a part of it has ended.

use std::sync::Arc;
use std::time::Duration;

use farmux_netplane::serve::Serving;
use farmux_netplane::sys;
use farmux_netplane::vip::{Leases, Lent};
use farmux_raft::consensus::{Consensus, Role};
use farmux_raft::lease::{BootTime, Hooks};

/// A serving runtime whose counter is older than this makes the lease thread release.
///
/// **Source**: `vip-protocol.md`, section 4.
const STUCK_AFTER: Duration = Duration::from_secs(1);

/// The lease thread's way out: deadlines to the wire, and whether the runtimes live.
pub(super) fn hooks(leases: Leases, serving: Option<Arc<Serving>>) -> Hooks {
    let mut pulse = Pulse::default();
    Hooks {
        on_start: Box::new(prefer),
        on_change: Box::new(move |vip, held| {
            let lent = held.map(|held| Lent {
                until_ns: held.until.0,
                alone_since_ns: held.alone_since.map(|since| since.0),
            });
            leases.set(vip.as_str(), lent);
        }),
        serving: Box::new(move |now| {
            serving
                .as_ref()
                .is_none_or(|serving| pulse.beats(&serving.heartbeats(), now))
        }),
    }
}

/// Runs first on the lease thread. What the system does not allow makes failover less sure on a
/// busy machine, and nothing else.
fn prefer() {
    if let Err(error) = sys::schedule_first() {
        tracing::warn!(%error, "the lease thread has no real-time priority");
    }
    if let Err(error) = sys::lock_memory() {
        tracing::warn!(%error, "memory is not locked");
    }
}

/// When each runtime's counter was last seen to rise.
#[derive(Debug, Default)]
struct Pulse(Vec<(u64, BootTime)>);

impl Pulse {
    /// Whether every runtime has stamped its counter lately.
    fn beats(&mut self, counters: &[u64], now: BootTime) -> bool {
        if self.0.len() != counters.len() {
            self.0 = counters.iter().map(|counter| (*counter, now)).collect();
        }
        for (seen, &counter) in self.0.iter_mut().zip(counters) {
            if seen.0 != counter {
                *seen = (counter, now);
            }
        }
        self.0.iter().all(|(_, at)| now.since(*at) < STUCK_AFTER)
    }
}

/// Ends the process when consensus has stopped: a disk that failed, or a broken invariant. What is
/// served elsewhere goes on; a supervisor starts us anew.
pub(super) async fn stop_with_consensus(consensus: Consensus) {
    let mut standing = consensus.standing();
    if standing
        .wait_for(|standing| standing.role == Role::Stopped)
        .await
        .is_ok()
    {
        tracing::error!("consensus has stopped; see above for why. The process ends");
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_runtime_that_stands_still_for_a_second_is_noticed() {
        let at = |ms: u64| BootTime(ms * 1_000_000);
        let mut pulse = Pulse::default();
        assert!(pulse.beats(&[1, 1], at(0)), "nothing is known yet");
        assert!(pulse.beats(&[2, 1], at(900)), "the second has 100 ms left");
        assert!(!pulse.beats(&[3, 1], at(1000)), "the second stood still");
        assert!(pulse.beats(&[3, 2], at(1100)), "it moves again");
        assert!(
            !pulse.beats(&[3, 3], at(2050)),
            "now the first stands still"
        );
    }
}
