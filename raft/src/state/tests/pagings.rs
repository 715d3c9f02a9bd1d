//! Pages: which ones are written, and with which ids.

use super::*;

#[test]
fn a_server_goes_down_and_comes_back() {
    let mut house = House::up();
    assert_eq!(
        house.pages(),
        Vec::<String>::new(),
        "from unknown to up is no news"
    );
    house.down("s2");
    house.at += 190_000;
    house.recover("s2");
    assert_eq!(
        house.pages(),
        [
            "DOWN shop/s2: connection refused (3 of 4 up)",
            "UP shop/s2: up again after 3m 11s (4 of 4 up)",
        ]
    );
    let evidence = house
        .state
        .pages
        .iter()
        .next()
        .map(|page| page.evidence.clone());
    let wanted = "check web on 10.0.0.22:80: connection refused, seen by lb1";
    assert_eq!(evidence, Some(vec![wanted.to_owned()]));
}

#[test]
fn a_server_that_was_never_up_is_paged_when_it_is_down() {
    let mut house = House::full();
    house.down("s1");
    assert_eq!(
        house.pages(),
        ["DOWN shop/s1: connection refused (0 of 4 up, 3 unknown)"]
    );
}

#[test]
fn a_server_with_several_checks_is_one_subject() {
    let mut house = House::up();
    let mut config = shop(4);
    shop_of(&mut config)
        .services
        .insert(name("api"), service(81, Some(http_check())));
    house.configure(config).expect("it is valid");
    for n in 1..=4 {
        house.report("shop", &format!("s{n}"), "api", Health::Up, "");
    }
    house.report("shop", "s1", "api", Health::Down, "status 500");
    house.down("s1");
    house.report("shop", "s1", "api", Health::Up, "");
    assert_eq!(
        house.pages(),
        ["DOWN shop/s1: api: status 500 (3 of 4 up)"],
        "web still fails"
    );
    house.recover("s1");
    assert_eq!(house.pages().len(), 2);
}

#[test]
fn the_last_server_takes_the_farm_with_it() {
    let mut house = House::bare();
    house.configure(shop(2)).expect("it is valid");
    for server in ["s1", "s2"] {
        house.recover(server);
    }
    house.down("s1");
    house.down("s2");
    house.recover("s1");
    assert_eq!(
        house.pages(),
        [
            "DOWN shop/s1: connection refused (1 of 2 up)",
            "DOWN shop/s2: connection refused (0 of 2 up)",
            "DOWN farm shop: no server left (0 of 2 up)",
            "UP shop/s1: up again after 2.0s (1 of 2 up)",
            "UP farm shop: serving again after 1.0s (1 of 2 up)",
        ]
    );
}

#[test]
fn a_new_farm_is_not_down_before_every_verdict_is_in() {
    let mut house = House::bare();
    house.configure(shop(2)).expect("it is valid");
    house.down("s1");
    assert_eq!(house.pages().len(), 1, "s2 may still be up");
    house.down("s2");
    assert_eq!(house.pages().len(), 3);
}

#[test]
fn what_is_ordered_out_is_not_paged_unless_a_failure_makes_it_the_last() {
    let mut house = House::bare();
    house.configure(shop(2)).expect("it is valid");
    for server in ["s1", "s2"] {
        house.recover(server);
        house
            .admin(server, AdminState::Drain)
            .expect("it was ready");
    }
    assert_eq!(house.pages(), Vec::<String>::new(), "both were ordered out");
    house.admin("s1", AdminState::Ready).expect("it was not");
    house.down("s1");
    assert_eq!(
        house.pages(),
        [
            "DOWN shop/s1: connection refused (0 of 2 up, 1 draining)",
            "DOWN farm shop: no server left (0 of 2 up, 1 draining)",
        ]
    );
}

#[test]
fn maintenance_closes_an_incident_without_a_word() {
    let mut house = House::up();
    house.down("s2");
    house
        .admin("s2", AdminState::Maintenance)
        .expect("it was ready");
    assert_eq!(house.pages().len(), 1);
    assert!(house.state.incidents.is_empty());
    house.admin("s2", AdminState::Ready).expect("it was not");
    house.down("s2");
    assert_eq!(
        house.pages().len(),
        2,
        "a new incident with a page of its own"
    );
    let ids: std::collections::BTreeSet<_> = house.state.pages.iter().map(|p| p.id).collect();
    assert_eq!(ids.len(), 2);
}

#[test]
fn what_is_removed_closes_without_a_word_and_never_reuses_an_id() {
    let mut house = House::up();
    house.down("s4");
    let first = house.state.pages.iter().next().map(|page| page.id);
    house.configure(shop(3)).expect("it is valid");
    assert!(house.state.incidents.is_empty());
    assert_eq!(house.pages().len(), 1);
    house.configure(shop(4)).expect("it is valid");
    house.down("s4");
    let second = house.state.pages.iter().last().map(|page| page.id);
    assert_ne!(first, second);
}

#[test]
fn a_lost_majority_is_told_when_it_is_found() {
    let mut house = House::full();
    let at = house.at;
    let report = |lost, regained| Command::ReportQuorum {
        lost: UnixMillis(lost),
        regained: UnixMillis(regained),
        by: None,
    };
    assert_eq!(
        house.order(report(at, at - 1)),
        Err(Reject::QuorumBackwards)
    );
    assert_eq!(house.order(report(at, at + 75_000)), Ok(Applied::Done));
    // Another node noticed the same loss a little later: it is the same.
    let again = report(at + 900, at + 75_400);
    assert_eq!(house.order(again), Ok(Applied::Unchanged));
    assert_eq!(
        house.pages(),
        [
            "DOWN quorum: no majority of the nodes answered: nothing could be changed ()",
            "UP quorum: a majority answers again after 1m 15s (3 of 3 nodes)",
        ]
    );
    assert!(house.state.incidents.is_empty());
}

#[test]
fn ten_thousand_pages_are_kept_and_open_ones_last_longest() {
    let mut house = House::up();
    house.down("s1");
    let open = house.state.pages.iter().next().expect("it was paged").id;
    let ballot = |counter, node| Ballot {
        counter,
        node: NodeId(node),
    };
    for n in 1..=10_005 {
        let vip = name("front");
        let proposal = Proposal {
            id: RequestId(1_000_000 + u128::from(n)),
            at: UnixMillis(house.at),
            command: Command::ReportVip {
                vip,
                ballot: ballot(n + 1, 1 + n % 2),
            },
        };
        assert_eq!(house.state.apply(1, proposal), Ok(Applied::Done));
    }
    assert_eq!(house.state.pages.len(), PAGES_MAX);
    assert!(
        house.state.pages.get(&open).is_some(),
        "it is the oldest, but open"
    );
}

#[test]
fn a_page_id_depends_on_cluster_subject_and_transition_only() {
    let (farm, server) = shop_server("s1");
    let subjects = [
        Subject::Server(farm.clone(), server),
        Subject::Server(name("shops"), name("1")),
        Subject::Farm(farm),
        Subject::Node(NodeId(1)),
        Subject::Node(NodeId(2)),
        Subject::Vip(name("shop")),
        Subject::Quorum,
        Subject::Channel(name("shop"), ChannelKind::Mail),
        Subject::Channel(name("shop"), ChannelKind::Snpp),
        Subject::Path(NodeId(1)),
        Subject::Path(NodeId(2)),
    ];
    let mut ids = std::collections::BTreeSet::new();
    for cluster in [ClusterId(1), ClusterId(2)] {
        for transition in [1, 2] {
            ids.extend(
                subjects
                    .iter()
                    .map(|subject| page_id(cluster, subject, transition)),
            );
        }
    }
    assert_eq!(ids.len(), 2 * 2 * subjects.len(), "no two are equal");
    // For ever: receivers fold by it, across versions of farmux.
    let golden = page_id(ClusterId(7), &Subject::Quorum, 1);
    assert_eq!(golden.to_string(), "46e888dc254c3db0c9b79e19ee7daad2");
}
