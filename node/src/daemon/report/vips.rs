//! An owner reports itself, so that people and pages know where a VIP is.
//!
//! The lease itself is never in the log; a report that is late changes nothing but what is shown.

use std::collections::BTreeMap;
use std::time::Duration;

use farmux_raft::consensus::Consensus;
use farmux_raft::id::{Ballot, NodeId, VipName};
use farmux_raft::state::{Command, State};
use tokio::sync::watch;

use super::{TICK, propose};

/// After a gain the failover's own traffic goes first; the log may learn of it a moment later.
const SETTLE: Duration = Duration::from_millis(100);

/// Runs for ever.
pub(crate) async fn report_vips(
    consensus: Consensus,
    mut held: watch::Receiver<BTreeMap<VipName, Ballot>>,
) {
    let me = consensus.config().me;
    loop {
        let owned = held.borrow_and_update().clone();
        let state = consensus.state().borrow().clone();
        for command in unreported(&state, me, &owned) {
            propose(&consensus, command).await;
        }
        if tokio::time::timeout(TICK, held.changed())
            .await
            .is_ok_and(|changed| changed.is_err())
        {
            return;
        }
        tokio::time::sleep(SETTLE).await;
    }
}

/// PURE. What we own and the state does not know of.
fn unreported(state: &State, me: NodeId, held: &BTreeMap<VipName, Ballot>) -> Vec<Command> {
    let known = |vip: &VipName| {
        state
            .vips
            .get(vip)
            .is_some_and(|standing| standing.owner == me)
    };
    held.iter()
        .filter(|(vip, _)| state.config.vips.contains_key(*vip) && !known(vip))
        .map(|(vip, ballot)| Command::ReportVip {
            vip: vip.clone(),
            ballot: *ballot,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use farmux_raft::id::UnixMillis;
    use farmux_raft::state::{Config, OnQuorumLoss, Vip, VipStanding};

    use super::*;

    fn name() -> VipName {
        "front".parse().expect("a name")
    }

    fn state(owner: Option<NodeId>) -> State {
        let vip = Vip {
            address: "10.0.0.100".parse().expect("an address"),
            network: "lan".parse().expect("a name"),
            gateway: None,
            on_quorum_loss: OnQuorumLoss::Release,
            group: None,
            prefer: None,
        };
        let mut config = Config::default();
        config.vips.insert(name(), vip);
        let mut state = State {
            config: Arc::new(config),
            ..State::default()
        };
        if let Some(owner) = owner {
            let (ballot, since) = (Ballot::default(), UnixMillis(1));
            state.vips.insert(
                name(),
                VipStanding {
                    owner,
                    ballot,
                    since,
                },
            );
        }
        state
    }

    #[test]
    fn only_what_the_log_does_not_know_is_reported() {
        let me = NodeId(1);
        let held = BTreeMap::from([(
            name(),
            Ballot {
                counter: 4,
                node: me,
            },
        )]);
        let count = |state: &State, held| unreported(state, me, held).len();
        assert_eq!(count(&state(None), &held), 1, "the first owner");
        assert_eq!(count(&state(Some(NodeId(2))), &held), 1, "it was another's");
        assert_eq!(count(&state(Some(me)), &held), 0, "the log knows");
        assert_eq!(
            count(&State::default(), &held),
            0,
            "the VIP was removed meanwhile"
        );
        assert_eq!(count(&state(None), &BTreeMap::new()), 0, "we own nothing");
    }
}
