//! What is said of whom the cluster survives, and of VIPs without a majority.

use std::sync::Arc;

use farmux_raft::id::NodeId;
use farmux_raft::state::NodeRole::{Balancer, Witness};
use farmux_raft::state::{NodeRole, OnQuorumLoss, State};

use super::super::sample::{state, view};
use super::super::{View, assemble};
use crate::api::types::{Overall, Survives};

fn survives(view: &View<'_>) -> Survives {
    assemble(view).cluster.expect("a cluster").survives
}

/// The same with a policy, and so many paths from each node to each.
fn with(policy: OnQuorumLoss, roles: &[NodeRole], paths: u8) -> State {
    let mut state = state(roles);
    let config = Arc::make_mut(&mut state.config);
    for vip in config.vips.values_mut() {
        vip.gateway = Some([10, 0, 0, 1].into());
        vip.on_quorum_loss = policy;
    }
    for (id, node) in &mut state.nodes {
        let last = u8::try_from(id.0).expect("small");
        let path = |net| ([10, 0, net, 10 + last], 7946).into();
        node.peer_addresses = (0..paths).map(path).collect();
    }
    state
}

#[test]
fn whose_loss_is_survived() {
    type Row = (&'static [NodeRole], &'static [u64], &'static str);
    let rows: [Row; 7] = [
        (&[Balancer], &[1], ""),
        (&[Balancer; 2], &[1, 2], ""),
        (
            &[Balancer, Balancer, Witness],
            &[1, 2, 3],
            "the loss of lb1, lb2 or lb3; not of two of them",
        ),
        (&[Balancer, Balancer, Witness], &[1, 3], ""),
        (
            &[Balancer, Witness, Witness],
            &[1, 2, 3],
            "the loss of lb2 or lb3; not of both; not of lb1",
        ),
        (&[Balancer, Balancer, Witness], &[1], ""),
        (
            &[Balancer; 5],
            &[1, 2, 3, 4, 5],
            "the loss of any 2 of lb1, lb2, lb3, lb4 and lb5; not of 3",
        ),
    ];
    for (roles, answering, wanted) in rows {
        let state = state(roles);
        let whose = survives(&view(&state, answering)).whose;
        assert_eq!(whose, wanted, "{roles:?} {answering:?}");
    }
}

#[test]
fn what_becomes_of_a_vip_without_a_majority() {
    let pair = &[Balancer; 2];
    let three = &[Balancer, Balancer, Witness];
    for (state, wanted) in [
        (
            with(OnQuorumLoss::Release, three, 1),
            "VIP front goes at once (release)",
        ),
        (
            with(OnQuorumLoss::Hold, three, 1),
            "stays with its owner while the gateway answers",
        ),
        (
            with(OnQuorumLoss::HoldOrTake, pair, 2),
            "whichever of lb1 and lb2 is left takes it (pair_takeover)",
        ),
        (
            with(OnQuorumLoss::HoldOrTake, pair, 1),
            "does nothing: lb1 and lb2 need two disjoint paths, and have 1",
        ),
        (
            with(OnQuorumLoss::HoldOrTake, three, 2),
            "does nothing: it is for two voters, and there are 3",
        ),
        (
            with(OnQuorumLoss::HoldOrTake, &[Balancer, Witness], 2),
            "does nothing: one of the two is a witness",
        ),
    ] {
        let said = survives(&view(&state, &[1])).alone;
        assert!(said.len() == 1 && said[0].contains(wanted), "{said:?}");
    }
}

#[test]
fn who_holds_alone_says_so() {
    let state = with(OnQuorumLoss::Hold, &[Balancer; 3], 1);
    let mut view = view(&state, &[1]);
    let report = view.reports.get_mut(&NodeId(1)).expect("its own");
    report.held.insert("front".parse().expect("a name"));
    report
        .alone_ms
        .insert("front".parse().expect("a name"), 12_000);
    let shown = assemble(&view);
    assert_eq!(shown.overall, Overall::Critical);
    let told = |part: &str| {
        shown
            .reasons
            .iter()
            .any(|reason| reason.text.contains(part))
    };
    assert!(
        told("lb1 has gone on with VIP front for 12s"),
        "{:?}",
        shown.reasons
    );
    let vip = &shown.cluster.expect("a cluster").vips[0];
    assert_eq!(vip.alone_since.map(|at| view.now.0 - at.0.0), Some(12_000));
}
