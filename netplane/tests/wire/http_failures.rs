//! Servers that fail, clients that stall: who gets which answer, and how often anything is tried.

use std::time::{Duration, Instant};

use farmux_netplane::plan::{Footing, Limits, ServiceKind};

use crate::harness::{CALM, GET, GET_CLOSE, OK, Origin, Wire, free_address};

/// An origin that answers once on each connection and then closes at the next request.
fn answers_once() -> Origin {
    Origin::start(|call| {
        if call.request().is_some() {
            call.send(OK);
            call.request();
        }
    })
}

#[test]
fn an_idempotent_request_is_sent_again_when_a_pooled_connection_lets_it_down() {
    let origin = answers_once();
    let wire = Wire::http(&[origin.address]);
    let mut client = wire.connect();
    for _ in 0..4 {
        client.send(GET);
        assert_eq!(client.message().1, "ok");
    }
    assert_eq!(origin.connections(), 4);
    assert_eq!(origin.heads().len(), 7, "three were asked twice");
}

#[test]
fn a_request_that_may_have_had_an_effect_is_never_sent_again() {
    for ask in [
        "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx",
        "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx",
        "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\
         Connection: close\r\n\r\n0\r\n\r\n",
    ] {
        let origin = answers_once();
        let wire = Wire::http(&[origin.address]);
        assert!(wire.ask(GET_CLOSE).ends_with("ok"));
        let answer = wire.ask(ask);
        assert!(answer.starts_with("HTTP/1.1 502 "), "{ask}: {answer}");
        assert!(answer.ends_with("closed\n"), "{answer}");
        assert_eq!(
            (origin.connections(), origin.heads().len()),
            (1, 2),
            "{ask}"
        );
    }
}

/// On a new connection the request was surely seen: nothing is sent again.
#[test]
fn a_new_connection_that_closes_is_a_502() {
    for half in ["", "HTTP/1.1 200 OK\r\nContent-Le"] {
        let origin = Origin::start(move |call| {
            call.request();
            call.send(half);
        });
        let wire = Wire::http(&[origin.address]);
        let answer = wire.ask(GET_CLOSE);
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
        assert_eq!(origin.connections(), 1);
        assert_eq!(wire.counts().failures["closed"], 1);
        assert_eq!(wire.counts().servers["s1"].failures, 1);
    }
}

/// Once a byte of the answer was there, it is not asked again, on a pooled connection either.
#[test]
fn half_an_answer_is_not_asked_for_again() {
    let origin = Origin::start(|call| {
        call.request();
        call.send(OK);
        call.request();
        call.send("HTTP/1.1 200");
    });
    let wire = Wire::http(&[origin.address]);
    assert!(wire.ask(GET_CLOSE).ends_with("ok"));
    assert!(wire.ask(GET_CLOSE).starts_with("HTTP/1.1 502 "));
    assert_eq!(origin.connections(), 1);
}

#[test]
fn an_answer_that_breaks_the_protocol_is_a_502() {
    for bad in [
        "hello\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
    ] {
        let origin = Origin::always(bad);
        let wire = Wire::http(&[origin.address]);
        let answer = wire.ask(GET_CLOSE);
        assert!(answer.starts_with("HTTP/1.1 502 "), "{bad:?}: {answer}");
        assert_eq!(wire.counts().failures["bad-answer"], 1, "{bad:?}");
    }
}

/// A body that ends early ends the client's connection by a reset, in every framing.
#[test]
fn a_cut_answer_is_not_passed_off_as_a_whole_one() {
    for cut in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        let origin = Origin::start(move |call| {
            call.request();
            call.send(cut);
        });
        let wire = Wire::http(&[origin.address]);
        let answer = wire.ask(GET);
        assert!(!answer.ends_with("0\r\n\r\n"), "{answer}");
        wire.until("it was counted", |counts| {
            counts.failures.get("cut-off") == Some(&1)
        });
    }
}

#[test]
fn a_failed_connect_is_tried_once_on_another_server() {
    let origin = Origin::always(OK);
    let wire = Wire::http(&[free_address(), origin.address]);
    for _ in 0..4 {
        assert!(
            wire.ask(
                "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"
            )
            .ends_with("ok")
        );
    }
    let counts = wire.counts();
    assert_eq!(counts.servers["s2"].taken, 4);
    assert!(counts.servers["s1"].connects_failed >= 2);
}

#[test]
fn no_server_left_is_a_503_at_once() {
    let mut wire = Wire::http(&[free_address(), free_address(), free_address()]);
    let began = Instant::now();
    let answer = wire.ask(GET);
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    let tried: u64 = wire
        .counts()
        .servers
        .values()
        .map(|server| server.connects_failed)
        .sum();
    assert_eq!(tried, 2, "not all the farm");
    for name in ["s1", "s2", "s3"] {
        wire.server(name).footing = Footing::Checked { healthy: false };
    }
    wire.apply();
    wire.until("it is applied", |_| {
        wire.ask(GET).starts_with("HTTP/1.1 503 ")
    });
    assert!(
        wire.ask("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
            .ends_with("\r\n\r\n")
    );
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn silence_is_a_504_and_a_stalled_client_a_408() {
    let short = Limits {
        idle: Duration::from_secs(1),
        header: Duration::from_secs(1),
        ..CALM
    };
    let origin = Origin::start(|call| {
        call.request();
        call.peer.rest();
    });
    let wire = Wire::start(ServiceKind::Http, short, &[origin.address]);
    assert!(
        wire.ask(GET).starts_with("HTTP/1.1 504 "),
        "the server is silent"
    );
    let body = wire.ask("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf");
    assert!(
        body.starts_with("HTTP/1.1 408 ") && body.contains("body-timeout"),
        "{body}"
    );
    let head = wire.ask("GET / HTTP/1.1\r\nHos");
    assert!(
        head.starts_with("HTTP/1.1 408 ") && head.contains("header-timeout"),
        "{head}"
    );
    assert_eq!(wire.ask(""), "", "who says nothing is told nothing");
}

/// A drop now and then does not keep a head alive: its limit is for the whole of it.
#[test]
fn a_head_that_drips_is_refused_in_time() {
    let short = Limits {
        header: Duration::from_secs(2),
        ..CALM
    };
    let origin = Origin::always(OK);
    let wire = Wire::start(ServiceKind::Http, short, &[origin.address]);
    let mut client = wire.connect();
    let (began, mut last) = (Instant::now(), Instant::now());
    let mut drops = GET.bytes().cycle();
    while began.elapsed() < Duration::from_millis(1_500) {
        last = Instant::now();
        client.send(
            [drops.next().expect("it never ends")].map(|byte| byte.to_ascii_lowercase().max(b'a')),
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    let answer = client.rest();
    assert!(answer.contains("header-timeout"), "{answer}");
    let took = last.elapsed();
    assert!(took < short.header, "{took:?} after the last drop");
    assert_eq!(origin.connections(), 0);
}

/// Activity puts the idle limit off, the total limit never.
#[test]
fn the_total_limit_ends_what_activity_would_keep_alive() {
    let short = Limits {
        total: Duration::from_millis(400),
        ..CALM
    };
    let origin = Origin::start(|call| {
        call.request();
        call.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for _ in 0..100 {
            call.send("1\r\nx\r\n");
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let wire = Wire::start(ServiceKind::Http, short, &[origin.address]);
    let began = Instant::now();
    let answer = wire.ask(GET);
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(!answer.ends_with("0\r\n\r\n"), "cut, not ended");
    assert!(began.elapsed() >= Duration::from_millis(390));
    wire.until("the server is let go", |counts| {
        counts.servers["s1"].active == 0
    });
}

/// A client that goes away while the server thinks frees the server.
#[test]
fn a_client_that_fails_frees_its_server() {
    let origin = Origin::start(|call| {
        call.request();
        call.peer.rest();
    });
    let wire = Wire::http(&[origin.address]);
    let mut client = wire.connect();
    client.send(GET);
    wire.until("the server has it", |counts| {
        counts.servers["s1"].active == 1
    });
    socket2::SockRef::from(&client.stream)
        .set_linger(Some(Duration::ZERO))
        .expect("linger can be set");
    drop(client);
    wire.until("the server is let go", |counts| {
        counts.servers["s1"].active == 0
    });
}

/// A client that closes its half after the request still gets its answer.
#[test]
fn a_half_closed_client_is_answered() {
    let origin = Origin::start(|call| {
        call.request();
        std::thread::sleep(Duration::from_millis(50));
        call.send(OK);
    });
    let wire = Wire::http(&[origin.address]);
    let mut client = wire.connect();
    client.send(GET);
    client.close_half();
    assert!(client.rest().ends_with("ok"));
}
