//! Standings: what health and orders amount to, under both fates.

use super::*;

/// A farm with one server and two services; `None`: the service has no check.
fn farm_of(fate: Fate, web: Option<Health>, api: Option<Health>) -> House {
    let mut house = House::bare();
    let mut config = shop(1);
    let farm = shop_of(&mut config);
    farm.fate = fate;
    farm.services.clear();
    for (called, port, health) in [("web", 80, web), ("api", 81, api)] {
        farm.services
            .insert(name(called), service(port, health.map(|_| http_check())));
    }
    house.configure(config).expect("it is valid");
    for (called, health) in [("web", web), ("api", api)] {
        match health {
            Some(health @ (Health::Up | Health::Down)) => {
                house.report("shop", "s1", called, health, "so it is");
            }
            Some(Health::Unknown) | None => {}
        }
    }
    house
}

#[test]
fn fate_decides_what_a_failing_check_takes_its_server_out_of() {
    use Health::{Down, Unknown, Up};
    // (web's verdict, api's verdict) -> (shared: web serves, api serves; each: web, api)
    let table = [
        ((Some(Up), Some(Up)), [true, true, true, true]),
        ((Some(Up), Some(Down)), [false, false, true, false]),
        ((Some(Up), Some(Unknown)), [true, false, true, false]),
        ((Some(Down), Some(Down)), [false, false, false, false]),
        ((Some(Down), Some(Unknown)), [false, false, false, false]),
        ((Some(Unknown), Some(Unknown)), [false, false, false, false]),
        ((Some(Up), None), [true, true, true, true]),
        ((Some(Down), None), [false, false, false, true]),
        ((Some(Unknown), None), [false, false, false, true]),
        ((None, None), [true, true, true, true]),
    ];
    for ((web, api), wanted) in table {
        let mut seen = Vec::new();
        for fate in [Fate::Shared, Fate::Each] {
            let state = farm_of(fate, web, api).state;
            let (farm, s1) = shop_server("s1");
            seen.extend(["web", "api"].map(|called| state.serves(&farm, &s1, &name(called))));
        }
        assert_eq!(seen, wanted, "web {web:?}, api {api:?}");
    }
}

#[test]
fn a_server_is_down_with_its_first_check_and_up_with_its_last() {
    use Health::{Down, Unknown, Up};
    for (web, api, wanted) in [
        (Some(Up), Some(Up), Up),
        (Some(Up), Some(Down), Down),
        (Some(Down), Some(Unknown), Down),
        (Some(Up), Some(Unknown), Unknown),
        (Some(Up), None, Up),
        (None, None, Up),
    ] {
        for fate in [Fate::Shared, Fate::Each] {
            let (farm, s1) = shop_server("s1");
            let seen = farm_of(fate, web, api).state.server_health(&farm, &s1);
            assert_eq!(seen, wanted, "web {web:?}, api {api:?}, {fate:?}");
        }
    }
}

#[test]
fn orders_take_a_server_out_whatever_its_health() {
    let mut house = House::up();
    let (farm, s1) = shop_server("s1");
    for admin in [AdminState::Drain, AdminState::Maintenance] {
        house.admin("s1", admin).expect("it was not so");
        assert!(!house.state.serves(&farm, &s1, &web()), "{admin}");
    }
}

#[test]
fn a_standing_counts_each_server_once() {
    let mut house = House::full();
    house.recover("s1");
    house.down("s2");
    house.recover("s3");
    house.admin("s3", AdminState::Drain).expect("it was ready");
    let standing = house.state.farm_standing(&name("shop"));
    assert_eq!(standing.to_string(), "1 of 4 up, 1 unknown, 1 draining");
    assert_eq!(standing.total(), 4);
    let counts = house.state.counts();
    assert_eq!(
        (counts.farms, counts.servers, counts.incidents),
        (1, standing, 1)
    );
    assert_eq!((counts.pages, counts.deliveries_due), (1, 1));
}
