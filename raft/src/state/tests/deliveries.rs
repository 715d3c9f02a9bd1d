//! Deliveries: until when something is due, what attempts leave behind, and channels that fail.

use super::*;

fn failed() -> DeliveryOutcome {
    DeliveryOutcome::Failed("450 later\r\nplease".to_owned())
}

fn first_due(state: &State) -> DueMessage<'_> {
    state.due_messages().next().expect("something is due")
}

fn delivery(state: &State, sequence: u64) -> Delivery {
    let page = state.pages.at(sequence).expect("it is remembered");
    page.deliveries["ops"].clone()
}

#[test]
fn a_delivery_is_due_until_it_is_made() {
    let mut house = House::up();
    house.down("s1");
    let at = UnixMillis(house.at);
    assert!(first_due(&house.state).is_due(at), "at once");
    for wait_ms in [5_000, 10_000, 20_000] {
        house
            .order(record(&house.state, "ops", failed()))
            .expect("due");
        let due = first_due(&house.state);
        assert_eq!(due.not_before(), UnixMillis(house.at + wait_ms));
        assert_eq!(due.open.error, "450 later please");
    }
    let again = record(&house.state, "ops", failed());
    let delivered = record(&house.state, "ops", DeliveryOutcome::Delivered);
    assert_eq!(house.order(delivered.clone()), Ok(Applied::Done));
    assert_eq!(house.order(delivered), Ok(Applied::Unchanged));
    assert_eq!(
        house.order(again),
        Ok(Applied::Unchanged),
        "it is the next round"
    );
    assert_eq!(
        house.state.counts().deliveries_due,
        2,
        "that its channel failed, and works again"
    );
}

/// A wall clock that jumped a day ahead took the page of an incident that was over with its first
/// failure; now whoever tries says how long it did.
#[test]
fn a_delivery_is_given_up_by_word_of_who_tried_and_by_no_wall_clock() {
    let mut house = House::up();
    house
        .order(Command::RaiseFormat(crate::codec::NEWEST))
        .expect("it is newer");
    house.down("s1");
    let forlorn = |house: &House| {
        let mut said = record(&house.state, "ops", failed());
        if let Command::RecordDelivery(record) = &mut said {
            record.forlorn = true;
        }
        said
    };
    house.order(forlorn(&house)).expect("due");
    assert!(delivery(&house.state, 1).is_due(), "the incident is open");
    house.recover("s1");
    house.at += 10 * 86_400_000;
    house
        .order(record(&house.state, "ops", failed()))
        .expect("due");
    assert!(delivery(&house.state, 1).is_due(), "the clock jumped");
    house.order(forlorn(&house)).expect("due");
    assert_eq!(delivery(&house.state, 1).progress, Progress::Expired);
}

/// As the release before has it, so that both make the same state.
#[test]
fn in_the_oldest_format_a_delivery_is_given_up_a_day_after_its_incident() {
    let mut house = House::up();
    house.down("s1");
    house.at += 10 * 86_400_000;
    house
        .order(record(&house.state, "ops", failed()))
        .expect("due");
    assert!(delivery(&house.state, 1).is_due(), "the incident is open");
    house.recover("s1");
    let over = house.at;
    house.at += 86_400_000 - 3_000;
    house
        .order(record(&house.state, "ops", failed()))
        .expect("due");
    assert!(delivery(&house.state, 1).is_due(), "not a day yet");
    house.at = over + 86_400_000;
    house
        .order(record(&house.state, "ops", failed()))
        .expect("due");
    assert_eq!(delivery(&house.state, 1).progress, Progress::Expired);
}

#[test]
fn deliveries_that_nobody_waits_for_are_refused_or_given_up() {
    let mut house = House::up();
    house.down("s1");
    let page = house.state.pages.iter().next().expect("it was paged").id;
    let contact: crate::id::ContactName = name("boss");
    let Command::RecordDelivery(mut other) = record(&house.state, "ops", failed()) else {
        panic!("a record");
    };
    other.contact = contact.clone();
    let refused = Err(Reject::NotAddressed { page, contact });
    assert_eq!(house.order(Command::RecordDelivery(other)), refused);

    let mut config = shop(4);
    config.contacts = BTreeMap::from([(name("boss"), contact_of("boss"))]);
    house.configure(config).expect("it is valid");
    assert_eq!(
        house.state.due_messages().count(),
        0,
        "ops left, boss came later"
    );
    assert_eq!(delivery(&house.state, 1).progress, Progress::Expired);
}

fn contact_of(user: &str) -> Contact {
    let mut contact = contact();
    mail_of(&mut contact).to = vec![format!("{user}@example.com")];
    contact
}

/// Two failures in a row of a channel are paged once, to everybody; the first success ends it.
#[test]
fn a_channel_that_fails_is_paged_once_and_until_it_works() {
    let mut config = shop(4);
    config.contacts.insert(name("boss"), contact_of("boss"));
    let mut house = House::full();
    house.configure(config).expect("it is valid");
    for n in 1..=4 {
        house.recover(&format!("s{n}"));
    }
    house.down("s1");
    for _ in 0..5 {
        house
            .order(record(&house.state, "ops", failed()))
            .expect("due");
    }
    let standing = &house.state.channels[&(name("ops"), ChannelKind::Mail)];
    assert_eq!(
        (standing.failures, standing.error.as_str()),
        (5, "450 later please")
    );
    assert_eq!(
        house.pages()[1..],
        ["DOWN channel ops/mail: 450 later please ()"],
        "five failures, one page"
    );
    let page = house.state.pages.iter().next_back().expect("that page");
    let told: Vec<String> = page.deliveries.keys().map(ToString::to_string).collect();
    assert_eq!(told, ["boss", "ops"]);

    let works = record(&house.state, "ops", DeliveryOutcome::Delivered);
    house.order(works).expect("due");
    let last = house.pages().pop().expect("a page");
    assert!(
        last.starts_with("UP channel ops/mail: works again after"),
        "{last}"
    );
    assert!(house.state.channels.is_empty());
}

/// However many channels fail: one page each, and no page because that page fails.
#[test]
fn pages_about_channels_do_not_breed() {
    let mut config = shop(4);
    config.contacts.insert(name("boss"), contact_of("boss"));
    let mut house = House::full();
    house.configure(config).expect("it is valid");
    house.recover("s1");
    house.down("s1");
    for round in 0..40 {
        for contact in ["ops", "boss"] {
            house.at += 600_000;
            let due: Vec<_> = house.state.due_messages().map(|due| due.bundle).collect();
            assert!(due.len() < 12, "round {round}: {} messages", due.len());
            house
                .order(record(&house.state, contact, failed()))
                .expect("due");
        }
    }
    assert_eq!(house.pages().len(), 3, "{:?}", house.pages());
}

/// A new clock that is years behind must not make a page wait for years.
#[test]
fn a_page_that_was_planned_by_a_wrong_clock_goes_at_once() {
    let mut house = House::up();
    let right = house.at;
    house.at += 5 * 365 * 86_400_000;
    house.down("s1");
    house.at = right;
    assert!(first_due(&house.state).is_due(UnixMillis(right)));
    house.down("s2");
    let due: Vec<_> = house.state.due_messages().map(|due| due.bundle).collect();
    assert_eq!(
        due.len(),
        2,
        "the window of the wrong clock counts as closed"
    );
}
