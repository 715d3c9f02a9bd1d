//! Whether what this node knows is still so, asked now and not remembered.
//!
//! A process that slept wakes with a fresh memory of an old time: it led, a majority had just
//! answered. Whoever acts outside the log on what the log says asks here first.

use std::time::Instant;

use super::Consensus;
use super::timing::{CONFIRM_DEADLINE, SILENCE};

impl Consensus {
    /// Asks a majority, where this node leads, and waits until its state holds all that was decided
    /// before; elsewhere, whether a leader was heard within the last second.
    ///
    /// It takes a second at most.
    pub async fn confirm(&self) -> bool {
        if !self.leads() {
            return self.inner.hearing.within(SILENCE, Instant::now());
        }
        let asked = self.inner.raft.ensure_linearizable();
        let answer = tokio::time::timeout(CONFIRM_DEADLINE, asked).await;
        answer.is_ok_and(|led| led.is_ok())
    }
}
