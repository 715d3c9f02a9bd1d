//! Things of one address, which are each other's parents by themselves; and whose failure it was.

use super::causes::{parent, site};
use super::*;

/// Two farms and a watch on one machine, 10.0.0.21.
fn one_machine() -> House {
    let mut house = House::bare();
    let mut config = shop(2);
    let mut files = config.farms["shop"].clone();
    files.services = BTreeMap::from([(name("web"), service(81, Some(http_check())))]);
    config.farms.insert(name("files"), files);
    house.configure(config).expect("it is valid");
    for farm in ["shop", "files"] {
        for server in ["s1", "s2"] {
            house.report(farm, server, "web", Health::Up, "200 OK");
        }
    }
    house
}

#[test]
fn what_fails_together_on_one_machine_is_one_page() {
    let mut house = one_machine();
    house.report("shop", "s1", "web", Health::Down, "host unreachable");
    assert_eq!(house.pages(), Vec::<String>::new(), "files/s1 is asked");
    house.report("files", "s1", "web", Health::Down, "host unreachable");
    assert_eq!(
        house.pages(),
        ["DOWN shop/s1: host unreachable (1 of 2 up; 1 server in 1 farm affected)"]
    );
    assert_eq!(house.cause("files/s1"), Some("shop/s1".to_owned()));
    house.report("files", "s1", "web", Health::Up, "200 OK");
    house.report("shop", "s1", "web", Health::Up, "200 OK");
    assert_eq!(house.pages().len(), 2);
}

#[test]
fn what_fails_alone_on_a_machine_is_paged_once_the_other_answers() {
    let mut house = one_machine();
    house.report(
        "shop",
        "s1",
        "web",
        Health::Down,
        "status 500, expected 200",
    );
    let mut answer = change("files", "s1", "web", Health::Up, "200 OK", house.at);
    answer.answers = 1;
    let taken = house.order(reported(owner(1, 1), vec![answer]));
    assert_eq!(taken, Ok(Applied::Done));
    assert_eq!(
        house.pages(),
        ["DOWN shop/s1: status 500, expected 200 (1 of 2 up)"]
    );
}

/// Three farms: two on one machine, and `files` depends on watch `fs1`.
fn machine_behind_a_file_server() -> House {
    let mut house = one_machine();
    let mut config = house.state.config.as_ref().clone();
    let mut watch = site(OnParentDown::Keep).state.config.watches["fs1"].clone();
    watch.depends_on.clear();
    config.watches.insert(name("fs1"), watch);
    let files = config.farms.get_mut("files").expect("it is there");
    files.depends_on.insert(parent("fs1"));
    house.configure(config).expect("it is valid");
    house.watch("fs1", Health::Up);
    house
}

#[test]
fn who_failed_with_its_machine_is_not_kept_when_its_parent_fails_too() {
    let mut house = machine_behind_a_file_server();
    for farm in ["shop", "files"] {
        house.report(farm, "s1", "web", Health::Down, "host unreachable");
    }
    assert_eq!(house.cause("files/s1"), Some("shop/s1".to_owned()));
    house.watch("fs1", Health::Down);
    let sway = |server: &str| house.state.sway(&name("files"), &name(server));
    assert_eq!(sway("s1"), Sway::None, "its machine is gone");
    assert_eq!(sway("s2"), Sway::Kept);
}

#[test]
fn an_active_falls_by_its_own_failure_and_not_by_its_parents() {
    let mut house = site(OnParentDown::Keep);
    let mut config = house.state.config.as_ref().clone();
    let shop = config.farms.get_mut("shop").expect("it is there");
    for server in shop.servers.values_mut() {
        server.role = ServerRole::Active;
    }
    house.configure(config).expect("it is valid");
    house.watch("fs1", Health::Down);
    house.watch("switch1", Health::Up);
    house.down("s1");
    house.watch("fs1", Health::Up);
    house.recover("s1");
    house.down("s2");
    house.end_holds().expect("s2 waits for its parents");
    house.recover("s2");
    let role = |server: &str| house.state.role_now(&name("shop"), &name(server));
    assert_eq!(role("s1"), Some(ServerRole::Active));
    assert_eq!(role("s2"), Some(ServerRole::Standby));
}
