//! Canaries and the heartbeat: once, whoever leads; and where the subject of a page was reached.

use std::net::SocketAddr;

use super::*;
use crate::id::ContactName;

const DAY: u64 = 24 * 3_600_000;

/// A cluster whose canary flies at 08:00 UTC, and the midnight before it is now.
fn house() -> (House, u64) {
    let mut house = House::full();
    let mut config = shop(4);
    config.paging.canary = Some(8 * 60);
    house.configure(config).expect("it is valid");
    (house, START_MS - START_MS % DAY)
}

fn hour(midnight: u64, hour: u64) -> UnixMillis {
    UnixMillis(midnight + hour * 3_600_000)
}

fn record(contact: &str, due: UnixMillis, outcome: DeliveryOutcome) -> Command {
    Command::RecordCanary {
        contact: name(contact),
        canary: Canary {
            due,
            at: due,
            by: NodeId(1),
            tries: vec![CanaryTry {
                channel: ChannelKind::Mail,
                outcome,
                words: "x\r\ny".to_owned(),
            }],
        },
    }
}

#[test]
fn a_canary_is_due_once_a_day() {
    let (mut house, midnight) = house();
    let ops: ContactName = name("ops");
    let due = |house: &House, at: UnixMillis| house.state.canary_due(at);
    let at = hour(midnight, 8);
    assert_eq!(due(&house, hour(midnight, 7)), [], "not yet");
    assert_eq!(due(&house, hour(midnight, 12)), [], "set up at noon");
    assert_eq!(due(&house, at), [(ops.clone(), at)]);
    house.at = at.0;
    let failed = || DeliveryOutcome::Failed("451 later".to_owned());
    assert_eq!(house.order(record("ops", at, failed())), Ok(Applied::Done));
    let again = house.order(record("ops", at, DeliveryOutcome::Delivered));
    assert_eq!(again, Ok(Applied::Unchanged), "the first one counts");
    let nobody = house.order(record("nobody", at, failed()));
    assert_eq!(nobody, Ok(Applied::Unchanged));
    assert_eq!(house.state.canaries[&ops].tries[0].words, "x y");
    assert_eq!(due(&house, at), []);
    assert_eq!(due(&house, hour(midnight, 31)), []);
    let next = hour(midnight, 32);
    assert_eq!(due(&house, next), [(ops.clone(), next)]);
    assert_eq!(
        due(&house, hour(midnight, 50)),
        [(ops, next)],
        "late, but sent"
    );
}

#[test]
fn a_canary_from_the_future_holds_nothing_up() {
    let (mut house, midnight) = house();
    let ops: ContactName = name("ops");
    house.at = hour(midnight, 8).0;
    let wrong = hour(midnight, 8 + 24 * 365);
    let sent = |due| record("ops", due, DeliveryOutcome::Delivered);
    assert_eq!(house.order(sent(wrong)), Ok(Applied::Done));
    let at = hour(midnight, 8);
    assert_eq!(house.state.canary_due(at), [(ops, at)]);
    assert_eq!(house.order(sent(at)), Ok(Applied::Done));
    assert_eq!(house.state.canary_due(at), []);
}

#[test]
fn the_heartbeats_failure_is_said_once_and_its_end_once() {
    let mut house = House::full();
    let report = |failure: Option<&str>| Command::ReportHeartbeat {
        node: NodeId(1),
        failure: failure.map(str::to_owned),
    };
    let before = house.pages().len();
    assert_eq!(house.order(report(None)), Ok(Applied::Unchanged));
    assert_eq!(house.order(report(Some("500 away"))), Ok(Applied::Done));
    assert_eq!(house.order(report(Some("500"))), Ok(Applied::Unchanged));
    assert_eq!(house.order(report(None)), Ok(Applied::Done));
    assert_eq!(house.order(report(None)), Ok(Applied::Unchanged));
    assert_eq!(
        house.pages()[before..],
        [
            "NOTICE node lb1: the heartbeat does not get through: 500 away ()",
            "NOTICE node lb1: the heartbeat gets through again ()",
        ]
    );
    let stranger = Command::ReportHeartbeat {
        node: NodeId(99),
        failure: None,
    };
    assert_eq!(house.order(stranger), Err(Reject::UnknownNode(NodeId(99))));
}

#[test]
fn a_page_keeps_where_its_subject_was_reached() {
    let mut house = House::up();
    house.down("s2");
    let target = |subject: &Subject| house.state.target_of(subject);
    let at = |text: &str| -> Option<SocketAddr> { text.parse().ok() };
    let newest = house.state.pages.iter().next_back();
    assert_eq!(newest.and_then(|page| page.target), at("10.0.0.22:80"));
    let (farm, server) = shop_server("s3");
    for (subject, wanted) in [
        (Subject::Server(farm.clone(), server), at("10.0.0.23:80")),
        (Subject::Farm(farm.clone()), at("10.0.0.100:80")),
        (Subject::Strength(farm), at("10.0.0.100:80")),
        (Subject::Vip(name("front")), at("10.0.0.100:0")),
        (Subject::Node(NodeId(2)), at("10.0.0.12:7946")),
        (Subject::Node(NodeId(9)), None),
        (Subject::Quorum, None),
    ] {
        assert_eq!(target(&subject), wanted, "{subject:?}");
    }
}
