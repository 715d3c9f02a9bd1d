//! A leader whose own path is down steps aside: whoever leads makes the checks of watches.
//!
//! Once is an accident, which may be over before another leader has begun; the second time another
//! one shall see for us.

use farmux_raft::consensus::Consensus;
use farmux_raft::id::NodeId;
use farmux_raft::state::{Culprit, State};

/// Runs for ever; acts only while this node leads.
pub(in crate::daemon) async fn step_aside(consensus: Consensus) {
    let me = consensus.config().me;
    let mut states = consensus.state();
    let mut blind = Blind::default();
    loop {
        let state = states.borrow_and_update().clone();
        let leads = consensus.standing().borrow().leads().is_some();
        if blind.see(&state, me, leads) {
            tracing::warn!("this node's path is down for the second time: another one shall lead");
            if let Err(error) = consensus.transfer_leadership(None).await {
                tracing::warn!(%error, "nobody else leads: this node goes on");
            }
        }
        if states.changed().await.is_err() {
            return;
        }
    }
}

/// PURE. How often this node's path was found to be down while it led.
#[derive(Debug, Default)]
struct Blind {
    /// The number of the last suspicion that was counted.
    last: Option<u64>,
    times: u32,
}

impl Blind {
    /// Takes a state in; says whether it is time to step aside.
    fn see(&mut self, state: &State, me: NodeId, leads: bool) -> bool {
        let suspicion = state.suspicions.get(&me);
        let found = suspicion.filter(|one| leads && one.culprit() == Some(Culprit::Path));
        let Some(number) = found.map(|suspicion| suspicion.number) else {
            return false;
        };
        if self.last.replace(number) == Some(number) {
            return false;
        }
        self.times += 1;
        let enough = self.times >= TIMES;
        if enough {
            self.times = 0;
        }
        enough
    }
}

/// See the file's head.
const TIMES: u32 = 2;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use farmux_raft::state::{Suspicion, SuspicionStage};

    use super::*;

    fn found(number: u64, culprit: Culprit) -> State {
        let mut state = State::default();
        let suspicion = Suspicion {
            number,
            id: number,
            failed: 10,
            total: 10,
            within: Duration::from_secs(1),
            sample: [].into(),
            stage: SuspicionStage::Decided {
                culprit,
                asked: Some(NodeId(2)),
                well: 9,
                unwell: 1,
                told: true,
            },
        };
        Arc::make_mut(&mut state.suspicions).insert(NodeId(1), suspicion);
        state
    }

    #[test]
    fn the_second_time_a_leader_steps_aside() {
        let (me, mut blind) = (NodeId(1), Blind::default());
        let first = found(1, Culprit::Path);
        assert!(!blind.see(&State::default(), me, true));
        assert!(!blind.see(&first, me, true));
        assert!(!blind.see(&first, me, true), "it is the same one");
        assert!(!blind.see(&found(2, Culprit::Servers), me, true));
        assert!(
            !blind.see(&found(3, Culprit::Path), me, false),
            "it follows"
        );
        assert!(!blind.see(&found(3, Culprit::Path), NodeId(2), true));
        assert!(blind.see(&found(4, Culprit::Path), me, true));
        assert!(
            !blind.see(&found(5, Culprit::Path), me, true),
            "it counts anew"
        );
    }
}
