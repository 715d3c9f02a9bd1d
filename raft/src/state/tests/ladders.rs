//! Ladders, reminders, and what ends them: taking on, resolving, being over.

use super::*;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

/// The shop with ops at once, boss after ten minutes and all after thirty.
fn laddered() -> Config {
    let mut config = shop(4);
    for who in ["boss", "chief"] {
        config.contacts.insert(name(who), contact());
    }
    let step = |after: u64, who: &str| Step {
        after: Duration::from_secs(after * 60),
        contacts: [name(who)].into(),
    };
    let steps = vec![step(0, "ops"), step(10, "boss"), step(30, "chief")];
    config.ladders.insert(name("duty"), Ladder { steps });
    config.paging.ladder = Some(name("duty"));
    config
}

fn house() -> House {
    let mut house = House::full();
    house.configure(laddered()).expect("it is valid");
    for n in 1..=4 {
        house.recover(&format!("s{n}"));
    }
    house
}

/// Who is due at a time, counted from now.
fn due(house: &House, after: u64) -> Vec<String> {
    let at = UnixMillis(house.at + after);
    let due = house.state.due_messages().filter(|due| due.is_due(at));
    due.map(|due| format!("{} {}", due.contact, due.open.round))
        .collect()
}

fn tell(house: &mut House, contact: &str) {
    let told = record(&house.state, contact, DeliveryOutcome::Delivered);
    house.order(told).expect("it is due");
}

fn ack(house: &House, by: &str) -> Command {
    let all = house.state.pages.iter().map(|page| page.id);
    Command::Acknowledge {
        taken: Taken::Pages(all.collect()),
        by: by.to_owned(),
    }
}

fn progress(house: &House, sequence: u64) -> Vec<(String, Progress)> {
    let page = house.state.pages.at(sequence).expect("it was paged");
    let all = page.deliveries.iter();
    all.map(|(contact, made)| (contact.to_string(), made.progress))
        .collect()
}

#[test]
fn later_steps_come_in_their_time_and_only_while_nobody_took_it_on() {
    let mut house = house();
    house.down("s1");
    assert_eq!(due(&house, 0), ["ops 0"]);
    tell(&mut house, "ops");
    assert_eq!(due(&house, 10 * MINUTE - 2_000), [""; 0]);
    assert_eq!(due(&house, 10 * MINUTE), ["boss 0"]);
    house.at += 10 * MINUTE;
    tell(&mut house, "boss");
    house.order(ack(&house, "ada")).expect("nobody has it");
    assert_eq!(
        due(&house, 30 * HOUR),
        [""; 0],
        "neither chief nor a reminder"
    );
    let wanted = [
        ("boss".to_owned(), Progress::Delivered),
        ("chief".to_owned(), Progress::Spared),
        ("ops".to_owned(), Progress::Delivered),
    ];
    assert_eq!(progress(&house, 1), wanted);
    // What comes back is told to whoever heard that it went.
    house.recover("s1");
    let wanted = ["boss", "ops"].map(|who| (who.to_owned(), Progress::Due));
    assert_eq!(progress(&house, 2), wanted);
}

#[test]
fn who_is_up_again_spares_the_later_steps() {
    let mut house = house();
    house.down("s1");
    tell(&mut house, "ops");
    house.recover("s1");
    assert_eq!(due(&house, 24 * HOUR), ["ops 0"], "the page Up alone");
    assert!(house.state.pages.at(1).expect("it was paged").is_settled());
}

/// The step's time has come and its message is on its way: it hears of the end too.
#[test]
fn a_step_that_is_being_told_hears_of_the_end() {
    let mut house = house();
    house.down("s1");
    tell(&mut house, "ops");
    house.at += 10 * MINUTE;
    house.recover("s1");
    let told: Vec<String> = progress(&house, 2)
        .into_iter()
        .map(|(who, _)| who)
        .collect();
    assert_eq!(told, ["boss", "ops"]);
}

/// It was acknowledged while the message was on its way: what was told counts as told.
#[test]
fn a_spared_step_that_was_told_all_the_same_is_recorded() {
    let mut house = house();
    house.down("s1");
    house.at += 11 * MINUTE;
    let on_its_way = record(&house.state, "boss", DeliveryOutcome::Delivered);
    house.order(ack(&house, "ada")).expect("nobody has it");
    assert_eq!(house.order(on_its_way.clone()), Ok(Applied::Done));
    assert_eq!(house.order(on_its_way), Ok(Applied::Unchanged));
    assert_eq!(
        progress(&house, 1)[0],
        ("boss".to_owned(), Progress::Delivered)
    );
}

#[test]
fn an_open_page_is_told_again_until_somebody_takes_it_on() {
    let mut house = House::up();
    house.down("s1");
    let id = house.state.message(&name("ops"), 1).expect("due").id;
    let page = house.state.pages.at(1).expect("it was paged").id;
    assert_eq!(id, page, "one page alone has its own id");
    let mut ids = vec![id];
    for round in 1..=3 {
        tell(&mut house, "ops");
        assert_eq!(due(&house, 4 * HOUR - 1), [""; 0]);
        assert_eq!(due(&house, 4 * HOUR), [format!("ops {round}")]);
        house.at += 4 * HOUR;
        let message = house.state.message(&name("ops"), 1).expect("due");
        assert!(!ids.contains(&message.id), "each time a message of its own");
        ids.push(message.id);
    }
    assert_eq!(house.state.counts().deliveries_due, 0, "it has been told");
    house.order(ack(&house, "ada")).expect("nobody has it");
    assert_eq!(due(&house, 99 * HOUR), [""; 0]);
}

#[test]
fn resolving_closes_the_call_and_not_the_incident() {
    let mut house = house();
    house.down("s1");
    tell(&mut house, "ops");
    let page = house.state.pages.at(1).expect("it was paged").id;
    let resolve = |why: &str| Command::Resolve {
        pages: [page].into(),
        by: "ada".to_owned(),
        why: why.to_owned(),
    };
    assert_eq!(house.order(resolve("known fault")), Ok(Applied::Done));
    assert_eq!(house.order(resolve("again")), Ok(Applied::Unchanged));
    let code = |answer: Result<Applied, Reject>| answer.map_err(|reject| reject.code());
    assert_eq!(code(house.order(resolve("a\nb"))), Err("FMX-S032"));
    assert_eq!(due(&house, 99 * HOUR), [""; 0]);
    assert_eq!(
        house.state.incidents.len(),
        1,
        "it is down still, and was paged"
    );
    house.recover("s1");
    assert_eq!(house.pages().len(), 2, "the page Up comes as usual");
    assert_eq!(due(&house, MINUTE), ["ops 0"]);
}

#[test]
fn pages_are_taken_on_by_one() {
    let mut house = House::up();
    house.down("s1");
    let page = house.state.pages.at(1).expect("it was paged").id;
    assert_eq!(house.order(ack(&house, "ada")), Ok(Applied::Done));
    assert_eq!(house.order(ack(&house, "ada")), Ok(Applied::Unchanged));
    let by = "ada".to_owned();
    let taken = Err(Reject::AlreadyAcknowledged { page, by });
    assert_eq!(house.order(ack(&house, "bob")), taken);
    house.down("s2");
    assert_eq!(
        house.order(ack(&house, "bob")),
        Ok(Applied::Done),
        "the other is free"
    );
    let unknown = Command::Acknowledge {
        taken: Taken::Pages([page, PageId(1)].into()),
        by: "bob".to_owned(),
    };
    assert_eq!(house.order(unknown), Err(Reject::UnknownPage(PageId(1))));
    for by in ["", "a\nb"] {
        let code = house.order(ack(&house, by)).map_err(|reject| reject.code());
        assert_eq!(code, Err("FMX-S032"));
    }
}

#[test]
fn a_message_is_taken_on_with_all_its_pages() {
    let mut house = House::up();
    house.down("s1");
    for server in ["s2", "s3"] {
        house.down(server);
    }
    let message = |bundle| Command::Acknowledge {
        taken: Taken::Message {
            contact: name("ops"),
            bundle,
        },
        by: "ada".to_owned(),
    };
    assert_eq!(house.order(message(2)), Ok(Applied::Done));
    let taken: Vec<u64> = house
        .state
        .pages
        .iter()
        .filter(|page| page.acknowledged.is_some())
        .map(|page| page.sequence)
        .collect();
    assert_eq!(taken, [2, 3]);
    let code = house.order(message(99)).map_err(|reject| reject.code());
    assert_eq!(code, Err("FMX-S053"));
}

#[test]
fn a_preview_says_who_when_and_how() {
    let mut house = house();
    let (farm, server) = shop_server("s1");
    let subject = Subject::Server(farm, server);
    let now = UnixMillis(house.at);
    let calls = |preview: Preview| -> Vec<(String, u64, Vec<ChannelKind>)> {
        let call = |call: PreviewCall| {
            (
                call.rung.contact.to_string(),
                call.at.0 - now.0,
                call.channels,
            )
        };
        preview.calls.into_iter().map(call).collect()
    };
    let mail = vec![ChannelKind::Mail];
    let preview = house.state.preview(&subject, now);
    assert_eq!(
        (preview.title.as_str(), preview.held.as_str()),
        ("shop/s1", "")
    );
    let wanted = [("ops", 0), ("boss", 10 * MINUTE), ("chief", 30 * MINUTE)];
    let wanted = wanted.map(|(who, at)| (who.to_owned(), at, mail.clone()));
    assert_eq!(calls(preview), wanted);
    house.down("s1");
    assert!(
        house
            .state
            .preview(&subject, now)
            .held
            .contains("down already")
    );
}

#[test]
fn ladders_that_cannot_be_are_named() {
    type Change = fn(&mut Config);
    let cases: [(Change, &str); 7] = [
        (
            |config| ladder(config).steps.clear(),
            "at least one is needed",
        ),
        (|config| ladder(config).steps.truncate(1), ""),
        (
            |config| ladder(config).steps[0].after = Duration::from_secs(1),
            "is outside",
        ),
        (
            |config| ladder(config).steps[2].after = Duration::from_secs(60),
            "is outside",
        ),
        (
            |config| {
                ladder(config).steps[1].contacts.insert(name("ops"));
            },
            "ops stands here more than once",
        ),
        (
            |config| {
                config.contacts.remove("boss");
            },
            "there is no contact called boss",
        ),
        (
            |config| config.ladders.clear(),
            "there is no ladder called duty",
        ),
    ];
    for (number, (change, wanted)) in cases.into_iter().enumerate() {
        let mut config = laddered();
        change(&mut config);
        let faults = config.faults(&BTreeMap::new());
        let words: Vec<String> = faults.iter().map(ToString::to_string).collect();
        match wanted {
            "" => assert_eq!(words, [""; 0], "case {number}"),
            wanted => assert!(
                words.iter().any(|w| w.contains(wanted)),
                "{number}: {words:?}"
            ),
        }
    }
}

fn ladder(config: &mut Config) -> &mut Ladder {
    config.ladders.get_mut("duty").expect("it is there")
}
