//! Bodies both ways: framed anew, streamed with constant memory, held back by a slow reader.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::harness::{GET, OK, Origin, Wire, field};

/// Reads a chunked body: its data and its trailers.
fn chunked(peer: &mut crate::harness::Peer) -> (String, String) {
    let mut data = String::new();
    loop {
        let line = peer.until("\r\n");
        let size = usize::from_str_radix(line.trim_end(), 16).expect("a chunk's size");
        if size == 0 {
            let mut trailers = String::new();
            loop {
                let line = peer.until("\r\n");
                if line == "\r\n" {
                    return (data, trailers);
                }
                trailers.push_str(&line);
            }
        }
        data.push_str(&peer.exactly(size));
        assert_eq!(peer.exactly(2), "\r\n");
    }
}

#[test]
fn chunked_bodies_and_trailers_pass_both_ways() {
    let origin = Origin::start(|call| {
        while call.request().is_some() {
            let (data, trailers) = chunked(&mut call.peer);
            assert_eq!(trailers, "X-Sum: 1\r\n", "the forbidden one is gone");
            call.send("HTTP/1.1 200 OK\r\nTrailer: X-Done\r\nTransfer-Encoding: chunked\r\n\r\n");
            for piece in data.as_bytes().chunks(3) {
                call.send(format!("{:x};ext=1\r\n", piece.len()));
                call.send(piece);
                call.send("\r\n");
            }
            call.send("0\r\nX-Done: yes\r\nContent-Length: 9\r\n\r\n");
        }
    });
    let wire = Wire::http(&[origin.address]);
    let mut client = wire.connect();
    for _ in 0..2 {
        client.send(
            "POST / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
        for piece in [
            "5;a=b\r\nhello\r\n",
            "6\r\n wor",
            "ld\r\n0\r\n",
            "X-Sum: 1\r\nHost: evil\r\n\r\n",
        ] {
            client.send(piece);
            std::thread::sleep(Duration::from_millis(3));
        }
        let head = client.head();
        assert_eq!(
            field(&head, "Transfer-Encoding").as_deref(),
            Some("chunked"),
            "{head}"
        );
        let (data, trailers) = chunked(&mut client);
        assert_eq!(
            (data.as_str(), trailers.as_str()),
            ("hello world", "X-Done: yes\r\n")
        );
    }
    assert_eq!(origin.connections(), 1);
}

#[test]
fn expect_continue_goes_to_the_server_and_its_100_comes_back() {
    let origin = Origin::start(|call| {
        while let Some(head) = call.request() {
            assert_eq!(field(&head, "Expect").as_deref(), Some("100-continue"));
            call.send("HTTP/1.1 100 Continue\r\n\r\n");
            assert_eq!(call.peer.exactly(5), "hello");
            call.send(OK);
        }
    });
    let wire = Wire::http(&[origin.address]);
    let mut client = wire.connect();
    for _ in 0..2 {
        client
            .send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
        assert_eq!(client.head(), "HTTP/1.1 100 Continue\r\n\r\n");
        client.send("hello");
        assert_eq!(client.message().1, "ok");
    }
    assert_eq!(origin.connections(), 1);
}

/// The server refuses before the body was sent: the client hears so and is sent away, as nobody
/// can tell whether it will send the body.
#[test]
fn an_expectation_that_fails_ends_the_connection() {
    let origin = Origin::start(|call| {
        call.request();
        call.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
        call.peer.rest();
    });
    let wire = Wire::http(&[origin.address]);
    let mut client = wire.connect();
    client.send("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
    let (head, body) = client.message();
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
    assert_eq!(field(&head, "Connection").as_deref(), Some("close"));
    assert_eq!(body, "no");
    client.send("hello");
    assert!(client.is_closed());
}

/// A server that answers and closes before it has read the body: the client gets the answer, not
/// a broken connection.
#[test]
fn an_early_answer_reaches_a_client_that_is_still_sending() {
    let origin = Origin::start(|call| {
        call.request();
        call.send(
            "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig",
        );
        call.peer.close_half();
        call.peer.exactly(1_000_000);
    });
    let wire = Wire::http(&[origin.address]);
    for _ in 0..5 {
        let mut client = wire.connect();
        client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 900000000\r\n\r\n");
        client.send(vec![b'x'; 300_000]);
        let (head, body) = client.message();
        assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
        assert_eq!(body, "big");
    }
}

/// A full-duplex server: it answers while the request is still coming, and both run to their end.
#[test]
fn an_answer_may_run_beside_its_request() {
    let origin = Origin::start(|call| {
        call.request();
        call.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
        for _ in 0..10 {
            let letter = call.peer.exactly(1);
            call.send(letter);
        }
    });
    let wire = Wire::http(&[origin.address]);
    let mut client = wire.connect();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n");
    client.head();
    for letter in 0..10 {
        client.send(format!("{letter}"));
        assert_eq!(client.exactly(1), format!("{letter}"));
    }
}

/// Nothing is read that cannot be written: a server's fast answer to a client that does not read
/// stops in the sockets, and goes on when the client does.
#[test]
fn a_slow_client_holds_the_server_back() {
    const TOTAL: u64 = 256 << 20;
    let sent = Arc::new(AtomicU64::new(0));
    let counter = sent.clone();
    let origin = Origin::start(move |call| {
        call.request();
        call.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {TOTAL}\r\n\r\n"
        ));
        let piece = vec![b'x'; 1 << 16];
        for _ in 0..TOTAL >> 16 {
            if call.peer.stream.write_all(&piece).is_err() {
                return;
            }
            counter.fetch_add(1 << 16, Ordering::SeqCst);
        }
    });
    let wire = Wire::http(&[origin.address]);
    let mut client = wire.connect();
    client.send(GET);
    client.head();
    let mut before = u64::MAX;
    while before != sent.load(Ordering::SeqCst) {
        before = sent.load(Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(200));
    }
    let underway = before.saturating_sub(client.buffered());
    assert!(underway < TOTAL / 4, "{underway} bytes are held somewhere");
    drop(client);
    wire.until("the server is let go", |counts| {
        counts.servers["s1"].active == 0
    });
}
