//! Roles, thresholds, and orders that would leave nobody.

use super::*;

fn with(change: impl FnOnce(&mut Farm)) -> House {
    let mut house = House::bare();
    let mut config = shop(4);
    change(config.farms.get_mut("shop").expect("it is there"));
    house.configure(config).expect("it is valid");
    for server in ["s1", "s2", "s3", "s4"] {
        house.recover(server);
    }
    house
}

fn role_now(house: &House, server: &str) -> ServerRole {
    let role = house.state.role_now(&name("shop"), &name(server));
    role.expect("it is there")
}

#[test]
fn an_active_that_failed_stands_by_until_an_operator_says_ready() {
    let mut house = with(|farm| {
        for (server, role) in [("s1", ServerRole::Active), ("s2", ServerRole::Favorite)] {
            farm.servers.get_mut(server).expect("it is there").role = role;
        }
    });
    for server in ["s1", "s2"] {
        house.down(server);
        house.recover(server);
    }
    assert_eq!(role_now(&house, "s1"), ServerRole::Standby);
    assert_eq!(
        role_now(&house, "s2"),
        ServerRole::Favorite,
        "it returns by itself"
    );
    assert_eq!(house.admin("s1", AdminState::Ready), Ok(Applied::Done));
    assert_eq!(role_now(&house, "s1"), ServerRole::Active);
    assert_eq!(house.admin("s1", AdminState::Ready), Ok(Applied::Unchanged));
}

#[test]
fn too_few_servers_are_paged_as_degraded_and_fewer_as_down() {
    let mut house = with(|farm| {
        farm.degraded_below = 4;
        farm.down_below = NonZeroU32::new(2).expect("not zero");
    });
    for server in ["s1", "s2", "s3"] {
        house.down(server);
    }
    let of_farm = |house: &House| -> Vec<String> {
        let pages = house.pages().into_iter();
        pages.filter(|page| page.contains(" farm shop")).collect()
    };
    assert_eq!(
        of_farm(&house),
        [
            "DEGRADED farm shop: 3 of 4 up, fewer than 4 (3 of 4 up)",
            "DOWN farm shop: 1 of 4 up, fewer than 2 (1 of 4 up)",
        ]
    );
    for server in ["s1", "s2", "s3"] {
        house.recover(server);
    }
    let after = of_farm(&house);
    assert!(
        after[2].starts_with("UP farm shop: serving again after"),
        "{after:?}"
    );
    assert!(
        after[3].starts_with("UP farm shop: enough servers again after"),
        "{after:?}"
    );
    assert_eq!(after.len(), 4);
}

#[test]
fn a_shortage_by_order_is_nobodys_page() {
    let mut house = with(|farm| farm.degraded_below = 4);
    house.admin("s1", AdminState::Drain).expect("it was ready");
    assert_eq!(house.pages(), Vec::<String>::new());
    house.down("s2");
    assert_eq!(
        house.pages().len(),
        2,
        "the server, and the farm that is short of it"
    );
}

fn order(servers: Ordered, admin: AdminState, allow_empty: bool) -> Command {
    Command::SetAdmin(AdminOrder {
        author: Author("ada".to_owned()),
        servers,
        admin,
        allow_empty,
        comment: String::new(),
        until: None,
    })
}

#[test]
fn the_last_server_is_taken_out_only_on_purpose() {
    let mut house = with(|_| {});
    for server in ["s1", "s2", "s3"] {
        house.down(server);
    }
    let last = || Ordered::One(name("shop"), name("s4"));
    for admin in [AdminState::Drain, AdminState::Maintenance] {
        let refused = house.order(order(last(), admin, false));
        let wanted = Reject::LastServer {
            farm: name("shop"),
            server: name("s4"),
            service: name("web"),
        };
        assert_eq!(refused, Err(wanted), "{admin}");
    }
    let broken = Ordered::One(name("shop"), name("s1"));
    let drained = house.order(order(broken, AdminState::Drain, false));
    assert!(drained.is_ok(), "one that serves nobody may go");
    assert!(house.order(order(last(), AdminState::Drain, true)).is_ok());
}

#[test]
fn everything_of_one_address_is_ordered_in_one_revision() {
    let mut house = House::bare();
    let mut config = shop(2);
    let mut files = config.farms["shop"].clone();
    files.services = BTreeMap::from([(name("web"), service(81, None))]);
    config.farms.insert(name("files"), files);
    house.configure(config).expect("it is valid");
    let before = house.state.revision;
    let everywhere = || Ordered::Everywhere([10, 0, 0, 21].into());
    let answer = house.order(order(everywhere(), AdminState::Drain, false));
    assert_eq!(answer, Ok(Applied::Revision(RevisionId(before.0 + 1))));
    for farm in ["shop", "files"] {
        let servers = &house.state.config.farms[farm].servers;
        assert_eq!(servers["s1"].admin, AdminState::Drain);
        assert_eq!(servers["s2"].admin, AdminState::Ready);
    }
    let nobody = Ordered::Everywhere([10, 0, 0, 99].into());
    let refused = house.order(order(nobody, AdminState::Drain, false));
    assert_eq!(refused, Err(Reject::UnknownAddress([10, 0, 0, 99].into())));
}
