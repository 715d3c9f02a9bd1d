//! Second opinions: whose fault a page says it is, and that no page waits for ever.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::causes::{parent, site};
use super::*;

impl House {
    /// [`House::up`], where another node is asked before a human is called.
    pub(super) fn doubting() -> House {
        let mut house = House::up();
        house.ask_others();
        house
    }

    /// Second opinions, with everything else as it is.
    pub(super) fn ask_others(&mut self) {
        let mut config = Config::clone(&self.state.config);
        config.paging.second_opinion = true;
        self.configure(config).expect("it is valid");
    }

    /// Node lb2 says this of every check about which it is asked.
    pub(super) fn all_say(&mut self, found: Found) -> Result<Applied, Reject> {
        self.says(2, found)
    }

    pub(super) fn says(&mut self, node: u64, found: Found) -> Result<Applied, Reject> {
        let asked = self.state.asked_of(NodeId(node));
        let opinions = asked.into_iter().map(|(check, answers)| Opinion {
            check: check.clone(),
            answers,
            found,
            reason: said(found).to_owned(),
        });
        let (node, opinions) = (NodeId(node), opinions.collect());
        self.order(Command::GiveOpinions { node, opinions })
    }

    /// Reports a server as lb1 does, which got there or did not.
    fn fails(&mut self, server: &str, reached: bool) {
        let reason = if reached { "status 500" } else { "timeout" };
        let change = HealthChange {
            reached,
            ..change("shop", server, "web", Health::Down, reason, self.at)
        };
        let answer = self.order(reported(owner(1, 1), vec![change]));
        assert_eq!(answer, Ok(Applied::Done));
    }

    pub(super) fn newest(&self) -> &Page {
        self.state.pages.iter().next_back().expect("a page")
    }
}

fn said(found: Found) -> &'static str {
    match found {
        Found::Well => "status 200",
        Found::Unwell { reached: true } => "status 503",
        Found::Unwell { reached: false } => "timeout",
        Found::Nothing => "no own address",
    }
}

/// What lb1 saw, what lb2 says -> the verdict, and what a human reads.
#[test]
fn every_pair_of_what_two_nodes_see() {
    use PageVerdict::{Alone, Both, PathDown, ServerDown};
    let unwell = |reached| Some(Found::Unwell { reached });
    for (reached, found, verdict, cause) in [
        (
            false,
            Some(Found::Well),
            PathDown,
            "node lb1 cannot reach shop/s2, lb2 can: timeout",
        ),
        (
            true,
            Some(Found::Well),
            PathDown,
            "node lb1 finds shop/s2 unwell, lb2 does not: status 500",
        ),
        (false, unwell(false), ServerDown, "timeout"),
        (
            false,
            unwell(true),
            Both,
            "status 503, and node lb1 does not even reach it: timeout",
        ),
        (true, unwell(false), ServerDown, "status 500"),
        (true, unwell(true), ServerDown, "status 500"),
        (false, Some(Found::Nothing), Alone, "timeout"),
        (true, Some(Found::Nothing), Alone, "status 500"),
        (false, None, Alone, "timeout"),
        (true, None, Alone, "status 500"),
    ] {
        let mut house = House::doubting();
        house.fails("s2", reached);
        assert_eq!(house.pages(), Vec::<String>::new(), "its page waits");
        let key = check_key("shop", "s2", "web");
        assert_eq!(house.state.check_health(&key), Health::Down);
        assert!(
            !house.state.serves(&name("shop"), &name("s2"), &web()),
            "the farm does not wait"
        );
        match found {
            Some(found) => house.all_say(found).expect("it is waited for"),
            None => house.end_holds().expect("its time is over"),
        };
        let row = format!("{reached} {found:?}");
        assert_eq!(
            house.pages(),
            [format!("DOWN shop/s2: {cause} (3 of 4 up)")],
            "{row}"
        );
        let page = house.newest();
        assert_eq!(page.verdict, Some(verdict), "{row}");
        let seen = page.evidence.get(1).expect("who saw what");
        match found {
            None | Some(Found::Nothing) => assert!(seen.contains("no second opinion"), "{seen}"),
            Some(found) => assert_eq!(
                *seen,
                format!(
                    "shop/s2/web seen by lb1: {}; by lb2: {}",
                    if reached { "status 500" } else { "timeout" },
                    said(found)
                )
            ),
        }
        assert_eq!(house.state.holds.iter().count(), 0, "{row}");
        assert_eq!(house.end_holds(), Ok(Applied::Unchanged));
    }
}

#[test]
fn a_node_alone_pages_at_once() {
    let mut house = House::bare();
    house.configure(shop(4)).expect("it is valid");
    house.ask_others();
    house.recover("s2");
    house.fails("s2", false);
    assert_eq!(house.newest().verdict, Some(PageVerdict::Alone));
    assert_eq!(
        house.newest().evidence.len(),
        1,
        "there is nobody to speak of"
    );
}

#[test]
fn the_first_node_that_answers_is_asked_be_it_a_witness() {
    let mut house = House::doubting();
    let lost = |node| Command::ReportNode {
        node: NodeId(node),
        reachable: false,
        reason: String::new(),
    };
    house.order(lost(2)).expect("it is there");
    house.fails("s2", false);
    assert!(house.state.asked_of(NodeId(2)).is_empty());
    assert_eq!(house.state.asked_of(NodeId(3)).len(), 1);
    house.says(3, Found::Well).expect("the witness sees it");
    assert!(house.newest().cause.contains("lb3 can"));

    house.order(lost(3)).expect("it is there");
    house.fails("s3", false);
    assert_eq!(house.newest().title, "shop/s3");
    assert_eq!(house.newest().verdict, Some(PageVerdict::Alone));
    let last = house.newest().evidence.last().expect("a line");
    assert_eq!(last, "no second opinion: no other node answers");
}

/// A node that was given an id and has not joined answers nobody.
#[test]
fn who_is_joining_is_not_asked() {
    let mut house = House::bare();
    house.configure(shop(4)).expect("it is valid");
    house.ask_others();
    let token = token(house.at, [9; 32], NodeRole::Balancer);
    house.order(Command::CreateToken(token)).expect("room");
    let claim = Command::ClaimToken {
        hash: [9; 32],
        key: [9; 32],
        node: balancer("lb2", 2),
    };
    house.order(claim).expect("the token is good");
    assert_eq!(house.state.other_node(NodeId(1)), None);
    house
        .order(Command::FinishJoin(NodeId(2)))
        .expect("it joined");
    assert_eq!(house.state.other_node(NodeId(1)), Some(NodeId(2)));
}

#[test]
fn who_was_not_asked_or_answers_another_question_is_not_heard() {
    let mut house = House::doubting();
    house.fails("s2", false);
    let check = check_key("shop", "s2", "web");
    let number = *house.state.asked_of(NodeId(2)).get(&check).expect("asked");
    let mut give = |node, answers| {
        let opinion = Opinion {
            check: check.clone(),
            answers,
            found: Found::Well,
            reason: String::new(),
        };
        let (node, opinions) = (NodeId(node), vec![opinion]);
        house.order(Command::GiveOpinions { node, opinions })
    };
    assert_eq!(give(3, number), Ok(Applied::Unchanged));
    assert_eq!(give(2, number - 1), Ok(Applied::Unchanged));
    assert_eq!(give(9, number), Err(Reject::UnknownNode(NodeId(9))));
    assert_eq!(give(2, number), Ok(Applied::Done));
    assert_eq!(give(2, number), Ok(Applied::Unchanged), "once");
}

#[test]
fn what_comes_up_meanwhile_calls_nobody() {
    let mut house = House::doubting();
    house.fails("s2", false);
    house.recover("s2");
    assert!(house.state.asked_of(NodeId(2)).is_empty());
    assert_eq!(house.end_holds(), Ok(Applied::Unchanged));
    assert_eq!(house.pages(), Vec::<String>::new());
}

#[test]
fn a_page_by_own_word_waits_for_nobody() {
    let mut house = House::doubting();
    let change = HealthChange {
        paged: true,
        ..change("shop", "s2", "web", Health::Down, "timeout", house.at)
    };
    house
        .order(reported(owner(1, 1), vec![change]))
        .expect("done");
    assert_eq!(house.pages().len(), 1);
    assert_eq!(house.state.holds.iter().count(), 0);
}

/// Five hundred at once: one round of questions, one command of answers, a page each.
#[test]
fn a_rack_that_fails_is_one_round_of_questions() {
    let mut house = House::full();
    let mut config = shop(1);
    let servers = (0..500_u16).map(|n| {
        let [high, low] = n.to_be_bytes();
        (
            name(&format!("t{n:03}")),
            Server::plain([10, 1, high, low].into()),
        )
    });
    shop_of(&mut config).servers = servers.collect();
    config.paging.second_opinion = true;
    house.configure(config).expect("it is valid");
    let all = |health: Health, at| -> Vec<HealthChange> {
        let one = |n| change("shop", &format!("t{n:03}"), "web", health, "x", at);
        (0..500).map(one).collect()
    };
    for health in [Health::Up, Health::Down] {
        let changes = all(health, house.at);
        house.order(reported(owner(1, 1), changes)).expect("done");
    }
    assert_eq!(house.state.asked_of(NodeId(2)).len(), 500);
    house
        .all_say(Found::Unwell { reached: false })
        .expect("heard");
    let own = |page: &&Page| page.title.starts_with("shop/");
    assert_eq!(house.state.pages.iter().filter(own).count(), 500);
    assert_eq!(house.state.holds.iter().count(), 0);
}

/// The parents and another node are asked together, and the page waits for both.
#[test]
fn parents_are_asked_in_the_same_breath() {
    for parents_first in [true, false] {
        let mut house = site(OnParentDown::Keep);
        house.join(balancer("lb2", 2));
        house.ask_others();
        house.fails("s1", false);
        assert_eq!(house.state.questions().len(), 2, "fs1 and its switch");
        assert_eq!(house.state.asked_of(NodeId(2)).len(), 1);
        let parents = |house: &mut House| {
            house.watch("fs1", Health::Up);
            house.watch("switch1", Health::Up);
        };
        if parents_first {
            parents(&mut house);
            assert_eq!(house.pages().len(), 0, "lb2 has not answered");
            house.all_say(Found::Well).expect("it is waited for");
        } else {
            house.all_say(Found::Well).expect("it is waited for");
            assert_eq!(house.pages().len(), 0, "the parents have not answered");
            parents(&mut house);
        }
        assert_eq!(house.newest().verdict, Some(PageVerdict::PathDown));
        assert_eq!(house.pages().len(), 1);
    }
}

/// What a parent explains is not doubted; the parent is.
#[test]
fn what_is_in_a_shadow_is_not_doubted() {
    let mut house = site(OnParentDown::Keep);
    house.join(balancer("lb2", 2));
    house.ask_others();
    house.watch("switch1", Health::Down);
    let asked = |house: &House| house.state.asked_of(NodeId(2)).len();
    assert_eq!(asked(&house), 1);
    house.watch("fs1", Health::Down);
    for server in ["s1", "s2", "s3", "s4"] {
        house.fails(server, false);
    }
    assert_eq!(asked(&house), 1, "the switch alone");
    house
        .all_say(Found::Unwell { reached: false })
        .expect("heard");
    assert_eq!(house.pages().len(), 1);
    assert_eq!(house.newest().title, "switch1");

    // Back, but not s1: then it is by itself, and doubted.
    house.watch("switch1", Health::Up);
    house.watch("fs1", Health::Up);
    for server in ["s2", "s3", "s4"] {
        house.recover(server);
    }
    house.end_holds().expect("s1 was given its time");
    assert_eq!(asked(&house), 1);
    house
        .all_say(Found::Unwell { reached: false })
        .expect("heard");
    let line = house.pages().pop().expect("a page");
    assert!(
        line.starts_with("DOWN shop/s1: still down after fs1 came back: "),
        "{line}"
    );
}

/// A parent's verdict comes after the opinion: the child is in its shadow all the same.
#[test]
fn a_doubted_thing_may_still_be_explained() {
    let mut house = site(OnParentDown::Keep);
    house.join(balancer("lb2", 2));
    house.ask_others();
    house.fails("s1", false);
    house
        .all_say(Found::Unwell { reached: false })
        .expect("heard");
    house.watch("fs1", Health::Down);
    assert_eq!(house.cause("shop/s1"), Some("fs1".to_owned()));
    assert!(matches!(
        house.state.holds.get(&parent("shop/s1")),
        Some(HoldKind::Shadowed(_))
    ));
}

/// One thing that may happen, with names from a small world.
#[derive(Debug, Clone)]
enum Step {
    Health(u8, bool, bool),
    Watch(bool, bool),
    Opinions(Found),
    Ends,
    Node(u64, bool),
    Suspect(u64),
    Trust,
    Admin(u8, AdminState),
}

fn any_step() -> impl Strategy<Value = Step> {
    let found = prop_oneof![
        Just(Found::Well),
        any::<bool>().prop_map(|reached| Found::Unwell { reached }),
        Just(Found::Nothing),
    ];
    let admin = prop_oneof![Just(AdminState::Ready), Just(AdminState::Maintenance)];
    prop_oneof![
        8 => (1..5_u8, any::<bool>(), any::<bool>()).prop_map(|(n, up, r)| Step::Health(n, up, r)),
        4 => (any::<bool>(), any::<bool>()).prop_map(|(server, up)| Step::Watch(server, up)),
        4 => found.prop_map(Step::Opinions),
        2 => Just(Step::Ends),
        1 => (2..4_u64, any::<bool>()).prop_map(|(n, up)| Step::Node(n, up)),
        2 => (1..9_u64).prop_map(Step::Suspect),
        2 => Just(Step::Trust),
        1 => (1..5_u8, admin).prop_map(|(n, admin)| Step::Admin(n, admin)),
    ]
}

fn take(house: &mut House, step: Step) {
    let health = |up| if up { Health::Up } else { Health::Down };
    let _ = match step {
        Step::Health(n, up, reached) => {
            let one = change("shop", &format!("s{n}"), "web", health(up), "x", house.at);
            let one = HealthChange { reached, ..one };
            house.order(reported(owner(1, 1), vec![one]))
        }
        Step::Watch(server, up) => {
            let watch = if server { "fs1" } else { "switch1" };
            house.report_watch(watch, health(up))
        }
        Step::Opinions(found) => house.all_say(found),
        Step::Ends => house.end_holds(),
        Step::Node(node, reachable) => house.order(Command::ReportNode {
            node: NodeId(node),
            reachable,
            reason: "gone".to_owned(),
        }),
        Step::Suspect(id) => house.suspects(id, &["s1", "s2"]),
        Step::Trust => {
            let (node, by) = (NodeId(1), NodeId(1));
            house.order(Command::Trust { node, by })
        }
        Step::Admin(n, admin) => house.admin(&format!("s{n}"), admin),
    };
}

/// Whoever is down has a page, or something that explains it, or a hold that ends.
fn assert_looked_after(state: &State) {
    let ends: BTreeSet<u64> = state
        .deadlines()
        .filter_map(|(number, lasts)| lasts.map(|_| number))
        .collect();
    for member in state.config.members() {
        let hold = state.holds.iter().find(|(held, _)| **held == member);
        // What flaps and is up just now has a page, and is not told to be down.
        let told = state.told_down(&member.subject()).is_some();
        if !state.is_down(&member) {
            assert!(hold.is_none(), "{member} is not down and held: {hold:?}");
            continue;
        }
        assert_ne!(hold.is_some(), told, "{member}: a hold or a page");
        match hold.map(|(_, hold)| (hold.number, &hold.kind)) {
            None => {}
            Some((number, HoldKind::Asking { .. } | HoldKind::Recovering(_))) => {
                assert!(ends.contains(&number), "{member} waits for ever");
            }
            Some((number, HoldKind::Sighted { .. })) => {
                assert!(ends.contains(&number), "{member} waits for ever");
            }
            Some((_, HoldKind::Doubted(doubt))) => {
                assert!(ends.contains(&doubt.number), "{member} is doubted for ever");
            }
            Some((_, HoldKind::Shadowed(cause))) => {
                let suspended = state.config.is_suspended(cause);
                assert!(
                    suspended || state.is_down(cause),
                    "{member}: {cause} casts a shadow"
                );
            }
            Some((_, HoldKind::Blind { node })) => {
                let suspicion = state
                    .suspicions
                    .get(node)
                    .expect("who is blind is suspected");
                match suspicion.culprit() {
                    None => assert!(ends.contains(&suspicion.number), "it is decided"),
                    Some(Culprit::Path) => {
                        assert!(
                            state.incidents.contains_key(&Subject::Path(*node)),
                            "one page"
                        );
                    }
                    Some(culprit) => panic!("{member} is held though it is {culprit:?}"),
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn nobody_is_down_and_forgotten(steps in prop::collection::vec(any_step(), 0..60)) {
        let mut house = site(OnParentDown::Keep);
        house.join(balancer("lb2", 2));
        house.join(balancer("lb3", 3));
        house.ask_others();
        for step in steps {
            take(&mut house, step);
            assert_looked_after(&house.state);
        }
    }
}
