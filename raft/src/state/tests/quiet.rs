//! What is not told: flapping, and silences.

use super::*;
use crate::id::UnixMillis;

impl House {
    /// Time passes, and the leader notices.
    fn pass(&mut self, seconds: u64) {
        self.at += seconds * 1_000;
        self.order(Command::PassTime).expect("time passes");
    }

    fn silence(&mut self, terms: &[&str], seconds: u64) -> Result<u64, Reject> {
        let silence = Silence {
            matcher: Matcher(terms.iter().map(|term| term.parse().expect(term)).collect()),
            comment: "planned work".to_owned(),
            author: Author("ada".to_owned()),
            from: UnixMillis(0),
            until: UnixMillis(self.at + (seconds + 1) * 1_000),
        };
        let answer = self.order(Command::AddSilence(silence))?;
        let Applied::Silence(number) = answer else {
            panic!("a number was wanted, not {answer:?}");
        };
        Ok(number)
    }

    /// The pages that somebody gets.
    fn paged(&self) -> Vec<String> {
        let told = self
            .state
            .pages
            .iter()
            .filter(|page| !page.deliveries.is_empty());
        told.map(line).collect()
    }

    /// Down and up again, so many times.
    fn flap(&mut self, server: &str, times: u32) {
        for _ in 0..times {
            self.down(server);
            self.recover(server);
        }
    }
}

#[test]
fn what_flaps_is_one_page_and_quiet_until_it_is_stable() {
    let mut house = House::up();
    house.flap("s2", 3);
    let flapping = "FLAPPING shop/s2: 6 changes in 5.0s; now up: up again after 1.0s (4 of 4 up)";
    let pages = house.pages();
    assert_eq!(pages.len(), 6, "five as ever, and the sixth: {pages:?}");
    assert_eq!(pages.last().map(String::as_str), Some(flapping));
    house.flap("s2", 20);
    assert_eq!(house.pages().len(), 6, "quiet");
    let calm = house.state.next_time().expect("it will be stable");
    assert_eq!(
        calm.0,
        house.at - 1_000 + 600_000,
        "ten minutes after its last change"
    );
    house.pass(597);
    assert_eq!(house.pages().len(), 6, "not stable yet");
    house.pass(1);
    let wanted = "UP shop/s2: stable again: up for 10m 1s, after 46 changes ()";
    assert_eq!(house.pages().last().map(String::as_str), Some(wanted));
    assert!(house.state.incidents.is_empty());
    assert_eq!(house.state.next_time(), None);
    house.down("s2");
    let wanted = "DOWN shop/s2: connection refused (3 of 4 up)";
    assert_eq!(
        house.pages().last().map(String::as_str),
        Some(wanted),
        "told as ever"
    );
}

#[test]
fn what_flapped_and_stayed_down_is_paged_down() {
    let mut house = House::up();
    house.flap("s2", 4);
    house.down("s2");
    house.pass(700);
    let pages = house.pages();
    let wanted = "DOWN shop/s2: stable again: down for 11m 42s, after 9 changes ()";
    assert_eq!(pages.last().map(String::as_str), Some(wanted));
    house.recover("s2");
    let last = house.pages().pop().expect("a page");
    assert!(last.starts_with("UP shop/s2: up again after"), "{last}");
}

#[test]
fn slow_changes_are_no_flapping() {
    let mut house = House::up();
    for _ in 0..10 {
        house.flap("s2", 1);
        house.at += 310_000;
    }
    assert_eq!(house.pages().len(), 20, "{:?}", house.pages());
}

#[test]
fn maintenance_ends_flapping_without_a_word() {
    let mut house = House::up();
    house.flap("s2", 4);
    let pages = house.pages().len();
    house
        .admin("s2", AdminState::Maintenance)
        .expect("it is there");
    house.pass(700);
    assert_eq!(house.pages().len(), pages);
    assert_eq!(house.state.next_time(), None);
}

#[test]
fn a_silence_hushes_what_it_matches_and_nothing_else() {
    let mut house = House::up();
    house
        .silence(&["server=shop/s2"], 3_600)
        .expect("it is fine");
    house.down("s2");
    house.down("s3");
    house.recover("s2");
    assert_eq!(
        house.paged(),
        ["DOWN shop/s3: connection refused (2 of 4 up)"]
    );
    assert_eq!(house.pages().len(), 3, "all of them are written");
}

#[test]
fn what_is_still_down_when_its_silence_ends_is_paged_then() {
    for by_order in [false, true] {
        let mut house = House::up();
        let number = house.silence(&["farm=shop"], 600).expect("it is fine");
        house.down("s2");
        house.down("s4");
        house.recover("s4");
        assert_eq!(house.paged(), Vec::<String>::new());
        match by_order {
            true => {
                house
                    .order(Command::EndSilence(number))
                    .expect("it is there");
            }
            false => house.pass(700),
        }
        assert_eq!(house.paged(), ["DOWN shop/s2: connection refused ()"]);
        house.recover("s2");
        assert_eq!(house.paged().len(), 2, "and its end: {:?}", house.paged());
        let again = house.order(Command::EndSilence(number));
        assert_eq!(again, Err(Reject::UnknownSilence(number)));
    }
}

/// Who heard that it went down hears nothing while it is silenced, and nothing twice.
#[test]
fn a_silence_for_what_is_down_already_hushes_its_end() {
    let mut house = House::up();
    house.down("s2");
    house.silence(&["server=shop/s*"], 600).expect("it is fine");
    house.recover("s2");
    house.pass(700);
    assert_eq!(
        house.paged(),
        ["DOWN shop/s2: connection refused (3 of 4 up)"]
    );
}

#[test]
fn a_silence_that_cannot_be_is_refused() {
    let mut house = House::up();
    assert_eq!(house.silence(&["farm=shop"], 30), Err(Reject::SilenceTime));
    let long = 31 * 24 * 3_600;
    assert_eq!(
        house.silence(&["farm=shop"], long),
        Err(Reject::SilenceTime)
    );
    assert_eq!(
        house.silence(&[], 600),
        Err(Reject::MatcherTerms { max: 10 })
    );
    for _ in 0..200 {
        house.silence(&["farm=shop"], 600).expect("there is room");
    }
    let full = Err(Reject::TooManySilences { max: 200 });
    assert_eq!(house.silence(&["farm=shop"], 600), full);
}

#[test]
fn a_matcher_is_for_what_all_its_terms_match() {
    let mut house = House::up();
    let mut config = shop(4);
    config.watches.insert(
        name("fs1"),
        Watch {
            address: [10, 0, 0, 50].into(),
            port: NonZeroU16::new(2049),
            labels: BTreeMap::from([("site".to_owned(), "berlin".to_owned())]),
            group: None,
            check: Some(http_check()),
            ladder: None,
            depends_on: Default::default(),
        },
    );
    house.configure(config).expect("it is valid");
    let fs1 = Subject::Watch(name("fs1"));
    let s2 = Subject::Server(name("shop"), name("s2"));
    for (terms, subject, wanted) in [
        (&["watch=fs*"][..], &fs1, true),
        (&["watch=fs*", "label:site=berlin"], &fs1, true),
        (&["watch=fs*", "label:site=paris"], &fs1, false),
        (&["label:rack=*"], &fs1, false),
        (&["farm=shop"], &s2, true),
        (&["farm=shop"], &Subject::Farm(name("shop")), true),
        (&["server=shop/s2"], &s2, true),
        (&["server=s2"], &s2, false),
        (&["node=lb1"], &Subject::Node(NodeId(1)), true),
        (&["vip=front"], &Subject::Vip(name("front")), true),
        (&["watch=*"], &Subject::Quorum, false),
    ] {
        let terms = terms.iter().map(|term| term.parse().expect(term));
        let matcher = Matcher(terms.collect());
        assert_eq!(
            house.state.matches(&matcher, subject),
            wanted,
            "{matcher} {subject:?}"
        );
    }
}
