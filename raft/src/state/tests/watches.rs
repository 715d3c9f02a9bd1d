//! Watches as people see them: groups, uptime and the journal.

use std::collections::BTreeSet;

use super::causes::{parent, site};
use super::*;

fn grouped(config: &mut Config) {
    let group = Group {
        labels: BTreeMap::from([
            ("site".to_owned(), "berlin".to_owned()),
            ("kind".to_owned(), "web".to_owned()),
        ]),
        check: Some(http_check()),
        depends_on: BTreeSet::from([parent("gate")]),
    };
    config.groups.insert(name("web"), group);
    for (watch, last) in [("gate", 60), ("w1", 61), ("w2", 62)] {
        let watch_of = Watch {
            ladder: None,
            address: [10, 0, 0, last].into(),
            port: None,
            group: Some(name("web")),
            labels: BTreeMap::from([("site".to_owned(), watch.to_owned())]),
            check: None,
            depends_on: BTreeSet::new(),
        };
        config.watches.insert(name(watch), watch_of);
    }
}

fn watch_key(watch: &str) -> CheckKey {
    CheckKey::Watch(name(watch))
}

#[test]
fn a_watch_has_what_its_group_has_and_its_own_first() {
    let mut config = Config::default();
    grouped(&mut config);
    assert_eq!(config.faults(&BTreeMap::new()), []);
    let w1 = &config.watches[&name::<crate::id::WatchName>("w1")];
    assert_eq!(config.check_of(w1), Some(&http_check()));
    assert_eq!(config.check(&watch_key("w1")), Some(&http_check()));
    assert_eq!(
        config.target(&watch_key("w1")).map(|to| to.to_string()),
        Some("10.0.0.61:80".to_owned())
    );
    let labels = config.labels_of(w1);
    assert_eq!(
        (labels["site"].as_str(), labels["kind"].as_str()),
        ("w1", "web")
    );
    assert_eq!(
        config.parents_of(&parent("w1")),
        BTreeSet::from([parent("gate")])
    );
    assert_eq!(
        config.parents_of(&parent("gate")),
        BTreeSet::new(),
        "who its own group depends on does not depend on itself"
    );
}

#[test]
fn a_group_must_be_there_and_somebody_must_say_how_to_check() {
    let mut config = Config::default();
    grouped(&mut config);
    let faults = |config: &Config| -> Vec<String> {
        let faults = config.faults(&BTreeMap::new()).into_iter();
        faults.map(|fault| fault.to_string()).collect()
    };
    let mut without = config.clone();
    without.groups.clear();
    assert_eq!(
        faults(&without)[0],
        "watch[gate].group: there is no group called web"
    );
    assert!(faults(&without)[1].starts_with("watch[gate].check: no check"));
    let group = config.groups.values_mut().next().expect("one");
    group.check = Some(Check {
        kind: CheckKind::Tcp,
        ..http_check()
    });
    group.depends_on.insert(parent("nobody"));
    let found = faults(&config);
    assert!(found[0].starts_with("watch[gate].port:"), "{found:?}");
    assert_eq!(
        found.last().map(String::as_str),
        Some("group[web].depends_on: there is no watch called nobody")
    );
    let alone: Vec<_> = config.watch_faults(&name("w1"));
    assert_eq!(alone.len(), 1, "{alone:?}");
}

#[test]
fn the_diff_names_the_group_and_not_what_is_inherited() {
    let (old, mut new) = (Config::default(), Config::default());
    grouped(&mut new);
    let lines = diff(&old, &new);
    assert!(
        lines[0].starts_with("+ group[web]: labels kind=web site=berlin"),
        "{lines:?}"
    );
    assert_eq!(
        lines[2],
        "+ watch[w1]: target 10.0.0.61, group web, labels site=w1"
    );
    let mut other = new.clone();
    let group = other.groups.values_mut().next().expect("one");
    group.labels.clear();
    assert_eq!(
        diff(&new, &other),
        ["~ group[web]: labels kind=web site=berlin -> none"]
    );
}

#[test]
fn uptime_is_counted_from_verdict_to_verdict() {
    let mut house = site(OnParentDown::Keep);
    let (key, begun) = (watch_key("fs1"), house.at);
    house.at += 100_000;
    house.watch("fs1", Health::Down);
    house.at += 10_000;
    house.watch("fs1", Health::Up);
    let now = UnixMillis(house.at + 5_000);
    let months = house.state.uptime.months_of(&key, now);
    let month = months[0];
    assert_eq!(month.downs, 1);
    assert_eq!(u64::from(month.down_ms), 11_000);
    let whole = u64::from(month.up_ms) + u64::from(month.down_ms);
    assert!(whole >= now.0 - begun, "{month:?}");
    assert!(!house.state.uptime.is_empty());

    // Another address is another thing; what was known of the old one stays in the account.
    let mut config = house.state.config.as_ref().clone();
    let fs1 = config.watches.get_mut("fs1").expect("it is there");
    fs1.address = [10, 0, 0, 99].into();
    house.configure(config.clone()).expect("it is valid");
    house.at += 60_000;
    let months = house.state.uptime.months_of(&key, UnixMillis(house.at));
    assert_eq!(u64::from(months[0].unknown_ms) / 60_000, 1);

    for farm in config.farms.values_mut() {
        farm.depends_on.clear();
    }
    config.watches.remove("fs1");
    house.configure(config).expect("it is valid");
    assert!(
        house
            .state
            .uptime
            .months_of(&key, UnixMillis(house.at))
            .is_empty()
    );
}

#[test]
fn the_journal_tells_what_happened_in_order() {
    let mut house = site(OnParentDown::Keep);
    let before = house.state.journal.last();
    house.watch("switch1", Health::Down);
    let page = house.state.pages.iter().last().expect("one was written").id;
    let sequence = house.state.pages.iter().last().expect("one").sequence;
    house
        .order(Command::RecordDelivery(DeliveryRecord {
            contact: name("ops"),
            bundle: sequence,
            through: sequence,
            round: 0,
            by: NodeId(1),
            tries: vec![ChannelTry {
                channel: ChannelKind::Mail,
                outcome: DeliveryOutcome::Failed("451 later".to_owned()),
            }],
            forlorn: false,
        }))
        .expect("it is due");
    house
        .order(Command::Acknowledge {
            taken: Taken::Pages([page].into()),
            by: "anna".to_owned(),
        })
        .expect("nobody has it");
    house.admin("s1", AdminState::Drain).expect("it is there");
    house.term = 2;
    house.watch("switch1", Health::Up);
    let state = &house.state;
    let told: Vec<String> = state
        .journal
        .after(before)
        .map(|entry| {
            let (subject, words) = state.journal_words(entry);
            format!("{} {subject}: {words}", entry.event.kind())
        })
        .collect();
    let told: Vec<&str> = told.iter().map(String::as_str).collect();
    assert_eq!(
        told[..7],
        [
            "health switch1: down: timeout",
            "page switch1: page DOWN: timeout",
            "delivery switch1: not delivered to ops by lb1: 451 later",
            "acknowledged switch1: taken on by anna",
            "order shop/s1: ordered drain by ada",
            "health switch1: up: 200 OK",
            "leader leader: elected anew: term 2 begins",
        ],
        "{told:?}"
    );
    assert!(
        told[7].starts_with("page switch1: page UP: up again"),
        "{told:?}"
    );
}
