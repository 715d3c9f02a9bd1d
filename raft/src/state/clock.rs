//! Time that passes: what ends by the leader's wall clock, so that it ends once and everywhere.
//!
//! ```text
//!   State::next_time ──leader waits until then──▶ PassTime ──▶ flaps, silences, maintenance end
//! ```

use super::{Applied, Now, State};
use crate::id::UnixMillis;

impl State {
    /// Ends everything whose time is over at `now.at`.
    pub(super) fn pass_time(&mut self, now: Now) -> Applied {
        let calm = self.end_flaps(now.at);
        let silences = self.expire_silences(now.at);
        let ready = self.expire_maintenances(now);
        let earnest = self.tell_in_earnest(now.at);
        match calm || silences || ready || earnest {
            true => Applied::Done,
            false => Applied::Unchanged,
        }
    }

    /// When the next thing ends by time; `None`: nothing does.
    pub fn next_time(&self) -> Option<UnixMillis> {
        let ends = [
            self.next_calm(),
            self.next_expiry(),
            self.next_ready(),
            self.next_in_earnest(),
        ];
        ends.into_iter().flatten().min()
    }
}
