//! Who can take a VIP: each reason against it, and whom it goes to where several can.

use std::collections::{BTreeMap, BTreeSet};

use farmux_raft::id::{NodeId, UnixMillis, VipName};
use farmux_raft::lease::Legs;
use farmux_raft::state::NodeRole::{Balancer, Witness};
use farmux_raft::state::{Author, Rest, State};

use super::super::fitness::{Candidates, Unfit};
use crate::api::report::NodeReport;
use crate::api::status::sample;

fn front() -> VipName {
    "front".parse().expect("a name")
}

/// What there is to choose from: three balancers and a witness that vote and answer.
struct Scene {
    state: State,
    voters: BTreeSet<NodeId>,
    reports: BTreeMap<NodeId, NodeReport>,
}

impl Scene {
    fn new() -> Scene {
        let state = sample::state(&[Balancer, Balancer, Balancer, Witness]);
        let report = |node: &NodeId| {
            let report = NodeReport {
                applied: 100,
                ..NodeReport::default()
            };
            (*node, report)
        };
        Scene {
            voters: state.nodes.keys().copied().collect(),
            reports: state.nodes.keys().map(report).collect(),
            state,
        }
    }

    fn candidates(&self) -> Candidates<'_> {
        Candidates {
            state: &self.state,
            applied: 100,
            voters: self.voters.clone(),
            reports: &self.reports,
            legs: Some(Legs::ALL),
        }
    }

    fn report(&mut self, node: u64) -> &mut NodeReport {
        self.reports.get_mut(&NodeId(node)).expect("it answers")
    }

    fn rest(&mut self, node: u64) {
        let maintenance = Rest {
            since: UnixMillis(1),
            author: Author("anna".to_owned()),
            why: String::new(),
        };
        self.state.resting.insert(NodeId(node), maintenance);
    }
}

#[test]
fn each_reason_against_a_node_is_found_and_named() {
    type Change = fn(&mut Scene);
    let no_carrier = Legs::ALL.without(Legs::CARRIER);
    let table: [(u64, Result<(), Unfit>, Change); 12] = [
        (2, Ok(()), |_| {}),
        (9, Err(Unfit::Unknown), |_| {}),
        (4, Err(Unfit::Witness), |_| {}),
        (2, Err(Unfit::NoVoter), |scene| {
            scene.voters.remove(&NodeId(2));
        }),
        (2, Err(Unfit::Rests), |scene| scene.rest(2)),
        (2, Err(Unfit::Silent), |scene| {
            scene.reports.remove(&NodeId(2));
        }),
        (2, Err(Unfit::Settling), |scene| {
            scene.report(2).settling = true;
        }),
        (2, Err(Unfit::Trouble("no carrier".to_owned())), |scene| {
            let troubles = &mut scene.report(2).troubles;
            troubles.insert(front(), "no carrier".to_owned());
        }),
        (2, Err(Unfit::Legs(no_carrier)), |scene| {
            scene.report(2).legs = Some(Legs::ALL.without(Legs::CARRIER).bits());
        }),
        (2, Ok(()), |scene| {
            scene.report(2).legs = Some(Legs::ALL.bits())
        }),
        (2, Ok(()), |scene| scene.report(2).applied = 84),
        (2, Err(Unfit::Behind(17)), |scene| {
            scene.report(2).applied = 83;
        }),
    ];
    for (node, expected, change) in table {
        let mut scene = Scene::new();
        change(&mut scene);
        let judged = scene.candidates().judge(&front(), NodeId(node));
        assert_eq!(judged, expected);
    }
}

#[test]
fn it_goes_to_whoever_holds_least_and_never_to_itself() {
    let mut scene = Scene::new();
    let choose = |scene: &Scene, from| scene.candidates().choose(&front(), NodeId(from));
    assert_eq!(choose(&scene, 1), Ok(NodeId(2)), "by number");
    scene
        .report(2)
        .held
        .insert("other".parse().expect("a name"));
    assert_eq!(choose(&scene, 1), Ok(NodeId(3)), "it has nothing yet");
    scene.rest(3);
    assert_eq!(choose(&scene, 1), Ok(NodeId(2)));
    scene.reports.remove(&NodeId(2));
    let unable = choose(&scene, 1).expect_err("nobody is left");
    assert_eq!(
        scene.candidates().in_words(&unable),
        "lb2: it does not answer; lb3: it is in maintenance"
    );
    assert_eq!(
        scene.candidates().in_words(&[]),
        "there is no other balancer"
    );
}
