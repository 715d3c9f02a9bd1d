//! What is lent as one, and farms behind several VIPs.

use super::*;

fn vip(last: u8, group: Option<&str>, prefer: Option<&str>) -> Vip {
    Vip {
        address: [10, 0, 0, last].into(),
        network: name("lan"),
        gateway: None,
        on_quorum_loss: OnQuorumLoss::Release,
        group: group.map(name),
        prefer: prefer.map(name),
    }
}

fn config(vips: &[(&str, Vip)]) -> Config {
    let vips = vips.iter().map(|(called, vip)| (name(called), vip.clone()));
    Config {
        vips: vips.collect(),
        ..Config::default()
    }
}

/// `lease: vips, preferred`.
fn lent(config: &Config) -> Vec<String> {
    let one = |(lease, lent): (VipName, LentVips)| {
        let vips: Vec<&str> = lent.vips.iter().map(|vip| vip.as_str()).collect();
        let prefer = lent
            .prefer
            .map_or_else(String::new, |node| format!(", {node}"));
        format!("{lease}: {}{prefer}", vips.join(" "))
    };
    config.lent().into_iter().map(one).collect()
}

#[test]
fn alone_by_its_name_and_together_by_who_belongs_to_it() {
    let (a, b) = (
        vip(1, Some("web"), Some("lb2")),
        vip(2, Some("web"), Some("lb2")),
    );
    let (c, d) = (vip(3, None, None), vip(4, Some("mail"), Some("lb1")));
    let three = config(&[("a", a.clone()), ("b", b.clone()), ("c", c), ("d", d)]);
    let web = lent(&three).pop().expect("the last by name");
    assert_eq!(
        lent(&three)[..2],
        ["c: c", "d: d, lb1"],
        "alone in a group is alone"
    );
    assert!(
        web.starts_with("web.") && web.ends_with(": a b, lb2"),
        "{web}"
    );
    let more = config(&[
        ("a", a.clone()),
        ("b", b),
        ("e", vip(5, Some("web"), Some("lb2"))),
    ]);
    let lease = |line: &str| line.split(':').next().map(str::to_owned);
    assert_ne!(
        lease(&web),
        lease(&lent(&more)[0]),
        "with another VIP it is another lease: nobody owns by the old one what came"
    );
    assert_eq!(lent(&config(&[("a", a)])), ["a: a, lb2"], "its own again");
    let long = "x".repeat(63);
    let long = config(&[
        ("a", vip(1, Some(&long), None)),
        ("b", vip(2, Some(&long), None)),
    ]);
    assert!(lent(&long)[0].starts_with("xxx"), "a long name is cut");
}

#[test]
fn vips_of_a_group_that_want_different_things_are_refused() {
    let faults = |config: &Config| -> Vec<String> {
        let faults = config.faults(&BTreeMap::new());
        faults.iter().map(Fault::to_string).collect()
    };
    let split = config(&[
        ("a", vip(1, Some("web"), Some("lb1"))),
        ("b", vip(2, Some("web"), Some("lb2"))),
        ("c", vip(3, None, Some("lb3"))),
    ]);
    assert_eq!(
        faults(&split),
        [
            "vip[b].prefer: VIP a is of the same group, and says otherwise: what is lent as one \
             has one answer"
        ]
    );
}

#[test]
fn a_group_without_a_majority_does_what_those_with_a_gateway_say() {
    let asks = |vip: Vip, on_quorum_loss| Vip {
        gateway: Some([10, 0, 0, 254].into()),
        on_quorum_loss,
        ..vip
    };
    let web = |last| vip(last, Some("web"), None);
    let hold = OnQuorumLoss::Hold;
    let mixed = config(&[
        ("a", web(1)),
        ("b", asks(web(2), hold)),
        ("c", asks(web(3), hold)),
    ]);
    assert_eq!(mixed.faults(&BTreeMap::new()), []);
    let lent = mixed.lent().into_values().next().expect("one lease");
    assert_eq!(
        (lent.on_quorum_loss, lent.reference),
        (hold, Some(name("b")))
    );
    let split = asks(web(3), OnQuorumLoss::Release);
    let split = config(&[("a", web(1)), ("b", asks(web(2), hold)), ("c", split)]);
    let faults = split.faults(&BTreeMap::new());
    let at: Vec<&str> = faults.iter().map(|fault| fault.at.as_str()).collect();
    assert_eq!(at, ["vip[c].on_quorum_loss"]);
}

#[test]
fn a_farm_has_each_vip_once_and_its_ports_on_all() {
    let mut shop = shop(1);
    let front6 = Vip {
        address: "fd00::100".parse().expect("an address"),
        gateway: None,
        ..shop.vips["front"].clone()
    };
    shop.vips.insert(name("front6"), front6);
    shop_of(&mut shop).more_vips = vec![name("front6")];
    assert_eq!(shop.faults(&BTreeMap::new()), []);
    let mut twice = shop.clone();
    shop_of(&mut twice).more_vips.push(name("front"));
    let mut nobody = shop.clone();
    shop_of(&mut nobody).more_vips = vec![name("back")];
    let mut other = shop.clone();
    let mut twin = other.farms["shop"].clone();
    (twin.vip, twin.more_vips) = (name("front6"), vec![]);
    other.farms.insert(name("twin"), twin);
    for (config, place) in [
        (
            twice,
            "farm[shop].more_vips: front stands here more than once",
        ),
        (nobody, "farm[shop].more_vips: there is no VIP called back"),
        (
            other,
            "farm[twin].service[web].port: port 80 of this VIP is taken by shop/web",
        ),
    ] {
        let faults = config.faults(&BTreeMap::new());
        let said: Vec<String> = faults.iter().map(Fault::to_string).collect();
        assert_eq!(said.first().map(String::as_str), Some(place));
    }
}

#[test]
fn the_owner_of_another_vip_of_a_farm_reports_by_that_ballot() {
    let mut house = House::full();
    let mut config = Config::clone(&house.state.config);
    let back = Vip {
        address: [10, 0, 0, 101].into(),
        ..config.vips["front"].clone()
    };
    config.vips.insert(name("back"), back);
    shop_of(&mut config).more_vips = vec![name("back")];
    house.configure(config).expect("it is valid");
    let ballot = |node, counter| Ballot {
        counter,
        node: NodeId(node),
    };
    let beside = |place, node, counter| Authority::OwnerBeside {
        place,
        ballot: ballot(node, counter),
    };
    for (vip, ballot) in [("front", ballot(1, 9)), ("back", ballot(2, 5))] {
        let vip = name(vip);
        house
            .order(Command::ReportVip { vip, ballot })
            .expect("first");
    }
    let up = |house: &House| change("shop", "s1", "web", Health::Up, "200 OK", house.at);
    let down = |house: &House| change("shop", "s1", "web", Health::Down, "refused", house.at);
    let command = reported(beside(0, 2, 5), vec![up(&house)]);
    assert_eq!(
        house.order(command),
        Ok(Applied::Done),
        "a lower ballot, of another VIP"
    );
    let stale = reported(beside(0, 1, 4), vec![down(&house)]);
    let refused = house.order(stale).expect_err("back is lb2's");
    assert!(matches!(refused, Reject::StaleBallot { .. }), "{refused:?}");
    let by_front = reported(owner(2, 5), vec![down(&house)]);
    let refused = house.order(by_front).expect_err("front is lb1's");
    assert!(matches!(refused, Reject::StaleBallot { .. }), "{refused:?}");
    let nowhere = reported(beside(1, 2, 5), vec![down(&house)]);
    let refused = house.order(nowhere).expect_err("it has two VIPs");
    assert!(matches!(refused, Reject::UnknownVip(_)), "{refused:?}");
    let floor = house.state.ballots[&name("front") as &VipName].ballot;
    assert_eq!(floor, ballot(1, 9), "the other VIP's is as it was");
}
