//! The street of site 3 as a client sees it: each way to break, at the moment of the answer.

use std::net::SocketAddr;
use std::time::Duration;

use farmux_tests::lab::http::{Connection, PATIENCE};
use farmux_tests::lab::neighbourhood::Neighbourhood;
use farmux_tests::lab::neighbourhood::kind::{Kind, place};
use farmux_tests::lab::neighbourhood::order::Act;
use farmux_tests::lab::{CLIENT, Host, Lab};

/// Long enough for silence to be one.
const BRIEF: Duration = Duration::from_millis(500);

/// What a client sees at a house that speaks HTTP; it is patient where it hopes for an answer.
fn seen(client: &Host, at: SocketAddr, hoped: &str) -> String {
    let limit = match hoped {
        "silence" | "nothing" => BRIEF,
        _ => PATIENCE,
    };
    client.within(|| match Connection::open_within(at, limit) {
        Err(error) if format!("{error:#}").contains("refused") => "refused".to_owned(),
        Err(_) => "nothing".to_owned(),
        Ok(mut connection) => match connection.get("/status") {
            Err(_) => "silence".to_owned(),
            Ok(answer) => answer.status.to_string(),
        },
    })
}

#[test]
fn houses_break_and_heal_when_it_was_answered() {
    let lab = Lab::new().expect("a LAN");
    let client = lab.host("client", CLIENT).expect("a client");
    let street = Neighbourhood::start(&lab, 20).expect("a street");
    street.show_the_way(&client).expect("a way");
    let (house, other) = (10, 15);
    assert_eq!((Kind::of(house), Kind::of(other)), (Kind::Http, Kind::Http));
    assert_eq!(seen(&client, place(house), "200"), "200");
    for (act, wanted) in [
        (Act::Kill, "refused"),
        (Act::Hang, "silence"),
        (Act::Spoil, "500"),
        (Act::Taint, "500"),
        (Act::Unplug, "nothing"),
        (Act::Heal, "200"),
    ] {
        street.order(Act::Heal, &[house]).expect("it is done");
        let done = street.order(act, &[house]).expect("it is done");
        assert!(done.from_ms <= done.to_ms);
        assert_eq!(seen(&client, place(house), wanted), wanted, "{act:?}");
        assert_eq!(
            seen(&client, place(other), "200"),
            "200",
            "the other, at {act:?}"
        );
    }
    let flap = Act::Flap { half_ms: 50 };
    street.order(flap, &[house]).expect("it is done");
    for wanted in ["200", "refused", "200"] {
        let limit = Duration::from_secs(10);
        let sees = || seen(&client, place(house), wanted) == wanted;
        farmux_tests::lab::wait::until_true(wanted, limit, sees).expect("up and down in turn");
    }
    assert!(street.order(Act::Kill, &[20]).is_err(), "no such house");
    let all: Vec<u16> = (0..street.count()).collect();
    street.order(Act::Kill, &all).expect("it is done");
    for house in all {
        assert_eq!(seen(&client, place(house), "refused"), "refused", "{house}");
    }
}
