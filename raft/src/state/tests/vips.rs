//! VIPs: who owns them, by which ballot, and that a move is told.

use super::*;

fn owned(node: u64, counter: u64) -> Command {
    Command::ReportVip {
        vip: name("front"),
        ballot: Ballot {
            counter,
            node: NodeId(node),
        },
    }
}

#[test]
fn a_move_is_told_and_the_first_owner_is_not() {
    let mut house = House::full();
    assert_eq!(house.order(owned(1, 1)), Ok(Applied::Done));
    assert_eq!(house.order(owned(1, 1)), Ok(Applied::Unchanged));
    assert_eq!(
        house.order(owned(1, 2)),
        Ok(Applied::Done),
        "the same owner, a newer ballot"
    );
    assert_eq!(house.pages(), Vec::<String>::new());
    assert_eq!(house.order(owned(2, 3)), Ok(Applied::Done));
    assert_eq!(
        house.pages(),
        ["NOTICE VIP front: moved from lb1 to lb2 (3 of 3 nodes)"]
    );
    assert!(house.state.incidents.is_empty(), "a notice opens nothing");
}

#[test]
fn a_former_owner_is_refused_in_the_same_term() {
    let mut house = House::full();
    house.order(owned(2, 3)).expect("it is the first");
    let ballot = |counter, node| Ballot {
        counter,
        node: NodeId(node),
    };
    let stale = Reject::StaleBallot {
        vip: name("front"),
        given: ballot(2, 1),
        newest: ballot(3, 2),
    };
    assert_eq!(house.order(owned(1, 2)), Err(stale.clone()));
    let down = change("shop", "s1", "web", Health::Down, "late", house.at);
    assert_eq!(house.order(reported(owner(1, 2), vec![down])), Err(stale));
}

#[test]
fn after_a_restart_of_the_majority_ballots_begin_anew() {
    // Acceptors forget; were ballots compared across terms, the new owner could never report again.
    let mut house = House::full();
    house.order(owned(1, 500)).expect("it is the first");
    house.term += 1;
    assert_eq!(house.order(owned(2, 1)), Ok(Applied::Done));
    assert_eq!(
        house.order(owned(1, 0)).expect_err("it is lower").code(),
        "FMX-S040"
    );
}

#[test]
fn who_cannot_own_a_vip_is_refused() {
    let mut house = House::full();
    assert_eq!(house.order(owned(3, 1)), Err(Reject::Witness(NodeId(3))));
    assert_eq!(
        house.order(owned(9, 1)),
        Err(Reject::UnknownNode(NodeId(9)))
    );
    let command = Command::ReportVip {
        vip: name("back"),
        ballot: Ballot {
            counter: 1,
            node: NodeId(1),
        },
    };
    assert_eq!(house.order(command), Err(Reject::UnknownVip(name("back"))));
}

#[test]
fn a_vip_that_goes_takes_its_standing_along() {
    let mut house = House::full();
    house.order(owned(1, 1)).expect("it is the first");
    house
        .configure(Config::default())
        .expect("nothing is valid");
    assert!(house.state.vips.is_empty());
    assert!(house.state.ballots.is_empty());
}
