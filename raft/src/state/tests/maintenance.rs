//! Maintenance: what is said of it, that it ends by itself, and that nobody is called meanwhile.

use super::*;

impl House {
    /// Orders s2 into maintenance; it ends so many seconds from now.
    fn maintain(&mut self, comment: &str, seconds: Option<u64>) -> Result<Applied, Reject> {
        let end = |seconds: u64| UnixMillis(self.at + (seconds + 1) * 1_000);
        let order = AdminOrder {
            author: Author("ada".to_owned()),
            servers: Ordered::One(name("shop"), name("s2")),
            admin: AdminState::Maintenance,
            allow_empty: true,
            comment: comment.to_owned(),
            until: seconds.map(end),
        };
        self.order(Command::SetAdmin(order))
    }

    fn ordered(&self) -> AdminState {
        let shop = &self.state.config.farms["shop"];
        shop.servers["s2"].admin
    }

    fn said(&self) -> Option<&Maintenance> {
        self.state.maintenances.get(&name("shop"), &name("s2"))
    }

    fn let_pass(&mut self, seconds: u64) {
        self.at += seconds * 1_000;
        self.order(Command::PassTime).expect("time passes");
    }
}

#[test]
fn it_says_who_why_since_when_and_until_when() {
    let mut house = House::up();
    house
        .maintain("new disks", Some(7_200))
        .expect("it is fine");
    let said = house.said().expect("it is remembered").clone();
    assert_eq!(
        (said.comment.as_str(), said.author.0.as_str()),
        ("new disks", "ada")
    );
    let from = UnixMillis(house.at);
    assert_eq!(
        (said.from, said.until),
        (from, Some(UnixMillis(house.at + 7_200_000)))
    );
    let made = house.state.revisions.back().expect("a revision");
    assert_eq!(
        (made.author.0.as_str(), made.note.as_str()),
        ("ada", "new disks")
    );
    assert_eq!(house.state.next_time(), said.until);
}

#[test]
fn it_ends_by_itself_as_a_revision_and_only_then() {
    let mut house = House::up();
    house.maintain("new disks", Some(600)).expect("it is fine");
    house.let_pass(598);
    assert_eq!(house.ordered(), AdminState::Maintenance);
    let before = house.state.revision;
    house.let_pass(1);
    assert_eq!((house.ordered(), house.said()), (AdminState::Ready, None));
    assert_eq!(house.state.revision.0, before.0 + 1);
    let made = house.state.revisions.back().expect("a revision");
    assert_eq!(made.author.0, "ada");
    assert_eq!(made.note, "its time in maintenance is over");
    assert_eq!(
        made.diff,
        ["~ farm[shop].server[s2]: admin maintenance -> ready"]
    );
    assert_eq!(house.state.next_time(), None);
    house.let_pass(1);
    assert_eq!(house.state.revision.0, before.0 + 1, "once");
}

/// Neither that it goes down in it, nor that it came out of it.
#[test]
fn nobody_is_called_for_it_and_for_what_lasts_afterwards_somebody_is() {
    let mut house = House::up();
    house.maintain("", Some(600)).expect("it is fine");
    let change = change("shop", "s2", "web", Health::Down, "refused", house.at);
    let _ = house.order(reported(owner(1, 1), vec![change]));
    house.let_pass(700);
    assert_eq!(house.pages(), Vec::<String>::new());
    house.down("s2");
    assert_eq!(
        house.pages().len(),
        1,
        "it is watched again: {:?}",
        house.pages()
    );
}

#[test]
fn a_new_order_replaces_the_old_one_and_the_same_changes_nothing() {
    let mut house = House::up();
    house.maintain("", None).expect("it is fine");
    assert_eq!(house.maintain("", None), Ok(Applied::Unchanged));
    let revision = house.state.revision;
    assert_eq!(house.maintain("longer", Some(600)), Ok(Applied::Done));
    assert_eq!(
        house.state.revision, revision,
        "the configuration is the same"
    );
    assert_eq!(
        house.said().map(|said| said.comment.as_str()),
        Some("longer")
    );
    house.let_pass(700);
    assert_eq!(house.ordered(), AdminState::Ready);
}

#[test]
fn it_is_over_with_ready_and_with_its_server() {
    for gone in [false, true] {
        let mut house = House::up();
        house.maintain("new disks", Some(600)).expect("it is fine");
        match gone {
            true => {
                house.configure(shop(1)).expect("it is valid");
            }
            false => {
                house.admin("s2", AdminState::Ready).expect("it is there");
            }
        }
        assert_eq!((house.said(), house.state.next_time()), (None, None));
    }
}

/// An export has no orders, and what is applied keeps those that are there.
#[test]
fn a_configuration_that_keeps_the_order_keeps_what_is_said_of_it() {
    let mut house = House::up();
    house.maintain("new disks", Some(600)).expect("it is fine");
    let mut config = house.state.config.as_ref().clone();
    let farm = config.farms.get_mut("shop").expect("it is there");
    let server = farm.servers.get_mut("s2").expect("it is there");
    server.weight = NonZeroU32::new(7).expect("not zero");
    house.configure(config).expect("it is valid");
    assert!(house.said().is_some());
}

#[test]
fn it_is_forgotten_after_a_day_unless_it_ends() {
    let day = 24 * 3_600 * 1_000;
    for (seconds, wanted) in [(None, true), (Some(48 * 3_600), false)] {
        let mut house = House::up();
        house.maintain("", seconds).expect("it is fine");
        let said = house.said().expect("it is remembered");
        assert!(!said.is_forgotten(UnixMillis(house.at + day)));
        assert_eq!(said.is_forgotten(UnixMillis(house.at + day + 1)), wanted);
    }
}

#[test]
fn a_time_that_cannot_be_is_refused() {
    let mut house = House::up();
    let refused = Err(Reject::MaintenanceTime);
    assert_eq!(house.maintain("", Some(30)), refused);
    assert_eq!(house.maintain("", Some(31 * 24 * 3_600)), refused);
    let drain = AdminOrder {
        author: Author("ada".to_owned()),
        servers: Ordered::One(name("shop"), name("s2")),
        admin: AdminState::Drain,
        allow_empty: true,
        comment: String::new(),
        until: Some(UnixMillis(house.at + 600_000)),
    };
    assert_eq!(house.order(Command::SetAdmin(drain)), refused);
    let long = house.maintain(&"x".repeat(201), None);
    assert!(
        matches!(long, Err(Reject::BadText { max: 200, .. })),
        "{long:?}"
    );
}

#[test]
fn a_preview_knows_silences_and_maintenance() {
    let mut house = House::up();
    let subject = Subject::Server(name("shop"), name("s2"));
    let preview = |house: &House| house.state.preview(&subject, UnixMillis(house.at));
    assert_eq!(
        (preview(&house).silenced, preview(&house).calls.len()),
        (None, 1)
    );
    let silence = Silence {
        matcher: Matcher(vec!["server=shop/s*".parse().expect("a term")]),
        comment: "moving".to_owned(),
        author: Author("ada".to_owned()),
        from: UnixMillis(0),
        until: UnixMillis(house.at + 600_000),
    };
    house
        .order(Command::AddSilence(silence))
        .expect("it is fine");
    assert_eq!(
        (preview(&house).silenced, preview(&house).calls.len()),
        (Some(1), 0)
    );
    house.order(Command::EndSilence(1)).expect("it is there");
    house.maintain("new disks", None).expect("it is fine");
    let shown = preview(&house);
    assert_eq!(
        (shown.held.as_str(), shown.calls.len()),
        ("it is in maintenance by order", 0)
    );
}
