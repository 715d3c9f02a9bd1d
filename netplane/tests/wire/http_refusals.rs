//! The corpus of refusals: each is answered with its status, named, closed, and never sent on.

use crate::harness::{GET_CLOSE, OK, Origin, Wire};

#[path = "../../../tests/corpus/refusals.rs"]
mod corpus;

use corpus::corpus;

#[test]
fn every_refusal_is_named_answered_and_never_sent_on() {
    let origin = Origin::always(OK);
    let wire = Wire::http(&[origin.address]);
    let cases = corpus();
    assert!(cases.len() >= 60, "the issue asks for sixty");
    for case in &cases {
        let before = wire
            .counts()
            .refusals
            .get(case.reason.as_str())
            .copied()
            .unwrap_or(0);
        let answer = wire.ask(&case.bytes);
        let wanted = format!("HTTP/1.1 {} ", case.status);
        assert!(
            answer.starts_with(&wanted),
            "line {}: {answer:?}",
            case.line
        );
        assert!(
            answer.contains(&case.reason),
            "line {}: {answer:?}",
            case.line
        );
        assert!(
            answer.contains("\r\nConnection: close\r\n"),
            "line {}: {answer:?}",
            case.line
        );
        assert_eq!(
            answer.matches("HTTP/1.1").count(),
            1,
            "line {}: {answer:?}",
            case.line
        );
        let counted = wire
            .counts()
            .refusals
            .get(case.reason.as_str())
            .copied()
            .unwrap_or(0);
        assert_eq!(counted, before + 1, "line {}: {answer:?}", case.line);
    }
    assert_eq!(origin.connections(), 0, "no server heard of any of them");
    assert!(wire.ask(GET_CLOSE).ends_with("ok"), "and it still serves");
}

/// Behind a good request on the same connection a bad one is refused as well.
#[test]
fn a_refusal_follows_the_answers_before_it() {
    let origin = Origin::always(OK);
    let wire = Wire::http(&[origin.address]);
    for case in corpus()
        .iter()
        .filter(|case| !case.bytes.starts_with(b"\r\n"))
    {
        let bytes = [b"GET /first HTTP/1.1\r\nHost: h\r\n\r\n", &case.bytes[..]].concat();
        let answer = wire.ask(&bytes);
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n"),
            "line {}: {answer:?}",
            case.line
        );
        if case.reason != "tls-handshake" {
            assert!(
                answer.contains(&case.reason),
                "line {}: {answer:?}",
                case.line
            );
        }
        assert_eq!(
            answer.matches("HTTP/1.1").count(),
            2,
            "line {}: {answer:?}",
            case.line
        );
    }
    assert!(
        origin
            .heads()
            .iter()
            .all(|head| head.starts_with("GET /first ")),
        "nothing else"
    );
}

/// A body that turns out ambiguous when its request is already on its way: the server's connection
/// is cut, so that it cannot take the piece it has for a whole request.
#[test]
fn a_late_break_of_the_coding_cuts_the_request() {
    let (got, seen) = std::sync::mpsc::channel();
    let origin = Origin::start(move |call| {
        if call.request().is_some() {
            let first = call.peer.until("hello\r\n");
            got.send((first, call.peer.rest())).expect("the test waits");
        }
    });
    let wire = Wire::http(&[origin.address]);
    let mut client = wire.connect();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    wire.until("the request is on its way", |counts| {
        counts.servers["s1"].active == 1
    });
    while origin.heads().is_empty() {
        std::thread::yield_now();
    }
    client.send("0x5\r\nworld\r\n0\r\n\r\n");
    let answer = client.rest();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("chunk-size"), "{answer}");
    let (first, rest) = seen.recv().expect("the server was called");
    assert_eq!(
        (first.as_str(), rest.as_str()),
        ("5\r\nhello\r\n", ""),
        "no last chunk"
    );
}
