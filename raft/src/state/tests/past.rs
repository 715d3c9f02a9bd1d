//! Going back: what is kept of older revisions, and what becomes of it.

use super::*;

fn roll_back(house: &House, to: u64) -> Command {
    Command::Rollback {
        author: Author("ada".to_owned()),
        base: house.state.revision,
        to: RevisionId(to),
        note: "it was better".to_owned(),
    }
}

fn weighted(weight: u32) -> Config {
    let mut config = shop(2);
    server_of(&mut config, "s1").weight = NonZeroU32::new(weight).expect("not zero");
    config
}

/// `weights` from 1, a revision each.
fn weighted_house(weights: u32) -> House {
    let mut house = House::bare();
    for weight in 1..=weights {
        house.configure(weighted(weight)).expect("it is valid");
    }
    house
}

#[test]
fn a_rollback_is_a_new_revision_with_author_diff_and_note() {
    let mut house = weighted_house(3);
    let back = roll_back(&house, 1);
    assert_eq!(house.order(back), Ok(Applied::Revision(RevisionId(4))));
    assert_eq!(*house.state.config, weighted(1));
    let made = house.state.revisions.back().expect("four were made");
    assert_eq!(made.diff, ["~ farm[shop].server[s1]: weight 3 -> 1"]);
    assert_eq!(
        (made.author.0.as_str(), made.note.as_str()),
        ("ada", "it was better")
    );
    let again = roll_back(&house, 1);
    assert_eq!(house.order(again), Ok(Applied::Unchanged), "it is so");
    let forward = roll_back(&house, 3);
    assert_eq!(house.order(forward), Ok(Applied::Revision(RevisionId(5))));
    assert_eq!(*house.state.config, weighted(3));
}

#[test]
fn what_servers_are_ordered_to_be_today_is_kept() {
    let mut house = House::bare();
    house.configure(shop(3)).expect("it is valid");
    house.admin("s2", AdminState::Drain).expect("it was ready");
    house.configure(shop(1)).expect("it is valid");
    house
        .admin("s1", AdminState::Maintenance)
        .expect("it was ready");

    // Revision 2 is the order to s2: its configuration is that of revision 1.
    let back = roll_back(&house, 2);
    assert_eq!(house.order(back), Ok(Applied::Revision(RevisionId(5))));
    let servers = &house.state.config.farms["shop"].servers;
    let ordered: Vec<_> = servers.values().map(|server| server.admin).collect();
    assert_eq!(
        ordered,
        [
            AdminState::Maintenance,
            AdminState::Ready,
            AdminState::Ready
        ],
        "s2 was not there today, so nobody orders it to drain today"
    );
}

#[test]
fn what_is_not_kept_or_not_valid_any_more_is_refused() {
    let mut house = weighted_house(60);
    let refused = |wanted| {
        Err(Reject::RevisionNotKept {
            wanted: RevisionId(wanted),
            oldest: RevisionId(11),
            newest: RevisionId(60),
        })
    };
    for wanted in [0, 1, 10, 61] {
        let back = roll_back(&house, wanted);
        assert_eq!(house.order(back), refused(wanted), "{wanted}");
    }
    let back = roll_back(&house, 11);
    assert_eq!(house.order(back), Ok(Applied::Revision(RevisionId(61))));

    let moved = Command::Rollback {
        author: Author("ada".to_owned()),
        base: RevisionId(60),
        to: RevisionId(30),
        note: String::new(),
    };
    let error = house.order(moved).expect_err("somebody came between");
    assert_eq!(error.code(), "FMX-S030");

    // The VIP of the old revision is a node's address today.
    let mut config = weighted(1);
    let vip = config.vips.get_mut("front").expect("it is there");
    vip.address = [10, 0, 0, 101].into();
    house.configure(config).expect("it is valid");
    let node = Node {
        peer_addresses: vec![([10, 0, 0, 100], 7946).into()],
        admin_address: ([10, 0, 0, 100], 9443).into(),
        ..balancer("lb2", 2)
    };
    house.join(node);
    let back = roll_back(&house, 40);
    let error = house.order(back).expect_err("the address is taken");
    assert_eq!(error.code(), "FMX-S031");
}

#[test]
fn large_configurations_are_kept_less_often() {
    let mut past = Past::default();
    let mut config = shop(0);
    for n in 0..5_000_u32 {
        let [_, _, high, low] = n.to_be_bytes();
        let address = [10, 9, high, low].into();
        let server = Server {
            address,
            ..server(1)
        };
        shop_of(&mut config)
            .servers
            .insert(name(&format!("s{n}")), server);
    }
    let config = Arc::new(config);
    for revision in 1..=30 {
        past.keep(RevisionId(revision), &config);
    }
    assert_eq!(past.oldest(), Some(RevisionId(11)), "twenty of 5,000");
}

#[test]
fn too_many_servers_are_counted_and_nothing_else() {
    let mut config = shop(1);
    for n in 0..15_000_u32 {
        // All of them are twins: that is not told, since it is not looked at.
        shop_of(&mut config)
            .servers
            .insert(name(&format!("t{n}")), server(1));
    }
    let faults = config.faults(&BTreeMap::new());
    let have = 15_001;
    let max = 5_000;
    let wanted = Fault {
        at: "farm.server".to_owned(),
        kind: FaultKind::TooMany { have, max },
    };
    assert_eq!(faults, [wanted]);
}
