//! The plain relay.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use farmux_netplane::plan::{Admission, Limits, ServiceKind};

use crate::harness::{CALM, Origin, PATIENCE, Wire, free_address};

fn echo() -> Origin {
    Origin::start(|call| {
        let mut piece = [0; 4096];
        while let Ok(count) = call.peer.stream.read(&mut piece) {
            if count == 0 || call.peer.stream.write_all(&piece[..count]).is_err() {
                break;
            }
        }
    })
}

#[test]
fn bytes_go_both_ways_and_half_closes_are_honoured() {
    let origin = Origin::start(|call| {
        let all = call.peer.rest();
        call.send(format!("{} bytes", all.len()));
    });
    let wire = Wire::tcp(&[origin.address]);
    let mut client = wire.connect();
    client.send(vec![7; 100_000]);
    client.close_half();
    assert_eq!(client.rest(), "100000 bytes");
    wire.until("it is over", |counts| {
        counts.open == 0 && counts.servers["s1"].active == 0
    });
}

#[test]
fn a_failed_connect_is_tried_once_on_another() {
    let origin = echo();
    let wire = Wire::tcp(&[free_address(), origin.address]);
    for _ in 0..4 {
        let mut client = wire.connect();
        client.send("hello");
        assert_eq!(client.exactly(5), "hello");
    }
    assert!(wire.counts().servers["s1"].connects_failed >= 2);
}

#[test]
fn no_server_left_is_a_reset() {
    let wire = Wire::tcp(&[free_address(), free_address()]);
    let mut client = wire.connect();
    let end = client.stream.read(&mut [0]).map_err(|error| error.kind());
    assert_eq!(end, Err(ErrorKind::ConnectionReset));
    assert_eq!(wire.counts().failures["no-server"], 1);
}

#[test]
fn a_reset_server_resets_its_client() {
    let origin = Origin::start(|call| {
        call.peer.exactly(1);
        let linger = Some(Duration::ZERO);
        socket2::SockRef::from(&call.peer.stream)
            .set_linger(linger)
            .expect("linger can be set");
    });
    let wire = Wire::tcp(&[origin.address]);
    let mut client = wire.connect();
    client.send("x");
    let end = client.stream.read(&mut [0]).map_err(|error| error.kind());
    assert_eq!(end, Err(ErrorKind::ConnectionReset));
}

#[test]
fn silence_and_old_age_end_a_connection() {
    let origin = echo();
    let idle = Limits {
        idle: Duration::from_secs(1),
        ..CALM
    };
    let wire = Wire::start(ServiceKind::Tcp, idle, &[origin.address]);
    let mut client = wire.connect();
    client.send("x");
    assert_eq!(client.rest(), "x");

    let total = Limits {
        total: Duration::from_millis(300),
        ..CALM
    };
    let wire = Wire::start(ServiceKind::Tcp, total, &[origin.address]);
    let began = Instant::now();
    let mut client = wire.connect();
    loop {
        client.send("x");
        if client.exactly(1).is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(began.elapsed() >= Duration::from_millis(290));
}

#[test]
fn a_drained_server_keeps_its_connections_and_gets_no_new_ones() {
    let origins = [echo(), echo()];
    let mut wire = Wire::tcp(&origins.each_ref().map(|origin| origin.address));
    let mut first = wire.connect();
    first.send("a");
    assert_eq!(first.exactly(1), "a");
    let name = if wire.counts().servers["s1"].active == 1 {
        "s1"
    } else {
        "s2"
    };
    wire.server(name).admission = Admission::Drain;
    wire.apply();
    std::thread::sleep(Duration::from_millis(50));
    let others: Vec<_> = (0..4)
        .map(|_| {
            let mut client = wire.connect();
            client.send("b");
            assert_eq!(client.exactly(1), "b");
            client
        })
        .collect();
    assert_eq!(wire.counts().servers[name].active, 1, "no new work");
    first.send("still here");
    assert_eq!(first.exactly(10), "still here");
    drop(first);
    wire.until("the drain is over", |counts| {
        counts.servers[name].active == 0
    });
    drop(others);
}

/// A stream that was cut looked complete to the server: its side was closed in the ordinary way.
#[test]
fn a_lost_address_resets_the_servers_side_too() {
    let upgrade = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";
    let (tell, told) = std::sync::mpsc::channel();
    let tell = std::sync::Mutex::new(tell);
    let origin = Origin::start(move |call| {
        let first = call.peer.exactly(1);
        if first == "G" {
            call.peer.head();
            call.send(upgrade);
            call.peer.exactly(1);
        }
        call.send("y");
        let end = call.peer.stream.read(&mut [0]);
        let tell = tell.lock().expect("nobody panics with it");
        let end = end.map_err(|error| error.kind());
        tell.send(end).expect("the test waits for it");
    });
    for kind in [ServiceKind::Tcp, ServiceKind::Http] {
        let wire = Wire::start(kind, CALM, &[origin.address]);
        let mut client = wire.connect();
        if kind == ServiceKind::Http {
            client.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
            assert!(client.head().starts_with("HTTP/1.1 101 "));
        }
        client.send("x");
        assert_eq!(client.exactly(1), "y");
        wire.serving.abort(wire.address.ip());
        let end = told.recv_timeout(PATIENCE).expect("it ends");
        assert_eq!(end, Err(ErrorKind::ConnectionReset), "{kind:?}");
    }
}
