//! Health: who may report it, what is remembered, what a change of the configuration leaves of it.

use super::*;

fn verdict(house: &House, server: &str) -> Health {
    house.state.check_health(&check_key("shop", server, "web"))
}

#[test]
fn the_first_reason_stays_with_its_time_and_a_repeat_changes_nothing() {
    let mut house = House::full();
    let down = |at| change("shop", "s1", "web", Health::Down, "refused\r\n\0now", at);
    let seen = house.at;
    assert_eq!(
        house.order(reported(owner(1, 1), vec![down(seen)])),
        Ok(Applied::Done)
    );
    assert_eq!(
        house.order(reported(owner(1, 1), vec![down(seen + 9)])),
        Ok(Applied::Unchanged)
    );
    let record = &house.state.health[&check_key("shop", "s1", "web")];
    assert_eq!(record.reason, "refused now");
    assert_eq!(record.since, UnixMillis(seen));

    let other = change("shop", "s1", "web", Health::Down, "timeout", seen + 9);
    assert_eq!(
        house.order(reported(owner(1, 1), vec![other])),
        Ok(Applied::Done)
    );
    let record = &house.state.health[&check_key("shop", "s1", "web")];
    assert_eq!(
        (record.reason.as_str(), record.since),
        ("timeout", UnixMillis(seen))
    );
    assert_eq!(house.pages().len(), 1, "another reason is no second page");
}

#[test]
fn a_prober_cannot_tell_the_future() {
    let mut house = House::full();
    let down = change(
        "shop",
        "s1",
        "web",
        Health::Down,
        "refused",
        house.at + 86_400_000,
    );
    house
        .order(reported(owner(1, 1), vec![down]))
        .expect("it is taken");
    assert_eq!(
        house.state.health[&check_key("shop", "s1", "web")].since,
        UnixMillis(house.at)
    );
}

#[test]
fn items_that_nobody_checks_are_passed_over_one_by_one() {
    let mut house = House::full();
    house
        .admin("s2", AdminState::Maintenance)
        .expect("it was ready");
    let at = house.at;
    let changes = vec![
        change("nothing", "s1", "web", Health::Down, "x", at),
        change("shop", "s9", "web", Health::Down, "x", at),
        change("shop", "s1", "ftp", Health::Down, "x", at),
        change("shop", "s1", "web", Health::Unknown, "x", at),
        change("shop", "s2", "web", Health::Down, "x", at),
    ];
    assert_eq!(
        house.order(reported(owner(1, 1), changes.clone())),
        Ok(Applied::Unchanged)
    );
    let with_one = changes
        .into_iter()
        .chain([change("shop", "s3", "web", Health::Up, "", at)]);
    assert_eq!(
        house.order(reported(owner(1, 1), with_one.collect())),
        Ok(Applied::Done)
    );
    assert_eq!(house.state.health.len(), 1);
    assert_eq!(verdict(&house, "s3"), Health::Up);
}

#[test]
fn a_report_needs_the_newest_authority() {
    let leader = |term, node| Authority::Leader {
        term,
        node: NodeId(node),
    };
    for (authority, code) in [
        (owner(1, 4), Some("FMX-S040")),
        (owner(2, 4), Some("FMX-S040")),
        (owner(1, 5), None),
        (owner(2, 5), None),
        (owner(3, 6), Some("FMX-S016")),
        (owner(9, 6), Some("FMX-S010")),
        (leader(1, 1), None),
        (leader(0, 1), Some("FMX-S041")),
        (leader(2, 1), Some("FMX-S041")),
        (leader(1, 9), Some("FMX-S010")),
    ] {
        let mut house = House::full();
        let first = change("shop", "s1", "web", Health::Up, "", house.at);
        house
            .order(reported(owner(1, 5), vec![first]))
            .expect("it is the first");
        let down = change("shop", "s1", "web", Health::Down, "x", house.at);
        let answer = house.order(reported(authority, vec![down]));
        assert_eq!(
            answer.as_ref().err().map(Reject::code),
            code,
            "{authority:?}"
        );
        let wanted = if code.is_none() {
            Health::Down
        } else {
            Health::Up
        };
        assert_eq!(verdict(&house, "s1"), wanted, "{authority:?}");
    }
}

#[test]
fn one_report_carries_a_thousand_changes() {
    let mut house = House::full();
    let up = change("shop", "s1", "web", Health::Up, "", house.at);
    let refused = house.order(reported(owner(1, 1), vec![up.clone(); 1_001]));
    assert_eq!(
        refused,
        Err(Reject::TooManyChanges {
            have: 1_001,
            max: 1_000
        })
    );
    assert_eq!(
        house.order(reported(owner(1, 1), vec![up; 1_000])),
        Ok(Applied::Done)
    );
}

#[test]
fn another_address_or_port_is_another_server() {
    let mut house = House::up();
    let mut config = shop(4);
    server_of(&mut config, "s1").address = [10, 0, 0, 77].into();
    let port = NonZeroU16::new(8080).expect("not zero");
    server_of(&mut config, "s2").ports.insert(web(), port);
    server_of(&mut config, "s3").weight = NonZeroU32::new(9).expect("not zero");
    house.configure(config).expect("it is valid");
    let verdicts = ["s1", "s2", "s3", "s4"].map(|server| verdict(&house, server));
    assert_eq!(
        verdicts,
        [Health::Unknown, Health::Unknown, Health::Up, Health::Up]
    );
}

#[test]
fn a_changed_check_goes_on_from_what_is_known() {
    let mut house = House::up();
    let mut config = shop(4);
    let web = shop_of(&mut config)
        .services
        .get_mut("web")
        .expect("it is there");
    web.check = Some(Check {
        kind: CheckKind::Tcp,
        ..http_check()
    });
    house.configure(config).expect("it is valid");
    assert_eq!(verdict(&house, "s1"), Health::Up);
}

#[test]
fn a_first_check_does_not_take_a_running_service_down() {
    let mut house = House::bare();
    let mut config = shop(2);
    shop_of(&mut config)
        .services
        .insert(web(), service(80, None));
    house.configure(config).expect("it is valid");
    let (farm, s1) = shop_server("s1");
    assert!(house.state.serves(&farm, &s1, &web()));
    house.configure(shop(2)).expect("it is valid");
    assert!(
        house.state.serves(&farm, &s1, &web()),
        "it was served, and still is"
    );
    house.report("shop", "s1", "web", Health::Down, "it never worked");
    assert!(!house.state.serves(&farm, &s1, &web()));
}

#[test]
fn a_new_service_does_not_take_a_running_farm_down() {
    let mut house = House::up();
    let mut config = shop(4);
    shop_of(&mut config)
        .services
        .insert(name("new"), service(81, Some(http_check())));
    house.configure(config).expect("it is valid");
    let (farm, s1) = shop_server("s1");
    assert!(house.state.serves(&farm, &s1, &web()));
    assert!(
        !house.state.serves(&farm, &s1, &name("new")),
        "unknown is not served"
    );
    assert_eq!(house.state.farm_standing(&farm).to_string(), "4 of 4 up");
}

#[test]
fn after_maintenance_a_server_has_to_prove_itself() {
    let mut house = House::up();
    house
        .admin("s1", AdminState::Maintenance)
        .expect("it was ready");
    house.admin("s1", AdminState::Ready).expect("it was not");
    assert_eq!(verdict(&house, "s1"), Health::Unknown);
}
