//! Who must not be heard: each is refused for a named reason, and no handler is asked anything.

use std::time::Duration;

use farmux_raft::consensus::{Transport, TransportError};
use farmux_raft::id::{NodeId, UnixMillis};
use farmux_raft::peer::Refusal;
use farmux_raft::peer::tls::{accept_admin, admin_client_config, admin_server_config};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::support::*;

/// Sends a Raft question as soon as TLS allows, and waits for the end of the connection.
async fn speak_until_cut(stranger: Stranger, port: &Port) {
    if let Ok(mut stream) = soon(stranger.connect(port.address)).await {
        // Both may fail: the server is free to be quicker.
        let _ = stream.write_all(&RawFrame::raft().bytes()).await;
        let mut answer = Vec::new();
        let _ = soon(stream.read_to_end(&mut answer)).await;
        assert!(answer.is_empty(), "it was answered {} bytes", answer.len());
    }
}

async fn refused(stranger: Stranger, reason: Refusal) {
    let port = Port::open(identity(&ca(7), 1)).await;
    refused_at(&port, stranger, reason).await;
}

async fn refused_at(port: &Port, stranger: Stranger, reason: Refusal) {
    speak_until_cut(stranger, port).await;
    until(reason.word(), || port.refusals.get(reason) == 1).await;
    let others: u64 = port
        .refusals
        .all()
        .filter(|(r, _)| *r != reason)
        .map(|(_, n)| n)
        .sum();
    assert_eq!((others, port.handler.all()), (0, 0));
}

#[tokio::test]
async fn plain_bytes_are_not_tls() {
    let port = Port::open(identity(&ca(7), 1)).await;
    for bytes in [
        b"GET / HTTP/1.1\r\nHost: lb1\r\n\r\n".to_vec(),
        RawFrame::raft().bytes(),
    ] {
        let mut tcp = TcpStream::connect(port.address).await.expect("it listens");
        tcp.write_all(&bytes).await.expect("sent");
        let mut answer = Vec::new();
        let _ = soon(tcp.read_to_end(&mut answer)).await;
    }
    until("not_tls", || port.refusals.get(Refusal::NotTls) == 2).await;
    assert_eq!(port.handler.all(), 0);
}

#[tokio::test]
async fn a_peer_without_certificate() {
    refused(Stranger::peer(None), Refusal::NoCertificate).await;
}

#[tokio::test]
async fn a_certificate_of_another_ca_with_the_same_words() {
    refused(
        Stranger::peer(Some(leaf(&ca(7), &node_bearer(2), now()))),
        Refusal::ForeignCa,
    )
    .await;
}

#[tokio::test]
async fn certificates_before_and_after_their_time() {
    let ca = ca(7);
    for (at, reason) in [
        (UnixMillis(now().0 - 91 * DAY_MS), Refusal::Expired),
        (UnixMillis(now().0 + 2 * DAY_MS), Refusal::NotYetValid),
    ] {
        let port = Port::open(identity(&ca, 1)).await;
        let shown = leaf(&ca, &node_bearer(2), at);
        refused_at(&port, Stranger::peer(Some(shown)), reason).await;
    }
}

#[tokio::test]
async fn an_administrator_on_the_peer_port() {
    let ca = ca(7);
    let port = Port::open(identity(&ca, 1)).await;
    let shown = leaf(&ca, &admin_bearer(), now());
    refused_at(&port, Stranger::peer(Some(shown)), Refusal::WrongRole).await;
}

const ONLY_TLS12: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS12];

#[tokio::test]
async fn other_protocols_and_older_tls() {
    let ca = ca(7);
    let good = || Some(leaf(&ca, &node_bearer(2), now()));
    let other = Stranger {
        alpn: vec![b"h2"],
        ..Stranger::peer(good())
    };
    let silent = Stranger {
        alpn: Vec::new(),
        ..Stranger::peer(good())
    };
    let old = Stranger {
        versions: ONLY_TLS12,
        ..Stranger::peer(good())
    };
    for (stranger, reason) in [
        (other, Refusal::Protocol),
        (silent, Refusal::Protocol),
        (old, Refusal::OldTls),
    ] {
        let port = Port::open(identity(&ca, 1)).await;
        refused_at(&port, stranger, reason).await;
    }
}

#[tokio::test]
async fn a_joiner_who_speaks_raft() {
    let port = Port::open(identity(&ca(7), 1)).await;
    let joiner = Stranger {
        alpn: vec![b"farmux-join/1"],
        ..Stranger::peer(None)
    };
    speak_until_cut(joiner, &port).await;
    // Also as a joiner's frame, whose route is all zeros.
    let mut stream = soon(
        Stranger {
            alpn: vec![b"farmux-join/1"],
            ..Stranger::peer(None)
        }
        .connect(port.address),
    )
    .await
    .expect("no certificate is needed");
    let frame = RawFrame {
        cluster: 0,
        epoch: 0,
        from: 0,
        to: 0,
        ..RawFrame::raft()
    };
    stream.write_all(&frame.bytes()).await.expect("sent");
    let mut answer = Vec::new();
    let _ = soon(stream.read_to_end(&mut answer)).await;
    assert_eq!((answer.len(), port.handler.all()), (0, 0));
}

#[tokio::test]
async fn frames_that_do_not_belong_on_their_connection() {
    let ca = ca(7);
    let port = Port::open(identity(&ca, 1)).await;
    let wrong = [
        RawFrame {
            from: 3,
            ..RawFrame::raft()
        },
        RawFrame {
            to: 3,
            ..RawFrame::raft()
        },
        RawFrame {
            epoch: 2,
            ..RawFrame::raft()
        },
        RawFrame {
            cluster: 8,
            ..RawFrame::raft()
        },
        RawFrame {
            kind: 99,
            ..RawFrame::raft()
        },
        RawFrame {
            kind: 6,
            ..RawFrame::raft()
        },
        RawFrame {
            length: (8 << 20) + 1,
            ..RawFrame::raft()
        },
    ];
    for frame in wrong {
        let shown = leaf(&ca, &node_bearer(2), now());
        let mut stream = soon(Stranger::peer(Some(shown)).connect(port.address))
            .await
            .expect("a good peer");
        stream.write_all(&frame.bytes()).await.expect("sent");
        let mut greeting_only = Vec::new();
        let _ = soon(stream.read_to_end(&mut greeting_only)).await;
        assert!(
            greeting_only.len() < 80,
            "it was answered: {greeting_only:?}"
        );
    }
    assert_eq!(port.handler.all(), 0);
    // The same bytes with nothing wrong are heard: the test above can fail.
    let shown = leaf(&ca, &node_bearer(2), now());
    let mut stream = soon(Stranger::peer(Some(shown)).connect(port.address))
        .await
        .expect("good");
    stream
        .write_all(&RawFrame::raft().bytes())
        .await
        .expect("sent");
    until("the good frame is heard", || port.handler.all() == 1).await;
}

#[tokio::test]
async fn a_client_speaks_only_to_the_node_it_wants() {
    let ca = ca(7);
    let port = Port::open(identity(&ca, 3)).await;
    let (client, refusals) = client(identity(&ca, 2), 1, port.address);
    let answer = client
        .call(NodeId(1), small_rpc(), Duration::from_secs(2))
        .await;
    assert!(
        matches!(answer, Err(TransportError::Unreachable { .. })),
        "{answer:?}"
    );
    assert_eq!(
        (refusals.get(Refusal::WrongNode), port.handler.all()),
        (1, 0)
    );
}

#[tokio::test]
async fn a_client_speaks_only_to_its_own_cluster() {
    let port = Port::open(identity(&ca(7), 1)).await;
    let (client, refusals) = client(identity(&ca(7), 2), 1, port.address);
    let answer = client
        .call(NodeId(1), small_rpc(), Duration::from_secs(2))
        .await;
    assert!(
        matches!(answer, Err(TransportError::Unreachable { .. })),
        "{answer:?}"
    );
    assert_eq!(
        (refusals.get(Refusal::ForeignCa), port.handler.all()),
        (1, 0)
    );
}

#[tokio::test]
async fn a_removed_node_is_told_so() {
    let ca = ca(7);
    let handler = Counting::default();
    handler.removed.lock().expect("no panic").insert(NodeId(2));
    let any = "127.0.0.1:0".parse().expect("any");
    let port = Port::open_with(identity(&ca, 1), handler, any).await;
    let (client, _) = client(identity(&ca, 2), 1, port.address);
    let answer = client
        .call(NodeId(1), small_rpc(), Duration::from_secs(2))
        .await;
    assert!(
        matches!(answer, Err(TransportError::Unreachable { .. })),
        "{answer:?}"
    );
    assert_eq!(*client.removed().borrow(), Some(NodeId(1)));
    assert_eq!(
        (port.refusals.get(Refusal::Removed), port.handler.all()),
        (1, 0)
    );
}

#[tokio::test]
async fn a_node_removed_while_connected_is_heard_no_more() {
    let ca = ca(7);
    let port = Port::open(identity(&ca, 1)).await;
    let (client, _) = client(identity(&ca, 2), 1, port.address);
    let deadline = Duration::from_secs(2);
    client
        .call(NodeId(1), small_rpc(), deadline)
        .await
        .expect("it is a member yet");
    port.handler
        .removed
        .lock()
        .expect("no panic")
        .insert(NodeId(2));
    client
        .call(NodeId(1), small_rpc(), deadline)
        .await
        .expect_err("it was removed");
    assert_eq!(*client.removed().borrow(), Some(NodeId(1)));
    assert_eq!(port.handler.all(), 1);
}

#[tokio::test]
async fn a_slow_handshake_is_cut_off() {
    let port = Port::open(identity(&ca(7), 1)).await;
    let begun = tokio::time::Instant::now();
    let mut tcp = TcpStream::connect(port.address).await.expect("it listens");
    // The start of a TLS record of 200 bytes that never comes.
    tcp.write_all(&[22, 3, 1, 0, 200, 1]).await.expect("sent");
    let mut answer = Vec::new();
    let _ = soon(tcp.read_to_end(&mut answer)).await;
    until("slow", || port.refusals.get(Refusal::Slow) == 1).await;
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "after {:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn one_address_cannot_take_every_place() {
    let port = Port::open(identity(&ca(7), 1)).await;
    let mut held = Vec::new();
    for _ in 0..30 {
        held.push(TcpStream::connect(port.address).await.expect("it listens"));
    }
    until("too_many", || port.refusals.get(Refusal::TooMany) == 14).await;
    assert_eq!(port.handler.all(), 0);
}

/// Lets one client in on an admin port of cluster 7; who it was, or why not.
async fn admin_port(
    server: farmux_raft::peer::Identity,
    connect: impl AsyncFnOnce(std::net::SocketAddr),
) -> Result<Option<farmux_raft::peer::certificate::Names>, Refusal> {
    let config = admin_server_config(&server).expect("a good identity");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let accepting = async {
        let (tcp, _) = listener.accept().await.expect("somebody comes");
        accept_admin(tcp, config).await.map(|(_, names)| names)
    };
    let (accepted, ()) = soon(async { tokio::join!(accepting, connect(address)) }).await;
    accepted
}

#[tokio::test]
async fn the_admin_port_is_for_administrators() {
    let ca7 = ca(7);
    let server = identity(&ca7, 1);
    let cases = [
        (Some(leaf(&ca7, &node_bearer(2), now())), Refusal::WrongRole),
        (
            Some(leaf(&ca(7), &admin_bearer(), now())),
            Refusal::ForeignCa,
        ),
        (
            Some(leaf(
                &ca7,
                &admin_bearer(),
                UnixMillis(now().0 - 91 * DAY_MS),
            )),
            Refusal::Expired,
        ),
    ];
    for (shows, reason) in cases {
        let stranger = Stranger {
            alpn: vec![b"http/1.1"],
            ..Stranger::peer(shows)
        };
        let refused = admin_port(server.clone(), async |address| {
            let _ = stranger.connect(address).await;
        });
        assert_eq!(refused.await, Err(reason));
    }
}

/// Who shows nothing is told apart from who shows something: for links in messages.
#[tokio::test]
async fn whoever_shows_nothing_is_a_guest_of_the_admin_port() {
    let guest = Stranger {
        alpn: vec![b"http/1.1"],
        ..Stranger::peer(None)
    };
    let accepted = admin_port(identity(&ca(7), 1), async |address| {
        let _ = guest.connect(address).await;
    });
    assert_eq!(accepted.await, Ok(None));
}

#[tokio::test]
async fn an_administrator_reaches_any_node_of_its_cluster_only() {
    let ca7 = ca(7);
    let (key, leaf) = leaf(&ca7, &admin_bearer(), now());
    let config = admin_client_config(ca7.certificate(), leaf, &key).expect("good");
    let name = || ServerName::IpAddress(std::net::Ipv4Addr::LOCALHOST.into());
    for node in [1, 2] {
        let accepted = admin_port(identity(&ca7, node), async |address| {
            let tcp = TcpStream::connect(address).await.expect("it listens");
            let stream = TlsConnector::from(config.clone())
                .connect(name(), tcp)
                .await;
            stream.expect("any node of the cluster will do");
        });
        let bearer = accepted.await.map(|names| names.map(|names| names.bearer));
        assert_eq!(bearer, Ok(Some(admin_bearer())));
    }
    let refused = admin_port(identity(&ca(7), 1), async |address| {
        let tcp = TcpStream::connect(address).await.expect("it listens");
        let stream = TlsConnector::from(config.clone())
            .connect(name(), tcp)
            .await;
        stream.expect_err("another cluster");
    });
    assert_eq!(refused.await, Err(Refusal::RefusedByPeer));
}
