//! The `https` probe against servers that do not get as far as a certificate; those with good and
//! bad ones stand in the laboratory (`tests/tests/lab/https.rs`).

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{PATIENCE, Server, TIMEOUT, refusing};
use crate::origin::Origin;
use crate::plan::ProbeTls;
use crate::probe::answer::Expected;
use crate::probe::connect::Budget;
use crate::probe::http::{Errand, probe};
use crate::probe::tls::{Clients, Trust};

async fn told(target: SocketAddr) -> String {
    told_within(PATIENCE, target).await
}

async fn told_within(limit: Duration, target: SocketAddr) -> String {
    let errand = Errand {
        path: "/",
        host: "shop.test",
        expected: Expected {
            status: 200,
            text: None,
            obey: false,
        },
    };
    let tls = ProbeTls {
        name: "shop.test".into(),
        verify: true,
        days_left: 0,
    };
    let clients = Arc::new(Clients::new(Trust::file("/nowhere/at/all".into())));
    let (origin, budget) = (Origin::default(), Budget::begin(limit));
    let tls = Some((&tls, &clients));
    let outcome = probe(target, None, errand, tls, &origin, &budget).await;
    outcome.to_string()
}

#[tokio::test]
async fn what_is_no_tls_is_named() {
    let plain = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    let not_tls = "the answer is not TLS";
    let no_common = "no TLS version or cipher in common";
    let rows: [(&'static [u8], &str); 7] = [
        (plain, not_tls),
        (b"SSH-2.0-OpenSSH_9.2\r\n", not_tls),
        (b"\x16\x03\x01\xff\xff garbage", not_tls),
        (b"\x15\x03\x01\x00\x02\x02\x46", no_common),
        (
            b"\x15\x03\x03\x00\x02\x02\x28",
            "TLS ended by the server: alert 40 (handshake failure)",
        ),
        (
            b"\x15\x03\x03\x00\x02\x02\x70",
            "TLS ended by the server: alert 112 (unrecognized name)",
        ),
        (b"", "connection closed while negotiating TLS"),
    ];
    for (said, wanted) in rows {
        let server = Server::start(move |mut stream| {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(said);
        });
        assert_eq!(told(server.address).await, wanted, "{said:?}");
    }
}

#[tokio::test]
async fn who_never_shakes_hands_is_not_well() {
    let silent = Server::start(|stream| {
        std::thread::park_timeout(PATIENCE);
        drop(stream);
    });
    let wanted = "timeout after 400 ms while negotiating TLS";
    assert_eq!(told_within(TIMEOUT, silent.address).await, wanted);
    assert_eq!(told(refusing()).await, "connection refused");
}
