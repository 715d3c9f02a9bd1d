//! One page a cause: parents, and what becomes of traffic meanwhile.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// The shop of four servers behind file server `fs1`, which hangs on `switch1`.
pub(super) fn site(on_parent_down: OnParentDown) -> House {
    let mut house = House::bare();
    let mut config = shop(4);
    for (watch, address, parents) in [("fs1", 50, vec!["switch1"]), ("switch1", 51, vec![])] {
        let watch_of = Watch {
            address: [10, 0, 0, address].into(),
            port: Some(NonZeroU16::new(80).expect("not zero")),
            labels: BTreeMap::new(),
            group: None,
            check: Some(http_check()),
            depends_on: parents.into_iter().map(parent).collect(),
            ladder: None,
        };
        config.watches.insert(name(watch), watch_of);
    }
    let farm = config.farms.get_mut("shop").expect("it is there");
    farm.depends_on.insert(parent("fs1"));
    farm.on_parent_down = on_parent_down;
    house.configure(config).expect("it is valid");
    for watch in ["switch1", "fs1"] {
        house.watch(watch, Health::Up);
    }
    for server in ["s1", "s2", "s3", "s4"] {
        house.recover(server);
    }
    assert_eq!(house.pages(), Vec::<String>::new());
    house
}

pub(super) fn parent(text: &str) -> Parent {
    text.parse().expect("a parent")
}

impl House {
    /// Reports a watch, as the leader.
    pub(super) fn watch(&mut self, watch: &str, health: Health) {
        assert_eq!(self.report_watch(watch, health), Ok(Applied::Done));
    }

    pub(super) fn report_watch(&mut self, watch: &str, health: Health) -> Result<Applied, Reject> {
        self.answer_watch(watch, health, u64::MAX)
    }

    /// The same, in answer to questions up to this number.
    fn answer_watch(
        &mut self,
        watch: &str,
        health: Health,
        answers: u64,
    ) -> Result<Applied, Reject> {
        let reason = match health {
            Health::Up => "200 OK",
            Health::Down | Health::Unknown => "timeout",
        };
        let change = HealthChange {
            advice: Advice::None,
            check: CheckKey::Watch(name(watch)),
            health,
            reason: reason.to_owned(),
            at: UnixMillis(self.at),
            answers,
            reached: true,
            paged: false,
        };
        let authority = Authority::Leader {
            term: self.term,
            node: NodeId(1),
        };
        self.order(reported(authority, vec![change]))
    }

    /// Ends every hold that can end, as the leader does when its clock says so.
    pub(super) fn end_holds(&mut self) -> Result<Applied, Reject> {
        let ends = |(number, lasts): (u64, Option<Duration>)| lasts.map(|_| number);
        let numbers: BTreeSet<u64> = self.state.deadlines().filter_map(ends).collect();
        self.order(Command::EndHolds(numbers))
    }

    pub(super) fn cause(&self, member: &str) -> Option<String> {
        let cause = self.state.cause_of(&parent(member));
        cause.map(|cause| cause.to_string())
    }

    fn sway(&self, server: &str) -> Sway {
        self.state.sway(&name("shop"), &name(server))
    }
}

#[test]
fn a_file_server_that_fails_first_is_one_page_and_its_return_another() {
    let mut house = site(OnParentDown::Keep);
    house.watch("fs1", Health::Down);
    assert_eq!(house.pages(), Vec::<String>::new(), "the switch is asked");
    house.watch("switch1", Health::Up);
    for server in ["s1", "s2", "s3", "s4"] {
        house.down(server);
        assert_eq!(
            house.cause(&format!("shop/{server}")),
            Some("fs1".to_owned())
        );
    }
    house.watch("fs1", Health::Up);
    for server in ["s1", "s2", "s3", "s4"] {
        house.recover(server);
    }
    assert_eq!(
        house.pages(),
        [
            "DOWN fs1: timeout (4 servers in 1 farm affected)",
            "UP fs1: up again after 6.0s ()",
        ]
    );
    assert_eq!(house.state.holds.iter().count(), 0);
    let first = house.state.pages.iter().next().expect("it is there");
    assert_eq!(
        first.evidence.last().expect("the list"),
        "affected in shop: s1 s2 s3 s4"
    );
}

#[test]
fn a_front_that_fails_first_waits_for_the_verdict_of_what_it_depends_on() {
    let mut house = site(OnParentDown::Keep);
    house.down("s1");
    assert_eq!(house.pages(), Vec::<String>::new());
    let asked: Vec<String> = house
        .state
        .questions()
        .keys()
        .map(|key| key.to_string())
        .collect();
    assert_eq!(asked, ["fs1", "switch1"]);
    let condition = house.state.farm_condition(&name("shop"));
    assert_eq!(condition, FarmCondition::Serving, "three others serve");
    house.watch("fs1", Health::Down);
    assert_eq!(house.cause("shop/s1"), Some("fs1".to_owned()));
    house.end_holds().expect("fs1 waited for the switch");
    assert_eq!(
        house.pages(),
        ["DOWN fs1: timeout (4 servers in 1 farm affected)"]
    );
    assert_eq!(
        house.state.farm_standing(&name("shop")).to_string(),
        "3 of 4 up, 1 unreachable"
    );
}

#[test]
fn parents_that_answer_well_release_the_page_and_nothing_is_paged_twice() {
    let mut house = site(OnParentDown::Keep);
    house.down("s1");
    assert_eq!(
        house.report_watch("fs1", Health::Up),
        Ok(Applied::Done),
        "it answers"
    );
    assert_eq!(house.pages().len(), 0, "the switch has not answered");
    assert_eq!(
        house.report_watch("fs1", Health::Up),
        Ok(Applied::Unchanged)
    );
    assert_eq!(house.report_watch("switch1", Health::Up), Ok(Applied::Done));
    assert_eq!(
        house.pages(),
        ["DOWN shop/s1: connection refused (3 of 4 up)"]
    );
    assert_eq!(house.end_holds(), Ok(Applied::Unchanged), "nobody is held");
    assert!(house.state.questions().is_empty());
}

#[test]
fn a_verdict_that_does_not_come_is_not_waited_for() {
    let mut house = site(OnParentDown::Keep);
    house.down("s1");
    let stale = BTreeSet::from([0, 99]);
    assert_eq!(
        house.order(Command::EndHolds(stale)),
        Ok(Applied::Unchanged)
    );
    let hold = house
        .state
        .holds
        .get(&parent("shop/s1"))
        .expect("it is held")
        .clone();
    let lasts = house.state.hold_lasts(&parent("shop/s1"), &hold);
    assert_eq!(lasts, Some(Duration::from_secs(2)));
    assert_eq!(house.end_holds(), Ok(Applied::Done));
    assert_eq!(
        house.pages(),
        ["DOWN shop/s1: connection refused (3 of 4 up)"]
    );
    // It has its own page: what fails later does not take it over.
    house.watch("fs1", Health::Down);
    house.watch("switch1", Health::Up);
    assert_eq!(house.cause("shop/s1"), None);
    assert_eq!(house.sway("s1"), Sway::None, "it was broken before");
    assert_eq!(house.sway("s2"), Sway::Kept);
}

#[test]
fn who_stays_down_after_the_cause_is_back_gets_a_page_of_its_own() {
    let mut house = site(OnParentDown::Keep);
    house.watch("fs1", Health::Down);
    house.watch("switch1", Health::Up);
    house.down("s1");
    house.down("s2");
    house.watch("fs1", Health::Up);
    assert_eq!(
        house.cause("shop/s1"),
        Some("fs1".to_owned()),
        "it may be coming back"
    );
    assert_eq!(house.sway("s1"), Sway::Kept, "no gap while it does");
    let hold = house
        .state
        .holds
        .get(&parent("shop/s1"))
        .expect("it is held")
        .clone();
    let lasts = house.state.hold_lasts(&parent("shop/s1"), &hold);
    assert_eq!(
        lasts,
        Some(Duration::from_secs(2 * 3 + 2)),
        "rise and one more, and the wait"
    );
    house.recover("s1");
    house.end_holds().expect("s2 is held");
    let pages = house.pages();
    assert_eq!(
        pages.last().expect("there are some"),
        "DOWN shop/s2: still down after fs1 came back: connection refused (3 of 4 up)"
    );
    assert_eq!(pages.len(), 3);
    assert_eq!(house.sway("s2"), Sway::None);
}

#[test]
fn a_relapse_of_the_cause_is_its_page_again_and_nobody_elses() {
    let mut house = site(OnParentDown::Keep);
    house.watch("fs1", Health::Down);
    house.watch("switch1", Health::Up);
    house.down("s1");
    house.watch("fs1", Health::Up);
    house.watch("fs1", Health::Down);
    house.watch("switch1", Health::Up);
    house.end_holds().expect("s1 was coming back");
    assert_eq!(house.cause("shop/s1"), Some("fs1".to_owned()));
    assert_eq!(house.sway("s1"), Sway::Kept);
    assert_eq!(house.pages().len(), 3, "{:?}", house.pages());
}

#[test]
fn a_chain_of_parents_has_one_page_at_its_end() {
    let mut house = site(OnParentDown::Keep);
    house.down("s1");
    house.watch("fs1", Health::Down);
    house.watch("switch1", Health::Down);
    for member in ["shop/s1", "fs1"] {
        assert_eq!(house.cause(member), Some("switch1".to_owned()), "{member}");
    }
    assert_eq!(
        house.pages(),
        ["DOWN switch1: timeout (4 servers in 1 farm and 1 watch affected)"]
    );
}

#[test]
fn traffic_is_kept_or_removed_as_the_operator_says() {
    for (choice, wanted) in [(OnParentDown::Keep, true), (OnParentDown::Remove, false)] {
        let mut house = site(choice);
        assert_eq!(house.sway("s1"), Sway::None);
        house.watch("fs1", Health::Down);
        house.watch("switch1", Health::Up);
        house.down("s1");
        for server in ["s1", "s2"] {
            let serves = house
                .state
                .serves(&name("shop"), &name(server), &name("web"));
            assert_eq!(serves, wanted, "{server} with {choice}");
        }
        assert_eq!(house.pages().len(), 1, "the farm is not paged for as well");
    }
}

#[test]
fn a_parent_that_is_gone_or_in_maintenance_casts_no_shadow() {
    let mut house = site(OnParentDown::Keep);
    house.watch("fs1", Health::Down);
    house.watch("switch1", Health::Up);
    house.down("s1");
    let mut config = house.state.config.as_ref().clone();
    config.watches.remove("fs1");
    config
        .farms
        .get_mut("shop")
        .expect("it is there")
        .depends_on
        .clear();
    house.configure(config).expect("it is valid");
    house.end_holds().expect("s1 is held");
    assert_eq!(
        house.pages().last().expect("a page of its own"),
        "DOWN shop/s1: still down, and fs1 is not watched any more: connection refused (3 of 4 up)"
    );
}

#[test]
fn watches_are_the_leaders_to_report() {
    let mut house = site(OnParentDown::Keep);
    let change = HealthChange {
        check: CheckKey::Watch(name("fs1")),
        health: Health::Down,
        reason: String::new(),
        at: UnixMillis(house.at),
        advice: Advice::None,
        answers: 0,
        reached: true,
        paged: false,
    };
    let answer = house.order(reported(owner(1, 1), vec![change]));
    assert_eq!(answer, Err(Reject::WatchOfOwner(name("fs1"))));
}

#[test]
fn of_two_parents_the_one_that_is_still_down_goes_on_explaining() {
    let mut house = site(OnParentDown::Keep);
    let mut config = house.state.config.as_ref().clone();
    let mut db1 = config.watches["fs1"].clone();
    db1.depends_on.clear();
    config.watches.insert(name("db1"), db1);
    let shop = config.farms.get_mut("shop").expect("it is there");
    shop.depends_on = BTreeSet::from([parent("db1"), parent("fs1")]);
    config
        .watches
        .get_mut("fs1")
        .expect("it is there")
        .depends_on
        .clear();
    config.watches.get_mut("fs1").expect("it is there").address = [10, 0, 0, 60].into();
    house.configure(config).expect("it is valid");
    house.watch("db1", Health::Up);
    house.watch("fs1", Health::Down);
    house.watch("db1", Health::Down);
    house.down("s1");
    assert_eq!(house.cause("shop/s1"), Some("db1".to_owned()));
    house.watch("db1", Health::Up);
    assert_eq!(house.cause("shop/s1"), Some("fs1".to_owned()));
    assert_eq!(house.end_holds(), Ok(Applied::Unchanged));
    assert_eq!(house.pages().len(), 3, "{:?}", house.pages());
}

#[test]
fn a_broken_parent_in_maintenance_goes_on_explaining() {
    let mut house = House::bare();
    let mut config = shop(2);
    let mut files = config.farms["shop"].clone();
    files.services = BTreeMap::from([(name("web"), service(81, Some(http_check())))]);
    files.servers = BTreeMap::from([(name("filer"), server(9)), (name("spare"), server(8))]);
    config.farms.insert(name("files"), files);
    let shop = config.farms.get_mut("shop").expect("it is there");
    shop.depends_on.insert(parent("files/filer"));
    house.configure(config).expect("it is valid");
    for (farm, server) in [
        ("shop", "s1"),
        ("shop", "s2"),
        ("files", "filer"),
        ("files", "spare"),
    ] {
        house.report(farm, server, "web", Health::Up, "200 OK");
    }
    house.report("files", "filer", "web", Health::Down, "timeout");
    house.down("s1");
    house
        .order(set_admin("files", "filer", AdminState::Maintenance))
        .expect("it was ready");
    assert_eq!(house.cause("shop/s1"), Some("files/filer".to_owned()));
    assert_eq!(house.end_holds(), Ok(Applied::Unchanged));
    assert_eq!(house.sway("s1"), Sway::Kept);
    assert_eq!(house.pages().len(), 1, "{:?}", house.pages());
}

#[test]
fn an_answer_to_an_older_question_is_none_to_a_newer_one() {
    let mut house = site(OnParentDown::Keep);
    house.down("s1");
    house.down("s2");
    let answers = [("fs1", 1), ("switch1", 1)];
    for (watch, answers) in answers {
        let answer = house.answer_watch(watch, Health::Up, answers);
        assert_eq!(answer, Ok(Applied::Done));
    }
    assert_eq!(
        house.pages(),
        ["DOWN shop/s1: connection refused (2 of 4 up)"]
    );
    assert_eq!(
        house.answer_watch("fs1", Health::Up, 1),
        Ok(Applied::Unchanged)
    );
}

#[test]
fn what_the_reporter_paged_itself_is_paged_whatever_explains_it() {
    let mut house = site(OnParentDown::Keep);
    let mut said = change("shop", "s1", "web", Health::Down, "timeout", house.at);
    said.paged = true;
    let answer = house.order(reported(owner(1, 1), vec![said]));
    assert_eq!(answer, Ok(Applied::Done));
    assert_eq!(house.pages(), ["DOWN shop/s1: timeout (3 of 4 up)"]);
    assert!(house.state.holds.get(&parent("shop/s1")).is_none());
}

proptest! {
    /// Whatever fails and comes back in whatever order: who is down has a page or a hold, never
    /// both; a shadow has something that casts it; and when all are up, nothing is left.
    #[test]
    fn who_is_down_has_a_page_or_a_reason(
        steps in prop::collection::vec((0usize..6, any::<bool>(), 0u8..4), 1..40),
    ) {
        let mut house = site(OnParentDown::Keep);
        let members = ["switch1", "fs1", "shop/s1", "shop/s2", "shop/s3", "shop/s4"];
        let report = |house: &mut House, member: &str, up: bool| {
            let health = if up { Health::Up } else { Health::Down };
            match member.strip_prefix("shop/") {
                Some(server) => {
                    let change = change("shop", server, "web", health, "seen", house.at);
                    house.order(reported(owner(1, 1), vec![change]))
                }
                None => house.report_watch(member, health),
            }
            .expect("a report is taken");
        };
        for (which, up, end) in steps {
            report(&mut house, members[which], up);
            if end == 0 {
                house.end_holds().expect("it is taken");
            }
            let read = house.state.holds.read_back();
            prop_assert!(house.state.holds == read, "an index lost its way");
            for member in members.map(parent) {
                let paged = house.state.told_down(&member.subject()).is_some();
                let hold = house.state.holds.get(&member);
                let down = house.state.member_health(&member) == Health::Down;
                prop_assert_eq!(down, paged || hold.is_some(), "{}", member);
                prop_assert!(!(paged && hold.is_some()), "{} is paged and held", member);
                if let Some(HoldKind::Shadowed(cause)) = hold {
                    prop_assert_eq!(house.state.member_health(cause), Health::Down);
                }
            }
        }
        for member in members {
            report(&mut house, member, true);
        }
        prop_assert_eq!(house.state.holds.iter().count(), 0);
        // What flapped meanwhile is stable then.
        house.at += 700_000;
        house.order(Command::PassTime).expect("time passes");
        prop_assert!(house.state.incidents.is_empty());
    }
}

#[test]
fn circles_and_parents_that_are_not_there_are_refused() {
    let shop_with = |change: &dyn Fn(&mut Config)| -> Vec<String> {
        let mut config = site(OnParentDown::Keep).state.config.as_ref().clone();
        change(&mut config);
        let faults = config.faults(&BTreeMap::new());
        faults.iter().map(Fault::to_string).collect()
    };
    let watch = |config: &mut Config, watch: &str, on: &str| {
        let watch = config.watches.get_mut(watch).expect("it is there");
        watch.depends_on.insert(parent(on));
    };
    assert_eq!(
        shop_with(&|config| watch(config, "switch1", "fs1")),
        ["watch[fs1].depends_on: depends on itself: fs1 -> switch1 -> fs1"]
    );
    assert_eq!(
        shop_with(&|config| watch(config, "switch1", "shop/s2")),
        ["watch[fs1].depends_on: depends on itself: fs1 -> switch1 -> shop/s2 -> fs1"]
    );
    assert_eq!(
        shop_with(&|config| watch(config, "fs1", "fs1")),
        ["watch[fs1].depends_on: depends on itself: fs1 -> fs1"]
    );
    assert_eq!(
        shop_with(&|config| watch(config, "fs1", "shop/s9")),
        ["watch[fs1].depends_on: there is no server called shop/s9"]
    );
}
