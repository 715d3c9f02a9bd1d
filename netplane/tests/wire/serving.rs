//! Plans that change under load, servers that drain, addresses that are lost.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use farmux_netplane::plan::{Admission, Health, Method, ProbeKey, ServerPlan, ServicePlan};

use crate::harness::{GET, GET_CLOSE, OK, Origin, PATIENCE, Peer, Wire, field, free_address};

fn ask(wire: &Wire) -> String {
    wire.ask(GET_CLOSE)
        .rsplit("\r\n\r\n")
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn weights_hold_exactly_over_a_cycle() {
    let origins = [
        Origin::named("s1"),
        Origin::named("s2"),
        Origin::named("s3"),
    ];
    let mut wire = Wire::http(&origins.each_ref().map(|origin| origin.address));
    wire.server("s1").weight = 5;
    wire.server("s2").weight = 3;
    wire.apply();
    wire.until("the weights are there", |_| {
        let got: Vec<_> = (0..9).map(|_| ask(&wire)).collect();
        let count = |name: &str| got.iter().filter(|got| *got == name).count();
        (count("s1"), count("s2"), count("s3")) == (5, 3, 1)
    });
    for _ in 0..3 {
        let got: Vec<_> = (0..9).map(|_| ask(&wire)).collect();
        let count = |name: &str| got.iter().filter(|got| *got == name).count();
        assert_eq!(
            (count("s1"), count("s2"), count("s3")),
            (5, 3, 1),
            "{got:?}"
        );
    }
}

#[test]
fn least_connections_avoids_who_is_busy() {
    let busy = Origin::start(|call| {
        call.request();
        call.peer.rest();
    });
    let quick = Origin::named("s2");
    let mut wire = Wire::http(&[busy.address, quick.address]);
    wire.plan.method = Method::LeastConnections;
    let wire = wire.again(1);
    let _clients = wire.occupy_first();
    let before = wire.counts().servers["s1"].taken;
    for _ in 0..10 {
        assert_eq!(ask(&wire), "s2");
    }
    assert_eq!(wire.counts().servers["s1"].taken, before);
}

/// Own probes are obeyed at once, before any plan says so; and their word outweighs the plan's.
#[test]
fn own_verdicts_are_obeyed_at_once() {
    let origins = [Origin::named("s1"), Origin::named("s2")];
    let wire = Wire::http(&origins.each_ref().map(|origin| origin.address));
    let probe = |server: &str| ProbeKey::Server {
        farm: "shop".into(),
        server: server.into(),
        service: "web".into(),
    };
    let overlay = wire.serving.overlay();
    overlay.set([
        (probe("s1"), Some(Health::Down)),
        (probe("s2"), Some(Health::Up)),
    ]);
    for _ in 0..4 {
        assert_eq!(ask(&wire), "s2");
    }
    overlay.set([
        (probe("s1"), Some(Health::Up)),
        (probe("s2"), Some(Health::Down)),
    ]);
    for _ in 0..4 {
        assert_eq!(ask(&wire), "s1");
    }
    overlay.set([(probe("s1"), Some(Health::Down))]);
    assert!(wire.ask(GET).starts_with("HTTP/1.1 503 "));
}

/// The house rule of a drain: under load no request fails, and the drained server ends at zero.
#[test]
fn a_drain_under_load_fails_no_request() {
    let slowly = |name: &'static str| {
        Origin::start(move |call| {
            while call.request().is_some() {
                std::thread::sleep(Duration::from_millis(3));
                call.send(format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{name}"
                ));
            }
        })
    };
    let origins = [slowly("s1"), slowly("s2")];
    let mut wire = Wire::http(&origins.each_ref().map(|origin| origin.address));
    let stop = Arc::new(AtomicBool::new(false));
    let (good, bad) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..8)
        .map(|nth| {
            let (stop, good, bad) = (stop.clone(), good.clone(), bad.clone());
            let mut client = wire.connect();
            let address = wire.address;
            std::thread::spawn(move || {
                let ask = if nth % 2 == 0 {
                    GET
                } else {
                    "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
                };
                while !stop.load(Ordering::SeqCst) {
                    client.send(ask);
                    let (head, body) = client.message();
                    let well = head.starts_with("HTTP/1.1 200 ") && body.starts_with('s');
                    if well { &good } else { &bad }.fetch_add(1, Ordering::SeqCst);
                    if !well || field(&head, "Connection").is_some() {
                        let stream = TcpStream::connect(address).expect("it listens");
                        client = Peer::new(stream);
                    }
                }
            })
        })
        .collect();
    for round in 0..4 {
        let (out, stays) = if round % 2 == 0 {
            ("s1", "s2")
        } else {
            ("s2", "s1")
        };
        wire.server(out).admission = Admission::Drain;
        wire.server(stays).admission = Admission::Ready;
        wire.apply();
        let begun = wire.counts().servers[stays].taken;
        wire.until("the other works and this one is empty", |counts| {
            counts.servers[stays].taken > begun + 100 && counts.servers[out].active == 0
        });
        let taken = wire.counts().servers[out].taken;
        std::thread::sleep(Duration::from_millis(30));
        assert_eq!(
            wire.counts().servers[out].taken,
            taken,
            "{out} gets nothing new"
        );
    }
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.join().expect("clients do not panic");
    }
    assert_eq!(
        bad.load(Ordering::SeqCst),
        0,
        "of {}",
        good.load(Ordering::SeqCst)
    );
    assert!(good.load(Ordering::SeqCst) > 400);
}

/// The connection of a client outlives every change of the plan but the end of its service.
#[test]
fn connections_survive_plans_and_counters_go_on() {
    let origins = [Origin::named("s1"), Origin::named("s2")];
    let mut wire = Wire::http(&[origins[0].address]);
    let mut client = wire.connect();
    client.send(GET);
    assert_eq!(client.message().1, "s1");
    wire.until("s1 has nothing left in hand", |counts| {
        counts.servers["s1"].active == 0
    });
    wire.plan.servers.clear();
    wire.plan
        .servers
        .insert("s2".into(), ServerPlan::plain(origins[1].address));
    wire.apply();
    wire.until("the new server is there", |counts| {
        counts.servers.contains_key("s2")
    });
    wire.until("the new server answers", |_| ask(&wire) == "s2");
    client.send(GET);
    assert_eq!(client.message().1, "s2", "on the same connection");
    assert!(wire.counts().requests >= 3);
    assert!(
        !wire.counts().servers.contains_key("s1"),
        "it had nothing in hand when it left"
    );

    let old = wire.address;
    wire.plan.listen = free_address();
    wire.apply();
    wire.address = wire.plan.listen;
    wire.until("the new listener is there", |_| {
        TcpStream::connect(wire.address).is_ok()
    });
    assert_eq!(ask(&wire), "s2");
    client.send(GET);
    let (head, body) = client.message();
    assert_eq!(
        (field(&head, "Connection").as_deref(), body.as_str()),
        (Some("close"), "s2")
    );
    assert!(TcpStream::connect(old).is_err(), "the old listener is gone");
}

#[test]
fn a_lost_address_resets_its_connections_and_a_leaving_one_sends_clients_away() {
    let origin = Origin::always(OK);
    let wire = Wire::http(&[origin.address]);
    let mut client = wire.connect();
    client.send(GET);
    assert_eq!(field(&client.message().0, "Connection"), None);
    wire.serving.leave(wire.address.ip());
    wire.until("clients are sent away", |_| {
        let mut other = wire.connect();
        other.send(GET);
        field(&other.message().0, "Connection").as_deref() == Some("close")
    });
    wire.serving.stay(wire.address.ip());
    wire.until("they are not any more", |_| {
        let mut other = wire.connect();
        other.send(GET);
        field(&other.message().0, "Connection").is_none()
    });
    wire.serving.abort("192.0.2.1".parse().expect("an address"));
    client.send(GET);
    assert_eq!(
        client.message().1,
        "ok",
        "another address is no concern of it"
    );
    wire.serving.abort(wire.address.ip());
    let mut byte = [0];
    let end = std::io::Read::read(&mut client.stream, &mut byte);
    assert_eq!(
        end.map_err(|error| error.kind()),
        Err(std::io::ErrorKind::ConnectionReset)
    );
    wire.until("all are gone", |counts| counts.open == 0);
    assert_eq!(ask(&wire), "ok", "and it goes on listening");
}

/// A planned move waits for what is in hand, and not for clients that have just nothing to ask.
#[test]
fn what_is_in_hand_is_told_from_what_is_idle() {
    let origin = Origin::always(OK);
    let wire = Wire::http(&[origin.address]);
    let work = || wire.serving.work(wire.address.ip());
    assert_eq!(work().open(), 0);
    let mut client = wire.connect();
    wire.until("whoever asked nothing yet is waited for", |_| {
        work().in_hand() == 1
    });
    client.send(GET);
    client.message();
    wire.until("between two requests it is idle", |_| {
        (work().in_hand(), work().idle) == (0, 1)
    });
    client.send("GET / HTTP/1.1\r\n");
    wire.until("half a head is work", |_| work().in_hand() == 1);
    let elsewhere = wire.serving.work("192.0.2.1".parse().expect("an address"));
    assert_eq!(elsewhere.open(), 0, "of another address nothing");
    drop(client);
    wire.until("it is gone", |_| work().open() == 0);
}

/// Two VIPs of one service are lent apart: what is in hand at one does not hold the other up, and
/// is waited for where it is.
#[test]
fn work_is_told_address_by_address() {
    let origin = Origin::always(OK);
    let mut wire = Wire::http(&[origin.address]);
    let first = wire.address;
    let second = SocketAddr::from(([127, 0, 0, 2], first.port()));
    wire.plan.listen_also = Arc::new([second]);
    wire.apply();
    let connect = |to| Peer::new(TcpStream::connect(to).expect("it listens"));
    wire.until("both are listened for", |counts| counts.listening == 2);
    let work = |of: SocketAddr| wire.serving.work(of.ip());
    let both = || [first, second].map(|of| (work(of).in_hand(), work(of).idle));

    let mut client = connect(second);
    wire.until("only the second has work", |_| both() == [(0, 0), (1, 0)]);
    client.send(GET);
    client.message();
    wire.until("and idle clients", |_| both() == [(0, 0), (0, 1)]);
    let other = connect(first);
    wire.until("each has its own", |_| both() == [(1, 0), (0, 1)]);

    wire.serving.abort(first.ip());
    wire.until("what is cut is cut at one", |_| both() == [(0, 0), (0, 1)]);
    client.send(GET);
    assert_eq!(client.message().1, "ok");
    drop(other);

    let plan = ServicePlan {
        listen_also: Arc::new([]),
        ..wire.plan.clone()
    };
    wire.serving
        .apply(BTreeMap::from([(crate::harness::key(), plan)]));
    wire.until("who left has a client still", |counts| {
        counts.listening == 1 && both() == [(0, 0), (0, 1)]
    });
    drop(client);
    wire.until("until that goes", |_| both() == [(0, 0), (0, 0)]);
}

/// A VIP that is not here can be listened on (`IP_FREEBIND`).
#[test]
fn listeners_are_bound_before_their_address_is_here() {
    let mut wire = Wire::http(&[]);
    wire.plan.listen = "192.0.2.77:80".parse().expect("an address");
    wire.apply();
    wire.until("it listens", |counts| counts.listening == 1);
}

#[test]
fn every_runtime_has_a_pulse() {
    let wire = Wire::http(&[]);
    let before = wire.serving.heartbeats();
    let end = std::time::Instant::now() + PATIENCE;
    while wire
        .serving
        .heartbeats()
        .iter()
        .zip(&before)
        .any(|(now, before)| *now < before + 3)
    {
        assert!(std::time::Instant::now() < end, "no pulse");
        std::thread::sleep(Duration::from_millis(10));
    }
}
