//! Who takes a VIP first, and whether anything moves by itself.

use axum::Extension;
use axum::extract::{Path, State as Shared};
use farmux_raft::id::{NodeName, VipName};
use farmux_raft::state::{Command, Config, NodeRole, Reject, State};

use super::super::answer::{Answer, Order, answer, parse};
use super::super::caller::Caller;
use super::super::gather::gather;
use super::super::types::{Done, PauseRequest, PreferAnswer, PreferRequest, WatchAnswer};
use super::watches::{Wish, bring_about};
use super::{Daemon, change, member};
use crate::fault::{Code, Fault};

/// `POST /v1/vips/VIP/prefer`.
pub(crate) async fn prefer(
    Shared(node): Daemon,
    Extension(caller): Extension<Caller>,
    Path(vip): Path<String>,
    Order(request): Order<PreferRequest>,
) -> Answer<PreferAnswer> {
    let vip: VipName = parse(&vip)?;
    let member = member(&node)?;
    let state = member.state();
    if !state.config.vips.contains_key(&vip) {
        return Err(Reject::UnknownVip(vip).into());
    }
    if let Some(name) = &request.node {
        check(&state, name)?;
    }
    let wish = Wish {
        dry_run: false,
        note: request.note,
    };
    let change = |state: &State| Ok(preferring(&state.config, &vip, request.node.as_ref()));
    let WatchAnswer { diff, revision, .. } = bring_about(&member, &caller, wish, change).await?;
    let gathered = gather(&node, &member).await;
    let view = gathered.view();
    let owner = view.owner(&vip).and_then(|owner| view.node_name(owner));
    answer(PreferAnswer {
        vips: member.state().config.lent_with(&vip).into_iter().collect(),
        prefer: request.node,
        owner,
        diff,
        revision,
    })
}

/// Whether a node can be preferred: it exists, and may own.
fn check(state: &State, name: &NodeName) -> Result<(), Fault> {
    let found = state.nodes.values().find(|node| node.name == *name);
    match found.map(|node| node.role) {
        None => Err(Fault::new(Code::NodeUnknown).why(format!("no node is called {name}"))),
        Some(NodeRole::Witness) => Err(Fault::new(Code::PreferWitness)
            .why(format!("{name} is a witness: it votes, and owns nothing"))),
        Some(NodeRole::Balancer) => Ok(()),
    }
}

/// PURE. The configuration with another preference for a VIP and those that move with it; and for
/// how many.
fn preferring(config: &Config, vip: &VipName, node: Option<&NodeName>) -> (Config, usize) {
    let together = config.lent_with(vip);
    let mut config = config.clone();
    for name in &together {
        if let Some(vip) = config.vips.get_mut(name) {
            vip.prefer = node.cloned();
        }
    }
    (config, together.len())
}

/// `POST /v1/cluster/pause`.
pub(crate) async fn pause(
    Shared(node): Daemon,
    Extension(caller): Extension<Caller>,
    Order(request): Order<PauseRequest>,
) -> Answer<Done> {
    let command = Command::Pause {
        author: caller.author(),
        why: request.why,
    };
    answer(change(&node, command).await?)
}

/// `POST /v1/cluster/resume`.
pub(crate) async fn resume(
    Shared(node): Daemon,
    Extension(caller): Extension<Caller>,
) -> Answer<Done> {
    let author = caller.author();
    answer(change(&node, Command::Resume { author }).await?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use farmux_raft::state::{OnQuorumLoss, Vip};

    use super::*;

    #[test]
    fn whoever_moves_together_prefers_the_same() {
        let vip = |last: u8, group: Option<&str>| Vip {
            address: [10, 0, 0, last].into(),
            network: "lan".parse().expect("a name"),
            gateway: None,
            on_quorum_loss: OnQuorumLoss::Release,
            group: group.map(|group| group.parse().expect("a name")),
            prefer: None,
        };
        let vips = [
            ("a", vip(1, Some("web"))),
            ("b", vip(2, Some("web"))),
            ("c", vip(3, None)),
        ];
        let vips = vips.map(|(name, vip)| (name.parse().expect("a name"), vip));
        let config = Config {
            vips: vips.into(),
            ..Config::default()
        };
        let (lb2, a) = ("lb2".parse().expect("a name"), "a".parse().expect("a name"));
        let (changed, count) = preferring(&config, &a, Some(&lb2));
        assert_eq!(count, 2);
        let wishes: Vec<_> = changed
            .vips
            .values()
            .map(|vip| vip.prefer.clone())
            .collect();
        assert_eq!(wishes, [Some(lb2.clone()), Some(lb2), None]);
        assert_eq!(changed.faults(&BTreeMap::new()), []);
        assert_eq!(preferring(&changed, &a, None).0, config, "cleared");
    }
}
