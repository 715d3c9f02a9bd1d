//! What servers ask for on their own pages, as clients feel it: shares, and who gets nothing new.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::time::Duration;

use farmux_netplane::health::Seen;
use farmux_netplane::plan::{Advice, Footing, Health, Method, Persistence, ProbeKey};

use crate::harness::{GET, GET_CLOSE, Origin, Peer, Wire};

fn ask(peer: &mut Peer) -> String {
    peer.send(GET);
    peer.message().1
}

fn two(wire: impl FnOnce(&mut Wire)) -> (Wire, [Origin; 2]) {
    let origins = [Origin::named("s1"), Origin::named("s2")];
    let mut started = Wire::http(&origins.each_ref().map(|origin| origin.address));
    wire(&mut started);
    started.apply();
    (started, origins)
}

/// The own probes of this machine found the server up, and its page says this.
fn advise(wire: &Wire, server: &str, service: &str, advice: Advice) {
    let key = ProbeKey::Server {
        farm: "shop".into(),
        server: server.into(),
        service: service.into(),
    };
    let health = Health::Up;
    let overlay = wire.serving.overlay();
    overlay.set([(key, Some(Seen { health, advice }))]);
}

fn weight(weight: u32) -> Advice {
    Advice::Weight(NonZeroU32::new(weight).expect("not 0"))
}

/// How many of 200 requests of one connection the server answers.
fn share(wire: &Wire, name: &str) -> usize {
    let mut client = wire.connect();
    (0..200).filter(|_| ask(&mut client) == name).count()
}

fn is_about(share: usize, wanted: usize) -> bool {
    share.abs_diff(wanted) <= 5
}

#[test]
fn shares_follow_the_page_and_come_back() {
    for method in [Method::RoundRobin, Method::LeastConnections] {
        let (wire, _origins) = two(|wire| wire.plan.method = method);
        let has = |wanted| {
            let share = share(&wire, "s2");
            assert!(is_about(share, wanted), "{share} of 200, not {wanted}");
        };
        advise(&wire, "s1", "web", Advice::None);
        advise(&wire, "s2", "web", weight(3));
        has(150);
        advise(&wire, "s1", "web", weight(9));
        has(50);
        advise(&wire, "s2", "web", Advice::Overload);
        has(0);
        advise(&wire, "s2", "web", Advice::Quiesce);
        has(0);
        advise(&wire, "s1", "web", Advice::None);
        advise(&wire, "s2", "web", Advice::None);
        has(100);
    }
}

#[test]
fn slow_start_leads_to_the_weight_that_is_asked_for() {
    const SLOW_START: Duration = Duration::from_secs(1);
    let (wire, _origins) = two(|wire| wire.plan.slow_start = SLOW_START);
    advise(&wire, "s1", "web", Advice::None);
    advise(&wire, "s2", "web", Advice::Quiesce);
    assert_eq!(share(&wire, "s2"), 0);
    advise(&wire, "s2", "web", weight(3));
    let first = share(&wire, "s2");
    assert!(first < 150, "it begins slowly: {first} of 200");
    wire.until("it has three times the other's share", |_| {
        is_about(share(&wire, "s2"), 150)
    });
}

/// Better slow than not at all, where all are overloaded; where all quiesce it was an order.
#[test]
fn a_farm_without_anybody_else() {
    let (wire, _origins) = two(|_| ());
    for server in ["s1", "s2"] {
        advise(&wire, server, "web", Advice::Overload);
    }
    assert!(is_about(share(&wire, "s2"), 100), "both are used");
    advise(&wire, "s2", "web", Advice::Quiesce);
    assert_eq!(share(&wire, "s1"), 200);
    advise(&wire, "s1", "web", Advice::Quiesce);
    assert!(wire.ask(GET_CLOSE).starts_with("HTTP/1.1 503 "));
    advise(&wire, "s1", "web", Advice::None);
    assert_eq!(share(&wire, "s1"), 200);
}

/// Neither new clients nor those who met it before, as with a drain; what is in hand is finished.
#[test]
fn nobody_is_sent_to_a_server_that_wants_no_work() {
    for advice in [Advice::Overload, Advice::Quiesce] {
        let (wire, _origins) = two(|wire| {
            wire.plan.persistence = Some(Persistence {
                prefix_v4: 32,
                prefix_v6: 64,
                timeout: Duration::from_secs(3600),
            });
        });
        let clients = || (1..20).map(|last| Ipv4Addr::new(127, 0, 9, last));
        let all_meet = || -> BTreeSet<String> {
            clients()
                .map(|ip| ask(&mut wire.connect_from(ip)))
                .collect()
        };
        let both = BTreeSet::from(["s1".to_owned(), "s2".to_owned()]);
        for server in ["s1", "s2"] {
            advise(&wire, server, "web", Advice::None);
        }
        assert_eq!(all_meet(), both);
        advise(&wire, "s2", "web", advice);
        assert_eq!(all_meet(), BTreeSet::from(["s1".to_owned()]), "{advice}");
    }
}

#[test]
fn what_it_has_in_hand_it_finishes() {
    let slow = Origin::start(|call| {
        call.request();
        std::thread::sleep(Duration::from_millis(300));
        call.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\ns1");
        call.peer.rest();
    });
    let wire = Wire::http(&[slow.address]);
    advise(&wire, "s1", "web", Advice::None);
    let mut client = wire.connect();
    client.send(GET);
    wire.until("it has the request", |counts| {
        counts.servers["s1"].active == 1
    });
    advise(&wire, "s1", "web", Advice::Quiesce);
    assert_eq!(client.message().1, "s1");
    assert!(wire.ask(GET_CLOSE).starts_with("HTTP/1.1 503 "));
}

#[test]
fn with_shared_fate_any_check_of_the_server_speaks() {
    let (mut wire, _origins) = two(|_| ());
    for server in ["s1", "s2"] {
        advise(&wire, server, "web", Advice::None);
    }
    advise(&wire, "s2", "api", Advice::Quiesce);
    assert_eq!(share(&wire, "s2"), 0);
    wire.plan.shared_fate = false;
    wire.apply();
    wire.until("only its own check speaks", |_| {
        is_about(share(&wire, "s2"), 100)
    });
}

/// On a node that does not probe the log's advice counts, as its health does.
#[test]
fn the_logs_advice_counts_where_nobody_probes() {
    let (mut wire, _origins) = two(|wire| {
        wire.server("s1").footing = Footing::Checked { healthy: true };
        wire.server("s2").advice = weight(3);
    });
    wire.until("weights", |_| is_about(share(&wire, "s2"), 150));
    wire.server("s2").advice = Advice::Overload;
    wire.apply();
    wire.until("overload", |_| share(&wire, "s2") == 0);
    // Its own probes know better.
    advise(&wire, "s2", "web", Advice::None);
    assert!(is_about(share(&wire, "s2"), 100));
}
