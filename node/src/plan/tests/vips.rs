//! Farms behind several VIPs: everybody listens on all of them, and one owner probes.

use super::*;

fn state() -> State {
    let both = DOCUMENT.replace(
        "name = \"shop\"\nvip = \"front\"",
        "name = \"shop\"\nvip = \"front\"\nmore_vips = [\"back\"]",
    );
    // The other farm keeps out of the way: its port on that VIP is another one.
    let both = both.replace("kind = \"tcp\"\nport = 80\n", "kind = \"tcp\"\nport = 81\n");
    super::state_of(&both)
}

#[test]
fn a_service_is_listened_for_on_every_vip_of_its_farm() {
    let plan = Place::standby().plan(&state());
    let listens: Vec<String> = plan
        .services
        .iter()
        .flat_map(|(key, service)| service.listens().map(move |at| format!("{key} {at}")))
        .collect();
    assert_eq!(
        listens,
        [
            "shop/raw 10.0.0.100:8080",
            "shop/raw 10.1.0.100:8080",
            "shop/web 10.0.0.100:80",
            "shop/web 10.1.0.100:80",
            "wiki/web 10.1.0.100:81",
        ]
    );
}

#[test]
fn the_owner_of_the_first_owned_vip_probes_and_nobody_else() {
    let leader = Some(Authority::Leader { term: 7, node: ME });
    let owner = Some(Authority::Owner(ballot(ME)));
    let beside = Some(Authority::OwnerBeside {
        place: 0,
        ballot: ballot(ME),
    });
    let at = Place::standby;
    let table = [
        ("both are ours", at().holds("front").holds("back"), owner),
        (
            "the first is ours",
            at().holds("front").sees("back", OTHER),
            owner,
        ),
        (
            "the second is ours",
            at().holds("back").sees("front", OTHER),
            None,
        ),
        ("nobody has the first", at().holds("back"), beside),
        (
            "nobody has the first, and we lead",
            at().holds("back").leads(7),
            beside,
        ),
        (
            "another has the second",
            at().sees("back", OTHER).leads(7),
            None,
        ),
        ("nobody has any", at().leads(7), leader),
    ];
    let state = state();
    for (what, place, expected) in table {
        let check = CheckKey::Server {
            farm: "shop".parse().expect("a name"),
            server: "s1".parse().expect("a name"),
            service: "web".parse().expect("a name"),
        };
        assert_eq!(
            authority(&place.stand(), &state, &check),
            expected,
            "{what}"
        );
    }
}
