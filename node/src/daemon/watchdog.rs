//! What the lease thread calls, and what ends the process when a part of it has ended.

use std::sync::Arc;
use std::time::Duration;

use farmux_netplane::reference::{References, Wanted};
use farmux_netplane::serve::Serving;
use farmux_netplane::sys;
use farmux_netplane::vip::{Leases, Lent};
use farmux_raft::consensus::{Consensus, Role};
use farmux_raft::lease::{self, BootTime, Hooks, Outlook, Vacancy};

/// A serving runtime whose counter is older than this makes the lease thread release.
///
/// **Source**: `vip-protocol.md`, section 4.
const STUCK_AFTER: Duration = Duration::from_secs(1);

/// The lease thread's way out: deadlines to the wire, whether the runtimes live, and how the
/// network of a VIP looks.
pub(super) fn hooks(
    leases: Leases,
    serving: Option<Arc<Serving>>,
    references: Option<References>,
) -> Hooks {
    let mut pulse = Pulse::default();
    let (claims, left) = (leases.clone(), leases.clone());
    Hooks {
        on_start: Box::new(prefer),
        on_change: Box::new(move |vip, held| {
            let lent = held.map(|held| Lent {
                until_ns: held.until.0,
                alone_since_ns: held.alone_since.map(|since| since.0),
                taken: held.taken,
            });
            leases.set(vip.as_str(), lent);
        }),
        serving: Box::new(move |now| {
            serving
                .as_ref()
                .is_none_or(|serving| pulse.beats(&serving.heartbeats(), now))
        }),
        outlook: Box::new(move |vip, wanted| {
            outlook(references.as_ref(), &claims, vip.as_str(), wanted)
        }),
        resumable: Box::new(move |vip| {
            let lent = left.inherited(vip.as_str())?;
            lent.alone_since_ns.map(BootTime)
        }),
    }
}

/// What the reference and the fence say of a VIP; without either, that nothing answers.
fn outlook(
    references: Option<&References>,
    leases: &Leases,
    vip: &str,
    wanted: lease::Wanted,
) -> Outlook {
    let closely = match wanted {
        lease::Wanted::Nothing => Wanted::Nothing,
        lease::Wanted::Echoes => Wanted::Echoes,
        lease::Wanted::Probes => Wanted::Probes,
        lease::Wanted::EchoesFromVip => Wanted::EchoesFromVip,
    };
    let Some(sight) = references.and_then(|all| all.look(vip, closely)) else {
        return Outlook {
            missed: u32::MAX,
            ..Outlook::default()
        };
    };
    // While a majority lends it, a claim is defended against, not yielded to.
    let claim = (closely != Wanted::Nothing).then(|| leases.claim(vip));
    Outlook {
        missed: sight.missed,
        answered_at: sight.answered_ns.map(BootTime),
        claimed_at: claim.flatten().map(|claim| BootTime(claim.at_ns)),
        vacancy: sight.vacant.map(|vacant| Vacancy {
            from: BootTime(vacant.from_ns),
            to: BootTime(vacant.to_ns),
        }),
        carrier: sight.carrier,
        elsewhere: sight.elsewhere,
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
