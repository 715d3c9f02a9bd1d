//! Trouble around VIPs: told once, by name, and once that it is over.

use super::*;

const FOREIGN: Mac = Mac([2, 0, 0, 0, 0, 7]);

fn claim(last: u8) -> Trouble {
    Trouble::Claim(name("front"), Mac([2, 0, 0, 0, 0, last]))
}

fn seen(node: u64, trouble: Trouble, reason: &str) -> Command {
    Command::ReportTrouble {
        node: NodeId(node),
        trouble,
        reason: Some(reason.to_owned()),
    }
}

fn over(node: u64, trouble: Trouble) -> Command {
    Command::ReportTrouble {
        node: NodeId(node),
        trouble,
        reason: None,
    }
}

#[test]
fn a_foreign_machine_is_one_page_with_its_mac_and_one_when_it_is_quiet() {
    let mut house = House::full();
    let reason = format!("a foreign machine, {FOREIGN}, claims the address 10.0.0.100");
    assert_eq!(house.order(seen(1, claim(7), &reason)), Ok(Applied::Done));
    let again = house.order(seen(1, claim(7), &reason));
    assert_eq!(again, Ok(Applied::Unchanged), "once a machine and episode");
    // Whoever takes the VIP over meanwhile sees it as well: the same episode.
    let taker = house.order(seen(2, claim(7), &reason));
    assert_eq!(taker, Ok(Applied::Unchanged));
    assert_eq!(house.order(over(2, claim(7))), Ok(Applied::Done));
    assert_eq!(house.order(over(2, claim(7))), Ok(Applied::Unchanged));
    let title = "VIP front claimed by 02:00:00:00:00:07";
    assert_eq!(
        house.pages(),
        [
            format!("DOWN {title}: {reason} (3 of 3 nodes)"),
            format!("UP {title}: 02:00:00:00:00:07 claims it no more after 3.0s ()"),
        ]
    );
    assert_eq!(house.order(seen(1, claim(7), &reason)), Ok(Applied::Done));
    assert_eq!(house.pages().len(), 3, "another episode");
    let ids: std::collections::BTreeSet<PageId> =
        house.state.pages.iter().map(|page| page.id).collect();
    assert_eq!(ids.len(), 3, "each has an id of its own");
}

#[test]
fn another_machine_is_another_page_but_not_without_end() {
    let mut house = House::full();
    for last in 1..=9 {
        let _ = house.order(seen(1, claim(last), "claims it"));
    }
    assert_eq!(
        house.pages().len(),
        4,
        "whoever makes MACs up calls no more"
    );
    house.order(over(1, claim(2))).expect("it is known");
    assert_eq!(
        house.order(seen(1, claim(9), "claims it")),
        Ok(Applied::Done)
    );
}

#[test]
fn meddling_and_carriers_are_each_nodes_own() {
    let mut house = House::full();
    let (hands, cable) = (Trouble::Meddling(NodeId(2)), Trouble::Carrier(NodeId(2)));
    house
        .order(seen(2, hands.clone(), "10.0.0.100 was removed from eth0"))
        .expect("it is told");
    house
        .order(seen(
            2,
            cable.clone(),
            "eth0 lost its carrier 3 times within 10m",
        ))
        .expect("it is told");
    assert_eq!(
        house.pages(),
        [
            "DOWN addresses of lb2: 10.0.0.100 was removed from eth0 (3 of 3 nodes)",
            "DOWN carrier of lb2: eth0 lost its carrier 3 times within 10m (3 of 3 nodes)",
        ]
    );
    let disk = Trouble::Disk(NodeId(2));
    house
        .order(seen(2, disk.clone(), "no room is left in /data"))
        .expect("it is told");
    house.order(over(2, disk.clone())).expect("it is known");
    house
        .order(seen(2, disk, "no room is left in /data"))
        .expect("it is told again");
    // A node that goes says no more that its trouble is over.
    let remove = Command::RemoveNode {
        node: NodeId(2),
        lease_key: LeaseKey([1; 32]),
    };
    house.order(remove).expect("lb1 stays");
    assert!(house.state.incidents.is_empty());
    assert_eq!(house.pages().len(), 5, "without a word");
}

#[test]
fn a_vip_that_goes_takes_its_claims_along() {
    let mut house = House::full();
    house.order(seen(1, claim(7), "claims it")).expect("told");
    house
        .configure(Config::default())
        .expect("nothing is valid");
    assert!(house.state.incidents.is_empty());
    let gone = house.order(seen(1, claim(7), "claims it"));
    assert_eq!(gone, Err(Reject::UnknownVip(name("front"))));
    let nobody = house.order(seen(9, Trouble::Carrier(NodeId(9)), "lost"));
    assert_eq!(nobody, Err(Reject::UnknownNode(NodeId(9))));
}

#[test]
fn a_silence_of_the_vip_or_the_node_hushes_it() {
    for (term, trouble) in [
        ("vip=front", claim(7)),
        ("node=lb1", Trouble::Meddling(NodeId(1))),
        ("node=lb1", Trouble::Carrier(NodeId(1))),
        ("node=lb1", Trouble::Disk(NodeId(1))),
    ] {
        let mut house = House::full();
        let silence = Silence {
            matcher: Matcher(vec![term.parse().expect("a term")]),
            comment: "racks".to_owned(),
            author: Author("ada".to_owned()),
            from: UnixMillis(0),
            until: UnixMillis(house.at + 3_600_000),
        };
        house.order(Command::AddSilence(silence)).expect("taken");
        house.order(seen(1, trouble, "so")).expect("written");
        assert_eq!(house.state.due_messages().count(), 0, "{term}");
    }
}
