//! From a wish to who is ordered what.

use std::sync::Arc;

use farmux_raft::id::{NodeId, UnixMillis};
use farmux_raft::state::NodeRole::{Balancer, Witness};
use farmux_raft::state::{Author, Rest, State};

use super::super::intent::{Intent, intent};
use super::super::order::What;
use crate::api::status::{View, sample};
use crate::api::types::MoveWish;
use crate::fault::Fault;

fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a name")
}

/// Two balancers and a witness; a second VIP `back` beside `front`.
fn two_vips() -> State {
    let mut state = sample::state(&[Balancer, Balancer, Witness]);
    let config = Arc::make_mut(&mut state.config);
    let mut back = config.vips["front"].clone();
    back.address = [10, 0, 0, 101].into();
    config.vips.insert(name("back"), back);
    state
}

/// All nodes answer, up to date; `back` is n2's.
fn view(state: &State) -> View<'_> {
    let mut view = sample::view(state, &[1, 2, 3]);
    for report in view.reports.values_mut() {
        report.applied = 812;
    }
    if state.config.vips.len() > 1 {
        let second = view.reports.get_mut(&NodeId(2)).expect("it answers");
        second.held.insert(name("back"));
    }
    view
}

fn vip(vip: &str, to: &str) -> MoveWish {
    MoveWish::Vip {
        vip: name(vip),
        to: name(to),
    }
}

fn moves(intent: &Intent) -> Vec<String> {
    let words =
        |one: &crate::api::types::PlannedMove| format!("{} {} {}", one.vip, one.from, one.to);
    intent.plan.moves.iter().map(words).collect()
}

fn code(refused: Result<Intent, Fault>) -> String {
    refused.expect_err("it cannot be").code
}

#[test]
fn one_vip_is_ordered_of_its_owner() {
    let state = two_vips();
    let view = view(&state);
    let one = intent(&view, &vip("front", "lb2")).expect("it can");
    assert_eq!(moves(&one), ["front lb1 lb2"]);
    assert_eq!(one.plan.leader, None, "the leadership stays");
    let order = What::Vip {
        vip: name("front"),
        to: NodeId(2),
    };
    assert_eq!(one.orders, [(NodeId(1), order)]);
    let there = intent(&view, &vip("front", "lb1")).expect("it is there");
    assert!(there.plan.is_empty() && there.orders.is_empty());
    assert_eq!(code(intent(&view, &vip("side", "lb2"))), "FMX-S035");
    assert_eq!(code(intent(&view, &vip("front", "lb9"))), "FMX-208");
    let witness = intent(&view, &vip("front", "lb3"));
    let fault = witness.expect_err("a witness holds nothing");
    assert_eq!(fault.code, "FMX-250");
    assert_eq!(fault.what, "lb3 cannot take VIP front");
    assert!(fault.why.contains("witness"), "{}", fault.why);
}

#[test]
fn a_dead_owner_cannot_give_it_away_and_that_is_said() {
    let state = two_vips();
    let mut dead = view(&state);
    dead.me = NodeId(2);
    dead.reports.remove(&NodeId(1));
    let fault = intent(&dead, &vip("front", "lb2")).expect_err("n1 is silent");
    assert_eq!(fault.code, "FMX-252");
    assert_eq!(fault.what, "lb1, which owns VIP front, does not answer");
    dead.leases.clear();
    assert_eq!(code(intent(&dead, &vip("front", "lb2"))), "FMX-251");
}

#[test]
fn a_switchover_takes_all_to_one_and_the_leadership_with_it() {
    let state = sample::state(&[Balancer, Balancer, Witness]);
    let over = |to: Option<&str>| MoveWish::Switchover { to: to.map(name) };
    for to in [None, Some("lb2")] {
        let one = intent(&view(&state), &over(to)).expect("it can");
        assert_eq!(moves(&one), ["front lb1 lb2"]);
        let leader = one.plan.leader.expect("lb1 led");
        assert_eq!((leader.from, leader.to), (name("lb1"), Some(name("lb2"))));
        let order = What::Away {
            to: Some(NodeId(2)),
        };
        assert_eq!(one.orders, [(NodeId(1), order)]);
    }
    let mut led_by_the_witness = view(&state);
    led_by_the_witness.log.leader = Some(NodeId(3));
    let one = intent(&led_by_the_witness, &over(None)).expect("it can");
    assert_eq!(one.plan.leader, None, "it is away from the owner");

    let state = two_vips();
    let fault = intent(&view(&state), &over(None)).expect_err("to whom?");
    assert_eq!(fault.code, "FMX-255");
    assert!(fault.mend.contains("--to"), "{}", fault.mend);
    let one = intent(&view(&state), &over(Some("lb2"))).expect("it can");
    assert_eq!(moves(&one), ["front lb1 lb2"], "back is there already");

    let mut watching = sample::state(&[Balancer, Balancer]);
    Arc::make_mut(&mut watching.config).vips.clear();
    let one = intent(&view(&watching), &over(Some("lb2"))).expect("it can");
    let leader = one.plan.leader.expect("lb1 led");
    assert_eq!(leader.to, Some(name("lb2")));
}

/// Without VIPs the leadership is all there is to move.
#[test]
fn a_leader_is_named_only_where_it_can_lead() {
    let mut state = sample::state(&[Balancer, Balancer, Witness, Balancer]);
    Arc::make_mut(&mut state.config).vips.clear();
    let maintenance = Rest {
        since: UnixMillis(1),
        author: Author("anna".to_owned()),
        why: String::new(),
    };
    state.resting.insert(NodeId(2), maintenance);
    let mut view = view(&state);
    view.halves = vec![[1, 2, 3].map(NodeId).into()];
    let over =
        |view: &View<'_>, to: &str| intent(view, &MoveWish::Switchover { to: Some(name(to)) });
    for (to, why) in [("lb2", "maintenance"), ("lb4", "does not vote")] {
        let fault = over(&view, to).expect_err("it cannot");
        assert_eq!(
            (fault.code.as_str(), fault.what),
            ("FMX-250", format!("{to} cannot lead"))
        );
        assert!(fault.why.contains(why), "{}", fault.why);
    }
    let one = over(&view, "lb3").expect("a witness leads");
    assert_eq!(
        one.plan.leader.and_then(|leader| leader.to),
        Some(name("lb3"))
    );
    view.reports.remove(&NodeId(3));
    let fault = over(&view, "lb3").expect_err("it is silent");
    assert!(fault.why.contains("does not answer"), "{}", fault.why);
}

#[test]
fn away_takes_what_a_node_has_and_nothing_else() {
    let state = two_vips();
    let away = |node: &str| MoveWish::Away { node: name(node) };
    let first = intent(&view(&state), &away("lb1")).expect("it can");
    assert_eq!(moves(&first), ["front lb1 lb2"]);
    assert!(first.plan.leader.is_some(), "and it led");
    assert_eq!(first.orders, [(NodeId(1), What::Away { to: None })]);
    let second = intent(&view(&state), &away("lb2")).expect("it can");
    assert_eq!(moves(&second), ["back lb2 lb1"]);
    assert_eq!(second.plan.leader, None);
    let third = intent(&view(&state), &away("lb3")).expect("it has nothing");
    assert!(third.plan.is_empty() && third.orders.is_empty());

    let mut alone = view(&state);
    alone.reports.remove(&NodeId(2));
    let fault = intent(&alone, &away("lb1")).expect_err("nobody is left");
    assert_eq!(fault.code, "FMX-255");
    assert!(
        fault.why.contains("lb2: it does not answer"),
        "{}",
        fault.why
    );
}
