//! The `tcp` and `http` probes against servers that refuse, hang, drip, reset and lie.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use super::{PATIENCE, Server, Silent, TIMEOUT, read_request, refusing, reset, timeout};
use crate::origin::Origin;
use crate::probe::answer::Expected;
use crate::probe::connect::Budget;
use crate::probe::outcome::{Failure, Outcome, Phase, Success};
use crate::probe::{http, tcp};

async fn ask(address: SocketAddr, text: Option<&str>) -> Outcome {
    ask_within(PATIENCE, address, text).await
}

async fn ask_within(limit: Duration, address: SocketAddr, text: Option<&str>) -> Outcome {
    let expected = Expected {
        status: 200,
        text: text.map(Arc::from),
        obey: false,
    };
    let (origin, budget) = (Origin::default(), Budget::begin(limit));
    let errand = http::Errand {
        path: "/health",
        host: "shop.test",
        expected,
    };
    http::probe(address, None, errand, None, &origin, &budget).await
}

#[tokio::test]
async fn tcp_connects_or_says_why_not() {
    let origin = Origin::default();
    let server = Server::start(drop);
    let up = tcp::probe(server.address, None, &origin, &Budget::begin(PATIENCE)).await;
    assert_eq!(up, Outcome::Pass(Success::Connected));
    let refused = tcp::probe(refusing(), None, &origin, &Budget::begin(PATIENCE)).await;
    assert_eq!(refused, Outcome::Fail(Failure::Refused));
    assert_eq!(refused.to_string(), "connection refused");
}

#[tokio::test]
async fn tcp_gives_up_on_one_that_hangs() {
    let silent = Silent::start();
    let hung = tcp::probe(
        silent.address,
        None,
        &Origin::default(),
        &Budget::begin(TIMEOUT),
    )
    .await;
    assert_eq!(hung, timeout(Phase::Connecting));
    assert_eq!(hung.to_string(), "timeout after 400 ms while connecting");
}

#[tokio::test]
async fn http_judges_every_kind_of_answer() {
    let pass = Outcome::Pass;
    let fail = Outcome::Fail;
    let huge = {
        let mut answer = b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n".to_vec();
        answer.resize(5_000_000, b'x');
        answer
    };
    let rows: Vec<(Vec<u8>, Option<&str>, Outcome)> = vec![
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".into(),
            None,
            pass(Success::Status(200)),
        ),
        (
            b"HTTP/1.0 200 OK\r\n\r\nall well".into(),
            Some("well"),
            pass(Success::Text(200)),
        ),
        (
            b"HTTP/1.0 200 OK\r\n\r\nall bad".into(),
            Some("well"),
            fail(Failure::TextMissing),
        ),
        (
            b"HTTP/1.1 500 Oh\r\n\r\n".into(),
            None,
            fail(Failure::Status {
                got: 500,
                expected: 200,
            }),
        ),
        (b"".into(), None, fail(Failure::ClosedSilently)),
        (
            b"HTTP/1.1 200 OK\r\nA:".into(),
            None,
            fail(Failure::ClosedEarly),
        ),
        (b"220 smtp here\r\n".into(), None, fail(Failure::NotHttp)),
        (huge.clone(), None, pass(Success::Status(200))),
        (huge, Some("well"), fail(Failure::TextMissing)),
    ];
    for (answer, text, wanted) in rows {
        let start = String::from_utf8_lossy(answer.get(..answer.len().min(40)).unwrap_or_default())
            .into_owned();
        let server = Server::says(answer);
        assert_eq!(
            ask(server.address, text).await,
            wanted,
            "{start:?} {text:?}"
        );
    }
    assert_eq!(
        fail(Failure::Status {
            got: 500,
            expected: 200
        })
        .to_string(),
        "status 500, expected 200"
    );
}

#[tokio::test]
async fn http_says_how_far_it_came() {
    let silent = Server::start(|mut stream| {
        read_request(&mut stream);
        std::thread::park_timeout(PATIENCE);
        drop(stream);
    });
    let hung = ask_within(TIMEOUT, silent.address, None).await;
    assert_eq!(hung, timeout(Phase::Waiting));

    let dripping = Server::start(|mut stream| {
        for byte in b"HTTP/1.1 200 OK\r\n"
            .iter()
            .chain(std::iter::repeat(&b'x'))
        {
            if stream.write_all(&[*byte]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    let hung = ask_within(TIMEOUT, dripping.address, None).await;
    assert_eq!(hung, timeout(Phase::Reading));

    let resetting = Server::start(|mut stream| {
        read_request(&mut stream);
        reset(stream);
    });
    let outcome = ask(resetting.address, None).await;
    assert_eq!(outcome, Outcome::Fail(Failure::Reset(Phase::Waiting)));
    assert_eq!(
        outcome.to_string(),
        "connection reset while waiting for the answer"
    );

    let refused = ask(refusing(), None).await;
    assert_eq!(refused, Outcome::Fail(Failure::Refused));
}

#[tokio::test]
async fn the_request_is_what_a_server_expects() {
    let (sender, requests) = std::sync::mpsc::channel();
    let server = Server::start(move |mut stream| {
        let request = read_request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        let _ = sender.send(request);
    });
    assert_eq!(
        ask(server.address, None).await,
        Outcome::Pass(Success::Status(200))
    );
    let request = requests.recv_timeout(PATIENCE).expect("one request");
    assert!(
        request.starts_with("GET /health HTTP/1.1\r\nHost: shop.test\r\n"),
        "{request}"
    );
    assert!(request.contains("\r\nConnection: close\r\n"), "{request}");
}

/// Where the kernel would take a VIP, the probe binds to an own address.
#[tokio::test]
async fn no_probe_leaves_from_a_vip() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let target = listener.local_addr().expect("bound");
    let own: IpAddr = "127.0.0.2".parse().expect("an address");
    let origin = Origin {
        own: vec![own],
        never: BTreeSet::from([target.ip()]),
    };
    let outcome = tcp::probe(target, None, &origin, &Budget::begin(PATIENCE)).await;
    assert_eq!(outcome, Outcome::Pass(Success::Connected));
    let (_, peer) = listener.accept().expect("one connection waits");
    assert_eq!(peer.ip(), own);
}
