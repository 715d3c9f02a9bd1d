//! Nodes that an operator works on.

use super::*;

fn order(node: u64, on: bool, why: &str) -> Command {
    Command::SetRest(RestOrder {
        author: Author("anna".to_owned()),
        node: NodeId(node),
        on,
        why: why.to_owned(),
    })
}

#[test]
fn it_is_remembered_with_author_time_and_reason_until_it_ends() {
    let mut house = House::full();
    assert_eq!(
        house.order(order(2, true, "new fan\nnow")),
        Ok(Applied::Done)
    );
    let first = house.state.resting[&NodeId(2)].clone();
    assert_eq!((first.author.0.as_str(), first.since.0), ("anna", house.at));
    assert!(!first.why.contains('\n'), "it is one line: {:?}", first.why);
    assert_eq!(
        house.order(order(2, true, "new fan\nnow")),
        Ok(Applied::Unchanged)
    );
    assert_eq!(house.order(order(2, true, "new disk")), Ok(Applied::Done));
    let second = &house.state.resting[&NodeId(2)];
    assert_eq!(
        (second.since, second.why.as_str()),
        (first.since, "new disk")
    );
    assert!(house.state.rests(NodeId(2)));
    assert_eq!(house.order(order(2, false, "")), Ok(Applied::Done));
    assert_eq!(house.order(order(2, false, "")), Ok(Applied::Unchanged));
    assert!(!house.state.rests(NodeId(2)));
    assert_eq!(
        house.order(order(9, true, "")),
        Err(Reject::UnknownNode(NodeId(9)))
    );
}

#[test]
fn the_log_says_who_ordered_it() {
    let mut house = House::full();
    let before = house.state.journal.last();
    house.order(order(2, true, "")).expect("it may rest");
    house.order(order(2, false, "")).expect("it may work");
    let entries = house.state.journal.after(before);
    let words: Vec<(String, String)> = entries.map(|e| house.state.journal_words(e)).collect();
    let of = |word: &str| ("lb2".to_owned(), format!("ordered {word} by anna"));
    assert_eq!(words, [of("maintenance"), of("ready")]);
}

#[test]
fn somebody_who_answers_must_be_left_to_hold_the_vips() {
    let mut house = House::full();
    assert_eq!(house.order(order(2, true, "")), Ok(Applied::Done));
    let last = Err(Reject::LastBalancer(NodeId(1)));
    assert_eq!(house.order(order(1, true, "")), last);
    assert_eq!(
        house.order(order(3, true, "")),
        Ok(Applied::Done),
        "a witness"
    );
    house.order(order(2, false, "")).expect("it works again");
    house
        .order(Command::ReportNode {
            node: NodeId(2),
            reachable: false,
            reason: "silent".to_owned(),
        })
        .expect("it is lost");
    assert_eq!(house.order(order(1, true, "")), last, "lb2 is lost");
    assert_eq!(
        house.order(order(2, true, "")),
        Ok(Applied::Done),
        "whoever is lost may rest, so that it takes nothing when it is back"
    );

    let mut watching = House::bare();
    assert_eq!(
        watching.order(order(1, true, "")),
        Ok(Applied::Done),
        "no VIP"
    );
}

#[test]
fn a_node_that_is_removed_rests_no_more() {
    let mut house = House::full();
    house.order(order(2, true, "")).expect("it may rest");
    let remove = Command::RemoveNode {
        node: NodeId(2),
        lease_key: LeaseKey([1; 32]),
    };
    house.order(remove).expect("lb1 is left");
    assert_eq!(house.state.resting.len(), 0);
}
