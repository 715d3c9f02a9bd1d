//! PROXY headers: who is believed, who is not, and what servers are told.

use std::io::{ErrorKind, Read};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use farmux_netplane::plan::{Limits, Method, Persistence, ProxyPlan, ProxyVersion, ServiceKind};

use crate::harness::{CALM, Call, GET, OK, Origin, Peer, Wire, field};

/// The one that is believed.
const PROXY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);

fn believing(kind: ServiceKind, limits: Limits, origin: &Origin) -> Wire {
    let mut wire = Wire::start(kind, limits, &[origin.address]);
    wire.plan.proxy = ProxyPlan {
        send: None,
        accept_from: ["127.0.0.9/32".parse().expect("a network")].into(),
    };
    wire.again(1)
}

fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    let length = u16::try_from(body.len()).expect("it is short");
    bytes.extend([command, family]);
    bytes.extend(length.to_be_bytes());
    bytes.extend(body);
    bytes
}

const V4: [u8; 12] = [192, 0, 2, 7, 10, 0, 0, 1, 0xdd, 0xd5, 0, 80];

fn last_told(origin: &Origin) -> Option<String> {
    field(origin.heads().last()?, "X-Forwarded-For")
}

#[test]
fn the_client_in_a_header_is_the_client() {
    let origin = Origin::always(OK);
    let wire = believing(ServiceKind::Http, CALM, &origin);
    let line = |line: &str| line.as_bytes().to_vec();
    let with_more = [&V4[..], &[0x20, 0, 5, 1, 0, 0, 0, 0]].concat();
    let mut v6 = [0; 36];
    v6[..2].copy_from_slice(&[0xfd, 0]);
    v6[15] = 9;
    for (header, client) in [
        (
            line("PROXY TCP4 192.0.2.7 10.0.0.1 56789 80\r\n"),
            "192.0.2.7",
        ),
        (
            line("PROXY TCP6 2001:db8::1 fd00::1 1 80\r\n"),
            "2001:db8::1",
        ),
        (
            line("PROXY TCP6 ::ffff:192.0.2.8 fd00::1 1 80\r\n"),
            "192.0.2.8",
        ),
        (line("PROXY UNKNOWN\r\n"), "127.0.0.9"),
        (v2(0x21, 0x11, &V4), "192.0.2.7"),
        (v2(0x21, 0x11, &with_more), "192.0.2.7"),
        (v2(0x21, 0x21, &v6), "fd00::9"),
        (v2(0x20, 0x11, &V4), "127.0.0.9"),
        (v2(0x21, 0x00, &[]), "127.0.0.9"),
    ] {
        // At once, and byte by byte.
        let mut client_of = wire.connect_from(PROXY);
        client_of.send([&header[..], GET.as_bytes()].concat());
        assert_eq!(client_of.message().1, "ok", "{}", header.escape_ascii());
        assert_eq!(last_told(&origin).as_deref(), Some(client));
        // The header is the connection's, not the request's.
        client_of.send(GET);
        assert_eq!(client_of.message().1, "ok");
        assert_eq!(last_told(&origin).as_deref(), Some(client));
        let mut drip = wire.connect_from(PROXY);
        header.iter().for_each(|byte| drip.send([*byte]));
        drip.send(GET);
        assert_eq!(drip.message().1, "ok", "{}", header.escape_ascii());
        assert_eq!(last_told(&origin).as_deref(), Some(client));
    }
    assert!(wire.counts().refusals.is_empty());
}

#[test]
fn a_listed_source_without_a_good_header_is_closed_and_counted() {
    let origin = Origin::always(OK);
    let wire = believing(ServiceKind::Http, CALM, &origin);
    for (bytes, reason) in [
        (GET.as_bytes().to_vec(), "proxy-missing"),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n".to_vec(), "proxy-line"),
        (
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 x\r\n".to_vec(),
            "proxy-address",
        ),
        (
            b"PROXY TCP9 1.2.3.4 5.6.7.8 1 2\r\n".to_vec(),
            "proxy-family",
        ),
        (b"PROXY UNKNOWN ".repeat(9), "proxy-too-long"),
        (v2(0x11, 0x11, &V4), "proxy-version"),
        (v2(0x22, 0x11, &V4), "proxy-command"),
        (v2(0x21, 0x12, &V4), "proxy-family"),
        (v2(0x21, 0x11, &V4[1..]), "proxy-length"),
    ] {
        let mut peer = wire.connect_from(PROXY);
        peer.send([&bytes[..], GET.as_bytes()].concat());
        assert_eq!(peer.rest(), "", "{reason}: nothing is answered");
        wire.until(reason, |counts| counts.refusals.contains_key(reason));
    }
    let mut cut = wire.connect_from(PROXY);
    cut.send("PROXY TCP4 1.2");
    cut.close_half();
    assert_eq!(cut.rest(), "");
    wire.until("it is counted", |counts| {
        counts.refusals["proxy-missing"] == 2
    });
    assert!(origin.heads().is_empty(), "no server hears of any of it");
}

#[test]
fn a_header_must_come_in_time() {
    let origin = Origin::always(OK);
    let limits = Limits {
        header: Duration::from_millis(200),
        ..CALM
    };
    let wire = believing(ServiceKind::Http, limits, &origin);
    let mut peer = wire.connect_from(PROXY);
    peer.send("PROXY TCP4 ");
    assert_eq!(peer.rest(), "");
    assert_eq!(wire.counts().refusals, [("proxy-timeout", 1)].into());
}

#[test]
fn nobody_else_is_believed() {
    let origin = Origin::always(OK);
    let wire = believing(ServiceKind::Http, CALM, &origin);
    let header = "PROXY TCP4 192.0.2.7 10.0.0.1 56789 80\r\n";
    let answer = wire.ask(format!("{header}{GET}"));
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let mut plain = wire.connect();
    plain.send(GET);
    assert_eq!(plain.message().1, "ok");
    assert_eq!(last_told(&origin).as_deref(), Some("127.0.0.1"));

    let heard = Origin::start(|call| {
        let all = call.peer.rest();
        call.send(all);
    });
    let wire = believing(ServiceKind::Tcp, CALM, &heard);
    for (mut peer, wanted) in [
        (wire.connect(), format!("{header}hello")),
        (wire.connect_from(PROXY), "hello".to_owned()),
    ] {
        peer.send(format!("{header}hello"));
        peer.close_half();
        assert_eq!(peer.rest(), wanted);
    }
    let mut liar = wire.connect_from(PROXY);
    liar.send("hello");
    let end = liar.stream.read(&mut [0]).map_err(|error| error.kind());
    assert!(
        matches!(end, Ok(0) | Err(ErrorKind::ConnectionReset)),
        "{end:?}"
    );
    assert_eq!(wire.counts().refusals, [("proxy-missing", 1)].into());
}

/// Hashing and persistence go by the client in the header, and not by its port.
#[test]
fn the_client_in_a_header_decides_whom_it_meets() {
    let origins = [
        Origin::named("s1"),
        Origin::named("s2"),
        Origin::named("s3"),
    ];
    let persistence = Persistence {
        prefix_v4: 32,
        prefix_v6: 128,
        timeout: Duration::from_secs(600),
    };
    for (method, persistence) in [
        (Method::SourceHash, None),
        (Method::RoundRobin, Some(persistence)),
    ] {
        let mut wire = Wire::http(&origins.each_ref().map(|origin| origin.address));
        wire.plan.method = method;
        wire.plan.persistence = persistence;
        wire.plan.proxy.accept_from = ["127.0.0.9/32".parse().expect("a network")].into();
        let wire = wire.again(1);
        let meets = |ip: usize, port: usize| {
            let mut peer = wire.connect_from(PROXY);
            peer.send(format!(
                "PROXY TCP4 192.0.2.{ip} 10.0.0.1 {port} 80\r\n{GET}"
            ));
            peer.message().1
        };
        let met: Vec<_> = (1..20).map(|ip| meets(ip, 1000)).collect();
        assert_eq!(
            (1..20).map(|ip| meets(ip, 1000 + ip)).collect::<Vec<_>>(),
            met
        );
        assert!(
            ["s1", "s2", "s3"]
                .iter()
                .all(|name| met.iter().any(|met| met == name))
        );
    }
}

/// Answers with the PROXY header that its connection began with, then reads on.
fn tell_header(call: &mut Call, version: ProxyVersion) {
    let header = match version {
        ProxyVersion::V1 => call.peer.until("\r\n"),
        ProxyVersion::V2 => {
            // Every address in here is below 128, so that text keeps all the bytes.
            let header = call.peer.exactly(28);
            header
                .bytes()
                .skip(12)
                .map(|byte| format!("{byte:02x}"))
                .collect()
        }
    };
    while call.request().is_some() {
        let length = header.len();
        call.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{header}"
        ));
    }
}

fn told(client: &mut Peer) -> String {
    client.send(GET);
    client.message().1
}

#[test]
fn servers_are_told_and_clients_share_no_connection() {
    let ended = Arc::new(AtomicUsize::new(0));
    let count = ended.clone();
    let origin = Origin::start(move |call| {
        tell_header(call, ProxyVersion::V1);
        count.fetch_add(1, Ordering::SeqCst);
    });
    let mut wire = Wire::http(&[origin.address]);
    wire.plan.proxy.send = Some(ProxyVersion::V1);
    let wire = wire.again(1);
    let mut clients = [
        wire.connect(),
        wire.connect_from(Ipv4Addr::new(127, 0, 0, 5)),
    ];
    for _ in 0..3 {
        for client in &mut clients {
            let own = client.stream.local_addr().expect("it has an address");
            let (ip, port) = (own.ip(), own.port());
            let vip = wire.address.port();
            let wanted = format!("PROXY TCP4 {ip} 127.0.0.1 {port} {vip}\r\n");
            assert_eq!(told(client), wanted);
        }
    }
    assert_eq!(origin.connections(), 2, "one for each client, and kept");
    assert_eq!(ended.load(Ordering::SeqCst), 0);
    // Not only after the time for which others' idle connections are kept.
    let begun = Instant::now();
    drop(clients);
    wire.until("they went with their clients", |_| {
        ended.load(Ordering::SeqCst) == 2
    });
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "after {:?}",
        begun.elapsed()
    );
}

#[test]
fn what_was_accepted_is_passed_on() {
    let origin = Origin::start(|call| tell_header(call, ProxyVersion::V2));
    let mut wire = believing(ServiceKind::Http, CALM, &origin);
    wire.plan.proxy.send = Some(ProxyVersion::V2);
    let wire = wire.again(1);
    let mut peer = wire.connect_from(PROXY);
    peer.send("PROXY TCP4 1.2.3.4 5.6.7.8 16 80\r\n");
    assert_eq!(told(&mut peer), "2111000c010203040506070800100050");
}

#[test]
fn tcp_servers_are_told_before_the_first_byte() {
    let origin = Origin::start(|call| {
        let header = call.peer.until("\r\n");
        let said = call.peer.exactly(5);
        call.send(said + &header);
    });
    let mut wire = Wire::tcp(&[origin.address]);
    wire.plan.proxy.send = Some(ProxyVersion::V1);
    let wire = wire.again(1);
    let mut client = wire.connect();
    client.send("hello");
    let port = client
        .stream
        .local_addr()
        .expect("it has an address")
        .port();
    let vip = wire.address.port();
    assert_eq!(
        client.rest(),
        format!("helloPROXY TCP4 127.0.0.1 127.0.0.1 {port} {vip}\r\n")
    );
}
