//! After a flood of connections its memory goes back to the system.
//!
//! Thousands of clients leave tens of megabytes of freed buffers behind, which glibc keeps for
//! whoever comes next: a machine that was attacked once would look for ever as if it still were.
//! Lower thresholds (`mallopt`) would make each request pay for it; a look now and then does not.

use std::sync::Arc;
use std::time::Duration;

use farmux_netplane::serve::Serving;
use farmux_netplane::sys;
use tokio::time::{Instant, sleep};

/// Runs for ever; gives memory back where most of many connections have ended.
pub(super) async fn give_back(serving: Arc<Serving>) {
    let mut tide = Tide::default();
    loop {
        sleep(LOOK).await;
        let open = serving.counts().values().map(|service| service.open).sum();
        if tide.has_ebbed(open) {
            let begun = Instant::now();
            // Neither consensus nor an answer waits for it.
            let given = tokio::task::spawn_blocking(sys::give_back_memory).await;
            let (took, peak) = (begun.elapsed(), tide.begin_anew(open));
            tracing::debug!(peak, open, ?took, "freed memory was given back");
            if let Ok(Err(error)) = given {
                tracing::debug!(%error, "memory is not locked");
            }
            sleep(REST).await;
        }
    }
}

/// How many connections were open at once, since memory was given back.
#[derive(Debug, Default)]
struct Tide {
    peak: u64,
    /// At the last look.
    last: u64,
}

impl Tide {
    /// PURE. Whether most of many have gone, and no more are going just now: what the last of them
    /// leave would be too little to give back by itself.
    fn has_ebbed(&mut self, open: u64) -> bool {
        self.peak = self.peak.max(open);
        let going = std::mem::replace(&mut self.last, open).saturating_sub(open);
        self.peak - open >= MANY && open <= self.peak / 2 && going < GOING
    }

    /// PURE. From now on; says what the peak was.
    fn begin_anew(&mut self, open: u64) -> u64 {
        std::mem::replace(&mut self.peak, open)
    }
}

/// Memory is back within seconds, and counting costs nothing.
const LOOK: Duration = Duration::from_secs(5);
/// Connections that come and go in waves do not make it work all the time.
const REST: Duration = Duration::from_secs(15);
/// Fewer leave a few megabytes (some 14 KiB each), which the next ones use.
const MANY: u64 = 500;
/// Fewer between two looks are the coming and going of every day.
const GOING: u64 = 50;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_after_a_flood() {
        let mut tide = Tide::default();
        for open in [0, 400, 0, 900, 600, 499, 4_000, 2_001, 1_900] {
            assert!(!tide.has_ebbed(open), "{open}");
        }
        assert!(tide.has_ebbed(1_851), "most, and no more go");
        assert_eq!(tide.begin_anew(1_851), 4_000);
        assert!(!tide.has_ebbed(1_352), "too few");
        assert!(!tide.has_ebbed(0), "they are just going");
        assert!(tide.has_ebbed(0), "the rest of them");
        assert_eq!(tide.begin_anew(0), 1_851);
        assert!(!tide.has_ebbed(0), "once");
    }
}
