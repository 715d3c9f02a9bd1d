//! Limits, the line before them, and what becomes of those who wait.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use farmux_netplane::plan::{Admission, LastResortPage, Queue, ServerPlan, ServiceKind};
use farmux_netplane::serve::ServiceCounts;

use crate::harness::{CALM, GET, GET_CLOSE, OK, Origin, PATIENCE, Peer, Wire, field, free_address};

fn of(limit: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(limit)
}

const LONG: Queue = Queue {
    length: 100,
    timeout: PATIENCE,
};

/// Answers with its name, one request for each ticket that it is given.
struct Slow {
    origin: Origin,
    tickets: Arc<(Mutex<usize>, Condvar)>,
    most: Arc<AtomicUsize>,
}

impl Slow {
    fn named(name: &'static str) -> Slow {
        let tickets = Arc::new((Mutex::new(0), Condvar::new()));
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (mine, seen) = (tickets.clone(), most.clone());
        let origin = Origin::start(move |call| {
            while call.request().is_some() {
                seen.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let (left, changed) = &*mine;
                let mut left = left.lock().expect("nobody panics in here");
                while *left == 0 {
                    left = changed.wait(left).expect("nobody panics in here");
                }
                *left -= 1;
                drop(left);
                now.fetch_sub(1, Ordering::SeqCst);
                call.send(format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}",
                    name.len()
                ));
            }
        });
        Slow {
            origin,
            tickets,
            most,
        }
    }

    fn release(&self, count: usize) {
        *self.tickets.0.lock().expect("nobody panics in here") += count;
        self.tickets.1.notify_all();
    }
}

/// A client with a request on its way; what it gets goes to `answers`.
fn ask(wire: &Wire, name: usize, answers: &Sender<(usize, String, String)>) {
    let mut client = wire.connect();
    client.send(GET);
    let answers = answers.clone();
    std::thread::spawn(move || {
        let (head, body) = client.message();
        // A test that has ended does not listen any more.
        let _ = answers.send((name, head, body));
    });
}

fn in_hand(counts: &ServiceCounts) -> u64 {
    counts.servers.values().map(|server| server.active).sum()
}

#[test]
fn limits_hold_over_all_runtimes_and_everybody_is_served() {
    let servers = [Slow::named("s1"), Slow::named("s2")];
    let mut wire = Wire::http(&[]);
    for (name, server, limit) in [("s1", &servers[0], 2), ("s2", &servers[1], 1)] {
        let plan = ServerPlan {
            max_connections: of(limit),
            ..ServerPlan::plain(server.origin.address)
        };
        wire.plan.servers.insert(name.into(), plan);
    }
    wire.plan.queue = LONG;
    let wire = wire.again(3);
    let (answers, heard) = mpsc::channel();
    for name in 0..30 {
        ask(&wire, name, &answers);
    }
    wire.until("the others wait", |counts| {
        (in_hand(counts), counts.queued_now) == (3, 27)
    });
    // What is in hand may still be on its way to the server.
    wire.until("the servers have theirs", |_| {
        servers[0].most.load(Ordering::SeqCst) == 2
    });
    servers.iter().for_each(|server| server.release(30));
    for _ in 0..30 {
        let (_, head, body) = heard.recv_timeout(PATIENCE).expect("everybody is served");
        assert!(
            head.starts_with("HTTP/1.1 200 ") && body.starts_with('s'),
            "{head}"
        );
    }
    assert_eq!(servers[0].most.load(Ordering::SeqCst), 2);
    assert_eq!(servers[1].most.load(Ordering::SeqCst), 1);
    wire.until("nothing is left", |counts| {
        (in_hand(counts), counts.queued_now) == (0, 0)
    });
    assert_eq!((wire.counts().queued, wire.counts().requests), (27, 30));
    assert!(wire.counts().failures.is_empty());
}

/// One server with room for one, and the queue given.
fn narrow(slow: &Slow, queue: Queue) -> Wire {
    let mut wire = Wire::http(&[slow.origin.address]);
    wire.server("s1").max_connections = of(1);
    wire.plan.queue = queue;
    wire.again(1)
}

#[test]
fn who_waits_is_served_in_order() {
    let slow = Slow::named("s1");
    let wire = narrow(&slow, LONG);
    let (answers, heard) = mpsc::channel();
    for name in 0..6 {
        ask(&wire, name, &answers);
        let waiting = u64::try_from(name).expect("a few");
        wire.until("it waits", |counts| {
            (in_hand(counts), counts.queued_now) == (1, waiting)
        });
    }
    for name in 0..6 {
        slow.release(1);
        let (served, _, body) = heard.recv_timeout(PATIENCE).expect("somebody is served");
        assert_eq!((served, body.as_str()), (name, "s1"));
    }
}

#[test]
fn a_full_line_and_a_long_wait_are_told() {
    let slow = Slow::named("s1");
    let timeout = Duration::from_millis(2500);
    let wire = narrow(&slow, Queue { length: 1, timeout });
    let (answers, heard) = mpsc::channel();
    ask(&wire, 0, &answers);
    wire.until("it is full", |counts| in_hand(counts) == 1);
    ask(&wire, 1, &answers);
    wire.until("one waits", |counts| counts.queued_now == 1);
    let answer = wire.ask(GET);
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(
        answer.ends_with("503 Service Unavailable: queue-full\n"),
        "{answer}"
    );
    assert_eq!(field(&answer, "Retry-After").as_deref(), Some("3"));
    let (name, head, body) = heard.recv_timeout(PATIENCE).expect("the time is over");
    assert_eq!(
        (name, body.as_str()),
        (1, "503 Service Unavailable: queue-timeout\n")
    );
    assert_eq!(field(&head, "Retry-After").as_deref(), Some("3"));
    slow.release(1);
    assert_eq!(
        heard
            .recv_timeout(PATIENCE)
            .map(|answer| answer.2)
            .as_deref(),
        Ok("s1")
    );
    let counts = wire.counts();
    assert_eq!((counts.queued, counts.queued_now), (1, 0));
    assert_eq!(
        counts.failures,
        [("queue-full", 1), ("queue-timeout", 1)].into()
    );
}

#[test]
fn who_goes_leaves_the_line() {
    let slow = Slow::named("s1");
    let wire = narrow(&slow, LONG);
    let (answers, heard) = mpsc::channel();
    ask(&wire, 0, &answers);
    wire.until("it is full", |counts| in_hand(counts) == 1);
    let mut waiting: Vec<Peer> = (0..3).map(|_| wire.connect()).collect();
    waiting.iter_mut().for_each(|peer| peer.send(GET));
    wire.until("three wait", |counts| counts.queued_now == 3);
    for peer in waiting {
        let linger = Some(Duration::ZERO);
        let socket = socket2::SockRef::from(&peer.stream);
        socket.set_linger(linger).expect("linger can be set");
    }
    wire.until("nobody does", |counts| counts.queued_now == 0);
    slow.release(1);
    assert!(heard.recv_timeout(PATIENCE).is_ok());
    wire.until("nothing is left", |counts| in_hand(counts) == 0);
    assert_eq!(wire.counts().servers["s1"].taken, 1);
}

#[test]
fn those_who_wait_go_where_there_is_room_or_are_told_that_nobody_is() {
    let (slow, other) = (Slow::named("s1"), Slow::named("s2"));
    let mut wire = narrow(&slow, LONG);
    let (answers, heard) = mpsc::channel();
    for name in 0..4 {
        ask(&wire, name, &answers);
    }
    wire.until("three wait", |counts| {
        (in_hand(counts), counts.queued_now) == (1, 3)
    });
    // Its one request does not end, and another server comes.
    wire.server("s1").admission = Admission::Drain;
    let plan = ServerPlan::plain(other.origin.address);
    wire.plan.servers.insert("s2".into(), plan);
    wire.apply();
    other.release(3);
    for _ in 0..3 {
        assert_eq!(
            heard
                .recv_timeout(PATIENCE)
                .map(|answer| answer.2)
                .as_deref(),
            Ok("s2")
        );
    }
    // Nobody is left for those who wait.
    wire.server("s2").max_connections = of(1);
    wire.plan.last_resort = Some(LastResortPage {
        status: 503,
        body: "later".into(),
    });
    wire.apply();
    for name in 4..7 {
        ask(&wire, name, &answers);
    }
    wire.until("two wait", |counts| counts.queued_now == 2);
    wire.server("s2").admission = Admission::Maintenance;
    wire.apply();
    for _ in 0..2 {
        assert_eq!(
            heard
                .recv_timeout(PATIENCE)
                .map(|answer| answer.2)
                .as_deref(),
            Ok("later")
        );
    }
}

#[test]
fn a_service_has_a_limit_of_its_own() {
    let servers = [Slow::named("s1"), Slow::named("s2")];
    let mut wire = Wire::http(&servers.each_ref().map(|slow| slow.origin.address));
    wire.plan.max_connections = of(3);
    let wire = wire.again(1);
    let (answers, heard) = mpsc::channel();
    for name in 0..3 {
        ask(&wire, name, &answers);
    }
    wire.until("three are in hand", |counts| in_hand(counts) == 3);
    let answer = wire.ask(GET_CLOSE);
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.contains("queue-full"),
        "nobody may wait here: {answer}"
    );
    servers.iter().for_each(|server| server.release(10));
    for _ in 0..3 {
        assert!(
            heard
                .recv_timeout(PATIENCE)
                .is_ok_and(|answer| answer.2.starts_with('s'))
        );
    }
    wire.until("nothing is left", |counts| in_hand(counts) == 0);
    assert!(
        wire.ask(GET_CLOSE).starts_with("HTTP/1.1 200 "),
        "and there is room again"
    );
}

fn echo() -> Origin {
    Origin::start(|call| {
        loop {
            let some = call.peer.exactly(1);
            if some.is_empty() {
                break;
            }
            call.send(some);
        }
    })
}

fn says(client: &mut Peer, byte: &str) -> bool {
    client.send(byte);
    client.exactly(1) == byte
}

#[test]
fn tcp_clients_wait_with_what_they_said_or_are_reset() {
    let origin = echo();
    let mut wire = Wire::tcp(&[origin.address]);
    wire.server("s1").max_connections = of(1);
    wire.plan.queue = Queue { length: 1, ..LONG };
    let wire = wire.again(2);
    let mut first = wire.connect();
    assert!(says(&mut first, "a"));
    let mut second = wire.connect();
    second.send("hello");
    wire.until("it waits", |counts| counts.queued_now == 1);
    let mut third = wire.connect();
    let end = std::io::Read::read(&mut third.stream, &mut [0]).map_err(|error| error.kind());
    assert_eq!(end, Err(std::io::ErrorKind::ConnectionReset));
    drop(first);
    assert_eq!(second.exactly(5), "hello");
    assert_eq!(wire.counts().failures, [("queue-full", 1)].into());
}

/// A limit of one, and nobody may wait: a slot that was not given back would end all service.
#[test]
fn every_way_out_gives_its_slot_back() {
    let origin = Origin::start(|call| {
        while let Some(head) = call.request() {
            match head.split(' ').nth(1).unwrap_or_default() {
                "/well" => call.send(OK),
                "/nonsense" => call.send("hello\r\n\r\n"),
                "/cut" => return call.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"),
                "/tunnel" => {
                    call.send(
                        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\
                         Upgrade: x\r\n\r\n",
                    );
                    return;
                }
                "/silence" => drop(call.peer.rest()),
                _ => return,
            }
        }
    });
    let mut wire = Wire::http(&[free_address(), origin.address]);
    wire.plan.limits.idle = Duration::from_secs(1);
    for name in ["s1", "s2"] {
        wire.server(name).max_connections = of(1);
    }
    wire.plan.max_connections = of(1);
    let wire = wire.again(1);
    let is_well = || {
        wire.until("nothing is in hand", |counts| in_hand(counts) == 0);
        for _ in 0..2 {
            let answer = wire.ask("GET /well HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
        wire.until("nothing is in hand", |counts| in_hand(counts) == 0);
    };
    for path in ["/well", "/nonsense", "/cut", "/close", "/silence"] {
        wire.ask(format!(
            "GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
        ));
        is_well();
    }
    wire.ask("GET /tunnel HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
    is_well();
    let mut gone = wire.connect();
    gone.send("GET /silence HTTP/1.1\r\nHost: h\r\n\r\n");
    wire.until("it is in hand", |counts| in_hand(counts) == 1);
    let linger = Some(Duration::ZERO);
    let socket = socket2::SockRef::from(&gone.stream);
    socket.set_linger(linger).expect("linger can be set");
    drop(gone);
    is_well();
    assert!(
        wire.counts().servers["s1"].connects_failed > 0,
        "failed connects are among them"
    );
}

/// Connections that came before there was a limit hold no slot, and count all the same.
#[test]
fn a_new_limit_counts_what_is_there() {
    let origin = echo();
    let mut wire = Wire::start(ServiceKind::Tcp, CALM, &[origin.address]);
    let mut old: Vec<Peer> = (0..3).map(|_| wire.connect()).collect();
    assert!(old.iter_mut().all(|client| says(client, "a")));
    wire.server("s1").max_connections = of(2);
    wire.plan.queue = LONG;
    wire.apply();
    let mut waiting = Vec::new();
    wire.until("the limit is there", |counts| {
        if counts.queued_now == 0 {
            waiting.push(wire.connect());
        }
        counts.queued_now > 0
    });
    let all = wire.counts().servers["s1"].active;
    assert!(
        old.iter_mut().all(|client| says(client, "b")),
        "nobody is cut off"
    );
    drop(old);
    wire.until("those who wait come in", |counts| {
        counts.queued_now == 0 || counts.servers["s1"].active == 2
    });
    assert!(all >= 3);
}
