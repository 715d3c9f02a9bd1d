//! Pages of drills: marked within the radius and the time, and nowhere else; to whom they go, and
//! what became of them.

use super::drills::order_of;
use super::*;
use crate::state::drill::{DrillKind, DrillRadius, PageCount, RunId, Verdict};

/// The shop with a second contact, who gets the pages of drills; a run breaks server s1.
fn broken() -> House {
    let mut house = House::up();
    let mut config = shop(4);
    config.contacts.insert(name("drills"), contact());
    config.paging.drill_contacts = [name("drills")].into();
    house.configure(config).expect("it is valid");
    begin(&mut house, DrillKind::ServerDown);
    let radius = DrillRadius {
        members: [Parent::Server(name("shop"), name("s1"))].into(),
        ..DrillRadius::default()
    };
    let run = RunId(1);
    house
        .order(Command::DrillInjecting { run, radius })
        .expect("it runs");
    house
}

fn begin(house: &mut House, kind: DrillKind) {
    let order = order_of(house, kind);
    let begun = house.order(Command::BeginDrill(Box::new(order)));
    assert_eq!(begun, Ok(Applied::Drill(RunId(1))));
}

fn undo(house: &mut House) {
    let undone = Command::DrillUndone { run: RunId(1) };
    house.order(undone).expect("it runs");
}

fn end(house: &mut House) {
    let running = house.state.drills.running.clone().expect("it runs");
    let mut record = running.lost(UnixMillis(house.at));
    record.verdict = Verdict::Pass;
    house
        .order(Command::RecordDrill(Box::new(record)))
        .expect("it runs");
}

fn newest(house: &House) -> &Page {
    house.state.pages.iter().last().expect("there is one")
}

fn told(page: &Page) -> Vec<&str> {
    page.deliveries.keys().map(ContactName::as_str).collect()
}

fn count(house: &House) -> PageCount {
    let now = UnixMillis(house.at);
    house.state.drill_pages(RunId(1), 30_000, now)
}

#[test]
fn only_the_node_that_is_severed_may_blame_the_drill_for_its_majority() {
    let mut house = House::up();
    begin(&mut house, DrillKind::NodeIsolate);
    let (run, [hit, other]) = (RunId(1), [NodeId(1), NodeId(2)]);
    let radius = DrillRadius {
        nodes: [hit].into(),
        ..DrillRadius::default()
    };
    assert_eq!(house.state.drill_severing(hit, UnixMillis(house.at)), None);
    house
        .order(Command::DrillInjecting { run, radius })
        .expect("it runs");
    let at = UnixMillis(house.at);
    assert_eq!(house.state.drill_severing(hit, at), Some(run));
    assert_eq!(house.state.drill_severing(other, at), None);
    assert_eq!(house.state.drill_of(&Subject::Quorum, at), None);
    let regained = UnixMillis(at.0 + 9_000);
    let report = |lost, by| Command::ReportQuorum {
        lost,
        regained,
        by: Some(by),
    };
    house.order(report(at, hit)).expect("it was lost");
    assert_eq!(newest(&house).drill, Some(run), "back, as it went");
    let later = UnixMillis(at.0 + 9_001);
    let regained = UnixMillis(at.0 + 20_000);
    let real = Command::ReportQuorum {
        lost: later,
        regained,
        by: Some(other),
    };
    house.order(real).expect("it was lost");
    assert_eq!(newest(&house).drill, None);
}

#[test]
fn within_the_radius_it_is_marked_and_elsewhere_it_is_real() {
    let mut house = broken();
    house.down("s1");
    let page = newest(&house);
    assert_eq!((page.drill, told(page)), (Some(RunId(1)), vec!["drills"]));
    assert_eq!(page.marked_title(), "[DRILL] shop/s1");
    house.down("s2");
    let page = newest(&house);
    assert_eq!((page.drill, told(page)), (None, vec!["drills", "ops"]));
    let bundles: std::collections::BTreeSet<u64> = house
        .state
        .due_messages()
        .filter(|due| due.contact.as_str() == "drills")
        .map(|due| due.bundle)
        .collect();
    assert_eq!(bundles.len(), 2, "never in one message");
    let sent = count(&house);
    assert_eq!((sent.sent, sent.late, sent.doubled), (1, 0, 0));
}

#[test]
fn its_end_is_marked_too_even_when_the_run_is_over() {
    let mut house = broken();
    house.down("s1");
    undo(&mut house);
    end(&mut house);
    house.at += 600_000;
    house.recover("s1");
    let page = newest(&house);
    assert_eq!((page.kind, page.drill), (PageKind::Up, Some(RunId(1))));
    assert_eq!(told(page), ["drills"]);
    house.down("s1");
    assert_eq!(newest(&house).drill, None, "that one is real");
}

#[test]
fn however_often_it_is_rehearsed_the_next_real_one_is_no_flapping() {
    let mut house = broken();
    let mut config = house.state.config.as_ref().clone();
    config.paging.flap_changes = NonZeroU32::new(2).expect("not zero");
    house.configure(config).expect("it is valid");
    for _ in 0..4 {
        house.down("s1");
        house.recover("s1");
    }
    house.down("s1");
    undo(&mut house);
    end(&mut house);
    house.at += 50_000;
    house.recover("s1");
    assert_eq!(newest(&house).drill, Some(RunId(1)), "a late end");
    for (kind, change) in [
        (PageKind::Down, House::down as fn(&mut House, &str)),
        (PageKind::Up, House::recover),
        (PageKind::Flapping, House::down),
    ] {
        change(&mut house, "s1");
        assert_eq!((newest(&house).kind, newest(&house).drill), (kind, None));
    }
}

#[test]
fn what_began_before_or_after_the_failure_is_real() {
    for (offset, marked) in [(-60_000_i64, false), (0, true), (60_000, false)] {
        let mut house = broken();
        undo(&mut house);
        house.at = house.at.checked_add_signed(offset).expect("far from 0");
        house.down("s1");
        assert_eq!(newest(&house).drill.is_some(), marked, "{offset} ms");
    }
}

#[test]
fn where_nobody_is_chosen_it_goes_to_whoever_gets_real_ones() {
    let mut house = broken();
    let mut config = house.state.config.as_ref().clone();
    config.paging.drill_contacts.clear();
    house.configure(config).expect("it is valid");
    house.down("s1");
    let page = newest(&house);
    assert_eq!(
        (page.drill, told(page)),
        (Some(RunId(1)), vec!["drills", "ops"])
    );
}

#[test]
fn a_contact_for_drills_must_be_one() {
    let mut config = shop(4);
    config.paging.drill_contacts = [name("nobody")].into();
    let refused = House::full().configure(config).expect_err("there is none");
    assert!(refused.to_string().contains("nobody"), "{refused}");
}

#[test]
fn a_page_test_waits_until_somebody_takes_it_on() {
    let mut house = House::full();
    let open = |contacts: &[&str]| Command::OpenDrillPage {
        run: RunId(1),
        contacts: contacts.iter().map(|one| name(one)).collect(),
    };
    let unknown = Err(Reject::UnknownDrill(RunId(1)));
    assert_eq!(house.order(open(&[])), unknown);
    begin(&mut house, DrillKind::PageTest);
    assert_eq!(house.order(open(&["ops", "nobody"])), Ok(Applied::Done));
    assert_eq!(house.order(open(&["ops"])), Ok(Applied::Unchanged));
    let page = newest(&house).clone();
    assert_eq!((page.drill, told(&page)), (Some(RunId(1)), vec!["ops"]));
    assert!(page.is_waiting_for_somebody());
    assert_eq!(count(&house).acknowledged, 0);
    house.at += 30_000;
    assert_eq!(count(&house).late, 1, "nobody was told in time");
    house.at -= 30_000;
    let delivered = record(&house.state, "ops", DeliveryOutcome::Delivered);
    house.order(delivered.clone()).expect("it is due");
    let taken = Taken::Pages([page.id].into());
    let by = "ada".to_owned();
    house
        .order(Command::Acknowledge { taken, by })
        .expect("it is open");
    // A node that led before tells it once more.
    let mut again = delivered;
    if let Command::RecordDelivery(record) = &mut again {
        record.by = NodeId(2);
    }
    let expected = PageCount {
        sent: 1,
        acknowledged: 1,
        ..PageCount::default()
    };
    assert_eq!(count(&house), expected);
    house.order(again).expect("it counts");
    assert_eq!(
        count(&house),
        PageCount {
            doubled: 1,
            ..expected
        }
    );
    end(&mut house);
    assert!(house.state.incidents.is_empty(), "and no recovery is told");
    assert_eq!(house.state.pages.iter().count(), 1);
    assert!(newest(&house).over.is_some());
}

#[test]
fn what_depends_on_what_is_hit_is_hit_too() {
    let mut house = House::up();
    let mut config = shop(4);
    let watch = Watch {
        address: [10, 0, 0, 50].into(),
        port: None,
        group: None,
        labels: BTreeMap::new(),
        check: Some(http_check()),
        depends_on: [].into(),
        ladder: None,
    };
    config.watches.insert(name("fs1"), watch);
    shop_of(&mut config).depends_on = [Parent::Watch(name("fs1"))].into();
    house.configure(config).expect("it is valid");
    begin(&mut house, DrillKind::FileServerDown);
    let radius = DrillRadius {
        members: [Parent::Watch(name("fs1"))].into(),
        nodes: [NodeId(2)].into(),
        vips: [name("front")].into(),
    };
    let run = RunId(1);
    house
        .order(Command::DrillInjecting { run, radius })
        .expect("it runs");
    let at = UnixMillis(house.at);
    let trouble = |node| Subject::Trouble(Trouble::Disk(NodeId(node)));
    for (subject, marked) in [
        (Subject::Watch(name("fs1")), true),
        (Subject::Server(name("shop"), name("s1")), true),
        (Subject::Farm(name("shop")), true),
        (Subject::Strength(name("shop")), true),
        (Subject::Farm(name("other")), false),
        (Subject::Node(NodeId(2)), true),
        (Subject::Path(NodeId(2)), true),
        (trouble(2), true),
        (Subject::Node(NodeId(1)), false),
        (trouble(1), false),
        (Subject::Vip(name("front")), true),
        (Subject::Vip(name("back")), false),
        (Subject::Quorum, false),
        (Subject::Channel(name("ops"), ChannelKind::Mail), false),
        (Subject::Rehearsal(DrillKind::FileServerDown), false),
        (Subject::Drill(RunId(9)), true),
    ] {
        let drill = house.state.drill_of(&subject, at);
        assert_eq!(drill.is_some(), marked, "{subject:?}");
    }
}

#[test]
fn what_is_still_down_a_minute_after_a_drill_is_real() {
    let mut house = broken();
    house.down("s1");
    assert_eq!(newest(&house).drill, Some(RunId(1)));
    let over = Command::DrillUndone { run: RunId(1) };
    house.order(over).expect("it was there");
    end(&mut house);
    let ended = house.at;
    let due = house.state.next_time().expect("it is looked at again");
    assert!(
        (ended + 50_000..=ended + 61_000).contains(&due.0),
        "{due:?}"
    );
    house.at = due.0 - 5_000;
    house.order(Command::PassTime).expect("it passes");
    assert_eq!(newest(&house).drill, Some(RunId(1)), "it may come back");
    house.at = due.0;
    house.order(Command::PassTime).expect("it passes");
    let page = newest(&house).clone();
    assert_eq!((page.drill, told(&page)), (None, vec!["drills", "ops"]));
    assert!(page.replaces.is_some() && page.cause.contains("still so"));
    house.order(Command::PassTime).expect("it passes");
    assert_eq!(newest(&house).id, page.id, "once");
}
