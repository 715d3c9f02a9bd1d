//! Nodes: named once, numbered for ever, lost and found, removed.

use super::*;

#[test]
fn a_cluster_is_made_once_and_by_a_balancer() {
    let mut house = House::bare();
    assert_eq!(
        house.order(init(balancer("lb1", 1))),
        Err(Reject::AlreadyInitialised)
    );
    let mut empty = House {
        state: State::default(),
        ..house
    };
    assert_eq!(
        empty.order(Command::FinishJoin(NodeId(1))),
        Err(Reject::NotInitialised)
    );
    let witness = Node {
        role: NodeRole::Witness,
        ..balancer("lb1", 1)
    };
    assert_eq!(empty.order(init(witness)), Err(Reject::Witness(NodeId(1))));
}

#[test]
fn an_id_is_never_given_out_again() {
    let mut house = House::full();
    let remove = |node| Command::RemoveNode {
        node: NodeId(node),
        lease_key: LeaseKey([1; 32]),
    };
    assert_eq!(house.order(remove(3)), Ok(Applied::Done));
    assert_eq!(house.order(remove(3)), Err(Reject::UnknownNode(NodeId(3))));
    assert_eq!(house.join(balancer("lb3", 3)), NodeId(4));
}

#[test]
fn removing_a_node_changes_the_lease_key_but_never_takes_the_last_balancer() {
    let mut house = House::full();
    let remove = |node, key| Command::RemoveNode {
        node: NodeId(node),
        lease_key: LeaseKey([key; 32]),
    };
    assert_eq!(house.order(remove(1, 1)), Ok(Applied::Done));
    let key = house
        .state
        .cluster
        .as_ref()
        .map(|cluster| cluster.secrets.lease_key);
    assert_eq!(key, Some(LeaseKey([1; 32])));
    assert_eq!(
        house.order(remove(2, 2)),
        Err(Reject::LastBalancer(NodeId(2)))
    );
    assert_eq!(
        house.order(remove(3, 3)),
        Ok(Applied::Done),
        "a witness may go"
    );
}

#[test]
fn what_is_left_goes_on_alone_in_the_next_epoch() {
    let mut house = House::full();
    let recover = |survivor, epoch| Command::Recover {
        survivor: NodeId(survivor),
        epoch,
    };
    let unknown = house.order(recover(9, 1));
    assert_eq!(unknown, Err(Reject::UnknownNode(NodeId(9))));
    let before = house.state.cluster.clone().expect("a cluster");
    assert_eq!(house.order(recover(2, 7 << 32 | 1)), Ok(Applied::Done));
    let after = house.state.cluster.clone().expect("a cluster");
    assert_eq!(after.epoch, 7 << 32 | 1);
    // Whoever is left behind must believe whoever says that it is over.
    assert_eq!(after.secrets.lease_key, before.secrets.lease_key);
    assert_eq!(house.state.nodes.keys().collect::<Vec<_>>(), [&NodeId(2)]);
    assert_eq!(
        house.join(balancer("lb1", 1)),
        NodeId(4),
        "under a new number"
    );
    for (why, epoch) in [
        ("older", 0),
        ("the same", 7 << 32 | 1),
        ("a rival", 8 << 32 | 1),
    ] {
        assert_eq!(
            house.order(recover(2, epoch)),
            Ok(Applied::Unchanged),
            "{why}"
        );
    }
    assert_eq!(house.state.nodes.len(), 2);
}

#[test]
fn a_joiner_that_is_removed_cannot_resume() {
    let mut house = House::bare();
    let token = token(house.at, [5; 32], NodeRole::Balancer);
    house
        .order(Command::CreateToken(token))
        .expect("there is room");
    let claim = Command::ClaimToken {
        hash: [5; 32],
        key: [1; 32],
        node: balancer("lb2", 2),
    };
    house.order(claim.clone()).expect("it is fresh");
    let remove = Command::RemoveNode {
        node: NodeId(2),
        lease_key: LeaseKey([1; 32]),
    };
    house.order(remove).expect("it is not the last");
    assert_eq!(house.order(claim), Err(Reject::UnknownToken));
}

#[test]
fn a_node_that_cannot_be_is_refused_by_name() {
    let mut house = House::full();
    let token = token(house.at, [5; 32], NodeRole::Balancer);
    house
        .order(Command::CreateToken(token))
        .expect("there is room");
    let good = || balancer("lb4", 4);
    let addressed = |peer_addresses: Vec<std::net::SocketAddr>| Node {
        peer_addresses,
        ..good()
    };
    let taken = |address: &str, owner: &str| Reject::NodeAddressTaken {
        address: address.to_owned(),
        owner: owner.to_owned(),
    };
    let cases = [
        (addressed(vec![]), "FMX-S011"),
        (addressed(vec![([0, 0, 0, 0], 7946).into()]), "FMX-S011"),
        (addressed(vec![([10, 0, 0, 14], 0).into()]), "FMX-S011"),
        (
            addressed(vec![([10, 0, 0, 14], 7946).into(); 5]),
            "FMX-S011",
        ),
        (
            Node {
                name: name("lb1"),
                ..good()
            },
            "FMX-S012",
        ),
        (addressed(vec![([10, 0, 0, 11], 7946).into()]), "FMX-S013"),
        (addressed(vec![([10, 0, 0, 100], 7946).into()]), "FMX-S013"),
    ];
    for (node, code) in cases {
        let claim = Command::ClaimToken {
            hash: [5; 32],
            key: [1; 32],
            node,
        };
        let refused = house.order(claim).expect_err("it cannot be");
        assert_eq!(refused.code(), code, "{refused}");
    }
    let claim = |node| Command::ClaimToken {
        hash: [5; 32],
        key: [1; 32],
        node,
    };
    assert_eq!(
        house.order(claim(addressed(vec![([10, 0, 0, 11], 7946).into()]))),
        Err(taken("10.0.0.11:7946", "node lb1"))
    );
    assert_eq!(
        house.order(claim(addressed(vec![([10, 0, 0, 100], 1).into()]))),
        Err(taken("10.0.0.100", "VIP front"))
    );
    assert_eq!(house.order(claim(good())), Ok(Applied::Node(NodeId(4))));
}

#[test]
fn seven_nodes_are_enough() {
    let mut house = House::bare();
    for n in 2..=7 {
        house.join(balancer(&format!("lb{n}"), n));
    }
    let token = token(house.at, [50; 32], NodeRole::Balancer);
    house
        .order(Command::CreateToken(token))
        .expect("there is room");
    let claim = Command::ClaimToken {
        hash: [50; 32],
        key: [1; 32],
        node: balancer("lb8", 8),
    };
    assert_eq!(house.order(claim), Err(Reject::TooManyNodes { max: 7 }));
}

#[test]
fn a_lost_node_is_paged_once_and_so_is_its_return() {
    let mut house = House::full();
    let report = |node, reachable| Command::ReportNode {
        node: NodeId(node),
        reachable,
        reason: "no answer\r\nfor 5 s".to_owned(),
    };
    assert_eq!(house.order(report(3, true)), Ok(Applied::Unchanged));
    assert_eq!(house.order(report(3, false)), Ok(Applied::Done));
    assert_eq!(house.order(report(3, false)), Ok(Applied::Unchanged));
    assert_eq!(house.order(report(3, true)), Ok(Applied::Done));
    assert_eq!(
        house.order(report(9, false)),
        Err(Reject::UnknownNode(NodeId(9)))
    );
    assert_eq!(
        house.pages(),
        [
            "DOWN witness lb3: no answer for 5 s (2 of 3 nodes)",
            "UP witness lb3: answers again after 2.0s (3 of 3 nodes)",
        ]
    );
}

#[test]
fn removing_a_lost_node_closes_its_incident_without_a_word() {
    let mut house = House::full();
    let lost = Command::ReportNode {
        node: NodeId(2),
        reachable: false,
        reason: String::new(),
    };
    house.order(lost).expect("it was there");
    let remove = Command::RemoveNode {
        node: NodeId(2),
        lease_key: LeaseKey([1; 32]),
    };
    house.order(remove).expect("it is not the last");
    assert!(house.state.incidents.is_empty());
    assert_eq!(
        house.pages(),
        ["DOWN node lb2: does not answer (2 of 3 nodes)"]
    );
}
