//! What a drill pretends of a server, as clients of the data path meet it: refused or in vain, for
//! as long as it lasts, and never heard of by the server.

use std::time::{Duration, Instant};

use farmux_netplane::plan::{Limits, ServiceKind};
use farmux_netplane::pretend::{Pretend, Whom};

use crate::harness::{CALM, GET, GET_CLOSE, Origin, PATIENCE, Wire};

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(600);

fn s1() -> Whom {
    Whom::Server {
        farm: "shop".into(),
        server: "s1".into(),
    }
}

fn until(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is() {
        assert!(Instant::now() < end, "never came true: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_server_that_seems_down_is_not_connected_to_and_the_other_serves() {
    let (one, two) = (Origin::named("one"), Origin::named("two"));
    let wire = Wire::http(&[one.address, two.address]);
    let mut client = wire.connect();
    for _ in 0..4 {
        client.send(GET);
        client.message();
    }
    let met = one.heads().len();
    assert!(met > 0, "a connection to it is kept");
    let overlay = wire.serving.overlay();
    overlay
        .pretend(s1(), Pretend::Down, LONG)
        .expect("there is room");
    for _ in 0..8 {
        client.send(GET);
        assert_eq!(client.message().1, "two", "kept ones are not used either");
    }
    assert_eq!(one.heads().len(), met, "it never heard of it");
    assert!(wire.counts().servers["s1"].connects_failed > 0);

    overlay.pretend_no_more(&s1());
    until("it serves again", || wire.ask(GET_CLOSE).ends_with("one"));
}

#[test]
fn a_server_that_seems_slow_costs_the_time_that_a_connect_may_take() {
    let (one, two) = (Origin::named("one"), Origin::named("two"));
    let limits = Limits {
        connect: Duration::from_millis(150),
        ..CALM
    };
    let wire = Wire::start(ServiceKind::Http, limits, &[one.address, two.address]);
    let overlay = wire.serving.overlay();
    overlay
        .pretend(s1(), Pretend::Slow, LONG)
        .expect("there is room");
    let slow = || {
        let begun = Instant::now();
        assert!(wire.ask(GET_CLOSE).ends_with("two"));
        begun.elapsed() >= limits.connect
    };
    // In turn: of two requests one meets it.
    assert!([slow(), slow()].contains(&true));
    assert_eq!(one.heads().len(), 0);
}

#[test]
fn a_pretence_ends_by_itself_and_connections_that_stand_go_on() {
    let origin = Origin::always("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let wire = Wire::tcp(&[origin.address]);
    let mut open = wire.connect();
    open.send(GET);
    assert_eq!(open.message().1, "ok");
    let overlay = wire.serving.overlay();
    let lasts = Duration::from_millis(700);
    let begun = Instant::now();
    overlay
        .pretend(s1(), Pretend::Down, lasts)
        .expect("there is room");
    let refused = || {
        let mut client = wire.connect();
        client.send(GET);
        client.head().is_empty()
    };
    assert!(refused());
    open.send(GET);
    assert_eq!(open.message().1, "ok", "it stood before");
    until("it is over", || !refused());
    assert!(begun.elapsed() >= lasts, "before its time");
}
