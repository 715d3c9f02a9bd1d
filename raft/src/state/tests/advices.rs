//! What servers ask for on their own pages: remembered, counted in, never paged.

use super::*;

impl House {
    /// The server is up, and its page asks for this.
    fn advise(&mut self, server: &str, service: &str, advice: Advice) -> Result<Applied, Reject> {
        let seen = change("shop", server, service, Health::Up, "200 OK", self.at);
        let change = HealthChange { advice, ..seen };
        self.order(reported(owner(1, 1), vec![change]))
    }

    fn serves(&self, server: &str, service: &str) -> bool {
        let (farm, server) = shop_server(server);
        self.state.serves(&farm, &server, &name(service))
    }

    fn told(&self) -> String {
        self.state.farm_standing(&name("shop")).to_string()
    }

    fn condition(&self) -> FarmCondition {
        self.state.farm_condition(&name("shop"))
    }
}

fn weight(weight: u32) -> Advice {
    Advice::Weight(NonZeroU32::new(weight).expect("not 0"))
}

#[test]
fn advice_alone_is_news_and_pages_nobody() {
    let mut house = House::up();
    let key = check_key("shop", "s1", "web");
    let since = house.state.health[&key].since;
    for advice in [
        Advice::Overload,
        weight(7),
        weight(8),
        Advice::Quiesce,
        Advice::None,
    ] {
        house.at += 5_000;
        assert_eq!(house.advise("s1", "web", advice), Ok(Applied::Done));
        assert_eq!(house.advise("s1", "web", advice), Ok(Applied::Unchanged));
        assert_eq!(house.state.check_advice(&key), advice);
        assert_eq!(house.state.health[&key].since, since, "up all the while");
    }
    assert_eq!(house.pages(), [""; 0]);
}

#[test]
fn who_quiesces_is_counted_as_who_drains() {
    let mut house = House::up();
    house.advise("s1", "web", Advice::Quiesce).expect("taken");
    house.advise("s2", "web", Advice::Overload).expect("taken");
    house.advise("s3", "web", weight(3)).expect("taken");
    assert_eq!(house.told(), "3 of 4 up, 1 quiesced");
    assert!(!house.serves("s1", "web"));
    assert!(house.serves("s2", "web"), "overload is no order to leave");
    assert_eq!(house.condition(), FarmCondition::Serving);

    house.admin("s1", AdminState::Drain).expect("it was ready");
    assert_eq!(house.told(), "3 of 4 up, 1 draining", "the order is told");
    house.admin("s1", AdminState::Ready).expect("it drained");
    house.down("s1");
    assert_eq!(house.told(), "3 of 4 up", "a failure ends it");
}

/// An order, so nobody is called; unless the others failed.
#[test]
fn a_farm_that_quiesces_as_a_whole_is_not_down() {
    let mut house = House::up();
    for server in ["s1", "s2", "s3", "s4"] {
        house.advise(server, "web", Advice::Quiesce).expect("taken");
    }
    assert_eq!(house.told(), "0 of 4 up, 4 quiesced");
    assert_eq!(house.condition(), FarmCondition::Undecided);
    assert_eq!(house.pages(), [""; 0]);
    house.advise("s2", "web", Advice::None).expect("taken");
    assert_eq!(house.condition(), FarmCondition::Serving);

    let mut house = House::up();
    for server in ["s1", "s2", "s3", "s4"] {
        house
            .advise(server, "web", Advice::Overload)
            .expect("taken");
    }
    assert_eq!(house.told(), "4 of 4 up", "they are all used");
    assert_eq!(house.condition(), FarmCondition::Serving);
}

/// (fate, web's page, api's page) -> (web's advice, api's, whether they serve, the standing).
#[test]
fn fate_decides_whose_page_counts() {
    use Advice::{None as Nothing, Overload, Quiesce};
    type Row = (Fate, [Advice; 2], [Advice; 2], [bool; 2], &'static str);
    let rows: [Row; 6] = [
        (
            Fate::Shared,
            [Nothing, Quiesce],
            [Quiesce; 2],
            [false; 2],
            "0 of 1 up, 1 quiesced",
        ),
        (
            Fate::Each,
            [Nothing, Quiesce],
            [Nothing, Quiesce],
            [true, false],
            "1 of 1 up",
        ),
        (
            Fate::Each,
            [Quiesce; 2],
            [Quiesce; 2],
            [false; 2],
            "0 of 1 up, 1 quiesced",
        ),
        (
            Fate::Shared,
            [weight(9), Overload],
            [Overload; 2],
            [true; 2],
            "1 of 1 up",
        ),
        (
            Fate::Shared,
            [weight(9), weight(2)],
            [weight(2); 2],
            [true; 2],
            "1 of 1 up",
        ),
        (
            Fate::Each,
            [weight(9), weight(2)],
            [weight(9), weight(2)],
            [true; 2],
            "1 of 1 up",
        ),
    ];
    for (fate, pages, advised, serve, standing) in rows {
        let mut house = House::bare();
        let mut config = shop(1);
        let farm = shop_of(&mut config);
        farm.fate = fate;
        let check = service(81, Some(http_check()));
        farm.services.insert(name("api"), check);
        house.configure(config).expect("it is valid");
        for (called, page) in [("web", pages[0]), ("api", pages[1])] {
            house.advise("s1", called, page).expect("taken");
        }
        let (farm, s1) = shop_server("s1");
        let asked = |called| house.state.service_advice(&farm, &s1, &name(called));
        assert_eq!(["web", "api"].map(asked), advised, "{fate:?} {pages:?}");
        assert_eq!(
            ["web", "api"].map(|called| house.serves("s1", called)),
            serve
        );
        assert_eq!(house.told(), standing, "{fate:?} {pages:?}");
        let strictest = pages[0].stricter(pages[1]);
        assert_eq!(house.state.server_advice(&farm, &s1), strictest);
    }
}

/// A page that is obeyed no more has no say, also on nodes that do not probe, and before any probe
/// has taken its last word back.
#[test]
fn advice_ends_with_the_check_that_obeyed() {
    let obeying = |obey| {
        let mut config = shop(1);
        let check = &mut shop_of(&mut config).services.values_mut().next();
        let check = check.as_mut().and_then(|service| service.check.as_mut());
        match check.map(|check| &mut check.kind) {
            Some(CheckKind::Http(http)) => http.obey = obey,
            other => panic!("the shop is asked over HTTP: {other:?}"),
        }
        config
    };
    let key = check_key("shop", "s1", "web");
    let mut house = House::bare();
    house.configure(obeying(true)).expect("it is valid");
    house.advise("s1", "web", Advice::Quiesce).expect("taken");
    let mut other = obeying(true);
    server_of(&mut other, "s1").weight = NonZeroU32::new(7).expect("not 0");
    house.configure(other).expect("it is valid");
    assert_eq!(house.state.check_advice(&key), Advice::Quiesce);
    house.configure(obeying(false)).expect("it is valid");
    assert_eq!(house.state.check_advice(&key), Advice::None);
    assert_eq!(house.state.check_health(&key), Health::Up);
}
