//! Suspicion: so much fails at once for a node that it asks whether it is the node itself.

use super::*;

impl House {
    /// lb1 suspects itself, with these servers as its sample.
    pub(super) fn suspects(&mut self, id: u64, sample: &[&str]) -> Result<Applied, Reject> {
        let sample = sample.iter().map(|server| check_key("shop", server, "web"));
        self.order(Command::Suspect {
            node: NodeId(1),
            suspected: Suspected {
                id,
                failed: 340,
                total: 500,
                within: Duration::from_secs(1),
                sample: sample.collect(),
            },
        })
    }

    fn trusts(&mut self, by: u64) -> Result<Applied, Reject> {
        self.order(Command::Trust {
            node: NodeId(1),
            by: NodeId(by),
        })
    }

    fn culprit(&self) -> Option<Culprit> {
        let suspicion = self.state.suspicions.get(&NodeId(1));
        suspicion.and_then(Suspicion::culprit)
    }

    fn all_down(&mut self) {
        for server in ["s1", "s2", "s3", "s4"] {
            self.down(server);
        }
    }
}

const SAMPLE: [&str; 3] = ["s1", "s2", "s3"];

const PATH: &str = "DOWN path of lb1: lb1 cannot reach 340 of 500 targets; lb2 can: its own path \
                    is down ()";

/// What lb2 finds of three -> whose fault it is.
#[test]
fn every_answer_about_a_sample() {
    use Found::{Nothing, Well};
    const UNWELL: Found = Found::Unwell { reached: false };
    for (found, wanted) in [
        ([Well, Well, Well], Culprit::Path),
        ([Well, Well, UNWELL], Culprit::Path),
        ([Well, UNWELL, UNWELL], Culprit::Servers),
        ([UNWELL, UNWELL, UNWELL], Culprit::Servers),
        ([Well, UNWELL, Nothing], Culprit::Servers),
        ([Well, Nothing, Nothing], Culprit::Path),
        ([Nothing, Nothing, Nothing], Culprit::Alone),
    ] {
        let mut house = House::doubting();
        house.suspects(7, &SAMPLE).expect("taken");
        assert_eq!(house.culprit(), None);
        let asked = house.state.asked_of(NodeId(2));
        let opinions = asked
            .into_iter()
            .zip(found)
            .map(|((check, answers), found)| Opinion {
                check: check.clone(),
                answers,
                found,
                reason: String::new(),
            });
        let (node, opinions) = (NodeId(2), opinions.collect());
        house
            .order(Command::GiveOpinions { node, opinions })
            .expect("waited for");
        assert_eq!(house.culprit(), Some(wanted), "{found:?}");
        assert_eq!(house.pages(), Vec::<String>::new(), "nothing is down yet");
        assert!(house.state.asked_of(NodeId(2)).is_empty());
    }
}

/// One page that names the path, whatever fails by the word of that node; and when it sees again,
/// a page for what is down all the same.
#[test]
fn a_path_is_one_page() {
    let mut house = House::doubting();
    house.suspects(7, &SAMPLE).expect("taken");
    house.all_say(Found::Well).expect("waited for");
    house.all_down();
    assert_eq!(house.pages(), [PATH]);
    assert_eq!(house.newest().verdict, Some(PageVerdict::PathDown));
    assert_eq!(
        house.newest().evidence.get(1).expect("a line"),
        "lb2 finds 3 of 3 of them well"
    );
    assert!(
        house.state.asked_of(NodeId(2)).is_empty(),
        "its word is known"
    );
    assert_eq!(
        house.end_holds(),
        Ok(Applied::Unchanged),
        "it does not end by time"
    );

    house.trusts(1).expect("it reaches enough");
    assert_eq!(
        house.pages().last().expect("a page"),
        "UP path of lb1: lb1 reaches its targets again after 5.0s ()"
    );
    for server in ["s1", "s2", "s3"] {
        house.recover(server);
    }
    house.end_holds().expect("s4 had its time");
    house
        .all_say(Found::Unwell { reached: false })
        .expect("s4 is doubted");
    assert_eq!(
        house.pages().last().expect("a page"),
        "DOWN shop/s4: still down after the path of lb1 came back: connection refused (3 of 4 up)"
    );
    assert_eq!(house.pages().len(), 3);
    assert_eq!(house.trusts(1), Ok(Applied::Unchanged));
}

/// What lb1 cannot reach leaves the farm, but where nothing would be left it stays.
#[test]
fn a_farm_is_not_emptied_by_a_path() {
    let mut house = House::doubting();
    house.suspects(7, &SAMPLE).expect("taken");
    house.all_say(Found::Well).expect("waited for");
    let serves = |house: &House| {
        let servers = ["s1", "s2", "s3", "s4"];
        servers.map(|server| house.state.serves(&name("shop"), &name(server), &web()))
    };
    for server in ["s1", "s2", "s3"] {
        house.down(server);
    }
    assert_eq!(serves(&house), [false, false, false, true]);
    house.down("s4");
    assert_eq!(serves(&house), [true; 4]);
    let condition = house.state.farm_condition(&name("shop"));
    assert_eq!(condition, FarmCondition::Serving);
    house.recover("s2");
    assert_eq!(serves(&house), [false, true, false, false]);
}

/// Verdicts that came before it was decided wait for it; those that were doubted as well.
#[test]
fn verdicts_wait_until_it_is_decided() {
    for (found, pages) in [
        (Found::Well, vec!["DOWN path of lb1"]),
        (
            Found::Unwell { reached: false },
            vec!["NOTICE path of lb1", "DOWN shop/s1", "DOWN shop/s2"],
        ),
    ] {
        let mut house = House::doubting();
        house.down("s1");
        house.suspects(7, &SAMPLE).expect("taken");
        house.down("s2");
        assert_eq!(house.pages(), Vec::<String>::new());
        house.all_say(found).expect("the sample");
        if found != Found::Well {
            house.all_say(found).expect("each of them");
        }
        let lines = house.pages();
        let heads: Vec<&str> = lines
            .iter()
            .map(|line| line.split_once(": ").expect("a cause").0)
            .collect();
        assert_eq!(heads, pages);
    }
}

#[test]
fn servers_that_fail_together_are_a_notice_and_their_pages() {
    let mut house = House::doubting();
    house.suspects(7, &SAMPLE).expect("taken");
    house
        .all_say(Found::Unwell { reached: false })
        .expect("waited for");
    house.down("s1");
    assert_eq!(
        house.pages(),
        [
            "NOTICE path of lb1: 340 of 500 targets failed within 1s; lb2 sees the same: they are \
          down, not lb1's path ()"
        ]
    );
    assert_eq!(house.newest().verdict, Some(PageVerdict::ServerDown));
    house
        .all_say(Found::Unwell { reached: false })
        .expect("s1 is doubted");
    house.down("s2");
    house
        .all_say(Found::Unwell { reached: false })
        .expect("s2 is doubted");
    assert_eq!(house.pages().len(), 3, "one notice");
    house.trusts(1).expect("little fails any more");
    assert_eq!(house.pages().len(), 3, "nothing is to be told");
}

#[test]
fn a_moments_disturbance_calls_nobody() {
    for found in [Found::Well, Found::Unwell { reached: false }] {
        let mut house = House::doubting();
        house.suspects(7, &SAMPLE).expect("taken");
        house.all_say(found).expect("waited for");
        house.trusts(1).expect("all are well again");
        assert_eq!(house.pages(), Vec::<String>::new());
    }
}

#[test]
fn who_cannot_ask_or_gets_no_answer_is_believed() {
    let mut alone = House::bare();
    alone.configure(shop(4)).expect("it is valid");
    alone.ask_others();
    alone.recover("s1");
    alone.suspects(7, &SAMPLE).expect("taken");
    assert_eq!(alone.culprit(), Some(Culprit::Alone));
    alone.down("s1");
    assert_eq!(alone.pages().len(), 1);

    let mut house = House::doubting();
    house.suspects(7, &SAMPLE).expect("taken");
    let number = house.state.suspicions.get(&NodeId(1)).expect("it").number;
    let wait = house.state.config.paging.suspect_wait;
    assert!(house.state.deadlines().any(|it| it == (number, Some(wait))));
    house.down("s1");
    house.end_holds().expect("nobody answers");
    assert_eq!(house.culprit(), Some(Culprit::Alone));
    house.end_holds().expect("nor about s1");
    assert_eq!(house.newest().title, "shop/s1");
    assert_eq!(house.newest().verdict, Some(PageVerdict::Alone));
}

#[test]
fn it_is_told_once_however_often_it_is_said() {
    let mut house = House::doubting();
    house.suspects(7, &SAMPLE).expect("taken");
    assert_eq!(house.suspects(7, &SAMPLE), Ok(Applied::Unchanged));
    house.all_say(Found::Well).expect("waited for");
    assert_eq!(house.suspects(7, &SAMPLE), Ok(Applied::Unchanged));
    house.down("s1");
    // It started anew, and its path is down as before.
    house.suspects(8, &SAMPLE).expect("another id");
    assert_eq!(house.culprit(), Some(Culprit::Path));
    house.down("s2");
    assert_eq!(house.pages(), [PATH]);
    let sample = vec![check_key("shop", "s1", "web"); 21];
    let suspected = Suspected {
        id: 9,
        failed: 1,
        total: 1,
        within: Duration::ZERO,
        sample,
    };
    let node = NodeId(1);
    let too_much = house.order(Command::Suspect { node, suspected });
    assert_eq!(too_much, Err(Reject::TooManyChanges { have: 21, max: 20 }));
}

#[test]
fn another_node_that_probes_ends_it_and_so_does_a_removal() {
    let mut house = House::doubting();
    house.suspects(7, &SAMPLE).expect("taken");
    house.all_say(Found::Well).expect("waited for");
    house.down("s1");
    let mut removed = house.clone();

    house.trusts(2).expect("lb2 owns the VIP now");
    assert_eq!(
        house.pages().last().expect("a page"),
        "UP path of lb1: lb2 probes in its place after 1.0s ()"
    );
    house.recover("s1");
    assert_eq!(house.end_holds(), Ok(Applied::Unchanged));

    let remove = Command::RemoveNode {
        node: NodeId(1),
        lease_key: LeaseKey([1; 32]),
    };
    removed.order(remove).expect("another balancer is there");
    assert!(removed.state.suspicions.is_empty());
    assert!(
        !removed
            .state
            .incidents
            .contains_key(&Subject::Path(NodeId(1)))
    );
    removed.end_holds().expect("s1 had its time");
}

/// What all hangs on one thing is told of by the page of that thing.
#[test]
fn one_cause_of_everything_needs_no_notice() {
    let mut house = causes::site(OnParentDown::Keep);
    house.join(balancer("lb2", 2));
    house.ask_others();
    house.suspects(7, &SAMPLE).expect("taken");
    house
        .all_say(Found::Unwell { reached: false })
        .expect("waited for");
    assert_eq!(house.culprit(), Some(Culprit::Servers));
    house.all_down();
    house.watch("fs1", Health::Down);
    house.end_holds().expect("fs1 waited for the switch");
    house
        .all_say(Found::Unwell { reached: false })
        .expect("fs1 is doubted");
    assert_eq!(
        house.pages(),
        ["DOWN fs1: timeout (4 servers in 1 farm affected)"]
    );
    house.watch("switch1", Health::Down);
    assert!(
        !house.pages().iter().any(|page| page.starts_with("NOTICE")),
        "{:?}",
        house.pages()
    );
}
