//! Storms: however many pages come, they are few messages, and every page is in exactly one.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::properties::assert_bundles;
use super::*;
use crate::id::ContactName;

/// A farm of so many servers, all up, and `ops` alone to tell.
fn house(servers: u8) -> House {
    let mut house = House::bare();
    let mut config = shop(servers);
    for (n, server) in (1..).zip(shop_of(&mut config).servers.values_mut()) {
        server.address = [10, 1, 0, n].into();
    }
    config.paging.repeat = Duration::ZERO;
    house.configure(config).expect("it is valid");
    all(&mut house, 1..=servers, Health::Up);
    house
}

/// One report about all of these.
fn all(house: &mut House, servers: std::ops::RangeInclusive<u8>, health: Health) {
    let at = house.at;
    let change = |n| change("shop", &format!("s{n}"), "web", health, "seen", at);
    let changes = servers.map(change).collect();
    let answer = house.order(reported(owner(1, 1), changes));
    assert_eq!(answer, Ok(Applied::Done));
}

/// One more down, `after` ms from the start.
fn down_at(house: &mut House, n: u8, after: u64) {
    house.at = START_MS + 3_600_000 + after - 1_000;
    all(house, n..=n, Health::Down);
}

/// When the messages are due, from the start, and how many pages each has.
fn messages(house: &House) -> Vec<(u64, usize)> {
    let due = house.state.due_messages();
    let due = due.map(|due| {
        let at = due.not_before().0 - START_MS - 3_600_000;
        (at, due.open.pages.len())
    });
    due.collect()
}

#[test]
fn windows() {
    // What it is, when servers fall, and when messages of how many pages are due.
    type Case = (&'static str, &'static [u64], &'static [(u64, usize)]);
    let table: [Case; 7] = [
        ("one", &[0], &[(0, 1)]),
        ("a few", &[0, 200, 29_999], &[(0, 1), (30_000, 2)]),
        (
            "two windows",
            &[0, 100, 30_000, 59_999],
            &[(0, 1), (30_000, 1), (60_000, 2)],
        ),
        (
            "three",
            &[0, 1, 31_000, 61_000],
            &[(0, 1), (30_000, 1), (60_000, 1), (90_000, 1)],
        ),
        ("nothing was gathered", &[0, 30_000], &[(0, 1), (30_000, 1)]),
        (
            "a pause",
            &[0, 100, 95_000, 95_001],
            &[(0, 1), (30_000, 1), (95_000, 1), (125_000, 1)],
        ),
        (
            "a clock behind",
            &[10_000, 9_000],
            &[(10_000, 1), (40_000, 1)],
        ),
    ];
    for (what, downs, wanted) in table {
        let mut house = house(20);
        for (n, at) in (1..).zip(downs) {
            down_at(&mut house, n, *at);
        }
        assert_eq!(messages(&house), wanted, "{what}");
        assert_bundles(&house.state);
    }
}

#[test]
fn without_a_window_each_page_is_a_message() {
    let mut house = house(20);
    let mut config = (*house.state.config).clone();
    config.paging.storm = Duration::ZERO;
    house.configure(config).expect("it is valid");
    for n in 1..=5 {
        down_at(&mut house, n, u64::from(n));
    }
    assert_eq!(messages(&house).len(), 5);
}

/// What one entry says is said in one message: the first one waits for nothing, and knows all.
#[test]
fn what_fails_together_is_one_message_at_once() {
    let mut house = house(100);
    house.at = START_MS + 3_600_000 - 1_000;
    all(&mut house, 1..=100, Health::Down);
    assert_eq!(
        messages(&house),
        [(0, 101)],
        "a hundred servers and their farm"
    );
    let message = house.state.message(&name("ops"), 1).expect("due");
    let titles: BTreeSet<&str> = message
        .pages
        .iter()
        .map(|page| page.title.as_str())
        .collect();
    assert_eq!(titles.len(), 101, "every name");
}

#[test]
fn up_and_down_in_one_window_are_both_told() {
    let mut house = house(20);
    down_at(&mut house, 1, 0);
    down_at(&mut house, 2, 1_000);
    house.recover("s2");
    assert_eq!(messages(&house), [(0, 1), (30_000, 2)]);
    let message = house.state.message(&name("ops"), 2).expect("due");
    let kinds: Vec<PageKind> = message.pages.iter().map(|page| page.kind).collect();
    assert_eq!(kinds, [PageKind::Down, PageKind::Up]);
}

/// Once a message was tried it does not grow: its id would change, and a receiver would not fold.
#[test]
fn what_was_tried_does_not_grow() {
    let mut house = house(20);
    down_at(&mut house, 1, 0);
    down_at(&mut house, 2, 1_000);
    let id = house.state.message(&name("ops"), 2).expect("due").id;
    let failed = DeliveryOutcome::Failed("no".to_owned());
    let Command::RecordDelivery(mut early) = record(&house.state, "ops", failed) else {
        panic!("a record");
    };
    (early.bundle, early.through) = (2, 2);
    house.order(Command::RecordDelivery(early)).expect("due");
    down_at(&mut house, 3, 5_000);
    assert_eq!(house.state.message(&name("ops"), 2).expect("due").id, id);
    assert_eq!(
        house
            .state
            .message(&name("ops"), 3)
            .expect("due")
            .pages
            .len(),
        1
    );
}

/// It joined while the message was on its way: it is not taken for told.
#[test]
fn what_came_too_late_goes_in_the_next_message() {
    let mut house = house(20);
    down_at(&mut house, 1, 0);
    down_at(&mut house, 2, 1_000);
    let told = record(&house.state, "ops", DeliveryOutcome::Delivered);
    house.order(told).expect("due");
    let on_its_way = record(&house.state, "ops", DeliveryOutcome::Delivered);
    down_at(&mut house, 3, 29_000);
    down_at(&mut house, 4, 29_100);
    house.order(on_its_way).expect("due");
    assert_eq!(messages(&house), [(60_000, 2)]);
    assert_bundles(&house.state);
}

#[test]
fn an_id_says_what_is_in_the_message_and_to_whom() {
    let mut house = house(20);
    down_at(&mut house, 1, 0);
    down_at(&mut house, 2, 1_000);
    let alone = house.state.message(&name("ops"), 2).expect("due");
    assert_eq!(alone.id, alone.pages[0].id, "a page alone keeps its own");
    down_at(&mut house, 3, 2_000);
    let both = house.state.message(&name("ops"), 2).expect("due");
    assert!(both.pages.iter().all(|page| page.id != both.id));
    // For ever: receivers fold by it, across versions of farmux.
    assert_eq!(both.id.to_string(), "c3292beeabc387e7c5ecb1d7fbdd6d05");
}

/// Sends what is due as a pager would, well or badly; what was told, by message.
fn pager(
    house: &mut House,
    at: u64,
    luck: &mut impl Iterator<Item = bool>,
) -> Vec<(ContactName, Vec<PageId>)> {
    let now = UnixMillis(at);
    let due = house.state.due_messages().filter(|due| due.is_due(now));
    let due: Vec<(ContactName, u64, u32)> = due
        .map(|due| (due.contact.clone(), due.bundle, due.open.round))
        .collect();
    let mut told = Vec::new();
    for (contact, bundle, round) in due {
        let Some(message) = house.state.message(&contact, bundle) else {
            continue;
        };
        let well = luck.next().unwrap_or(true);
        let outcome = match well {
            true => DeliveryOutcome::Delivered,
            false => DeliveryOutcome::Failed("no".to_owned()),
        };
        let tries = vec![ChannelTry {
            channel: ChannelKind::Mail,
            outcome,
        }];
        let record = DeliveryRecord {
            contact: contact.clone(),
            bundle,
            through: message.through,
            round,
            by: NodeId(1),
            tries,
            forlorn: false,
        };
        house.at = at - 1_000;
        let _ = house.order(Command::RecordDelivery(record));
        if well {
            told.push((contact, message.pages.iter().map(|page| page.id).collect()));
        }
    }
    told
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whenever servers fall and however deliveries fail: each page is in exactly one message
    /// that was taken, and nothing is left.
    #[test]
    fn every_page_is_told_exactly_once(
        falls in prop::collection::vec((0..200u64, 1..40u8), 1..40),
        luck in prop::collection::vec(any::<bool>(), 0..60),
    ) {
        let mut house = house(40);
        let mut falls: Vec<(u64, u8)> = falls.into_iter().map(|(at, n)| (at * 1_000, n)).collect();
        falls.sort_unstable();
        let start = START_MS + 3_600_000;
        let mut luck = luck.into_iter();
        let mut told = Vec::new();
        let mut next = falls.into_iter().peekable();
        for second in 0..3_000 {
            while let Some((at, n)) = next.next_if(|(at, _)| *at <= second * 1_000) {
                house.at = start + at - 1_000;
                let (farm, server) = shop_server(&format!("s{n}"));
                let is_down = house.state.incidents.contains_key(&Subject::Server(farm, server));
                let health = if is_down { Health::Up } else { Health::Down };
                all(&mut house, n..=n, health);
            }
            told.extend(pager(&mut house, start + second * 1_000, &mut luck));
        }
        assert_bundles(&house.state);
        prop_assert_eq!(house.state.due_messages().count(), 0);
        let mut times: BTreeMap<(ContactName, PageId), u32> = BTreeMap::new();
        for (contact, pages) in told {
            for page in pages {
                *times.entry((contact.clone(), page)).or_default() += 1;
            }
        }
        for page in house.state.pages.iter() {
            prop_assert_eq!(times.get(&(name("ops"), page.id)), Some(&1), "{}", page.title);
        }
    }

    /// Any burst is at most three messages in its first minute, and names everything.
    #[test]
    fn a_burst_is_three_messages_in_a_minute(falls in prop::collection::vec(0..60_000u64, 1..100)) {
        let mut house = house(100);
        let mut falls = falls;
        falls.sort_unstable();
        let first = falls[0];
        for (n, at) in (1..).zip(&falls) {
            down_at(&mut house, n, *at);
        }
        let minute = messages(&house);
        let minute = minute.iter().filter(|(at, _)| *at < first + 60_000);
        prop_assert!(minute.count() <= 2, "and one more at its end");
        let named: usize = house.state.due_messages().map(|due| due.open.pages.len()).sum();
        prop_assert_eq!(named, house.state.pages.len());
    }
}
