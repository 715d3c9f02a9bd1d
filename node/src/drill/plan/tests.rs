//! Plans and refusals of every drill on clusters of every kind.

use std::fmt::Write as _;
use std::sync::Arc;

use farmux_raft::id::NodeId;
use farmux_raft::state::NodeRole::{Balancer, Witness};
use farmux_raft::state::{Health, NodeRole, OnParentDown, OnQuorumLoss, State};

use super::super::tests::golden;
use super::*;
use crate::api::status::sample::{add_watches, set_health, state, view};
use crate::fault::explain;

fn consent() -> Consent {
    Consent::default()
}

fn attempt(kind: DrillKind, state: &State, consent: &Consent) -> Result<Plan, Refusal> {
    let nodes: Vec<u64> = state.nodes.keys().map(|node| node.0).collect();
    plan(kind, &seen(state, &nodes), &Standing::default(), consent)
}

/// How lb1 sees it when these nodes answer, with the state up to date.
fn seen<'a>(state: &'a State, nodes: &[u64]) -> View<'a> {
    let mut view = view(state, nodes);
    let applied = view.log.applied;
    view.reports
        .values_mut()
        .for_each(|report| report.applied = applied);
    view
}

/// A healthy cluster with a file server, and a VIP that holds and has a gateway.
fn whole(roles: &[NodeRole]) -> State {
    let mut state = state(roles);
    add_watches(&mut state);
    let config = Arc::make_mut(&mut state.config);
    let vip = config.vips.values_mut().next().expect("one VIP");
    vip.gateway = "10.0.0.1".parse().ok();
    vip.on_quorum_loss = OnQuorumLoss::Hold;
    let farm = config.farms.values_mut().next().expect("one farm");
    farm.on_parent_down = OnParentDown::Keep;
    state
}

fn in_words(planned: Result<Plan, Refusal>) -> String {
    match planned {
        Err(refusal) => format!("  refused: {refusal}\n"),
        Ok(plan) => {
            let mut text = format!("  target {}; blast radius: {}\n", plan.target, plan.radius);
            for step in plan.steps() {
                let _ = writeln!(text, "  - {step}");
            }
            text
        }
    }
}

#[test]
fn golden_plans_of_every_drill() {
    let clusters: [(&str, &[NodeRole]); 4] = [
        (
            "two balancers and a witness",
            &[Balancer, Balancer, Witness],
        ),
        ("three balancers", &[Balancer, Balancer, Balancer]),
        ("a pair", &[Balancer, Balancer]),
        (
            "one balancer and two witnesses",
            &[Balancer, Witness, Witness],
        ),
    ];
    let mut shown = String::new();
    let consent = Consent {
        typed: Some("prod".to_owned()),
        ..consent()
    };
    for (words, roles) in clusters {
        let state = whole(roles);
        for kind in DrillKind::ALL {
            let planned = in_words(attempt(kind, &state, &consent));
            let _ = writeln!(shown, "{kind} on {words}\n{planned}");
        }
    }
    golden("plan/golden.txt", &shown);
}

fn refusal(kind: DrillKind, state: &State, consent: &Consent) -> Refusal {
    attempt(kind, state, consent).expect_err("it is refused")
}

#[test]
fn what_is_not_healthy_is_not_drilled() {
    let mut state = whole(&[Balancer, Balancer, Witness]);
    set_health(&mut state, "s2", Health::Down, "connection refused");
    for kind in DrillKind::ALL {
        let refusal = refusal(kind, &state, &consent());
        assert!(
            matches!(refusal, Refusal::NotHealthy(_)),
            "{kind}: {refusal}"
        );
    }
    let state = whole(&[Balancer, Balancer, Witness]);
    let silent = plan(
        DrillKind::VipMove,
        &seen(&state, &[1, 2]),
        &Standing::default(),
        &consent(),
    );
    assert!(matches!(silent, Err(Refusal::NotHealthy(_))), "{silent:?}");
}

#[test]
fn a_farm_keeps_what_it_needs() {
    let mut state = whole(&[Balancer, Balancer, Witness]);
    let config = Arc::make_mut(&mut state.config);
    let farm = config.farms.values_mut().next().expect("one farm");
    farm.degraded_below = 3;
    farm.on_parent_down = OnParentDown::Remove;
    for kind in [DrillKind::ServerDown, DrillKind::FileServerDown] {
        let refusal = refusal(kind, &state, &consent());
        assert!(
            matches!(refusal, Refusal::LastRedundancy(_)),
            "{kind}: {refusal}"
        );
    }
}

#[test]
fn all_but_whoever_leads_are_cut_off_from_all() {
    let three = whole(&[Balancer, Balancer, Witness]);
    let typed = Consent {
        typed: Some("prod".to_owned()),
        ..consent()
    };
    let planned = attempt(DrillKind::QuorumLoss, &three, &typed).expect("a plan");
    // The first one owns the VIP, and leads: it is hit, and another one leads then.
    let names = |nodes: &[NodeName]| nodes.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(planned.injection.nodes()), ["lb1", "lb3"]);
    assert_eq!(names(&planned.radius.nodes), ["lb1", "lb3"]);
    assert_eq!(planned.radius.vips, [], "it is held");
    let client = planned.through.and_then(|through| through.client);
    assert_eq!(client.map(|name| name.to_string()), Some("lb2".to_owned()));
    let mut pair = whole(&[Balancer, Balancer]);
    let config = Arc::make_mut(&mut pair.config);
    let vip = config.vips.values_mut().next().expect("one VIP");
    vip.on_quorum_loss = OnQuorumLoss::HoldOrTake;
    let taken = refusal(DrillKind::QuorumLoss, &pair, &typed);
    assert_eq!(
        taken,
        Refusal::NobodyMeasures,
        "the other one would take it"
    );
    let one = refusal(DrillKind::QuorumLoss, &whole(&[Balancer]), &typed);
    assert!(matches!(one, Refusal::LastRedundancy(_)), "{one}");
}

#[test]
fn the_majority_is_taken_only_from_who_typed_the_name() {
    let state = whole(&[Balancer, Balancer]);
    for typed in [None, Some("test"), Some("")] {
        let consent = Consent {
            typed: typed.map(str::to_owned),
            ..consent()
        };
        let refusal = refusal(DrillKind::QuorumLoss, &state, &consent);
        let cluster = "prod".to_owned();
        assert_eq!(refusal, Refusal::NotForced { cluster });
    }
}

#[test]
fn whoever_may_take_the_vip_does_not_measure_it() {
    let state = whole(&[Balancer, Balancer, Balancer]);
    let planned = attempt(DrillKind::OwnerCrash, &state, &consent()).expect("a plan");
    let client = planned.through.and_then(|through| through.client);
    assert_eq!(client.map(|name| name.to_string()), Some("lb3".to_owned()));
    let pair = whole(&[Balancer, Balancer]);
    let moved = refusal(DrillKind::VipMove, &pair, &consent());
    assert_eq!(moved, Refusal::NobodyMeasures);
    let outside = Consent {
        outside: true,
        ..consent()
    };
    let planned = attempt(DrillKind::VipMove, &pair, &outside).expect("measured outside");
    assert_eq!(planned.through.map(|through| through.client), Some(None));
}

#[test]
fn a_target_is_taken_as_typed_or_refused() {
    let state = whole(&[Balancer, Balancer, Witness]);
    let typed = |kind, target: &str| {
        let consent = Consent {
            target: Some(target.to_owned()),
            ..consent()
        };
        attempt(kind, &state, &consent)
    };
    let planned = typed(DrillKind::ServerSlow, "shop/s2").expect("a plan");
    assert_eq!(planned.target.to_string(), "shop/s2");
    let planned = typed(DrillKind::NodeIsolate, "lb2").expect("a plan");
    assert_eq!(
        planned.injection.to_string(),
        "lb2 drops what its peers say"
    );
    assert!(planned.radius.vips.is_empty(), "lb2 owns none");
    for (kind, target, why) in [
        (DrillKind::OwnerCrash, "back", "there is no VIP back"),
        (DrillKind::NodeIsolate, "lb9", "there is no node lb9"),
        (
            DrillKind::ServerDown,
            "shop/s9",
            "there is no server shop/s9",
        ),
        (
            DrillKind::ServerDown,
            "s1",
            "a server is named with its farm: FARM/SERVER",
        ),
        (DrillKind::FileServerDown, "fs9", "there is no watch fs9"),
        (DrillKind::PageTest, "ops", "there is no contact ops"),
    ] {
        let refused = typed(kind, target).expect_err(target);
        assert_eq!(refused, Refusal::Target(why.to_owned()));
    }
}

/// It has no store of the state's size to spare, and may lead all the same.
#[test]
fn a_witness_plans_a_restore_elsewhere() {
    let state = whole(&[Balancer, Balancer, Witness]);
    let mut view = seen(&state, &[1, 2, 3]);
    view.me = NodeId(3);
    let standing = Standing::default();
    let planned = plan(DrillKind::Restore, &view, &standing, &consent()).expect("a plan");
    assert_eq!(planned.target.to_string(), "lb1");
}

#[test]
fn a_lock_and_another_run_stand_in_the_way() {
    let state = whole(&[Balancer, Balancer, Witness]);
    let view = seen(&state, &[1, 2, 3]);
    let lock = Some(("anna".to_owned(), "sale".to_owned()));
    let locked = Standing {
        lock,
        running: Some(DrillKind::Restore),
    };
    let refused = plan(DrillKind::VipMove, &view, &locked, &consent());
    assert!(matches!(refused, Err(Refusal::Locked { .. })));
    let busy = Standing {
        lock: None,
        ..locked
    };
    let refused = plan(DrillKind::VipMove, &view, &busy, &consent());
    assert_eq!(refused, Err(Refusal::Busy(DrillKind::Restore)));
}

#[test]
fn every_refusal_has_four_parts() {
    let refusals = [
        Refusal::Locked {
            by: "anna".to_owned(),
            why: "sale".to_owned(),
        },
        Refusal::Busy(DrillKind::Restore),
        Refusal::NotHealthy(vec!["s2 is down".to_owned()]),
        Refusal::LastRedundancy("no other node could take front".to_owned()),
        Refusal::Target("there is no VIP back".to_owned()),
        Refusal::NotForced {
            cluster: "prod".to_owned(),
        },
        Refusal::NobodyMeasures,
    ];
    let mut codes = std::collections::BTreeSet::new();
    for refusal in refusals {
        let fault = refusal.fault(DrillKind::OwnerCrash);
        assert_eq!(fault.what, "owner-crash is not begun");
        assert!(!fault.why.is_empty() && !fault.mend.is_empty());
        assert!(explain(&fault.code).is_some(), "{}", fault.code);
        assert!(codes.insert(fault.code), "a code of its own");
    }
}

/// Nothing is planned that would leave no majority or nobody to take the VIP, whoever is away.
#[test]
fn no_plan_takes_the_last_of_anything() {
    let roles = [Balancer, Balancer, Witness, Balancer, Balancer];
    for count in 2..=roles.len() {
        let state = whole(&roles[..count]);
        for away in 0..1_u64 << count {
            let mut there: Vec<u64> = state.nodes.keys().map(|node| node.0).collect();
            there.retain(|node| away & (1 << (node - 1)) == 0 || *node == 1);
            let view = seen(&state, &there);
            for kind in DrillKind::ALL {
                let Ok(plan) = plan(kind, &view, &Standing::default(), &consent()) else {
                    continue;
                };
                if !kind.takes_a_node() {
                    continue;
                }
                let lost = plan.radius.nodes.len();
                let left = there.len() - lost;
                assert!(left > state.nodes.len() / 2, "{kind} {there:?}");
                let takers = there.iter().filter(|node| {
                    let known = &state.nodes[&NodeId(**node)];
                    known.role == Balancer && !plan.radius.nodes.contains(&known.name)
                });
                assert!(
                    plan.radius.vips.is_empty() || takers.count() > 0,
                    "{kind} {there:?}"
                );
            }
        }
    }
}
